"""A convolutional variational autoencoder of small images, which draws new ones."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ..core import Model, bind, capture, name, sequential
from ..neurons import Conv, ConvTranspose, Linear, YatConv, YatConvTranspose
from ..ops.checks import check_flag, check_key, integers

NOISE = 0.5


class VAEParams(NamedTuple):
    """From images to mean and log-variance of the code, and from a code to an image."""

    encoder: Model
    decoder: Model


def create(
    key: jax.Array, latents: int = 8, *, channels: int = 16, image_size: int | Sequence[int] = 8
) -> VAEParams:
    """An autoencoder of small images whose code is a normal distribution.

        code ~ N(mean(image), exp(log_variance(image)))        image' = decoder(code)

    Two Yat and plain convolutions with strides of 2 lead down to a quarter of the height and width,
    and a linear layer to the distribution of the code; a linear layer and transposed convolutions
    lead back. Inference decodes the mean, training a sample. Both mark the divergence of the code
    from N(0, 1), a number per image, with the name "kl": a loss gets it by `capture`, as `vae_loss`
    does.

    Args:
        key: A PRNG key.
        latents: Numbers in a code.
        channels: Channels of the first convolution; the second has twice as many.
        image_size: Height and width of the images, multiples of 4; one number for both.

    The model takes images (B, H, W, 1) of about unit variance and returns the same shape.

    Returns:
        `VAEParams(encoder, decoder)`.

    Raises:
        TypeError: If image_size is no integer or two of them; in training, if there is no key.
        ValueError: If 4 does not divide image_size.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> from pyneurons_yat.zoo import VAE
        >>> model = VAE(jax.random.key(0), 2, channels=4)
        >>> images = jnp.ones((5, 8, 8, 1))
        >>> y, seen = jax.jit(pn.capture(model))(images)
        >>> y.shape, seen["kl"].shape
        ((5, 8, 8, 1), (5,))

    Source:
        Kingma, Welling, "Auto-Encoding Variational Bayes", arXiv:1312.6114.
    """
    size = integers("VAE", "image_size", image_size, 2, 4)
    if any(side % 4 for side in size):
        raise ValueError(f"VAE: image_size must be a multiple of 4, got {size}")
    places = size[0] // 4, size[1] // 4
    keys = jax.random.split(key, 6)
    wide = 2 * channels
    features = places[0] * places[1] * wide
    encoder = sequential(
        YatConv(keys[0], 1, channels, (3, 3), strides=2, epsilon=1.0),
        Conv(keys[1], channels, wide, (3, 3), strides=2),
        jax.nn.relu,
        flatten,
        Linear(keys[2], features, 2 * latents),
    )
    decoder = sequential(
        Linear(keys[3], latents, features),
        jax.nn.relu,
        partial(unflatten, places=places),
        YatConvTranspose(keys[4], wide, channels, (3, 3), strides=2, epsilon=1.0),
        ConvTranspose(keys[5], channels, 1, (3, 3), strides=2),
    )
    return VAEParams(encoder, decoder)


def flatten(x: jax.Array) -> jax.Array:
    """Features of places as one row: (B, H, W, C) to (B, H W C)."""
    return x.reshape(x.shape[0], -1)


def unflatten(x: jax.Array, *, places: tuple[int, int] = (2, 2)) -> jax.Array:
    """What `flatten` undoes: (B, H W C) to (B, H, W, C)."""
    return x.reshape(x.shape[0], *places, -1)


def code_of(encoded: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Mean and log-variance of a code, (B, latents) each, its divergence from N(0, 1) marked."""
    mean, log_variance = jnp.split(encoded, 2, axis=-1)
    terms = jnp.square(mean) + jnp.exp(log_variance) - log_variance - 1
    name(0.5 * jnp.sum(terms, axis=-1), "kl")
    return mean, log_variance


def apply(
    params: VAEParams, x: jax.Array, *, draw: bool = False, key: jax.Array | None = None
) -> jax.Array:
    """Decodes the mean of the code of images, in training a sample of it.

    Args:
        params: The parts.
        x: Images (B, H, W, 1).
        draw: Whether x are PRNG keys (B,) instead, and each draws the code of a new image.
    """
    check_flag("VAE", draw=draw)
    if draw:
        weights = params.decoder[0].kernel
        shape, dtype = weights.shape[:1], weights.dtype
        return params.decoder(jax.vmap(lambda key: jax.random.normal(key, shape, dtype))(x))
    mean, log_variance = code_of(params.encoder(x))
    if key is None:
        return params.decoder(mean)
    check_key("VAE", key)
    noise = jax.random.normal(key, mean.shape, mean.dtype)
    return params.decoder(mean + jnp.exp(0.5 * log_variance) * noise)


VAE = bind("VAE", create, apply)


def vae_loss(model: Model, x: jax.Array, y: jax.Array) -> jax.Array:
    """The negative evidence lower bound, but for a constant, for normal noise on the pixels.

        mean over images of  sum (model(x) - y)^2 / (2 NOISE^2) + KL(code || N(0, 1)),  NOISE = 0.5

    In training, as in `fit` and `train_step`, the code is drawn; in validation it is its mean.

    Args:
        model: What `VAE` returned.
        x: Images (B, H, W, 1).
        y: The same images.

    Returns:
        A scalar.

    Example:
        >>> import jax, jax.numpy as jnp, optax, pyneurons_yat as pn
        >>> from pyneurons_yat.zoo import VAE, vae_loss
        >>> one, two = jax.random.split(jax.random.key(0))
        >>> x = jnp.kron(jnp.array([[1.0], [-1.0]]), jnp.ones((8, 64))).reshape(16, 8, 8, 1)
        >>> options = dict(loss=vae_loss, epochs=60, key=two, progress=False)
        >>> model, history = pn.fit(optax.adam(1e-2), VAE(one, 2, channels=4), x, x, **options)
        >>> history["loss"][-1] < history["loss"][0] / 2
        True
    """
    images, seen = capture(model)(x)
    error = jnp.sum(jnp.square(images - y), axis=(1, 2, 3))
    return jnp.mean(error / (2 * NOISE**2) + seen["kl"])


def draw_images(model: Model, key: jax.Array, count: int = 1) -> jax.Array:
    """New images: what a `VAE` decodes from codes drawn from N(0, 1).

    Args:
        model: What `VAE` returned.
        key: A PRNG key.
        count: How many.

    Returns:
        Images (count, H, W, 1).

    Example:
        >>> import jax
        >>> from pyneurons_yat.zoo import VAE, draw_images
        >>> one, two = jax.random.split(jax.random.key(0))
        >>> draw_images(VAE(one, 2, channels=4), two, 3).shape
        (3, 8, 8, 1)
    """
    return model(jax.random.split(key, count), draw=True)
