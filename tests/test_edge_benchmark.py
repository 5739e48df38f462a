"""The benchmark of exported models: its contenders compute the same, and say what is absent."""

import os

import jax
import numpy as np
import pytest

from benchmarks import edge
from benchmarks.harness import Absent, Contender

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(autouse=True)
def _as_users_run_it():
    pytest.importorskip("safetensors")
    with jax.enable_x64(False), jax.numpy_rank_promotion("allow"):
        yield


def test_contenders_answer_alike_and_files_have_sizes():
    pytest.importorskip("jax2onnx")
    subject = next(edge.subjects())
    latency, sizes = edge.of_subject(subject)
    wanted = np.asarray(subject.model(subject.x))
    calls = [one for one in latency.contenders if isinstance(one, Contender)]
    assert {edge.MODEL, edge.JAX, edge.ONNX, *edge.VARIANTS} <= {one.name for one in calls}
    for one in calls:
        far = 0.3 if one.name in edge.NARROW else 1e-4
        np.testing.assert_allclose(np.asarray(one.call()), wanted, atol=far)
    bytes_of = {one.name: one.call() for one in sizes.contenders}
    assert bytes_of["onnxruntime, int8 weights"] < 0.4 * bytes_of[edge.ONNX]


@pytest.mark.parametrize("position", [1, 2])
def test_the_models_in_torch_are_those_of_the_zoo(position):
    torch = pytest.importorskip("torch")
    subject = list(edge.subjects())[position]
    with torch.no_grad():
        found = subject.in_torch(subject.model)(edge.example(subject)).numpy()
    np.testing.assert_allclose(found, subject.model(subject.x), rtol=1e-4, atol=1e-4)


def test_what_is_missing_is_a_row_that_says_so():
    def missing():
        raise ImportError

    assert edge.either({"a": missing}, "b") == {"a": Absent("a", "pip install b")}


def test_the_cores_of_the_process_are_given_back():
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("this system binds no process")
    before = os.sched_getaffinity(0)
    with edge._one_core():
        assert len(os.sched_getaffinity(0)) == 1
    assert os.sched_getaffinity(0) == before
