"""drawn-digits: Yat neurons on digits of any hand, brought to the 8 x 8 of scikit-learn's.

Its inputs are drawings of any size: the page in `docs/demo` brings what a visitor draws to the same
form as `normalized` brings MNIST's images here.
"""

from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import pyneurons_yat as pn
from pyneurons_yat.data import Split, digits

from .digits_mlp import scale
from .mnist_cnn import DATA, LICENSE, mnist

EPOCHS, BATCH, HIDDEN = 150, 128, 128
SIDE, BLOCKS, WIDTH = 32, 8, 24
STEEPEST, TALLEST = 0.7, 2.0


def normalized(ink: np.ndarray) -> np.ndarray:
    """A drawing (N, M), ink from 0 to 1, as 8 x 8 numbers from 0 to 16, upright and full in height.

    As for scikit-learn's digits: the slant is taken out by a shear, the digit fills 32 rows and at
    most 24 columns in the middle of 32, and each number counts the ink of 4 x 4 of these.
    """
    y, x = np.nonzero(ink > 0.5)
    if not len(y):
        return np.zeros((BLOCKS, BLOCKS))
    rows, columns = np.indices(ink.shape)
    total = ink.sum()
    middle, center = (ink * rows).sum() / total, (ink * columns).sum() / total
    tall = (ink * (rows - middle) ** 2).sum()
    slant = (ink * (rows - middle) * (columns - center)).sum() / tall if tall > 0 else 0.0
    slant = np.clip(slant, -STEEPEST, STEEPEST)
    upright = x - slant * (y - middle)
    top, bottom = y.min() - 0.5, y.max() + 0.5
    left, right = upright.min() - 0.5, upright.max() + 0.5
    across = min(SIDE / (bottom - top), WIDTH / (right - left))
    down = min(SIDE / (bottom - top), TALLEST * across)
    steps = np.arange(SIDE) + 0.5 - SIDE / 2
    at_y = (steps / down + (top + bottom) / 2)[:, None]
    at_x = (steps / across + (left + right) / 2)[None] + slant * (at_y - middle)
    sampled = between(ink, np.broadcast_to(at_y, at_x.shape), at_x)
    return sampled.reshape(BLOCKS, 4, BLOCKS, 4).sum((1, 3))


def between(ink: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The ink at places between pixels, linear in both; 0 beyond the rim."""
    around = np.pad(ink, 1)
    y, x = (np.clip(v + 1, 0, n - 1) for v, n in zip((y, x), around.shape, strict=True))
    i, j = (np.minimum(v.astype(int), n - 2) for v, n in zip((y, x), around.shape, strict=True))
    v, u = y - i, x - j
    upper = (1 - u) * around[i, j] + u * around[i, j + 1]
    lower = (1 - u) * around[i + 1, j] + u * around[i + 1, j + 1]
    return (1 - v) * upper + v * lower


Batch = tuple[jax.Array, jax.Array]


def turned(key: jax.Array, batch: Batch, *, paper: float, full: float) -> Batch:
    """Turns, stretches, slants and shifts each digit a little, and thins or thickens its ink."""
    x, y = batch
    keys = jax.random.split(key, 5)

    def drawn(key: jax.Array, most: float, *shape: int) -> jax.Array:
        return most * jax.random.uniform(key, (len(x), *shape), minval=-1.0, maxval=1.0)

    angle, slant = drawn(keys[0], 0.12), drawn(keys[1], 0.12)
    size, shift = 1 + drawn(keys[2], 0.1, 2), drawn(keys[3], 0.4, 2)
    turn = jnp.stack([jnp.cos(angle), -jnp.sin(angle), jnp.sin(angle), jnp.cos(angle)], -1)
    scaled = jnp.stack([size[:, 0], jnp.zeros_like(slant), slant, size[:, 1]], -1)
    matrix = turn.reshape(-1, 2, 2) @ scaled.reshape(-1, 2, 2)
    middle = (BLOCKS - 1) / 2
    places = jnp.indices((BLOCKS, BLOCKS)).reshape(2, -1) - middle
    at = jnp.einsum("nij,jp->nip", matrix, places) + shift[:, :, None] + middle
    rows, columns = jnp.moveaxis(jnp.maximum(0, 1 - abs(at[..., None] - jnp.arange(BLOCKS))), 1, 0)
    ink = (x - paper).reshape(-1, BLOCKS, BLOCKS)
    moved = jnp.einsum("npi,npj,nij->np", rows, columns, ink) * (1 + drawn(keys[4], 0.25, 1))
    return jnp.minimum(moved, full - paper) + paper, y


def network(key: jax.Array, x: np.ndarray) -> pn.Model:
    """Yat neurons whose prototypes start as training digits, and a layer of logits."""
    one, two, three = jax.random.split(key, 3)
    chosen = np.asarray(jax.random.choice(three, len(x), (HIDDEN,), replace=False))
    small = jax.nn.initializers.constant(0.02)
    hidden = pn.YatDense(one, 64, HIDDEN, epsilon=10.0, use_bias=False, alpha_init=small)
    parts = {"hidden": pn.replace(hidden, "kernel", jnp.asarray(x[chosen].T))}
    return pn.sequential({**parts, "logits": pn.Linear(two, HIDDEN, 10)})


def both(folder: Path | None) -> tuple[Split, Split, Split]:
    """Of both data sets together to train with; of scikit-learn's and of MNIST to test with."""
    of_scale, (training, testing) = scale(), digits()

    def small(part: Split) -> Split:
        rows = np.stack([normalized(image) for image in part.x[..., 0]]).reshape(-1, 64)
        scaled = (rows - of_scale["mean"]) / of_scale["deviation"]
        return Split(scaled.astype(np.float32), part.y)

    mnist_training, mnist_testing = map(small, mnist(folder))
    joined = [np.concatenate(pair) for pair in zip(mnist_training, training, strict=True)]
    return Split(*joined), testing, mnist_testing


def train(folder: Path | None, seed: int) -> tuple[pn.Model, dict[str, Any]]:
    """The model, and what its card tells of it."""
    training, testing, mnist_testing = both(folder)
    of_scale = scale()
    paper, full = ((v - of_scale["mean"]) / of_scale["deviation"] for v in (0, 16))
    one, two = jax.random.split(jax.random.key(seed))
    steps = EPOCHS * -(-len(training.x) // BATCH)
    model, _ = pn.fit(
        optax.adam(optax.cosine_decay_schedule(3e-3, steps)), network(one, training.x), *training,
        loss=pn.cross_entropy, epochs=EPOCHS, batch_size=BATCH, key=two,
        augment=partial(turned, paper=paper, full=full), progress=False,
    )  # fmt: skip
    return model, {
        "inputs": "(*B, 64): 8 x 8 pixels from 0 to 16, less the mean, over the deviation",
        "outputs": "(*B, 10): logits of the digits 0 to 9",
        "data": "scikit-learn's digits, 1,437 to train with, 360 to test with, as "
        f"pyneurons_yat.data.digits() divides them; and {DATA}, brought to their form",
        "data_license": "CC BY 4.0 (Alpaydin, Kaynak: Optical Recognition of Handwritten Digits); "
        + LICENSE,
        **of_scale,
        "steps": steps,
        "figures": {
            "accuracy": float(pn.accuracy(model(testing.x), testing.y)),
            "accuracy on MNIST": float(pn.accuracy(model(mnist_testing.x), mnist_testing.y)),
        },
    }
