"""The report: it tells every loss, and its floors and networks are what they say."""

import json

import jax
import numpy as np
import pytest

from benchmarks import correctness, end_to_end, floor, page, peers, tasks
from benchmarks.__main__ import main
from benchmarks.harness import Absent, Case, Contender, Result, Target
from benchmarks.steps import PLAIN, YAT, Trainer, steps_to

pytestmark = pytest.mark.filterwarnings("ignore")
SIZE = tasks.Size(8, 2, 8, 8, 1, 2, 8, 2)


@pytest.fixture(autouse=True)
def _peers_promote_ranks():
    with jax.numpy_rank_promotion("allow"), jax.enable_x64(False):
        yield


def rows(*names):
    return [Contender(name, "", lambda: 1.0) for name in names]


# What is done


@pytest.mark.parametrize("kind", ["mlp", "cnn", "gru", "gpt"])
def test_the_floor_has_the_products_of_the_plain_network(kind):
    pytest.importorskip("sklearn")
    (task,) = [task for task in tasks.tasks(SIZE) if task.kind == kind]
    model = jax.eval_shape(task.plain, jax.random.key(0))
    found = counted(jax.make_jaxpr(lambda model, x: model(x))(model, task.x[0]).jaxpr)
    wanted = sum(product.count * flops(product) for product in task.products)
    assert found == wanted


def flops(product):
    """Multiplications of one product."""
    shape = jax.eval_shape(floor.operation(product), *map(np.zeros, (product.left, product.right)))
    *window, _, outputs = product.right
    if product.equation == "conv":
        return int(np.prod(shape.shape)) * int(np.prod(product.right)) // outputs
    summed = product.left[-1]
    return int(np.prod(shape.shape)) * summed


def counted(jaxpr):
    """Multiplications of all products in a program, those of loops as often as they run."""
    total = 0
    for equation in jaxpr.eqns:
        name, sizes = equation.primitive.name, [v.aval.shape for v in equation.invars]
        if name == "dot_general":
            ((contracted, _), _) = equation.params["dimension_numbers"]
            summed = int(np.prod([sizes[0][axis] for axis in contracted]))
            total += int(np.prod(equation.outvars[0].aval.shape)) * summed
        elif name == "conv_general_dilated":
            *_, outputs = sizes[1]
            total += int(np.prod(equation.outvars[0].aval.shape)) * (
                int(np.prod(sizes[1])) // outputs
            )
        times = equation.params.get("length", 1) if name == "scan" else 1
        for inner in jax.tree.leaves(equation.params, is_leaf=lambda p: hasattr(p, "eqns")):
            inner = getattr(inner, "jaxpr", inner)
            total += times * counted(inner) if hasattr(inner, "eqns") else 0
    return total


def test_a_chain_multiplies_as_often_as_there_are_steps():
    product = tasks.Product((2, 3), (3, 9), count=4, chained=True)
    left, right, cotangent = np.ones((2, 3)), np.eye(3, 9), np.ones((2, 9))
    h, g, weights = jax.jit(lambda *a: floor.chain(product, *a))(left, right, cotangent)
    np.testing.assert_allclose(h, left)
    np.testing.assert_allclose(g, cotangent)
    np.testing.assert_allclose(weights, np.full((3, 9), 8.0))  # 4 steps of 2 rows


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["mlp", "cnn", "gru", "gpt"])
def test_peers_train_the_same_sizes(kind):
    pytest.importorskip("sklearn")
    (task,) = [task for task in tasks.tasks(SIZE) if task.kind == kind]
    for name in peers.PEERS:
        for one in peers.of(name, task):
            losses = [float(np.asarray(one.call())) for _ in range(3)]
            assert np.all(np.isfinite(losses)), name
            assert losses[0] < 10, name


def test_steps_to_a_loss_are_those_at_which_the_mean_of_ten_is_there():
    falling = iter(np.arange(100, 0, -1.0))
    assert steps_to(90.5, Trainer("", lambda: next(falling)), 100) == 15  # 95 to 86
    assert steps_to(-1.0, Trainer("", lambda: 1.0), 12) == float("inf")


