"""Every layer and the zoo's models, exported with free sizes, in a process that has jax alone."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from exported_models import case, names

import pyneurons_yat as pn

pytest.importorskip("flatbuffers")
pytest.importorskip("safetensors", reason="the zoo's trained models need it")
HERE = Path(__file__).parent


def write(folder, name):
    """Exports a case, keeps its inputs beside, and returns what Python computes of them."""
    call, shapes, inputs = case(name)
    pn.export(call, inputs[0], folder / f"{name}.jax", shapes=shapes)
    plain = [[np.asarray(a) for a in jax.tree.leaves(told(x))] for x in inputs]
    arrays = [array for leaves in plain for array in leaves]
    np.savez(folder / f"{name}.npz", **{str(i): array for i, array in enumerate(arrays)})
    return [np.asarray(y) for x in inputs for y in jax.tree.leaves(told(jax.jit(call)(*x)))]


def told(tree):
    """A tree whose graphs are dictionaries, which the process at the other end has too."""
    if isinstance(tree, pn.GraphsTuple):
        return tree._asdict()
    return tuple(map(told, tree)) if isinstance(tree, tuple) else tree


@pytest.mark.slow
def test_every_layer_and_model_computes_the_same_where_there_is_jax_alone(tmp_path):
    with jax.enable_x64(False), jax.numpy_rank_promotion("allow"):
        wanted = {name: write(tmp_path, name) for name in names()}
    command = [sys.executable, "-I", str(HERE / "bare_process.py"), str(tmp_path)]
    environment = {**os.environ, "JAX_DISABLE_MOST_OPTIMIZATIONS": "1", "JAX_PLATFORMS": "cpu"}
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "[]\n"
    for name, arrays in wanted.items():
        with np.load(tmp_path / f"{name}.out.npz") as file:
            found = [file[f"arr_{i}"] for i in range(len(file.files))]
        for one, two in zip(found, arrays, strict=True):
            assert one.dtype == two.dtype
            scale = max(1.0, float(np.max(np.abs(two), initial=0)))
            np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-5 * scale, err_msg=name)
