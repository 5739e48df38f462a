"""The tutorials that other libraries open with, each in a few lines, and what comes out of them.

A regression, a convolutional classifier with max pooling, and a recurrent classifier of two layers.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pyneurons_yat as pn
from pyneurons_yat.data import digits


def last(y):
    return y[..., -1, :]


@pytest.mark.slow
def test_regression():
    x = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
    y = np.sin(3 * x) + 0.1 * np.random.default_rng(0).normal(size=x.shape).astype(np.float32)

    model = pn.MLP(jax.random.key(0), (1, 32, 1), activation=jnp.tanh)
    model, history = pn.fit(optax.adam(3e-2), model, x, y, loss=pn.mse, epochs=200, progress=False)

    assert history["loss"][-1] < 0.05 * history["loss"][0]
    assert np.mean((model(x) - np.sin(3 * x)) ** 2) < 0.01  # near the curve behind the noise


@pytest.mark.slow
def test_convolutional_classifier():
    pytest.importorskip("sklearn")
    train, test = digits()
    one, two, three, shuffle = jax.random.split(jax.random.key(0), 4)
    halve = partial(pn.max_pool, window=(2, 2), strides=(2, 2))

    model = pn.sequential(
        pn.Conv(one, 1, 32, (3, 3), padding=1), jax.nn.relu, halve,
        pn.Conv(two, 32, 64, (3, 3), padding=1), jax.nn.relu, halve,
        pn.flatten, pn.Linear(three, 64 * 2 * 2, 10),
    )  # fmt: skip
    images = train.x.reshape(-1, 8, 8, 1)
    options = {"loss": pn.cross_entropy, "epochs": 5, "batch_size": 32, "key": shuffle}
    model, _ = pn.fit(optax.adam(1e-3), model, images, train.y, progress=False, **options)

    predictions = jax.jit(model)(test.x.reshape(-1, 8, 8, 1))
    assert float(pn.accuracy(predictions, test.y)) > 0.95


@pytest.mark.slow
def test_recurrent_classifier_of_two_layers():
    symbols = jax.random.randint(jax.random.key(0), (512, 10), 0, 4)
    x, y = jax.nn.one_hot(symbols, 4), symbols[:, 0]  # which symbol was first, nine steps ago?

    one, two, shuffle = jax.random.split(jax.random.key(1), 3)
    model = pn.sequential(pn.LSTM(one, 4, 20, layers=2), last, pn.Linear(two, 20, 4))
    options = {"loss": pn.cross_entropy, "epochs": 8, "batch_size": 64, "key": shuffle}
    model, _ = pn.fit(optax.adam(2e-2), model, x[:384], y[:384], progress=False, **options)

    assert float(pn.accuracy(jax.jit(model)(x[384:]), y[384:])) > 0.95
