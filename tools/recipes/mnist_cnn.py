"""mnist-cnn: two strided Yat convolutions and a linear layer on MNIST."""

from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

import pyneurons_yat as pn
from pyneurons_yat.data import Split, random_shift

EPOCHS, BATCH, TRAINING = 30, 64, 8_000
DATA = (
    "the 10,000 test images of MNIST (LeCun, Cortes, Burges): the first 8,000 to train with, the "
    "other 2,000 to test with"
)
LICENSE = "CC BY-SA 3.0 (LeCun, Cortes, Burges: The MNIST Database of Handwritten Digits)"


def mnist(folder: Path | None) -> tuple[Split, Split]:
    """Images (N, 28, 28, 1) from 0 to 1 and labels, from mnist10k.npz in a folder."""
    if folder is None:
        raise ValueError("mnist: folder must hold mnist10k.npz, got none; give --data FOLDER")
    arrays = np.load(Path(folder) / "mnist10k.npz")
    x = arrays["images"][..., None].astype(np.float32) / 255
    y = arrays["labels"].astype(np.int32)
    return Split(x[:TRAINING], y[:TRAINING]), Split(x[TRAINING:], y[TRAINING:])


def network(key: jax.Array) -> pn.Model:
    """From images (B, 28, 28, 1) to logits (B, 10)."""
    one, two, three = jax.random.split(key, 3)
    return pn.sequential(
        {
            "first": pn.YatConv(one, 1, 16, (5, 5), strides=2, epsilon=1.0),
            "first_norm": pn.BatchNorm(16),
            "second": pn.YatConv(two, 16, 32, (3, 3), strides=2, epsilon=1.0),
            "second_norm": pn.BatchNorm(32),
            "flatten": pn.flatten,
            "dropout": pn.Dropout(0.3),
            "logits": pn.Linear(three, 7 * 7 * 32, 10),
        }
    )


def train(folder: Path | None, seed: int) -> tuple[pn.Model, dict[str, Any]]:
    """The model, and what its card tells of it."""
    training, testing = mnist(folder)
    one, two = jax.random.split(jax.random.key(seed))
    steps = EPOCHS * (TRAINING // BATCH)
    optimizer = optax.adamw(optax.cosine_decay_schedule(3e-3, steps), weight_decay=1e-2)
    model, _ = pn.fit(
        optimizer, network(one), *training, loss=pn.cross_entropy, epochs=EPOCHS, batch_size=BATCH,
        key=two, augment=partial(random_shift, most=2), progress=False,
    )  # fmt: skip
    logits = pn.predict(model, testing.x, batch_size=500)
    return model, {
        "inputs": "(B, 28, 28, 1): pixels from 0, the paper, to 1, the ink",
        "outputs": "(B, 10): logits of the digits 0 to 9",
        "data": DATA,
        "data_license": LICENSE,
        "steps": steps,
        "figures": {"accuracy": float(pn.accuracy(logits, testing.y))},
    }
