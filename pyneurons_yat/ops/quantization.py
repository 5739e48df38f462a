"""Weights of few values, with straight-through gradients: a step per output, the last axis."""

import jax
import jax.numpy as jnp

from . import vjp


@vjp.identity
def in_three(weights: jax.Array) -> jax.Array:
    """-s, 0 and s: 0 below 0.7 of the mean magnitude; s is the mean magnitude of the others."""
    axes = tuple(range(weights.ndim - 1))
    size = jnp.abs(weights)
    kept = size > 0.7 * jnp.mean(size, axes, keepdims=True)
    count = jnp.maximum(jnp.sum(kept, axes, keepdims=True), 1)
    scale = jnp.sum(jnp.where(kept, size, 0), axes, keepdims=True) / count.astype(weights.dtype)
    return jnp.where(kept, jnp.sign(weights) * scale, 0)


def in_steps(weights: jax.Array, bits: int) -> jax.Array:
    """Whole multiples of max |w| / (2^(bits - 1) - 1), as integers of some bits store them."""

    @vjp.identity
    def rounded(weights: jax.Array) -> jax.Array:
        axes = tuple(range(weights.ndim - 1))
        step = jnp.max(jnp.abs(weights), axes, keepdims=True, initial=0) / (2 ** (bits - 1) - 1)
        step = jnp.where(step == 0, 1, step)
        return jnp.round(weights / step) * step

    return rounded(weights)
