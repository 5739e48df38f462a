"""Gradients summed over parts of a batch: equal to the whole, with one sum in memory."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pyneurons_yat as pn

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(8, 5, 3)), RNG.normal(size=(8, 5, 2))
TOKENS = np.arange(5) < np.asarray([5, 1, 2, 5, 1, 1, 4, 3])[:, None]  # unequal sums


def masked(model, x, y):
    """The mean over the tokens, as the sum and the weight that it is made of."""
    values, tokens = y
    errors = jnp.sum((model(x) - values) ** 2, -1)
    return jnp.sum(jnp.where(tokens, errors, 0)), jnp.sum(tokens)


def with_rmse(model, x, y):
    total, weight = masked(model, x, y)
    return (total, weight), {"tokens": weight * 1.0, "error": (total, weight)}


def after(model, loss, batch, **options):
    optimizer = optax.sgd(1.0)
    state = pn.TrainState.create(model, optimizer)
    return pn.train_step(loss, optimizer, **options)(state, batch)


@pytest.mark.parametrize("parts", [2, 4, 8])
def test_parts_whose_weights_differ_are_the_undivided_batch(parts):
    model, batch = pn.Linear(jax.random.key(0), 3, 2), (X, (Y, TOKENS))
    whole, wanted = after(model, masked, batch)
    divided, got = after(model, masked, batch, accumulate=parts)
    kernel, bias = np.asarray(model.kernel, float), np.asarray(model.bias, float)
    errors = ((np.asarray(X) @ kernel + bias - np.asarray(Y)) ** 2).sum(-1)
    by_hand = np.sum(errors * np.asarray(TOKENS)) / np.sum(TOKENS)
    np.testing.assert_allclose(got["loss"], by_hand, 1e-6)
    np.testing.assert_allclose(wanted["loss"], by_hand, 1e-6)
    for one, two in zip(jax.tree.leaves(divided.model), jax.tree.leaves(whole.model), strict=True):
        np.testing.assert_allclose(one, two, rtol=2e-6, atol=1e-6)


def test_metrics_of_a_loss_are_summed_over_parts_too():
    model, batch = pn.Linear(jax.random.key(0), 3, 2), (X, (Y, TOKENS))
    _, wanted = after(model, with_rmse, batch)
    _, got = after(model, with_rmse, batch, accumulate=4)
    assert got.keys() == {"loss", "tokens", "error"}
    np.testing.assert_allclose(got["error"], wanted["error"], 1e-6)
    np.testing.assert_allclose(got["tokens"], wanted["tokens"] / 4)  # a scalar is averaged


@pytest.mark.slow
@pytest.mark.usefixtures("optimized")
def test_one_running_sum_of_gradients_is_in_memory():
    model = pn.Linear(jax.random.key(0), 256, 256, use_bias=False)  # 256 KiB
    optimizer = optax.sgd(1.0)
    state = jax.eval_shape(lambda: pn.TrainState.create(model, optimizer))
    x = jax.ShapeDtypeStruct((64, 256), jnp.float32)

    def memory(parts):
        step = pn.train_step(pn.mse, optimizer, accumulate=parts)
        return jax.jit(step).lower(state, (x, x)).compile().memory_analysis().temp_size_in_bytes

    assert memory(64) < memory(2) + 2**18  # a gradient for each part would be 16 MiB


def contrast(model, x, y):
    """Two views by one encoder, as SimCLR has them."""
    one, two = model(x), model(y)
    return jnp.mean((one - two) ** 2) - jnp.mean(one * one)


def statistics_by_hand(x, y, momentum=0.9):
    """Batch norm without parameters, called on x and then on y."""
    mean, variance = np.zeros(3), np.ones(3)
    for batch in (x, y):
        mean = momentum * mean + (1 - momentum) * batch.mean(0)
        variance = momentum * variance + (1 - momentum) * batch.var(0, ddof=1)
    return mean, variance


@pytest.mark.parametrize("way", ["fit", "train_step", "accumulate"])
def test_a_contrastive_loss_moves_the_statistics_at_both_calls(way):
    x, y = np.random.default_rng(1).normal(size=(2, 6, 3))
    encoder = pn.sequential(pn.BatchNorm(3, dtype=jnp.float64), pn.Linear(jax.random.key(0), 3, 2))
    optimizer = optax.sgd(0.1)
    if way == "fit":
        moved, _ = pn.fit(optimizer, encoder, x, y, loss=contrast, progress=False)
    else:
        parts = 2 if way == "accumulate" else 1
        step = pn.train_step(contrast, optimizer, accumulate=parts)
        moved = step(pn.TrainState.create(encoder, optimizer), (x, y))[0].model
    if way == "accumulate":
        mean, variance = np.zeros(3), np.ones(3)
        for one, two in ((x[:3], y[:3]), (x[3:], y[3:])):
            for batch in (one, two):
                mean = 0.9 * mean + 0.1 * batch.mean(0)
                variance = 0.9 * variance + 0.1 * batch.var(0, ddof=1)
    else:
        mean, variance = statistics_by_hand(x, y)
    np.testing.assert_allclose(moved[0].mean, mean, rtol=1e-6)
    np.testing.assert_allclose(moved[0].variance, variance, rtol=1e-6)
    assert not np.allclose(moved[1].kernel, encoder[1].kernel)
