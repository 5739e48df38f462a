"""vae: a convolutional variational autoencoder of MNIST's images."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import optax

import pyneurons_yat as pn
from pyneurons_yat.zoo import VAE, vae_loss

from .mnist_cnn import DATA, LICENSE, TRAINING, mnist

EPOCHS, BATCH, LATENTS = 8, 64, 8
DEVIATION = 1.0
"""By which pixels are divided: the smaller, the less the loss weighs the divergence of the code."""


def train(folder: Path | None, seed: int) -> tuple[pn.Model, dict[str, Any]]:
    """The model, and what its card tells of it."""
    training, testing = (part.x / DEVIATION for part in mnist(folder))
    one, two = jax.random.split(jax.random.key(seed))
    steps = EPOCHS * (TRAINING // BATCH)
    model, _ = pn.fit(
        optax.adam(optax.cosine_decay_schedule(3e-3, steps)),
        VAE(one, LATENTS, image_size=28), training, training, loss=vae_loss,
        epochs=EPOCHS, batch_size=BATCH, key=two, progress=False,
    )  # fmt: skip
    images, seen = pn.capture(model)(jnp.asarray(testing))
    return model, {
        "inputs": "(B, 28, 28, 1): pixels from 0 to 1, over the deviation",
        "outputs": "(B, 28, 28, 1), likewise; draw_images makes new ones",
        "data": DATA,
        "data_license": LICENSE,
        "deviation": DEVIATION,
        "latents": LATENTS,
        "steps": steps,
        "figures": {
            "mean squared error": float(jnp.mean(jnp.square(images - testing))),
            "divergence": float(jnp.mean(seen["kl"])),
            "loss": float(vae_loss(model, jnp.asarray(testing), jnp.asarray(testing))),
        },
    }
