"""GPTs of characters: three kinds of equal size, trained on the same windows of a text."""

from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ..core import Model, where
from ..data import Vocabulary, characters, windows
from ..learn import TrainState, cross_entropy, train_step
from ..neurons import MultiHeadAttention
from ..zoo import FeedForward, Transformer
from .sources import shakespeare

KINDS: dict[str, dict[str, Any]] = {
    "Yat": {},
    "Yat neurons alone": {"attention": MultiHeadAttention},
    "GELU": {
        "attention": MultiHeadAttention,
        "feed": partial(FeedForward, activation=jax.nn.gelu),
    },
}
"""Options of `Transformer`: Yat attention and Yat neurons are its defaults."""


WINDOWS = 100
"""Windows of the validation text whose loss is drawn on the way."""

AXIS = f"validation loss of the first {WINDOWS} windows\n(nats per character)"


class Size(NamedTuple):
    """Of a GPT and its training; the last 0.1 of the steps' rate is left at their end."""

    blocks: int
    features: int
    heads: int
    length: int
    batch: int
    steps: int
    rate: float = 3e-3
    warmup: int = 100

    @property
    def characters(self) -> int:
        """How many characters are trained on, those seen twice counted twice."""
        return self.batch * self.length * self.steps


class Text(NamedTuple):
    """A text as numbers: the first 90% to train with, the rest to validate with."""

    train: np.ndarray
    validation: np.ndarray
    vocabulary: Vocabulary


class Trained(NamedTuple):
    """A model, its validation loss, and the losses on the way: (steps so far, loss) each."""

    model: Model
    loss: float
    curve: list[tuple[int, float]]


def read(data: Path | None) -> Text:
    """Tiny Shakespeare in its customary split."""
    ids, vocabulary = characters(shakespeare(data))
    cut = len(ids) * 9 // 10
    return Text(ids[:cut], ids[cut:], vocabulary)


def gpt(key: jax.Array, text: Text, size: Size, **options: Any) -> Model:
    """An untrained GPT; the options are those of `Transformer`."""
    sizes = {"blocks": size.blocks, "heads": size.heads}
    return Transformer(key, text.vocabulary.size, size.features, **sizes, **options)


@cache
def optimizer(size: Size) -> optax.GradientTransformation:
    """AdamW as is customary for GPTs: warmup, cosine, clipped gradients, decay of kernels only."""
    warmup = min(size.warmup, size.steps // 2)
    rate = optax.warmup_cosine_decay_schedule(0.0, size.rate, warmup, size.steps, size.rate / 10)
    adamw = optax.adamw(rate, b2=0.99, weight_decay=0.1, mask=where("*kernel"))
    return optax.chain(optax.clip_by_global_norm(1.0), adamw)


@partial(jax.jit, static_argnames=("size", "steps"))
def _train(state: TrainState, ids: jax.Array, key: jax.Array, size: Size, steps: int) -> TrainState:
    step = train_step(cross_entropy, optimizer(size))

    def one(state: TrainState, key: jax.Array) -> tuple[TrainState, None]:
        starts = jax.random.randint(key, (size.batch, 1), 0, len(ids) - size.length)
        pieces = ids[starts + jnp.arange(size.length + 1)[None]]
        return step(state, (pieces[:, :-1], pieces[:, 1:]))[0], None

    return jax.lax.scan(one, state, jax.random.split(key, steps))[0]


@jax.jit
def _losses(model: Model, x: jax.Array, y: jax.Array) -> jax.Array:
    return jax.lax.map(lambda pair: cross_entropy(model(pair[0]), pair[1]), (x, y), batch_size=32)


def loss(model: Model, ids: np.ndarray, length: int, count: int | None = None) -> float:
    """Nats per character of a text in windows, the first `count` of them or all."""
    x, y = (jnp.asarray(part[:count]) for part in windows(ids, length))
    return float(_losses(model, x, y).mean())


def train(text: Text, size: Size, seed: int, *, points: int = 10, **options: Any) -> Trained:
    """Trains a GPT; its windows depend on the seed alone, so all kinds see the same ones."""
    for_model, for_windows, for_steps = jax.random.split(jax.random.key(seed), 3)
    model = gpt(for_model, text, size, **options)
    state = TrainState.create(model, optimizer(size), for_steps)
    ids, curve, done = jnp.asarray(text.train), [], 0
    for n, part in enumerate(np.array_split(np.arange(size.steps), min(points, size.steps))):
        key = jax.random.fold_in(for_windows, n)
        state = _train(state, ids, key, size, len(part))
        done += len(part)
        curve.append((done, loss(state.model, text.validation, size.length, WINDOWS)))
    return Trained(state.model, loss(state.model, text.validation, size.length), curve)
