"""The whole models beside the same ones written in nnx: the same numbers from the same weights."""

import functools
import warnings
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pyneurons_yat as pn
from pyneurons_yat.zoo import GatedFeedForward, Transformer, caches, extend

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    nnx = pytest.importorskip("flax.nnx")

TOKENS = np.random.default_rng(0).integers(0, 11, (2, 7))
IMAGES = np.random.default_rng(1).normal(size=(5, 6))


@pytest.fixture(autouse=True)
def as_nnx_wants():
    """It broadcasts ranks, and warns of what it does itself."""
    with jax.numpy_rank_promotion("allow"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def near(one, other):
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


# ------------------------------------------------------------------------------ a transformer


class Block(nnx.Module):
    def __init__(self, features, heads, rngs):
        options = {"use_bias": False, "param_dtype": float, "rngs": rngs}
        self.attention_norm = nnx.RMSNorm(features, epsilon=1e-6, param_dtype=float, rngs=rngs)
        self.attention = nnx.MultiHeadAttention(heads, features, decode=False, **options)
        self.feed_norm = nnx.RMSNorm(features, epsilon=1e-6, param_dtype=float, rngs=rngs)
        self.gate = nnx.Linear(features, 4 * features, **options)
        self.value = nnx.Linear(features, 4 * features, **options)
        self.output = nnx.Linear(4 * features, features, **options)

    def __call__(self, x, mask=None):
        x = x + self.attention(self.attention_norm(x), mask=mask)
        normal = self.feed_norm(x)
        return x + self.output(nnx.silu(self.gate(normal)) * self.value(normal))


class Decoder(nnx.Module):
    def __init__(self, vocabulary, features, blocks, heads, rngs):
        self.embed = nnx.Embed(vocabulary, features, param_dtype=float, rngs=rngs)
        self.blocks = nnx.List([Block(features, heads, rngs) for _ in range(blocks)])
        self.norm = nnx.RMSNorm(features, epsilon=1e-6, param_dtype=float, rngs=rngs)

    def __call__(self, tokens, mask=None):
        x = self.embed(tokens) * self.embed.features**0.5
        for block in self.blocks:
            x = block(x, mask)
        return self.embed.attend(self.norm(x))


@functools.cache
def decoders():
    """The same decoder in both libraries."""
    theirs = Decoder(11, 8, 2, 2, nnx.Rngs(0))
    parts = {"attention": pn.MultiHeadAttention, "feed": GatedFeedForward, "rotary": None}
    ours = Transformer(jax.random.key(0), 11, 8, blocks=2, heads=2, dtype=float, **parts)
    ours = pn.replace(ours, "embed.embedding", theirs.embed.embedding[...])
    pairs = {
        "attention.query.kernel": lambda block: block.attention.query.kernel,
        "attention.key.kernel": lambda block: block.attention.key.kernel,
        "attention.value.kernel": lambda block: block.attention.value.kernel,
        "attention.output.kernel": lambda block: block.attention.out.kernel,
        "feed.gate.kernel": lambda block: block.gate.kernel,
        "feed.value.kernel": lambda block: block.value.kernel,
        "feed.output.kernel": lambda block: block.output.kernel,
    }
    for path, part in pairs.items():
        like = eval(f"m.{path}", {"m": ours.blocks.each}).shape
        stacked = np.stack([part(block)[...] for block in theirs.blocks]).reshape(like)
        ours = pn.replace(ours, f"blocks.each.{path}", stacked)
    return theirs, ours


@pytest.mark.slow
def test_a_transformer_scores_and_learns_as_the_one_in_nnx():
    theirs, ours = decoders()
    mask = nnx.make_causal_mask(TOKENS)

    def loss(model, *mask):
        y = model(TOKENS, *mask)
        losses = optax.softmax_cross_entropy_with_integer_labels(y[:, :-1], TOKENS[:, 1:])
        return losses.mean(), y

    gradient, y = jax.jit(pn.grad(loss, has_aux=True))(ours)
    known, other = nnx.jit(nnx.grad(loss, has_aux=True))(theirs, mask)
    near(y, other)
    near(gradient.embed.embedding, known["embed"]["embedding"][...])
    for index, kernel in enumerate(gradient.blocks.each.feed.gate.kernel):
        near(kernel, known["blocks"][index]["gate"]["kernel"][...])


def test_a_transformer_decodes_as_the_one_in_nnx():
    theirs, ours = decoders()
    theirs = nnx.clone(theirs)
    for block in theirs.blocks:
        block.attention.set_attributes(decode=True)
        block.attention.init_cache((2, 7, 8), float)
    cache, step, their_step = caches(ours, (2,), 7), jax.jit(extend), nnx.jit(Decoder.__call__)
    for t in range(7):
        scores, cache = step(ours, TOKENS[:, t : t + 1], cache)
        near(scores, their_step(theirs, TOKENS[:, t : t + 1]))


# ------------------------------------------------------------------------------ an autoencoder


class Autoencoder(nnx.Module):
    def __init__(self, rngs):
        options = {"param_dtype": float, "rngs": rngs}
        self.encoder, self.decoder = nnx.Linear(6, 4, **options), nnx.Linear(2, 6, **options)

    def __call__(self, x, noise):
        mean, log_variance = jnp.split(self.encoder(x), 2, axis=-1)
        terms = jnp.square(mean) + jnp.exp(log_variance) - log_variance - 1
        self.sow(nnx.Intermediate, "kl", jnp.sum(terms, -1) / 2)
        return self.decoder(mean + jnp.exp(log_variance / 2) * noise)


class AutoencoderParams(NamedTuple):
    encoder: pn.Model
    decoder: pn.Model


def create_autoencoder(key):
    one, two = jax.random.split(key)
    parts = pn.Linear(one, 6, 4, dtype=float), pn.Linear(two, 2, 6, dtype=float)
    return AutoencoderParams(*parts)


def apply_autoencoder(params, x, noise):
    mean, log_variance = jnp.split(params.encoder(x), 2, axis=-1)
    terms = jnp.square(mean) + jnp.exp(log_variance) - log_variance - 1
    pn.name(jnp.sum(terms, -1) / 2, "kl")
    return params.decoder(mean + jnp.exp(log_variance / 2) * noise)


def test_an_autoencoder_learns_its_captured_divergence_as_one_in_nnx_its_sown_one():
    theirs = Autoencoder(nnx.Rngs(0))
    ours = pn.bind("Autoencoder", create_autoencoder, apply_autoencoder)(jax.random.key(0))
    for name in ("encoder", "decoder"):
        part = getattr(theirs, name)
        ours = pn.replace(ours, f"{name}.kernel", part.kernel[...])
        ours = pn.replace(ours, f"{name}.bias", part.bias[...])
    noise = np.random.default_rng(2).normal(size=(5, 2))

    def bound(y, divergence):
        return jnp.mean(jnp.sum((y - IMAGES) ** 2, -1) + divergence)

    def loss(model):
        y, seen = pn.capture(model)(IMAGES, noise)
        return bound(y, seen["kl"])

    def their_loss(model):
        y, seen = nnx.capture(model, nnx.Intermediate)(IMAGES, noise)
        return bound(y, seen["kl"][0])

    value, gradient = jax.jit(pn.value_and_grad(loss))(ours)
    wanted, known = nnx.jit(nnx.value_and_grad(their_loss))(theirs)
    near(value, wanted)
    near(gradient.encoder.kernel, known["encoder"]["kernel"][...])
    near(gradient.decoder.kernel, known["decoder"]["kernel"][...])
