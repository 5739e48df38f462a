"""reparam: maps of the parameters."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn

X = np.linspace(-1.0, 1.0, 12).reshape(4, 3)


class Scaled(NamedTuple):
    kernel: jax.Array
    total: jax.Array


def create(key):
    return Scaled(jax.random.normal(key, (3, 2)), jnp.zeros(2))


def apply(params, x):
    return x @ params.kernel


def observe(params, x):
    y = x @ params.kernel
    return y, params._replace(total=params.total + y.sum(0))


Summing = pn.bind("Summing", create, apply, observe, roles={"total": "state"})


def unit(params):
    norms = jnp.linalg.norm(params.kernel, axis=0, keepdims=True)
    return params._replace(kernel=params.kernel / norms)


def drop(params, *, key=None):
    if key is None:
        return params
    return params._replace(kernel=params.kernel * jax.random.bernoulli(key, 0.5, (3, 2)))


def ternary(params):
    signs = jnp.sign(params.kernel)
    return params._replace(
        kernel=params.kernel + jax.lax.stop_gradient(signs - params.kernel),
    )


def unit_truth(kernel):
    return kernel / np.linalg.norm(kernel, axis=0, keepdims=True)


def test_of_a_layer_and_of_a_model():
    Unit = pn.reparam(pn.Linear, unit)
    assert isinstance(Unit, pn.Layer)
    assert Unit.name == "Linear"
    model = Unit(jax.random.key(0), 3, 2, use_bias=False)
    plain = pn.Linear(jax.random.key(0), 3, 2, use_bias=False)
    np.testing.assert_array_equal(model.kernel, plain.kernel)  # stored is what is drawn
    expected = X @ unit_truth(np.asarray(plain.kernel, np.float64))
    np.testing.assert_allclose(model(X), expected, rtol=1e-6)
    np.testing.assert_array_equal(pn.reparam(plain, unit)(X), model(X))
    assert jax.tree.structure(pn.reparam(plain, unit)) == jax.tree.structure(model)


def test_the_gradient_is_that_of_the_composition():
    model = pn.reparam(Summing, unit)(jax.random.key(0))
    kernel = np.asarray(model.kernel)
    gradient = jax.grad(lambda m: (m(X) ** 2).sum())(model).kernel
    step, expected = 1e-6, np.zeros_like(kernel)
    for place in np.ndindex(kernel.shape):
        for sign in (1, -1):
            moved = kernel.copy()
            moved[place] += sign * step
            expected[place] += sign * ((X @ unit_truth(moved)) ** 2).sum() / (2 * step)
    np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-8)


def test_straight_through_ternary_weights():
    model = pn.reparam(Summing, ternary)(jax.random.key(0))
    np.testing.assert_allclose(model(X), X @ np.sign(np.asarray(model.kernel)), rtol=1e-12)
    gradient = jax.grad(lambda m: m(X).sum())(model).kernel
    np.testing.assert_allclose(gradient, np.repeat(X.sum(0)[:, None], 2, 1))


def test_transforms_nest_the_outer_first():
    def plus_one(params):
        return params._replace(kernel=params.kernel + 1)

    def twice(params):
        return params._replace(kernel=2 * params.kernel)

    model = pn.reparam(pn.reparam(Summing, twice), plus_one)(jax.random.key(0))
    kernel = np.asarray(model.kernel)
    np.testing.assert_allclose(model(X), X @ (2 * (kernel + 1)), rtol=1e-12)


def test_equal_parts_give_equal_layers():
    assert pn.reparam(Summing, unit) == pn.reparam(Summing, unit)
    assert hash(pn.reparam(Summing, unit)) == hash(pn.reparam(Summing, unit))
    assert pn.reparam(Summing, unit) != Summing


def test_options_pass_through():
    Unit = pn.reparam(pn.YatDense, unit)
    model = Unit(jax.random.key(0), 3, 2, epsilon=0.5)
    plain = pn.YatDense(pn.Box(unit(model.params)), epsilon=0.5)
    np.testing.assert_allclose(model(X), plain(X), rtol=1e-12)
    np.testing.assert_allclose(model(X, epsilon=2.0), plain(X, epsilon=2.0), rtol=1e-12)


def test_a_keyed_transform_gets_a_key_in_observe_only():
    model = pn.reparam(pn.Linear, drop)(jax.random.key(0), 3, 2, use_bias=False)
    plain = pn.Linear(pn.Box(model.params))
    np.testing.assert_array_equal(model(X), plain(X))
    with pytest.raises(
        TypeError, match="^drop in Linear: in training key must be a PRNG key, got None"
    ):
        pn.observe(model, X)
    outputs = [np.asarray(pn.observe(model, X, key=jax.random.key(i))[0]) for i in (1, 1, 2)]
    np.testing.assert_array_equal(outputs[0], outputs[1])
    assert (outputs[0] != outputs[2]).any()
    _, after = pn.observe(model, X, key=jax.random.key(1))
    np.testing.assert_array_equal(after.kernel, model.kernel)


@pytest.mark.parametrize("jitted", [False, True])
def test_moved_statistics_go_back_and_transformed_parameters_do_not(jitted):
    model = pn.reparam(Summing, unit)(jax.random.key(0))
    call = jax.jit(pn.observe) if jitted else pn.observe
    y, after = call(model, X)
    expected = X @ unit_truth(np.asarray(model.kernel))
    np.testing.assert_allclose(y, expected, rtol=1e-12)
    np.testing.assert_allclose(after.total, expected.sum(0), rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(after.kernel, model.kernel)


@pytest.mark.parametrize("wrap", [jax.jit, jax.checkpoint], ids=["jit", "checkpoint"])
@pytest.mark.parametrize("outer", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_an_observe_that_returns_new_arrays_does_not_store_the_transformed_parameters(wrap, outer):
    layer = pn.bind("Summing", create, apply, wrap(observe), roles={"total": "state"})
    model = pn.reparam(layer, unit)(jax.random.key(0))
    y, after = outer(pn.observe)(model, X)
    np.testing.assert_array_equal(after.kernel, model.kernel)
    np.testing.assert_allclose(after.total, y.sum(0), rtol=1e-12, atol=1e-12)


def test_what_is_moved_without_a_role_goes_back_where_the_transform_left_it_alone():
    model = pn.reparam(pn.bind("Summing", create, apply, observe), unit)(jax.random.key(0))
    y, after = pn.observe(model, X)
    np.testing.assert_array_equal(after.kernel, model.kernel)
    np.testing.assert_allclose(after.total, y.sum(0), rtol=1e-12, atol=1e-12)


def test_statistics_keep_the_dtype_in_which_they_are_stored():
    def cast(params):
        return jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), params)

    model = pn.reparam(Summing, cast)(jax.random.key(0))
    y, after = pn.observe(model, jnp.asarray(X, jnp.bfloat16))
    assert y.dtype == jnp.bfloat16
    assert after.total.dtype == model.total.dtype
    np.testing.assert_allclose(after.total, np.asarray(y, np.float64).sum(0), atol=0.05)


def test_transforms_that_change_the_structure():
    def stored_as_integers(params):
        kernel, scale = params
        return Scaled(kernel.astype(jnp.float32) * scale, jnp.zeros(2))

    stored = (np.arange(6, dtype=np.int8).reshape(3, 2), np.float32(0.5))
    model = pn.reparam(pn.bind(stored, apply), stored_as_integers)
    expected = X @ (0.5 * np.arange(6.0).reshape(3, 2))
    np.testing.assert_allclose(model(X), expected)
    y, after = pn.observe(model, X)
    np.testing.assert_allclose(y, expected)
    assert all(a is b for a, b in zip(after.params, model.params, strict=True))
    observing = pn.reparam(pn.bind(stored, apply, observe), stored_as_integers)
    with pytest.raises(
        TypeError, match="total moved in training, but a transform has put it there"
    ):
        pn.observe(observing, X)


def test_tying_and_freezing_by_a_transform():
    one, two = jax.random.split(jax.random.key(0))
    model = pn.sequential(pn.Linear(one, 3, 2), pn.Linear(two, 2, 3))
    tied = pn.reparam(model, lambda p: pn.replace(p, "[1].kernel", p[0].kernel.T))
    kernel = np.asarray(model[0].kernel, np.float64)
    np.testing.assert_allclose(tied(X), X @ kernel @ kernel.T, rtol=1e-6, atol=1e-7)
    gradient = jax.grad(lambda m: m(X).sum())(tied)
    np.testing.assert_array_equal(gradient[1].kernel, np.zeros((2, 3)))


@pytest.mark.parametrize(
    "arguments", [(3, unit), (pn.Linear, 3), (unit, pn.Linear), ({"a": 1}, unit)]
)
def test_wrong_arguments(arguments):
    with pytest.raises(
        TypeError, match="reparam: target must be a layer or a model, and transform a function"
    ):
        pn.reparam(*arguments)


def test_a_wrong_transform_of_a_model_is_refused_at_once():
    with pytest.raises(
        TypeError, match="reparam: target must be a layer or a model, and transform a function"
    ):
        pn.reparam(pn.Linear(jax.random.key(0), 3, 2), None)


def test_roles_survive():
    model = pn.reparam(pn.freeze(Summing(jax.random.key(0)), "kernel"), unit)
    assert pn.count(pn.select(model, "frozen")) == 6
    assert pn.count(pn.select(model, "state")) == 2
