"""Functions with options: a `functools.partial` that the library keeps is a value."""

import pickle
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn

X = np.linspace(-1.0, 1.0, 12).reshape(4, 3)


def leaky(slope=0.1):
    return partial(jax.nn.leaky_relu, negative_slope=slope)


def chain(slope=0.1):
    return pn.sequential(pn.Linear(jax.random.key(0), 3, 5), leaky(slope))


def composed(slope=0.1):
    return pn.compose(pn.Linear, leaky(slope))(jax.random.key(0), 3, 5)


def bound(slope=0.1):
    return pn.bind(np.ones(3), partial(scaled, scale=slope))


def optional(slope=0.1):
    return pn.bind("Mapped", created, mapped)(jax.random.key(0), function=leaky(slope))


def scaled(params, x, *, scale):
    return scale * x * params[None]


def created(key):
    return jnp.ones(3)


def mapped(params, x, *, function):
    return function(x * params[None])


every_way = pytest.mark.parametrize("make", [chain, composed, bound, optional])


@every_way
def test_equal_options_compile_once_and_others_do_not(make):
    traced = []

    @jax.jit
    def call(model, x):
        traced.append(1)
        return model(x)

    for model in (make(), make(), pickle.loads(pickle.dumps(make())), make(0.5)):
        call(model, X)
    assert len(traced) == 2
    assert jax.tree.structure(make()) == jax.tree.structure(make())
    assert jax.tree.structure(make()) != jax.tree.structure(make(0.5))


def test_values_and_how_they_are_shown():
    linear, function = chain()
    np.testing.assert_allclose(function(np.array([-1.0, 2.0])), [-0.1, 2.0])
    np.testing.assert_allclose(chain()(X), function(linear(X)))
    assert repr(function) == "leaky_relu(negative_slope=0.1)"
    assert "[1]         leaky_relu(negative_slope=0.1)" in repr(chain())
    assert pn.compose(pn.Linear, leaky()).name == "Linear | leaky_relu"
    window = pn.sequential(partial(pn.max_pool, window=(2, 2), padding="SAME"))
    assert "max_pool(window=(2, 2), padding='SAME')" in repr(window)


def test_options_of_other_types_are_other_options():
    one, two = (pn.sequential(partial(jnp.multiply, number)) for number in (2, 2.0))
    assert jax.tree.structure(one) != jax.tree.structure(two)
    assert (one(np.int32(3)).dtype, two(np.int32(3)).dtype) == (np.int32, np.float64)


def test_a_partial_of_an_array_stays_what_it_was():
    model = pn.sequential(partial(jnp.add, np.ones(3)))
    np.testing.assert_array_equal(model(np.ones(3)), [2, 2, 2])
    assert type(model[0]) is partial


def test_partials_hold_partials():
    def twice(function):
        return pn.sequential(partial(jax.tree.map, function))

    assert jax.tree.structure(twice(leaky())) == jax.tree.structure(twice(leaky()))
    np.testing.assert_allclose(twice(leaky())(np.array([-1.0])), [-0.1])


def test_a_partial_that_takes_a_key_gets_one():
    model = pn.sequential(partial(pn.dropout, rate=0.5))
    y, _ = pn.observe(model, np.ones(100), key=jax.random.key(0))
    assert set(np.unique(y)) == {0.0, 2.0}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (partial(pn.max_pool, windw=2), "part 0 must fit max_pool.*'windw'"),
        (partial(jax.nn.leaky_relu, 1, 2, 3), "part 0 must fit leaky_relu.*too many positional"),
    ],
)
def test_options_that_a_function_has_not_are_refused_at_once(wrong, words):
    with pytest.raises(TypeError, match=words):
        pn.sequential(wrong)
    with pytest.raises(TypeError, match=words.replace("part 0", "follows the layer of .*")):
        pn.compose(pn.Linear, wrong)
