"""Flax nnx: modules, split into their parameters and the rest."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from ..steps import Trainer, mean_loss, trainer
from ..tasks import BATCH, CLASSES, VOCABULARY, Task


def trainer_of(task: Task) -> Trainer:
    """The plain network."""
    network = {"mlp": mlp, "cnn": cnn, "gru": GRU, "gpt": GPT}[task.kind](task, nnx.Rngs(0))
    return split("flax nnx", task, network)


def split(name: str, task: Task, network: Any) -> Trainer:
    """A trainer of a module."""
    graph, params, rest = nnx.split(network, nnx.Param, ...)

    def loss(params: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        return mean_loss(nnx.merge(graph, params, rest)(x), y)

    return trainer(name, task, params, loss)


def mlp(task: Task, rngs: nnx.Rngs) -> nnx.Module:
    """Two layers."""
    one = nnx.Linear(task.x.shape[-1], task.size.hidden, rngs=rngs)
    return nnx.Sequential(one, nnx.relu, nnx.Linear(task.size.hidden, CLASSES, rngs=rngs))


def cnn(task: Task, rngs: nnx.Rngs) -> nnx.Module:
    """Two convolutions and a layer."""
    filters = task.size.filters
    return nnx.Sequential(
        nnx.Conv(1, filters, (3, 3), strides=2, rngs=rngs),
        nnx.relu,
        nnx.Conv(filters, 2 * filters, (3, 3), strides=2, rngs=rngs),
        nnx.relu,
        lambda x: x.reshape(BATCH, -1),
        nnx.Linear(49 * 2 * filters, CLASSES, rngs=rngs),
    )


class GRU(nnx.Module):
    """A recurrent layer and a linear one."""

    def __init__(self, task: Task, rngs: nnx.Rngs) -> None:
        units = task.size.units
        self.rnn = nnx.RNN(nnx.GRUCell(task.x.shape[-1], units, rngs=rngs), rngs=False)
        self.scores = nnx.Linear(units, CLASSES, rngs=rngs)

    def __call__(self, x: jax.Array) -> Any:
        """Scores after the last step."""
        start = jnp.zeros((len(x), self.scores.in_features))
        y: Any = self.rnn(x, initial_carry=start)
        return self.scores(y[:, -1])


class Block(nnx.Module):
    """Attention and a feed-forward layer, both with a norm before."""

    def __init__(self, width: int, heads: int, rngs: nnx.Rngs) -> None:
        options: dict[str, Any] = {"use_bias": False, "rngs": rngs}
        self.one, self.two = nnx.RMSNorm(width, rngs=rngs), nnx.RMSNorm(width, rngs=rngs)
        self.attention = nnx.MultiHeadAttention(heads, width, decode=False, **options)
        self.hidden = nnx.Linear(width, 4 * width, **options)
        self.back = nnx.Linear(4 * width, width, **options)

    def __call__(self, x: jax.Array) -> jax.Array:
        """The block of (B, T, width)."""
        mask = nnx.make_causal_mask(x[..., 0])
        x = x + self.attention(self.one(x), mask=mask)
        return x + self.back(nnx.gelu(self.hidden(self.two(x))))


class GPT(nnx.Module):
    """An embedding that scores too, and blocks between."""

    def __init__(self, task: Task, rngs: nnx.Rngs) -> None:
        width, heads = task.size.features, task.size.heads
        self.table = nnx.Embed(VOCABULARY, width, rngs=rngs)
        self.blocks = nnx.List([Block(width, heads, rngs) for _ in range(task.size.blocks)])
        self.norm = nnx.RMSNorm(width, rngs=rngs)

    def __call__(self, tokens: jax.Array) -> jax.Array:
        """Scores at each place."""
        x = self.table(tokens)
        x = x * jnp.sqrt(jnp.asarray(x.shape[-1], x.dtype))
        for block in self.blocks:
            x = block(x)
        return self.table.attend(self.norm(x))
