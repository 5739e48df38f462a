"""Leaves drawn anew: which, by what, with which keys, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn
from pyneurons_yat import by_name

INIT = jax.nn.initializers
KEY = jax.random.key(1)


@pytest.fixture(scope="module")
def model():
    return by_name.network(jax.random.key(0), "ReLU;BatchNormalization;Linear", "3;4;2")


def test_a_leaf_is_drawn_by_the_first_that_takes_it_and_others_stay(model):
    drawn = {"[0].kernel": INIT.constant(2.0), "*kernel": INIT.constant(3.0), "*bias": INIT.ones}
    drawn["batch_stats"] = INIT.constant(5.0)
    fresh = pn.reinitialize(jax.random.key(1), model, drawn)
    assert jax.tree.structure(fresh) == jax.tree.structure(model)
    found = [float(np.unique(leaf).item()) for leaf in jax.tree.leaves(fresh)]
    assert found == [2, 1, 1, 1, 5, 5, 3, 1]  # the scale of the norm is as it was
    assert fresh[1].scale is model[1].scale


def test_each_leaf_has_a_key_of_its_own_whatever_else_is_drawn(model):
    draw = jax.jit(lambda key, model: pn.reinitialize(key, model, {"*bias": INIT.normal(1.0)}))
    one = draw(jax.random.key(1), model)
    both = {"*kernel": INIT.zeros, "*bias": INIT.normal(1.0)}
    two = pn.reinitialize(jax.random.key(1), model, both)
    np.testing.assert_array_equal(one[2].bias, two[2].bias)
    assert not np.isin(one[2].bias, one[0].bias).any()


def test_dtypes_stay(model):
    half = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), model)
    fresh = pn.reinitialize(jax.random.key(1), half, {"params": INIT.zeros})
    assert {leaf.dtype for leaf in jax.tree.leaves(fresh)} == {jnp.dtype(jnp.bfloat16)}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"*kernell": INIT.zeros}, r"reinitialize: a filter must fit something, got '\*kernell'"),
        ({...: INIT.zeros, "*bias": INIT.ones}, "must take something that those before it have"),
        ({"*bias": lambda key, shape, dtype: jnp.zeros(7)}, r"must return shape \(4,\), got shape"),
        ({"*bias": "Zero"}, "the initializer must be a function .* got 'Zero'"),
        ({"*bias": INIT.orthogonal()}, "at least a 2D shape"),
        ([INIT.zeros], "initializers must be a mapping, got a list"),
    ],
)
def test_what_cannot_be_drawn_is_refused(model, values, message):
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        pn.reinitialize(jax.random.key(1), model, values)
    if isinstance(values, dict) and "*bias" in values and len(values) == 1:
        assert caught.value.__notes__ == ["while drawing the leaf at '[0].bias'"]


def test_leaves_that_are_not_floating_are_refused():
    table = pn.bind({"ids": jnp.arange(3)}, lambda params, x: params["ids"])
    with pytest.raises(TypeError, match="reinitialize: dtype must be floating"):
        pn.reinitialize(jax.random.key(1), table, {"ids": INIT.zeros})
    with pytest.raises(TypeError, match="reinitialize: key must be a PRNG key, got 1"):
        pn.reinitialize(1, table, {"ids": INIT.zeros})  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="reinitialize: model must be a Model, got a dict"):
        pn.reinitialize(KEY, {}, {"ids": INIT.zeros})  # pyright: ignore[reportArgumentType]


def test_by_name_takes_names_and_functions(model):
    names = {"*kernel": "Uniform(2, 3)", "*bias": INIT.ones}
    fresh = by_name.reinitialize(jax.random.key(1), model, names)
    assert np.all((fresh[0].kernel >= 2) & (fresh[0].kernel <= 3))
    assert fresh[2].bias.tolist() == [1.0, 1.0]
    with pytest.raises(ValueError, match="initializer: an initializer must be one of"):
        by_name.reinitialize(jax.random.key(1), model, {"*kernel": "Unifrom"})
