"""What is trained end to end: four data sets, a Yat and a plain network each, and their products.

Both networks of a task have the same sizes, and the peers build the plain one, or nmn the Yat one.
"""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import pyneurons_yat as pn
from pyneurons_yat import zoo

DATA = Path(os.environ.get("PYNEURONS_YAT_DATA", Path(__file__).parents[2] / "shared" / "data"))
BATCH, CLASSES, VOCABULARY = 64, 10, 65
IMAGES = 1920


class Size(NamedTuple):
    """The sizes of the networks; tests take small ones."""

    hidden: int = 64  # of the MLP
    filters: int = 16  # of the first convolution, the second has twice as many
    units: int = 128  # of the GRU
    features: int = 128  # of the GPT
    blocks: int = 4
    heads: int = 4
    length: int = 128
    sequences: int = 16


class Product(NamedTuple):
    """Matrix products of one kind in a forward pass.

    Attributes:
        left: The shape of the left factor; images for a convolution.
        right: The shape of the right factor.
        equation: As in `jax.numpy.einsum`, or "conv" for 3x3 windows two places apart.
        count: How often.
        chained: Whether each waits for the one before, as the steps of a recurrent network do.
        first: Whether the left factor is data, which needs no gradient.
    """

    left: tuple[int, ...]
    right: tuple[int, ...]
    equation: str = "ti,io->to"
    count: int = 1
    chained: bool = False
    first: bool = False


class Task(NamedTuple):
    """Data, networks, and when they have learned.

    Attributes:
        name: Of the task.
        kind: "mlp", "cnn", "gru" or "gpt".
        data: What the data are, in words.
        x: Inputs, (batches, batch, ...).
        y: Targets, (batches, batch) or (batches, batch, length).
        yat: Makes the Yat network from a key.
        plain: Makes the other one.
        loss: The loss at which the clock stops, a mean of ten steps.
        products: Of a forward pass.
        size: The sizes.
    """

    name: str
    kind: str
    data: str
    x: jax.Array
    y: jax.Array
    yat: Callable[[jax.Array], Any]
    plain: Callable[[jax.Array], Any]
    loss: float
    products: tuple[Product, ...]
    size: Size


def tasks(size: Size = Size()) -> list[Task]:  # noqa: B008 - a tuple
    """The four tasks, the dearest first."""
    return [gpt(size), mlp(size), cnn(size), gru(size)]


def batched(x: Any, y: Any) -> tuple[jax.Array, jax.Array]:
    """Whole batches of images and labels."""
    rows = len(x) // BATCH * BATCH
    x = np.asarray(x[:rows], np.float32).reshape(-1, BATCH, *np.shape(x)[1:])
    return jnp.asarray(x), jnp.asarray(np.asarray(y[:rows], np.int32).reshape(-1, BATCH))


def digits() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's digits, 8x8, scaled to at most 1."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return images / 16, labels


def images() -> tuple[str, np.ndarray, np.ndarray]:
    """Images of 28x28: MNIST where it lies at hand, else the digits enlarged."""
    file = DATA / "mnist10k.npz"
    if file.is_file():
        with np.load(file) as found:
            return f"MNIST, {IMAGES} images", found["images"][:IMAGES] / 255, found["labels"]
    small, labels = digits()
    large = np.kron(small.reshape(-1, 8, 8), np.ones((1, 3, 3)))
    return (
        "scikit-learn's digits, enlarged to 28x28",
        np.pad(large, ((0, 0), (2, 2), (2, 2))),
        labels,
    )


def text() -> tuple[str, np.ndarray]:
    """Characters as whole numbers below VOCABULARY: Tiny Shakespeare, or this library's words."""
    file = DATA / "tinyshakespeare.txt"
    if file.is_file():
        said, words = "Tiny Shakespeare", file.read_text()
    else:
        said = "the docstrings of this library"
        words = "\n".join(getattr(pn, name).__doc__ or "" for name in pn.__all__)
    found, ids = np.unique(np.array(list(words)), return_inverse=True)
    return f"{said}, {len(words):,} characters", np.minimum(ids, VOCABULARY - 1).astype(np.int32)


