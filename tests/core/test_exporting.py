"""jax.export of functions that take or give models: written down, and read in another process."""

import subprocess
import sys
from typing import NamedTuple

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pyneurons_yat as pn

pytest.importorskip("flatbuffers")
X = np.linspace(-1.0, 1.0, 12).reshape(4, 3)


class Inner(NamedTuple):
    scale: jax.Array


class Params(NamedTuple):
    linear: pn.Model
    inner: Inner


def create(key):
    return Params(pn.Linear(key, 3, 2), Inner(jnp.ones(2)))


def apply(params, x):
    return params.inner.scale[None] * params.linear(x)


Nested = pn.bind("Nested", create, apply)


def matmul(kernel, x):
    return x @ kernel


def linear(seed=0, outputs=2):
    return pn.Linear(jax.random.key(seed), 3, outputs)


def named():
    return pn.sequential({"a": linear(outputs=3), "act": jax.nn.relu, "b": linear(1)})


MODELS = {
    "linear": linear,
    "named": named,
    "norm": lambda: pn.sequential(pn.BatchNorm(3), pn.Dropout(0.5), jnp.tanh),
    "transformed": lambda: pn.reparam(linear(), pn.weight_norm()),
    "composed": lambda: pn.compose(linear(), pn.relu, pn.relun(2)),
    "frozen": lambda: pn.freeze(named(), "a"),
    "repeated": lambda: pn.repeat(pn.Linear, 2)(jax.random.key(0), 3, 3),
    "one array": lambda: pn.bind(jnp.ones((3, 2)), matmul),
    "nested": lambda: Nested(jax.random.key(0)),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_function_of_a_model_is_written_and_read(name):
    model = MODELS[name]()
    written = jax.export.export(jax.jit(lambda model, x: (model(x), model)))(model, X).serialize()
    read = jax.export.deserialize(written)
    y, same = read.call(model, X)
    np.testing.assert_allclose(y, model(X), rtol=1e-6)
    assert jax.tree.structure(same) == jax.tree.structure(model)


def test_a_training_step_with_its_state_is_written_and_read():
    state = pn.TrainState.create(Nested(jax.random.key(0)), optax.adam(0.1))
    step = jax.jit(pn.train_step(pn.mse, optax.adam(0.1)))
    batch = (X, np.zeros((4, 2)))
    read = jax.export.deserialize(jax.export.export(step)(state, batch).serialize())
    expected, _ = step(state, batch)
    found, _ = read.call(state, batch)
    jax.tree.map(np.testing.assert_allclose, found.model, expected.model)


@pytest.mark.slow
def test_what_one_process_writes_another_reads(tmp_path):
    model = pn.sequential({"a": pn.Linear(jax.random.key(0), 3, 2), "act": pn.relu})
    path = tmp_path / "written"
    path.write_bytes(
        jax.export.export(jax.jit(lambda model, x: model(x)))(model, np.float32(X)).serialize()
    )
    code = f"""
import jax, jax.export, numpy as np, pyneurons_yat as pn
read = jax.export.deserialize(bytearray(open({str(path)!r}, "rb").read()))
model = pn.sequential({{"a": pn.Linear(jax.random.key(0), 3, 2), "act": pn.relu}})
print(float(read.call(model, np.float32({X.tolist()})).sum()))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert float(ran.stdout) == pytest.approx(float(model(X).sum()), rel=1e-5)


def test_functions_without_a_name_are_refused_with_a_cure():
    model = pn.compose(pn.Linear(jax.random.key(0), 3, 2), lambda y: 2 * y)
    exported = jax.export.export(jax.jit(lambda model, x: model(x)))(model, X)
    with pytest.raises(TypeError, match="importable by name.*define it at the top of a module"):
        exported.serialize()


def test_a_class_may_be_registered_by_others_too():
    class Own(NamedTuple):
        a: float

    jax.export.register_namedtuple_serialization(Own, serialized_name="own name")
    assert pn.exportable({"a": Own(1.0)}) == {"a": Own(1.0)}
