"""A network trained by the written equations takes the steps of `fit`."""

import jax
import numpy as np
import optax
import pytest

import pyneurons_yat as pn
from pyneurons_yat.equations import (
    batch_norm,
    batch_norm_backward,
    linear,
    linear_backward,
    relu,
    relu_backward,
    softmax_cross_entropy,
    softmax_cross_entropy_gradient,
    yat,
    yat_backward,
)

RATE, EPSILON, NORM, EPOCHS, SIZE = 0.1, 0.1, 1e-5, 3, 16
RNG = np.random.default_rng(0)
X, LABELS = RNG.normal(size=(50, 4)), RNG.integers(0, 3, 50)
T = np.eye(3)[LABELS]


def feedforward(p, x):
    w, b, a, gamma, beta, v, c = p
    z = yat(x, w, b, a, EPSILON)
    n = batch_norm(z, gamma, beta, NORM)
    h = relu(n)
    return z, n, h, linear(h, v, c)


def backpropagate(p, x, z, n, h, dy):
    w, b, a, gamma, beta, v, c = p
    dh, dv, dc = linear_backward(h, v, c, dy)
    dz, dgamma, dbeta = batch_norm_backward(z, gamma, beta, NORM, relu_backward(n, dh))
    _, dw, db, da, _ = yat_backward(x, w, b, a, EPSILON, dz)
    return dw, db, da, dgamma, dbeta, dv, dc


@jax.jit
def step(p, x, t):
    *hidden, y = feedforward(p, x)
    gradients = backpropagate(p, x, *hidden, softmax_cross_entropy_gradient(y, t) / len(x))
    moved = tuple(q - RATE * dq for q, dq in zip(p, gradients, strict=True))
    return moved, softmax_cross_entropy(y, t)


def rows(model):
    return tuple(np.atleast_2d(leaf) for leaf in jax.tree.leaves(pn.select(model, "params")))


@pytest.mark.slow
def test_it_takes_the_steps_of_fit():
    one, two = jax.random.split(jax.random.key(0))
    model = pn.sequential(
        pn.YatDense(one, 4, 8, epsilon=EPSILON, dtype=float),
        pn.BatchNorm(8, epsilon=NORM, dtype=float),
        jax.nn.relu,
        pn.Linear(two, 8, 3, dtype=float),
    )
    p, losses = rows(model), []
    for _ in range(EPOCHS):
        total = 0.0
        for begin in range(0, len(X), SIZE):
            p, loss = step(p, X[begin : begin + SIZE], T[begin : begin + SIZE])
            total += float(loss)
        losses.append(total / len(X))

    options = {"loss": pn.cross_entropy, "epochs": EPOCHS, "batch_size": SIZE, "progress": False}
    fitted, history = pn.fit(optax.sgd(RATE), model, X, LABELS, **options)
    np.testing.assert_allclose(history["loss"], losses, 1e-12)
    for ours, theirs in zip(p, rows(fitted), strict=True):
        np.testing.assert_allclose(ours, theirs, 1e-10, 1e-13)
    assert losses[-1] < 0.99 * losses[0]
