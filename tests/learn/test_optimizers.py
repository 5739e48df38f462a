"""Optimizers of every kind that optax has, in `train_step` and `fit`."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pyneurons_yat as pn

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 3)).astype(np.float32)
Y = X @ np.array([[1.0], [-2.0], [0.5]]) + 0.3


def line():
    return pn.Linear(jax.random.key(0), 3, 1)


def point(start):
    return pn.bind({"z": jnp.asarray(start)}, lambda params, x: params["z"] + 0 * x)


def distance(model, x, y):
    return jnp.mean(jnp.abs(model(x) - (1 + 2j)) ** 2)


def test_a_complex_parameter_goes_where_the_loss_is_least():
    zeros, model = jnp.zeros(4), point(0.5 - 1j)
    fitted, history = pn.fit(
        optax.sgd(0.1), model, zeros, zeros, loss=distance, epochs=60, progress=False
    )
    np.testing.assert_allclose(fitted["z"], 1 + 2j, atol=1e-4)
    assert history["loss"] == sorted(history["loss"], reverse=True)
    optimizer = optax.sgd(0.1)
    step, state = pn.train_step(distance, optimizer), pn.TrainState.create(model, optimizer)
    for _ in range(60):
        state, _ = step(state, (zeros, zeros))
    np.testing.assert_allclose(state.model["z"], 1 + 2j, atol=1e-4)
    far = pn.compose(point(0j), lambda z: jnp.abs(z - (1 + 2j)))
    one = pn.fit(0.5, far, jnp.zeros(1), jnp.zeros(1))
    np.testing.assert_allclose(one["z"], 0.5 * (1 + 2j) / 5**0.5, rtol=1e-6)


@pytest.mark.slow
def test_lookahead_is_that_of_optax():
    optimizer = optax.lookahead(optax.sgd(0.1), sync_period=3, slow_step_size=0.5)
    model = line()
    pair = optax.LookaheadParams.init_synced(model)
    by_hand = optimizer.init(pair)
    state, step = pn.TrainState.create(model, optimizer), pn.train_step(pn.mse, optimizer)
    for _ in range(7):
        gradient = jax.grad(lambda model: pn.mse(model(X), Y))(pair.fast)
        updates, by_hand = optimizer.update(gradient, by_hand, pair)
        pair = optax.apply_updates(pair, updates)
        state, _ = step(state, (X, Y))
    np.testing.assert_allclose(state.model.kernel, pair.fast.kernel, rtol=1e-5)
    np.testing.assert_allclose(state.opt_state.slow.kernel, pair.slow.kernel, rtol=1e-5)


def steep(rho=0.05):
    """Sharpness-aware minimisation by hand: the gradient at the worst point near by."""

    def gradient(model):
        first = jax.grad(lambda model: pn.mse(model(X), Y))(model)
        norm = optax.tree.norm(first)
        near = jax.tree.map(lambda p, g: p + rho * g / norm, model, first)
        return jax.grad(lambda model: pn.mse(model(X), Y))(near)

    return gradient


def test_sam_looks_at_the_gradient_near_by():
    optimizer = optax.contrib.sam(
        optax.sgd(0.1), optax.chain(optax.contrib.normalize(), optax.sgd(0.05)), opaque_mode=True
    )
    model = line()
    fitted, _ = pn.fit(optimizer, model, X, Y, epochs=3, progress=False)
    gradient = steep()
    for _ in range(3):
        model = jax.tree.map(lambda p, g: p - 0.1 * g, model, gradient(model))
    np.testing.assert_allclose(fitted.kernel, model.kernel, rtol=1e-4)


def test_sam_in_the_open_takes_every_second_step():
    optimizer = optax.contrib.sam(
        optax.sgd(0.1),
        optax.chain(optax.contrib.normalize(), optax.sgd(0.05)),
        sync_period=2,
        opaque_mode=False,
    )
    model = line()
    state, step = pn.TrainState.create(model, optimizer), pn.train_step(pn.mse, optimizer)
    for _ in range(2):
        state, _ = step(state, (X, Y))
    wanted = jax.tree.map(lambda p, g: p - 0.1 * g, model, steep()(model))
    np.testing.assert_allclose(state.model.kernel, wanted.kernel, rtol=1e-4)


def private(noise):
    """Clipped, summed and made noisy as by `optax.contrib.dpsgd`."""
    clipped = optax.contrib.differentially_private_aggregate(0.5, noise, key=jax.random.key(0))
    return optax.chain(clipped, optax.sgd(0.1))


@pytest.mark.parametrize("way", ["fit", "train_step"])
def test_private_gradients_are_clipped_example_by_example(way):
    model, optimizer = line(), private(0.0)
    if way == "fit":
        fitted, _ = pn.fit(optimizer, model, X, Y, per_example=True, progress=False)
    else:
        step = pn.train_step(pn.mse, optimizer, per_example=True)
        fitted = step(pn.TrainState.create(model, optimizer), (X, Y))[0].model
    kernel, bias = np.asarray(model.kernel, float), np.asarray(model.bias, float)
    total = np.zeros(4)
    for x, y in zip(np.asarray(X, float), np.asarray(Y, float), strict=True):
        gradient = 2 * (x @ kernel + bias - y) * np.append(x, 1)
        total += gradient * min(1, 0.5 / np.linalg.norm(gradient))
    wanted = np.append(kernel, bias) - 0.1 * total / len(X)
    np.testing.assert_allclose(np.append(fitted.kernel, fitted.bias), wanted, rtol=1e-4)


def test_an_optimizer_that_wants_a_value_receives_it():
    optimizer = optax.chain(optax.adam(1e-2), optax.contrib.reduce_on_plateau(patience=2))
    fitted, history = pn.fit(optimizer, line(), X, Y, epochs=20, progress=False)
    assert history["loss"][-1] < history["loss"][0]


def test_a_line_search_evaluates_the_loss():
    fitted, history = pn.fit(optax.lbfgs(), line(), X, Y, epochs=15, progress=False)
    assert history["loss"][-1] < 1e-8
