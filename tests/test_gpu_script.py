"""The GPU script says where there is none, and all its parts run anywhere."""

import json
import math

import jax
import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.gpu import kernels, script, settings, training
from benchmarks.harness import Absent

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def _as_users_run_it():
    with jax.enable_x64(False), jax.numpy_rank_promotion("allow"):
        yield


@pytest.mark.skipif(settings.has_gpu(), reason="there is a GPU")
def test_without_a_gpu_it_says_so_and_ends_well(capsys):
    assert main(["gpu"]) == 0
    assert "No GPU is at hand: JAX runs on cpu." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["dense", "--dry"], "--dry is for the GPU script"),
        (["gpu", "dense"], "gpu takes no suites, got dense"),
        (["gpu", "--minutes", "3"], "--minutes is for the report"),
        (["dense", "--out", "x"], "--out is for what writes a page"),
    ],
)
def test_options_that_do_not_go_together_are_refused(arguments, words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.slow
def test_every_part_runs_small(tmp_path, capsys):
    assert main(["gpu", "--dry", "--out", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert all(f"{name}: done" in told for name in script.PARTS)
    (numbers,) = tmp_path.glob("*.json")
    parts = {one["name"]: one for one in json.loads(numbers.read_text())["parts"]}
    runs = parts["training in three dtypes"]["data"]
    assert [one["dtype"] for one in runs] == ["float32", "bfloat16", "float16", "bfloat16"]
    assert all(one["last"] < one["first"] for one in runs)
    assert all(one["left_out"] == 0 for one in runs)
    page = numbers.with_suffix(".md").read_text()
    assert f"absent: `{kernels.NO_CUDNN}`" in page
    assert "Yat attention beside cuDNN's" in page
    assert page.count("Failed") == 0


def test_a_part_that_fails_is_told_and_does_not_end_the_others(monkeypatch, tmp_path, capsys):
    def broken(_):
        raise RuntimeError("out of memory\nand more")

    monkeypatch.setattr(script, "PARTS", {"one": broken, "two": lambda _: ([1], ["fine"])})
    assert script.gpu(tmp_path, dry=True) == 1
    assert "one: RuntimeError: out of memory" in capsys.readouterr().out
    page = next(tmp_path.glob("*.md")).read_text()
    assert "Failed: RuntimeError: out of memory" in page
    assert "fine" in page


def test_what_there_is_no_time_for_is_left_out():
    late = settings.DRY._replace(end=-math.inf)
    assert list(settings.in_time(late, [1, 2])) == []
    assert list(settings.in_time(settings.DRY, [1, 2])) == [1, 2]
    assert list(training.trainings(late)) == []


@pytest.mark.slow
def test_attentions_are_the_same_but_for_their_scores():
    """That of cuDNN is looked for where it is; scores that find no room are left out."""
    rows = kernels.contenders(2 * kernels.LONGEST, False, lambda f: f)
    assert [isinstance(one, Absent) for one in rows] == [False, not settings.has_gpu(), True]
    query, key, value = kernels.draw(((1, 6, 2, 4),) * 3, np.float32)
    ours, *_, dot = kernels.contenders(6, True, lambda f: lambda: f(query, key, value))
    assert ours.call().shape == dot.call().shape == (1, 6, 2, 4)
    np.testing.assert_allclose(ours.call()[:, 0], value[:, 0], rtol=1e-5)  # it sees itself alone


def test_layers_compute_what_they_say():
    x, w, b = kernels.draw(((3, 4), (4, 5), (5,)), np.float32)
    linear = np.asarray(x) @ np.asarray(w)
    far = (np.asarray(x)[:, :, None] - np.asarray(w)) ** 2
    np.testing.assert_allclose(
        kernels.yat(x, w, b), (linear + b) ** 2 / (far.sum(1) + 1e-2), rtol=1e-4
    )
    np.testing.assert_allclose(kernels.gelu(x, w, b), jax.nn.gelu(linear + b), rtol=1e-5)
    np.testing.assert_allclose(kernels.product(x, w, b), linear, rtol=1e-5)
