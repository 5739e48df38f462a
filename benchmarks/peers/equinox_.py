"""Equinox: modules of one example, mapped over the batch."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from ..steps import Trainer, mean_loss, trainer
from ..tasks import CLASSES, VOCABULARY, Task


def trainer_of(task: Task) -> Trainer:
    """The plain network."""
    network = {"mlp": mlp, "cnn": cnn, "gru": GRU, "gpt": GPT}[task.kind](task, jax.random.key(0))
    params, rest = eqx.partition(network, eqx.is_inexact_array)

    def loss(params: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        return mean_loss(jax.vmap(eqx.combine(params, rest))(x), y)

    return trainer("equinox", task, params, loss)


def mlp(task: Task, key: jax.Array) -> Any:
    """Two layers."""
    return eqx.nn.MLP(task.x.shape[-1], CLASSES, task.size.hidden, 1, key=key)


def cnn(task: Task, key: jax.Array) -> Any:
    """Two convolutions and a layer; channels come first."""
    one, two, three = jax.random.split(key, 3)
    filters = task.size.filters
    parts = [
        eqx.nn.Lambda(lambda x: jnp.moveaxis(x, -1, 0)),
        eqx.nn.Conv2d(1, filters, 3, 2, "SAME", key=one),
        eqx.nn.Lambda(jax.nn.relu),
        eqx.nn.Conv2d(filters, 2 * filters, 3, 2, "SAME", key=two),
        eqx.nn.Lambda(jax.nn.relu),
        eqx.nn.Lambda(jnp.ravel),
        eqx.nn.Linear(49 * 2 * filters, CLASSES, key=three),
    ]
    return eqx.nn.Sequential(parts)


class GRU(eqx.Module):
    """A cell, scanned, and a linear layer."""

    cell: eqx.nn.GRUCell
    scores: eqx.nn.Linear

    def __init__(self, task: Task, key: jax.Array) -> None:
        one, two = jax.random.split(key)
        self.cell = eqx.nn.GRUCell(task.x.shape[-1], task.size.units, key=one)
        self.scores = eqx.nn.Linear(task.size.units, CLASSES, key=two)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Scores after the last of the rows (T, I)."""
        start = jnp.zeros(self.cell.hidden_size)
        return self.scores(jax.lax.scan(lambda h, row: (self.cell(row, h), None), start, x)[0])


class Block(eqx.Module):
    """Attention and a feed-forward layer, both with a norm before."""

    one: eqx.nn.RMSNorm
    two: eqx.nn.RMSNorm
    attention: eqx.nn.MultiheadAttention
    hidden: eqx.nn.Linear
    back: eqx.nn.Linear

    def __init__(self, width: int, heads: int, key: jax.Array) -> None:
        one, two, three = jax.random.split(key, 3)
        self.one, self.two = (eqx.nn.RMSNorm(width, use_bias=False) for _ in range(2))
        self.attention = eqx.nn.MultiheadAttention(heads, width, key=one)
        self.hidden = eqx.nn.Linear(width, 4 * width, use_bias=False, key=two)
        self.back = eqx.nn.Linear(4 * width, width, use_bias=False, key=three)

    def __call__(self, x: jax.Array) -> jax.Array:
        """The block of (T, width)."""
        mask = jnp.tril(jnp.ones((len(x), len(x)), bool))
        y = jax.vmap(self.one)(x)
        x = x + self.attention(y, y, y, mask)
        y = jax.nn.gelu(jax.vmap(self.hidden)(jax.vmap(self.two)(x)))
        return x + jax.vmap(self.back)(y)


class GPT(eqx.Module):
    """An embedding that scores too, and blocks between."""

    table: jax.Array
    blocks: list[Block]
    norm: eqx.nn.RMSNorm

    def __init__(self, task: Task, key: jax.Array) -> None:
        first, *keys = jax.random.split(key, 1 + task.size.blocks)
        width, heads = task.size.features, task.size.heads
        self.table = jax.random.normal(first, (VOCABULARY, width)) / width**0.5
        self.blocks = [Block(width, heads, key) for key in keys]
        self.norm = eqx.nn.RMSNorm(width, use_bias=False)

    def __call__(self, tokens: jax.Array) -> jax.Array:
        """Scores at each place of (T,)."""
        x = self.table[tokens] * self.table.shape[-1] ** 0.5
        for block in self.blocks:
            x = block(x)
        return jax.vmap(self.norm)(x) @ self.table.T
