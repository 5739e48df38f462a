"""An optimizer for each group of leaves: each moves as it would alone, and nothing is left out."""

import jax
import numpy as np
import optax
import pytest

import pyneurons_yat as pn

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(12, 3)), RNG.normal(size=(12, 2))


@pytest.fixture(scope="module")
def model():
    one, two = jax.random.split(jax.random.key(0))
    return pn.sequential(
        {"hidden": pn.Linear(one, 3, 4), "norm": pn.BatchNorm(4), "out": pn.Linear(two, 4, 2)}
    )


def test_each_group_moves_as_its_optimizer_moves_it(model):
    rates = {"hidden.kernel": optax.adam(0.1), "*bias": optax.sgd(0.0), ...: optax.sgd(0.3)}
    fitted, _ = pn.fit(pn.optimizer_by_path(rates), model, X, Y, epochs=3, progress=False)

    @jax.jit
    def step(model, adam):
        def error(model):
            y, moved = pn.observe(model, X)
            return pn.mse(y, Y), moved

        gradient, model = pn.grad(error, has_aux=True)(model)
        params, rest = pn.partition(model, "params", ...)
        moved = pn.merge(jax.tree.map(lambda p, g: p - 0.3 * g, params, gradient), rest)
        first = gradient["hidden"].kernel
        updates, adam = optax.adam(0.1).update(first, adam)
        kernel = optax.apply_updates(model["hidden"].kernel, updates)
        moved = pn.replace(moved, "hidden.kernel", kernel)
        for name in ("hidden", "norm", "out"):
            moved = pn.replace(moved, f"{name}.bias", model[name].bias)
        return moved, adam

    known, adam = model, optax.adam(0.1).init(model["hidden"].kernel)
    for _ in range(3):
        known, adam = step(known, adam)
    for got, wanted in zip(jax.tree.leaves(fitted), jax.tree.leaves(known), strict=True):
        np.testing.assert_allclose(got, wanted, 1e-4, 1e-6)


def test_frozen_leaves_are_in_no_group(model):
    frozen = pn.freeze(model, "hidden")
    optimizer = pn.optimizer_by_path({"out": optax.sgd(0.1), "norm": optax.adam(0.1)})
    fitted, _ = pn.fit(optimizer, frozen, X, Y, progress=False)
    np.testing.assert_array_equal(fitted["hidden"].kernel, frozen["hidden"].kernel)
    assert np.abs(fitted["out"].kernel - frozen["out"].kernel).max() > 1e-3
    everywhere = pn.optimizer_by_path({"hidden": optax.sgd(0.1), ...: optax.sgd(0.1)})
    with pytest.raises(ValueError, match="a filter must fit something, got 'hidden'"):
        pn.fit(everywhere, frozen, X, Y, progress=False)


def test_a_leaf_without_an_optimizer_is_refused(model):
    optimizer = pn.optimizer_by_path({"hidden": optax.sgd(0.1)})
    with pytest.raises(ValueError, match="no filter takes the leaf at"):
        optimizer.init(model)


def test_what_is_no_optimizer_is_refused():
    with pytest.raises(TypeError, match="optimizer_by_path: optimizers must be a mapping, got a"):
        pn.optimizer_by_path(optax.sgd(0.1))  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="optimizer must be an optax optimizer .* got 0.1"):
        pn.optimizer_by_path({"hidden": 0.1})  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="optimizers must be at least one, got none"):
        pn.optimizer_by_path({})
