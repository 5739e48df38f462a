"""The straight-through functions: values, dtypes, and what they are as Python objects."""

import copy
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pyneurons_yat import ops

NAMES = ("binary", "relu", "relu1", "vector", "abs")
FUNCTIONS = [*(getattr(ops, name) for name in NAMES), ops.relun(2)]
every_function = pytest.mark.parametrize("op", FUNCTIONS, ids=[*NAMES, "relun"])
POINTS = (-np.inf, -2.0, -0.0, 0.0, 1e-30, 0.5, 1.0, 3.0, np.inf)
WANTED = {
    "binary": (0, 0, 1, 1, 1, 1, 1, 1, 1),
    "relu": (0, 0, 0, 0, 1e-30, 0.5, 1, 3, np.inf),
    "relu1": (0, 0, 0, 0, 1e-30, 0.5, 1, 1, 1),
    "vector": (0, 0, 1, 1, 1, 1.5, 2, 2, 2),
    "abs": (np.inf, 2, 0, 0, 1e-30, 0.5, 1, 3, np.inf),
    "relun": (0, 0, 0, 0, 1e-30, 0.5, 1, 2, 2),
}


@pytest.mark.parametrize(
    ("op", "wanted"), list(zip(FUNCTIONS, WANTED.values(), strict=True)), ids=WANTED
)
def test_values_and_gradients_by_name(op, wanted):
    x = np.array(POINTS)
    np.testing.assert_array_equal(op(x), wanted)
    both = jax.jit(jax.vmap(lambda x: (jax.grad(op)(x), jax.grad(jax.grad(op))(x))))
    slopes, bends = both(x)
    np.testing.assert_array_equal(slopes, np.sign(x) if op is ops.abs else np.ones_like(x))
    np.testing.assert_array_equal(bends, 0)


@every_function
def test_missing_numbers_are_not_hidden(op):
    assert np.isnan(op(jnp.nan))


@every_function
def test_integers_become_the_default_float(op):
    default = jnp.result_type(float)
    for whole in (3, np.array([3, -1]), jnp.array([3, -1], jnp.int8), np.array([True, False])):
        y = op(whole)
        assert y.dtype == default
        np.testing.assert_array_equal(y, op(np.asarray(whole, np.float64)))
    with jax.enable_x64(False):
        assert op(3).dtype == jnp.float32


@every_function
def test_pickle_and_copy(op):
    for twin in (pickle.loads(pickle.dumps(op)), copy.deepcopy(op)):
        assert twin == op
        assert hash(twin) == hash(op)
        assert twin(-0.5) == op(-0.5)


def test_relun_is_a_value():
    assert ops.relun(2) == ops.relun(2)
    assert ops.relun(2) != ops.relun(3)
    assert repr(ops.relun(2)) == "relun(n=2)"
    traces = []

    def apply(op, x):
        traces.append(op)
        return op(x)

    compiled = jax.jit(apply, static_argnums=0)
    assert [compiled(ops.relun(2), 5.0), compiled(ops.relun(2), -5.0)] == [2, 0]
    assert len(traces) == 1


@pytest.mark.parametrize("n", [0, -1.5, float("nan")])
def test_relun_wants_a_cap_above_zero(n):
    with pytest.raises(ValueError, match="^relun: n must be above 0 and finite, got"):
        ops.relun(n)


@pytest.mark.parametrize("n", ["6", None, np.ones(2), jnp.ones(())])
def test_relun_wants_a_number(n):
    with pytest.raises(TypeError, match="^relun: n must be a Python number, got"):
        ops.relun(n)


@pytest.mark.parametrize("x", [1j, np.ones(2, complex), [1.0], "1"], ids=str)
@every_function
def test_what_is_no_real_array_is_refused(op, x):
    with pytest.raises(TypeError, match="x must be "):
        op(x)


@pytest.mark.parametrize("decorate", [ops.vjp.identity, ops.vjp.sign])
def test_a_changed_shape_is_an_error(decorate):
    @decorate
    def total(x):
        """Adds up."""
        return jnp.sum(x)

    with pytest.raises(ValueError, match=r"^total: .* shape of x, \(3,\), but returned"):
        total(np.ones(3))
    assert total(2.0) == 2
    assert (total.__name__, total.__doc__) == ("total", "Adds up.")


def test_a_decorated_function_may_return_booleans_and_take_parameters():
    above = ops.vjp.identity(lambda x, level: x > level)
    y, pull = jax.vjp(above, jnp.array([1.0, 3.0]), 2.0)
    np.testing.assert_array_equal(y, [0.0, 1.0])
    dx, dlevel = pull(jnp.array([5.0, 7.0]))
    np.testing.assert_array_equal(dx, [5, 7])
    assert dlevel == 0


def test_gradients_are_scaled_by_the_sign():
    double = ops.vjp.sign(lambda x: x + 1)
    slopes = jax.vmap(jax.grad(lambda x: 3 * double(x)))(jnp.array([-2.0, 0.0, 2.0]))
    np.testing.assert_array_equal(slopes, [-3, 0, 3])
