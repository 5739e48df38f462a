"""MLP: what it is made of, how it trains, and what it refuses."""

from functools import partial

import jax
import numpy as np
import optax
import pytest

import pyneurons_yat as pn

X = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)


def test_values_are_those_of_its_parts():
    model = pn.MLP(key(), (4, 8, 6, 2))
    x = X.astype(float)
    for layer in (0, 2):
        x = np.maximum(x @ np.asarray(model[layer].kernel) + np.asarray(model[layer].bias), 0)
    wanted = x @ np.asarray(model[4].kernel) + np.asarray(model[4].bias)
    np.testing.assert_allclose(jax.jit(lambda m, x: m(x))(model, X), wanted, 1e-4, 1e-5)
    one, two, three = jax.random.split(key(), 3)
    sizes = (one, 4, 8), (two, 8, 6), (three, 6, 2)
    same = [pn.Linear(*size).kernel for size in sizes]
    for part, kernel in zip(model[::2], same, strict=True):
        np.testing.assert_array_equal(part.kernel, kernel)


def test_order_options_and_names_of_the_parts():
    options = {"norm": pn.LayerNorm, "dropout": 0.5, "activation": jax.nn.gelu}
    model = pn.MLP(key(), (4, 8, 6, 2), **options)
    names = [getattr(part, "layer", part) for part in model]
    behind = [pn.LayerNorm, jax.nn.gelu, pn.Dropout]
    assert names == [pn.Linear, *behind, pn.Linear, *behind, pn.Linear]
    assert model.layer is pn.MLP
    assert [part.layer for part in pn.MLP(key(), (4, 2))] == [pn.Linear]
    yat = partial(pn.YatDense, epsilon=0.5)
    model = pn.MLP(key(), (4, 8, 2), layer=yat, activation=None, last_layer=pn.Linear)
    assert [part.layer for part in model] == [pn.YatDense, pn.Linear]
    assert model[0].static == (("epsilon", 0.5),)
    assert pn.select(model, "[1].kernel")[1].kernel.shape == (8, 2)


def test_equal_networks_compile_once():
    def make(seed):
        leaky = partial(jax.nn.leaky_relu, negative_slope=0.1)
        return pn.MLP(jax.random.key(seed), (4, 8, 2), activation=leaky)

    assert jax.tree.structure(make(0)) == jax.tree.structure(make(1))
    assert pn.MLP(key(), (4, 3, 2)) is not pn.MLP(key(), (4, 3, 2))


@pytest.mark.slow
def test_in_training_it_drops_and_moves_its_norms():
    model = pn.MLP(key(), (4, 8, 2), norm=pn.BatchNorm, dropout=0.5)
    y, moved = pn.observe(model, X, key=jax.random.key(1))
    assert np.any(moved[1].mean != 0)
    assert np.any(np.abs(y - model(X)) > 0.1)
    stacked = pn.repeat(pn.MLP, 3)(key(), (4, 5, 4))
    assert stacked(X).shape == X.shape


@pytest.mark.slow
def test_it_learns_a_product():
    wanted = X[:, :1] * X[:, 1:2]
    yat = {"layer": pn.YatDense, "activation": None, "last_layer": pn.Linear}
    for options in ({}, yat):
        model = pn.MLP(key(), (4, 32, 1), **options)
        model, _ = pn.fit(optax.adam(3e-2), model, X, wanted, epochs=150, progress=False)
        assert float(pn.mse(model(X), wanted)) < 0.05 * np.var(wanted)


def test_an_activation_that_is_a_layer_is_refused():
    with pytest.raises(TypeError, match="part 1 is the layer SReLU"):
        pn.MLP(key(), (4, 8, 2), activation=pn.SReLU)


def key():
    return jax.random.key(0)
