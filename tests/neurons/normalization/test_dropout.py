"""Dropout: what it keeps, where it drops, and whose key it takes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn


def test_dropout_keeps_the_mean_and_is_silent_in_inference():
    model = pn.Dropout(0.25)
    x = jnp.ones((400, 50))
    y, _ = jax.jit(pn.observe)(model, x, key=jax.random.key(0))
    assert set(np.unique(y).tolist()) == {0.0, 4 / 3}
    assert abs(float(y.mean()) - 1) < 0.02
    assert model(x) is x
    assert pn.count(model) == 0


def test_dropout_of_whole_channels():
    model = pn.Dropout(0.5, broadcast_axes=(1, 2))
    y, _ = pn.observe(model, jnp.ones((3, 4, 4, 8)), key=jax.random.key(0))
    np.testing.assert_array_equal(y, np.broadcast_to(y[:, :1, :1], y.shape))
    assert 0 < float(y[:, 0, 0].mean()) < 2


def test_dropout_takes_its_key_as_everything_does_and_without_one_drops_nothing():
    x = jnp.arange(6.0)
    assert pn.dropout(x, 0.5).tolist() == x.tolist()
    kept = np.asarray(jax.random.bernoulli(jax.random.key(3), 0.5, (6,)))
    dropped = pn.dropout(x, 0.5, key=jax.random.key(3))
    np.testing.assert_array_equal(dropped, np.where(kept, 2 * x, 0))
    with pytest.raises(TypeError, match="dropout: key must be a PRNG key, got 0; jax.random.key"):
        pn.dropout(x, 0.5, key=0)
    with pytest.raises(TypeError, match="dropout: x must be real, got dtype key"):
        pn.dropout(jax.random.key(0), 0.5)


def test_dropout_stands_in_a_chain_as_the_function_it_is():
    """It takes x first and the key by name, as `sequential` and `training` call everything."""
    model = pn.sequential(jnp.negative, functools.partial(pn.dropout, rate=0.5), jnp.sin)
    x = jnp.arange(1.0, 65.0)
    np.testing.assert_array_equal(model(x), jnp.sin(-x))
    y, _ = pn.observe(model, x, key=jax.random.key(0))
    kept = np.asarray(y) != 0
    assert 0 < kept.sum() < 64
    np.testing.assert_allclose(y, np.where(kept, np.sin(-2 * np.asarray(x)), 0), rtol=1e-12)


def test_rates_of_none_and_all():
    x = jnp.ones(8)
    assert pn.dropout(x, 0.0, key=jax.random.key(0)).tolist() == [1.0] * 8
    assert pn.dropout(x, 1.0, key=jax.random.key(0)).tolist() == [0.0] * 8
    gradient = jax.grad(lambda x: pn.dropout(x, 1.0, key=jax.random.key(0)).sum())(x)
    assert gradient.tolist() == [0.0] * 8
