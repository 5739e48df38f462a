"""Haiku: functions that ask for their parameters, transformed."""

from typing import Any

import haiku as hk
import jax
import jax.numpy as jnp

from ..steps import Trainer, mean_loss, trainer
from ..tasks import CLASSES, VOCABULARY, Task


def trainer_of(task: Task) -> Trainer:
    """The plain network."""
    network = {"mlp": mlp, "cnn": cnn, "gru": gru, "gpt": gpt}[task.kind]
    pure = hk.without_apply_rng(hk.transform(lambda x: network(task, x)))

    def loss(params: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        return mean_loss(pure.apply(params, x), y)

    return trainer("haiku", task, pure.init(jax.random.key(0), task.x[0]), loss)


def mlp(task: Task, x: jax.Array) -> jax.Array:
    """Two layers."""
    return hk.Linear(CLASSES)(jax.nn.relu(hk.Linear(task.size.hidden)(x)))


def cnn(task: Task, x: jax.Array) -> jax.Array:
    """Two convolutions and a layer."""
    filters = task.size.filters
    for outputs in (filters, 2 * filters):
        x = jax.nn.relu(hk.Conv2D(outputs, 3, stride=2)(x))
    return hk.Linear(CLASSES)(x.reshape(len(x), -1))


def gru(task: Task, x: jax.Array) -> jax.Array:
    """A core, unrolled by a scan, and a layer."""
    core = hk.GRU(task.size.units)
    start: Any = core.initial_state(len(x))
    y: Any = hk.dynamic_unroll(core, x, start, time_major=False)[0]
    return hk.Linear(CLASSES)(y[:, -1])


def gpt(task: Task, tokens: jax.Array) -> jax.Array:
    """An embedding that scores too, and blocks between."""
    width, heads = task.size.features, task.size.heads
    init = hk.initializers.RandomNormal(width**-0.5)
    table = hk.get_parameter("table", (VOCABULARY, width), init=init)
    mask = jnp.tril(jnp.ones((1, 1, tokens.shape[-1], tokens.shape[-1]), bool))
    kernel = hk.initializers.VarianceScaling()

    def norm(x: jax.Array) -> jax.Array:
        return hk.RMSNorm(-1)(x)

    x = table[tokens] * width**0.5
    for _ in range(task.size.blocks):
        attention = hk.MultiHeadAttention(heads, width // heads, w_init=kernel, with_bias=False)
        y = norm(x)
        x = x + attention(y, y, y, mask)
        y = jax.nn.gelu(hk.Linear(4 * width, with_bias=False)(norm(x)))
        x = x + hk.Linear(width, with_bias=False)(y)
    return norm(x) @ table.T
