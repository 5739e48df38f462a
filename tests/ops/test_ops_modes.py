"""Switching between the reverse rules and the plain definitions."""

import pickle

import jax
import jax.numpy as jnp
import pytest

from pyneurons_yat import ops


def refused():
    return pytest.raises(TypeError, match="forward-mode")


def test_the_flag_is_restored():
    with pytest.raises(KeyError), ops.forward_mode(True):
        raise KeyError
    with refused():
        jax.jvp(ops.softer_sigmoid, (1.0,), (1.0,))


def test_the_flag_nests():
    with ops.forward_mode():
        with ops.forward_mode(False), refused():
            jax.jvp(ops.softer_sigmoid, (1.0,), (1.0,))
        assert jax.jvp(ops.softer_sigmoid, (1.0,), (1.0,))[1] == 0.25


def test_the_flag_is_read_when_a_function_is_traced():
    calls = []

    @jax.jit
    def model(x):
        calls.append(x)
        return ops.yat(x, jnp.ones((2, 1)), 0.5)[0]

    x = jnp.array([1.0, 2.0])
    for _ in range(2):
        model(x)
        with ops.forward_mode(True):
            model(x)
    assert len(calls) == 2  # one trace per mode, each kept


def test_the_straight_through_functions_need_no_flag():
    assert jax.jvp(ops.vector, (0.5,), (3.0,))[1] == 3
    assert jax.hessian(ops.relu)(2.0) == 0


@pytest.mark.parametrize("name", [n for n in ops.__all__ if n != "vjp"])
def test_every_op_pickles_by_reference(name):
    assert pickle.loads(pickle.dumps(getattr(ops, name))) is getattr(ops, name)
