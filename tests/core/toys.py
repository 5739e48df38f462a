"""Two small layers that several test files of this room work on."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import pyneurons_yat as pn

X = np.linspace(-1.0, 1.0, 12).reshape(4, 3)


class Weights(NamedTuple):
    kernel: jax.Array
    layer: jax.Array | None = None


def create(key, inputs, outputs):
    return Weights(jax.random.normal(key, (inputs, outputs)))


def apply(params, x, *, gain=1.0):
    return gain * jnp.tanh(x @ params.kernel)


class Pair(NamedTuple):
    first: pn.Model
    second: pn.Model


def create_pair(key, n):
    one, two = jax.random.split(key)
    return Pair(pn.Linear(one, n, n), pn.YatDense(two, n, n))


def apply_pair(params, x):
    return params.second(params.first(x))


Tanh = pn.bind("Tanh", create, apply)
Both = pn.bind("Both", create_pair, apply_pair)


def tanh(seed=0, inputs=3, outputs=3):
    return Tanh(jax.random.key(seed), inputs, outputs)


def truth(model, x):
    return np.tanh(x @ np.asarray(model.params.kernel))