def test_time_to_a_loss_is_steps_times_seconds():
    names = (YAT, PLAIN, "nmn, Yat", "torch")
    step = Result(Case("A, a step on B", PLAIN, rows(*names)), {n: [1.0, 2.0] for n in names})
    steps = Result(Case("A, steps to a loss of 1", PLAIN, rows(YAT, PLAIN)), {YAT: [3], PLAIN: [4]})
    ((one, two),) = end_to_end.pairs([step, steps])
    times = end_to_end.time_to_loss(one, two)
    assert times.samples == {YAT: [3, 6], PLAIN: [4, 8], "nmn, Yat": [3, 6], "torch": [4, 8]}
    steps.samples[YAT] = [float("inf")]
    assert set(end_to_end.time_to_loss(step, steps).samples) == {PLAIN, "torch"}


def test_errors_against_float64_are_a_few_units():
    found = list(correctness.errors(60.0, ("float32", "bfloat16"), ("softermax", "linear")))
    assert {(error.case, error.dtype) for error in found} >= {("linear", "float32")}
    assert all(0 < error.value < 100 and error.gradient < 300 for error in found)
    assert not list(correctness.errors(-1.0))


def test_a_wrong_result_is_a_large_error():
    assert correctness.distance(np.array([1.0, 2.0]), [1.0, 4.0]) == 0.5


# What is told


def lost(samples, targets=(), why="", unit="s"):
    case = Case("c", "flax nnx", rows(*samples), targets, unit, why=why)
    return page.losses(Result(case, {name: [value] for name, value in samples.items()}))


def test_a_line_that_loses_is_told_with_its_reason_or_as_unexplained():
    samples = {"pyneurons_yat": 1.3, "flax nnx": 1.0}
    assert lost(samples) == [page.Loss("c", "pyneurons_yat / flax nnx: 1.30", "")]
    assert lost(samples, why="scan")[0].why == "scan"
    bound = Target("pyneurons_yat", "flax nnx", "<=", 1.2, why="known")
    (only,) = lost(samples, [bound], why="scan")
    assert only.why == "known"
    assert "1.30" in only.text
    assert not lost({"pyneurons_yat": 1.05, "flax nnx": 1.0})
    assert not lost(samples, unit="steps")
    assert not lost({"pyneurons_yat": 1.3, "relu": 1.0, "flax nnx": 1.2})
    assert not lost({"pyneurons_yat, plain": 1.0, "pyneurons_yat, Yat": 2.0, "torch": 1.0})


def test_the_report_is_a_page_with_pictures_and_numbers(tmp_path, capsys, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(correctness, "errors", lambda _: [correctness.Error("yat", "f", 1, 2)])
    contenders = [*rows("pyneurons_yat", "flax nnx"), Absent("torch", "pip install torch")]
    case = Case("one | two", "flax nnx", contenders, [Target("pyneurons_yat", "flax nnx", ">=", 9)])
    monkeypatch.setattr("benchmarks.dispatch.cases", lambda: iter([case]))
    assert main(["report", "dispatch", "--out", str(tmp_path), "--minutes", "1"]) == 0
    text = (tmp_path / "results.md").read_text()
    assert "one \\| two" in text
    assert "**unexplained**" in text
    assert "absent: `pip install torch`" in text
    assert "(dispatch.svg)" in text
    assert "| yat | f | 1 | 2 |" in text
    assert (tmp_path / "dispatch.svg").is_file()
    content = json.loads((tmp_path / "results.json").read_text())
    assert content["suites"]["dispatch"][0]["targets"][0]["met"] is False
    assert "results.md" in capsys.readouterr().out


def test_a_suite_without_time_names_what_it_left_out():
    class Module:
        """A suite."""

        ROUNDS = 3

        @staticmethod
        def cases():
            return iter([Case("first", "a", rows("a"))])

    suite = page.within("none", Module, -1.0)
    assert suite.left_out == ["first"]
    assert "Left out for want of time: first." in list(page.section(suite))


def test_shares_of_the_time_are_weighed():
    found = dict(page.shares(page.time.monotonic() + 70, ["end_to_end", "rnn"]))
    weight = page.WEIGHTS["end_to_end"]
    assert weight > 1
    assert found["end_to_end"] == pytest.approx(70 * 0.9 * weight / (weight + 1), rel=0.01)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["dense", "--out", "x"], "--out is for what writes a page"),
        (["report", "--minutes", "0"], "--minutes must be above 0"),
        (["report", "nonsense"], "unknown suite 'nonsense'"),
    ],
)
def test_a_bad_option_of_the_report_is_one_line(arguments, words, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    assert words in capsys.readouterr().err
