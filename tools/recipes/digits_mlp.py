"""digits-mlp: one hidden layer of Yat neurons on scikit-learn's digits."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
from sklearn.datasets import load_digits

import pyneurons_yat as pn
from pyneurons_yat.data import digits
from pyneurons_yat.zoo import yat_classifier

EPOCHS, BATCH = 60, 64


def scale() -> dict[str, float]:
    """Mean and deviation of the pixels, by which the loader shifts and scales all of them."""
    pixels, (train, test) = load_digits().data, digits()
    rows = np.concatenate([train.x, test.x])
    deviation = np.ptp(pixels) / np.ptp(rows)
    return {
        "mean": round(float(-rows.min() * deviation), 5),
        "deviation": round(float(deviation), 5),
    }


def train(folder: Path | None, seed: int) -> tuple[pn.Model, dict[str, Any]]:
    """The model, and what its card tells of it. It needs no folder of data."""
    training, testing = digits()
    one, two = jax.random.split(jax.random.key(seed))
    steps = EPOCHS * -(-len(training.x) // BATCH)
    optimizer = optax.adam(optax.cosine_decay_schedule(3e-3, steps))
    model, _ = pn.fit(
        optimizer, yat_classifier(one, 64, 128, 10), *training, loss=pn.cross_entropy,
        epochs=EPOCHS, batch_size=BATCH, key=two, progress=False,
    )  # fmt: skip
    return model, {
        "inputs": "(*B, 64): 8 x 8 pixels from 0 to 16, less the mean, over the deviation",
        "outputs": "(*B, 10): logits of the digits 0 to 9",
        "data": "scikit-learn's digits: 1,437 to train with, 360 to test with, as "
        "pyneurons_yat.data.digits() divides them",
        "data_license": "CC BY 4.0 (Alpaydin, Kaynak: Optical Recognition of Handwritten Digits)",
        **scale(),
        "steps": steps,
        "figures": {"accuracy": float(pn.accuracy(model(testing.x), testing.y))},
    }
