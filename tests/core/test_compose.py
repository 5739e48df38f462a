"""compose: maps of the output of layers and models."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn

X = np.linspace(-2.0, 2.0, 12).reshape(4, 3)


def double(y):
    return 2 * y


def noisy(y, *, key=None):
    return y if key is None else y + jax.random.normal(key, y.shape)


def casual(y, key=None):
    """A function whose key is not keyword-only."""
    return y if key is None else jnp.zeros_like(y)


def linear(seed=0, **keywords):
    return pn.Linear(jax.random.key(seed), 3, 2, **keywords)


def test_a_named_composition_is_a_layer():
    Doubled = pn.compose("Doubled", pn.Linear, double, jnp.abs)
    assert isinstance(Doubled, pn.Layer)
    assert Doubled.name == "Doubled"
    model = Doubled(jax.random.key(0), 3, 2, use_bias=False)
    np.testing.assert_allclose(model(X), np.abs(2 * X @ np.asarray(model.kernel)))


def test_a_composition_without_a_name_is_named_after_its_parts():
    layer = pn.compose(pn.Linear, double, jax.nn.relu, pn.relun(2))
    assert layer.name == "Linear | double | relu | relun"
    assert layer.create == pn.Linear.create


def test_equal_parts_give_equal_layers():
    one, two = (pn.compose("A", pn.Linear, jax.nn.relu, pn.relun(2)) for _ in range(2))
    assert one == two
    assert hash(one) == hash(two)
    assert one != pn.compose("A", pn.Linear, jax.nn.relu, pn.relun(3))


def test_a_model_is_composed_with_its_parameters_as_they_are():
    model = linear()
    composed = pn.compose(model, double)
    assert composed.params is model.params
    np.testing.assert_allclose(composed(X), 2 * model(X))


def test_composing_with_nothing():
    np.testing.assert_array_equal(pn.compose(linear())(X), linear()(X))
    assert pn.compose(pn.Linear).name == "Linear"


def test_a_model_composed_with_models_is_sequential():
    first, second = linear(), pn.Linear(jax.random.key(1), 2, 5)
    model = pn.compose(first, jnp.tanh, second)
    np.testing.assert_allclose(model(X), second(np.tanh(first(X))), rtol=1e-6)
    assert list(model) == [first, jnp.tanh, second]


def test_options_pass_through_a_composition():
    YatDoubled = pn.compose("YatDoubled", pn.YatDense, double)
    model = YatDoubled(jax.random.key(0), 3, 2, epsilon=0.5, use_alpha=False)
    assert model.static == (("epsilon", 0.5),)
    assert model.alpha is None
    plain = pn.YatDense(pn.Box(model.params))
    np.testing.assert_allclose(model(X), 2 * plain(X, epsilon=0.5), rtol=1e-12)
    np.testing.assert_allclose(model(X, epsilon=2.0), 2 * plain(X, epsilon=2.0), rtol=1e-12)
    with pytest.raises(TypeError, match="epslion"):
        YatDoubled(jax.random.key(0), 3, 2, epslion=0.5)


def test_compositions_nest():
    model = pn.compose(pn.compose(pn.compose(linear(), double), jnp.abs), double)
    np.testing.assert_allclose(model(X), 2 * np.abs(2 * linear()(X)))


def test_a_function_with_a_key_gets_one_in_observe_only():
    model = pn.compose(linear(), noisy, noisy)
    np.testing.assert_array_equal(model(X), linear()(X))
    with pytest.raises(TypeError, match="in training key must be a PRNG key, got None"):
        pn.observe(model, X)
    y, after = pn.observe(model, X, key=jax.random.key(1))
    noise = np.asarray(y - linear()(X))
    assert noise.std() > 0.3
    assert jax.tree.structure(after) == jax.tree.structure(model)
    again, _ = pn.observe(model, X, key=jax.random.key(1))
    np.testing.assert_array_equal(again, y)
    other, _ = pn.observe(model, X, key=jax.random.key(2))
    assert (np.asarray(other) != np.asarray(y)).all()


def test_each_function_gets_a_key_of_its_own():
    def first(y, *, key=None):
        return y if key is None else jax.random.normal(key, (8,))

    def second(y, *, key=None):
        return y if key is None else jnp.stack([y, jax.random.normal(key, (8,))])

    y, _ = pn.observe(pn.compose(linear(), first, second), X, key=jax.random.key(0))
    assert (np.asarray(y[0]) != np.asarray(y[1])).all()


@pytest.mark.parametrize("make", [pn.compose, pn.sequential])
def test_a_key_that_is_not_keyword_only_is_given_too(make):
    model = make(linear(), casual)
    np.testing.assert_array_equal(pn.observe(model, X, key=jax.random.key(1))[0], np.zeros((4, 2)))
    np.testing.assert_array_equal(model(X), linear()(X))


def test_a_function_of_a_value_called_key_is_no_random_function():
    def lookup(key):
        return 2 * key

    for model in (pn.compose(linear(), lookup), pn.sequential(linear(), lookup)):
        y, _ = pn.observe(model, X, key=jax.random.key(0))
        np.testing.assert_allclose(y, 2 * linear()(X))


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("Name",),
        (double,),
        (double, pn.Linear),
        ("Name", double),
        (pn.Linear, 3),
        ("Name", pn.Linear, "text"),
        (pn.Linear, None),
    ],
)
def test_arguments_that_fit_no_form_are_a_type_error(arguments):
    with pytest.raises(TypeError, match="compose takes"):
        pn.compose(*arguments)


def test_layers_and_models_among_functions_of_a_layer_are_a_type_error():
    for wrong in (pn.Linear, linear()):
        for arguments in (("Name", pn.Linear, wrong), (pn.Linear, double, wrong)):
            with pytest.raises(TypeError, match="plain functions"):
                pn.compose(*arguments)
    with pytest.raises(TypeError, match="plain functions"):
        pn.compose(linear(), pn.Linear)
    with pytest.raises(TypeError, match="Linear, which has no parameters yet"):
        pn.compose(linear(), linear(1), pn.Linear)


def test_roles_survive_a_composition():
    class Statistics(NamedTuple):
        mean: jax.Array

    layer = pn.bind("S", lambda n: Statistics(jnp.ones(n)), lambda p, x: x, roles={"mean": "stats"})
    model = pn.compose("T", layer, double)(3)
    assert pn.count(pn.select(model, "stats")) == 3
    assert pn.count(pn.select(pn.compose(pn.freeze(linear(), "bias"), double), "frozen")) == 2
