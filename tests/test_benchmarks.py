"""The benchmarks run, compare like with like, and say what is absent."""

import json
import sys
from itertools import pairwise

import jax
import numpy as np
import optax
import pytest

import pyneurons_yat as pn
from benchmarks import (
    attention,
    conv,
    dense,
    dispatch,
    fit,
    graph,
    imports,
    linear_attention,
    loops,
    rnn,
    vmap,
)
from benchmarks.__main__ import main
from benchmarks.harness import (
    Absent,
    Case,
    Contender,
    Result,
    Target,
    calibrate,
    measure,
    peer,
    quartiles,
)
from benchmarks.report import quantity, record, table, verdict

# The peers promote ranks and import modules that warn.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def _peers_promote_ranks():
    with jax.numpy_rank_promotion("allow"):
        yield


def numbers(result):
    """Every array in a result, as NumPy, whoever made it."""
    leaves = jax.tree.leaves(result)
    return [np.asarray(leaf.detach() if hasattr(leaf, "detach") else leaf) for leaf in leaves]


def assert_same_numbers(case, calls=1):
    """Contenders that say they compute the same return the same, call after call."""
    groups = {}
    for contender in case.contenders:
        if isinstance(contender, Contender) and contender.computes:
            results = [numbers(contender.call()) for _ in range(calls)]
            groups.setdefault(contender.computes, []).append((contender.name, results))
    for members in groups.values():
        for (name, results), (other, expected) in pairwise(members):
            for ours, theirs in zip(results, expected, strict=True):
                for one, two in zip(ours, theirs, strict=True):
                    message = f"{case.name}: {name} and {other}"
                    np.testing.assert_allclose(one, two, rtol=2e-4, atol=2e-4, err_msg=message)
    return {computes: [name for name, _ in members] for computes, members in groups.items()}


# The suites compare like with like


@pytest.mark.slow
def test_dense_contenders_return_the_same_values_and_gradients():
    pytest.importorskip("nmn.nnx")
    forward, gradient, memory = dense.cases([(8, 6, 4)])
    for case in (forward, gradient):
        groups = assert_same_numbers(case)
        assert {"pyneurons_yat", "nmn plain", "nmn fused"} <= set(groups[dense.YAT])
    sizes = measure(memory, rounds=5).samples
    assert all(len(samples) == 1 and samples[0] >= 0 for samples in sizes.values())
    assert {"pyneurons_yat", "relu", "nmn plain", "nmn fused"} == sizes.keys()


def test_conv_contenders_return_the_same_values_and_gradients():
    pytest.importorskip("nmn.nnx")
    forward, gradient, memory = conv.cases([conv.Size(2, 5, 3, 4, 3)])
    for case in (forward, gradient):
        assert set(assert_same_numbers(case)[conv.YAT]) == {"pyneurons_yat", "nmn"}
    sizes = measure(memory, rounds=5).samples
    assert {"pyneurons_yat", "relu", "nmn"} == sizes.keys()


def test_dense_formula_is_the_published_one():
    arrays, _ = dense.draw(5, 4, 3)
    x, kernel, bias, alpha = (np.asarray(array, np.float64) for array in arrays)
    distance = ((x[:, :, None] - kernel[None]) ** 2).sum(1) + dense.EPSILON
    expected = alpha * (x @ kernel + bias) ** 2 / distance
    forward, *_ = dense.cases([(5, 4, 3)])
    ours = forward.contenders[0]
    # The same seed draws the same arrays.
    np.testing.assert_allclose(ours.call(), expected, rtol=1e-4)