def mlp(size: Size) -> Task:
    """A hidden layer of neurons on the digits."""
    x, y = batched(*digits())
    inputs, hidden = x.shape[-1], size.hidden
    products = (
        Product((BATCH, inputs), (inputs, hidden), first=True),
        Product((BATCH, hidden), (hidden, CLASSES)),
    )
    yat = partial(zoo.yat_classifier, inputs=inputs, hidden=hidden, classes=CLASSES)
    plain = partial(zoo.relu_classifier, inputs=inputs, hidden=hidden, classes=CLASSES)
    said = "scikit-learn's digits"
    return Task("digits MLP", "mlp", said, x, y, yat, plain, 0.2, products, size)


def cnn(size: Size) -> Task:
    """Two convolutions that halve the image, and a linear layer."""
    said, pictures, labels = images()
    x, y = batched(pictures[..., None], labels)
    one, two = size.filters, 2 * size.filters
    options: dict[str, Any] = {"strides": 2}

    def yat(key: jax.Array) -> Any:
        first, second, third = jax.random.split(key, 3)
        options_yat = {**options, "epsilon": 0.1}
        return pn.sequential(
            pn.YatConv(first, 1, one, (3, 3), **options_yat),
            pn.YatConv(second, one, two, (3, 3), **options_yat),
            flat,
            pn.Linear(third, 49 * two, CLASSES),
        )

    def plain(key: jax.Array) -> Any:
        first, second, third = jax.random.split(key, 3)
        return pn.sequential(
            pn.Conv(first, 1, one, (3, 3), **options),
            jax.nn.relu,
            pn.Conv(second, one, two, (3, 3), **options),
            jax.nn.relu,
            flat,
            pn.Linear(third, 49 * two, CLASSES),
        )

    products = (
        Product((BATCH, 28, 28, 1), (3, 3, 1, one), "conv", first=True),
        Product((BATCH, 14, 14, one), (3, 3, one, two), "conv"),
        Product((BATCH, 49 * two), (49 * two, CLASSES)),
    )
    return Task("image CNN", "cnn", said, x, y, yat, plain, 0.2, products, size)


def flat(x: jax.Array) -> jax.Array:
    """Images as rows."""
    return x.reshape(x.shape[0], -1)


def last(x: jax.Array) -> jax.Array:
    """The last step of sequences (B, T, F)."""
    return x[:, -1]


def gru(size: Size) -> Task:
    """A recurrent layer reads the image row by row; its last step tells the digit."""
    said, pictures, labels = images()
    x, y = batched(pictures, labels)
    units = size.units

    def network(layer: Any, key: jax.Array) -> Any:
        one, two = jax.random.split(key)
        return pn.sequential(layer(one, 28, units), last, pn.Linear(two, units, CLASSES))

    products = (
        Product((BATCH * 28, 28), (28, 3 * units), first=True),
        Product((BATCH, units), (units, 3 * units), count=28, chained=True),
        Product((BATCH, units), (units, CLASSES)),
    )
    makers = partial(network, pn.YatGRU), partial(network, pn.GRU)
    return Task("image-row GRU", "gru", said, x, y, *makers, 0.5, products, size)


def gpt(size: Size) -> Task:
    """A transformer that predicts characters; it is told no positions."""
    said, ids = text()
    sequences, length, width, heads = size.sequences, size.length, size.features, size.heads
    generator = np.random.default_rng(0)
    starts = generator.integers(len(ids) - length - 1, size=(64, sequences))
    windows = ids[starts[..., None] + np.arange(length + 1)]
    x, y = jnp.asarray(windows[..., :-1]), jnp.asarray(windows[..., 1:])
    make = partial(
        zoo.Transformer,
        vocabulary=VOCABULARY,
        features=width,
        blocks=size.blocks,
        heads=heads,
        rotary=None,
    )
    feed = partial(zoo.FeedForward, use_bias=False, activation=jax.nn.gelu)
    plain = partial(make, attention=pn.MultiHeadAttention, feed=feed)
    rows, split = sequences * length, (sequences * heads, length, width // heads)
    square = (sequences * heads, length, length)
    products = (
        Product((rows, width), (width, width), count=4 * size.blocks),
        Product(split, split, "btf,bsf->bts", size.blocks),
        Product(square, split, "bts,bsf->btf", size.blocks),
        Product((rows, width), (width, 4 * width), count=size.blocks),
        Product((rows, 4 * width), (4 * width, width), count=size.blocks),
        Product((rows, width), (width, VOCABULARY)),
    )
    return Task("character GPT", "gpt", said, x, y, make, plain, 2.6, products, size)