@pytest.mark.slow
def test_attention_contenders_return_the_same_values_and_gradients():
    pytest.importorskip("nmn.nnx")
    *timed, doubling, _ = attention.cases([16], [16, 32], (2, 8, 3))
    (memory,) = [case for case in timed if case.unit == "bytes"]
    timed.remove(memory)
    assert [case.name for case in timed][-1] == "attention gradient 8 causal, batch 2, 3 heads"
    for case in timed:
        groups = assert_same_numbers(case)
        (same,) = [names for names in groups.values() if attention.NMN in names]
        assert set(same) == {attention.SOFTER, attention.NMN}
    for case in (memory, doubling):
        sizes = measure(case, rounds=5).samples
        assert all(len(samples) == 1 and samples[0] > 0 for samples in sizes.values())
    assert doubling.targets == [Target("32", "16", "<=", 2.0)]


def test_dispatch_contenders_return_the_same_values():
    (case,) = dispatch.cases()
    groups = assert_same_numbers(case)
    assert {"pyneurons_yat", "bare tuple"} <= set(groups[dispatch.FORMULA])


@pytest.mark.slow
@pytest.mark.parametrize("index", [0, 1])
def test_fit_loops_take_the_same_steps(index, monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.setattr(fit, "EPOCHS", 1)
    case = list(fit.cases())[index]
    groups = assert_same_numbers(case, calls=3)
    assert any({fit.RAW, fit.LOOP, fit.STEP} <= set(names) for names in groups.values())


def test_fit_compiles_the_epoch_of_the_loop(monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.setattr(fit, "EPOCHS", 1)
    model = pn.sequential(pn.Linear(jax.random.key(0), 64, 10))
    images, labels = fit.digits()
    batches = list(zip(np.split(images, fit.BATCHES), np.split(labels, fit.BATCHES), strict=True))
    loop = fit.stepper(*fit.ours(model), batches)
    losses = [loop() for _ in range(fit.BATCHES)]
    _, history = fit.epochs(model, images, labels, seed=None)()
    np.testing.assert_allclose(history["loss"], [np.mean(losses)], rtol=1e-5)


def test_three_ways_to_train_take_the_same_steps(monkeypatch):
    pytest.importorskip("sklearn")
    images, labels = loops.digits()
    few = 2 * loops.BATCH
    for name, value in {
        "EPOCHS": 1,
        "BRIEF": 2,
        "OPTIMIZER": optax.sgd(0.1),
        "digits": lambda: (images[:few], labels[:few]),
    }.items():
        monkeypatch.setattr(loops, name, value)
    groups = assert_same_numbers(next(loops.cases()))
    assert groups == {loops.WORK: [loops.FIT, loops.LOOP, loops.SCAN]}

    def scores_and_targets(key):
        for network in loops.networks(key):
            x, y = network.inputs(images[:2]), network.targets(images[:2], labels[:2])
            yield network.model(x), y

    for scores, y in jax.eval_shape(lambda key: [*scores_and_targets(key)], jax.random.key(1)):
        assert scores.shape[:-1] == y.shape


@pytest.mark.slow
def test_graph_contenders_return_the_same_values_and_gradients():
    for case in graph.cases(20, 40, 3, names=()):
        groups = assert_same_numbers(case)
        assert [len(names) for names in groups.values()] == [2, 2]


@pytest.mark.slow
def test_graph_accuracies_are_one_a_seed(monkeypatch, tmp_path):
    with jax.enable_x64(False):
        words = {"feature_rows": [0, 1, 2], "feature_cols": [0, 1, 0], "feature_values": [1.0] * 3}
        sizes = {"num_nodes": 3, "num_features": 2, "edges": [[0, 2], [2, 0]]}
        split = {"labels": [0, 1, 0], "train": [0, 1], "validation": [2], "test": [2]}
        np.savez(tmp_path / "cora.npz", **words, **sizes, **split)
        for name, value in {"DATA": tmp_path, "SEEDS": 2, "EPOCHS": 20}.items():
            monkeypatch.setattr(graph, name, value)
        result = measure(graph.accuracy_case("cora"), rounds=1)
        assert len(result.samples["Yat network"]) == 2
        assert "81.5 %" in table(result)
        assert "absent" in table(measure(graph.accuracy_case("citeseer"), rounds=1))


@pytest.mark.slow
def test_rnn_contenders_return_the_same_values_and_gradients():
    pytest.importorskip("flax.nnx")
    pytest.importorskip("torch")
    for case in rnn.cases((4, 2, 3)):
        groups = assert_same_numbers(case)
        name = case.name.split()[0]
        assert groups[name] == [rnn.OURS, rnn.INSIDE]
        others = [c.name for c in case.contenders[2:]]
        assert others == ([] if name.startswith("Yat") else [rnn.FLAX, rnn.TORCH])
        for contender in case.contenders[2:]:
            assert all(np.isfinite(n).all() for n in numbers(contender.call()))


@pytest.mark.slow
def test_vmapped_contenders_return_the_same_gradients(monkeypatch):
    subjects = {subject.name: subject for subject in vmap.subjects()}
    monkeypatch.setattr(vmap, "subjects", lambda: [subjects["YatDense"], subjects["RNN, GRUCell"]])
    dense, recurrent, physics = vmap.cases(3, 4)
    for case in (dense, recurrent):
        (same,) = assert_same_numbers(case).values()
        assert same == [vmap.BATCHED, vmap.MAPPED]
        assert case.targets == [Target("vmapped", "batched", "<=", 1.3)]
    assert assert_same_numbers(physics) == {vmap.BURGERS: [vmap.OURS, vmap.PLAIN]}


def test_import_contenders_are_fresh_processes(monkeypatch):
    monkeypatch.setattr(imports, "PEERS", ())
    (case,) = imports.cases()
    assert [contender.name for contender in case.contenders] == [
        "import jax",
        imports.BASELINE,
        imports.OURS,
    ]
    assert case.contenders[-1].call() == 0


@pytest.mark.slow
def test_linear_attention_measures_time_memory_and_nearness():
    found = list(linear_attention.cases([8], [(1.0, 0.5)], draws=1))
    assert [case.unit for case in found] == ["s", "s", "bytes"] * 2 + ["%"]
    for case in found:
        assert all(np.all(np.isfinite(x)) for c in case.contenders[:2] for x in numbers(c.call()))
    cosines = {name: one for name, (one,) in measure(found[-1], rounds=1).samples.items()}
    assert cosines["averaging"] < cosines["pyneurons_yat"] < 100


# The harness


def constant(name, computes="one"):
    return Contender(name, computes, lambda: 1.0)


def test_samples_are_per_round_and_the_order_is_shuffled_by_seed():
    calls = []
    names = ["a", "b", "c"]
    contenders = [Contender(name, "", lambda name=name: calls.append(name)) for name in names]
    case = Case("order", "a", contenders)
    orders = []
    for _ in range(2):
        calls.clear()
        result = measure(case, rounds=20, seconds=0.0)
        timed = calls[-60:]
        orders.append([tuple(timed[i : i + 3]) for i in range(0, 60, 3)])
    assert orders[0] == orders[1]
    assert len(set(orders[0])) > 1
    assert all(sorted(order) == names for order in orders[0])
    assert all(len(samples) == 20 for samples in result.samples.values())


def test_a_sample_lasts():
    repeats = calibrate(lambda: None, seconds=0.002)
    assert repeats > 100


def test_work_divides_the_time():
    contenders = [Contender("one", "", lambda: None), Contender("ten", "", lambda: None, work=10)]
    result = measure(Case("work", "one", contenders), rounds=9, seconds=0.001)
    _, ratio, _ = quartiles(result.compare("ten", "one"))
    assert 0.02 < ratio < 0.5


def test_ratios_are_taken_round_by_round():
    result = Result(Case("pairs", "b", []), {"a": [1.0, 20.0, 3.0], "b": [2.0, 10.0, 1.0]})
    assert result.compare("a", "b") == [0.5, 2.0, 3.0]
    assert result.compare("a", "b", "difference") == [-1.0, 10.0, 2.0]
    assert quartiles([1.0, 2.0, 3.0, 4.0, 5.0]) == (2.0, 3.0, 4.0)


@pytest.mark.parametrize(
    ("target", "met"),
    [
        (Target("a", "b", "<=", 1.1), True),
        (Target("a", "b", "<=", 1.0), False),
        (Target("a", "b", "<=", 1.0, noise=True), True),
        (Target("a", "b", ">=", 1.05), True),
        (Target("a", "b", ">=", 1.2), False),
        (Target("a", "b", "<=", 0.11, quantity="difference"), True),
        (Target("a", "gone", "<=", 1.0), None),
    ],
)
def test_targets(target, met):
    samples = {"a": [0.9, 0.95, 1.1, 1.1, 1.15], "b": [1.0] * 5}
    result = Result(Case("targets", "b", [constant("a"), constant("b")], [target]), samples)
    assert result.verdict(target) is met
    words = {True: "ok", False: "MISSED", None: "not measured"}
    assert verdict(result, target).endswith(words[met])


def test_quantities_have_a_prefix():
    assert [quantity(v, "s") for v in (1.5, -2e-3, 3e-6, 0.0)] == [
        "1.50 s",
        "-2.00 ms",
        "3.00 us",
        "0 s",
    ]
    assert quantity(3 * 2**20, "bytes") == "3 MiB"


# Absent peers


def test_an_absent_peer_is_a_row_and_not_an_error(monkeypatch):
    for module in ("torch", "nmn.nnx"):
        monkeypatch.setitem(sys.modules, module, None)
    forward, *_ = dense.cases([(3, 2, 2)])
    text = table(measure(forward, rounds=1, seconds=0.0))
    assert "nmn fused" in text
    assert "absent: pip install nmn" in text
    assert "absent: pip install torch" in text
    assert "pyneurons_yat / nmn plain <= 1.00 within noise: not measured" in text


def test_peer_builds_only_what_is_installed():
    assert peer("no_such_module", "it", ["x", "y"], list) == [
        Absent("x", "pip install it"),
        Absent("y", "pip install it"),
    ]
    assert peer("json", "it", ["x"], list) == []


# The command line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nonsense"], "unknown suite 'nonsense'"),
        (["dense", "--rounds", "0"], "--rounds must be at least 1"),
        (["dense", "--rounds", "few"], "--rounds"),
        (["--nonsense"], "--nonsense"),
        (["dense", "--json", "no/such/folder/x.json"], "no folder"),
    ],
)
def test_a_bad_option_is_one_line_and_code_2(arguments, words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    message = capsys.readouterr().err
    assert words in message
    assert message.count("\n") == 1


def test_list_names_the_suites(capsys):
    assert main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [
        "attention",
        "conv",
        "dense",
        "dispatch",
        "edge",
        "end_to_end",
        "fit",
        "floor",
        "graph",
        "import",
        "linear_attention",
        "loops",
        "rnn",
        "sparse",
        "vmap",
    ]


def test_json_holds_every_sample_and_the_plot_is_drawn(tmp_path, capsys, monkeypatch):
    pytest.importorskip("matplotlib")
    case = Case("small", "a", [constant("a"), constant("b"), Absent("c", "pip install c")])
    monkeypatch.setattr(dispatch, "cases", lambda: iter([case]))
    numbers, picture = tmp_path / "numbers.json", tmp_path / "picture.png"
    options = ["--rounds", "3", "--json", str(numbers), "--plot", str(picture)]
    assert main(["dispatch", *options]) == 0
    assert "small" in capsys.readouterr().out
    content = json.loads(numbers.read_text())
    assert {"processor", "cores", "python", "packages"} <= content["machine"].keys()
    (result,) = content["results"]
    first, second, absent = result["contenders"]
    assert absent == {"name": "c", "absent": "pip install c"}
    samples = {row["name"]: row["samples"] for row in (first, second)}
    assert all(len(values) == 3 for values in samples.values())
    assert record(Result(case, samples)) == result
    assert picture.read_bytes().startswith(b"\x89PNG")
