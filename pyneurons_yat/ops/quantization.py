"""Weights of few values, with straight-through gradients: a step per output, the last axis."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from . import vjp
from .checks import is_known, told
from .dtypes import accumulator


class Steps(NamedTuple):
    """Weights as whole multiples, integers, of a step per output."""

    multiples: Any
    step: Any


@vjp.identity
def in_three(weights: jax.Array) -> jax.Array:
    """-s, 0 and s: 0 below 0.7 of the mean magnitude; s is the mean magnitude of the others."""
    axes = tuple(range(weights.ndim - 1))
    size = jnp.abs(weights)
    kept = size > 0.7 * jnp.mean(size, axes, keepdims=True)
    count = jnp.maximum(jnp.sum(kept, axes, keepdims=True), 1)
    scale = jnp.sum(jnp.where(kept, size, 0), axes, keepdims=True) / count.astype(weights.dtype)
    return jnp.where(kept, jnp.sign(weights) * scale, 0)


def check_bits(function: str, bits: Any) -> None:
    """Refuses a number of bits for which there are no steps."""
    if not is_known(bits) or isinstance(bits, bool) or not 2 <= bits <= 16:
        raise ValueError(f"{function}: bits must be an integer from 2 to 16, got {told(bits)}")


def stepped(weights: jax.Array, bits: int) -> Steps:
    """The nearest whole multiples of max |w| / (2^(bits - 1) - 1), which this many bits hold.

    The step is in float32 at least.
    """
    axes, most = tuple(range(weights.ndim - 1)), 2 ** (bits - 1) - 1
    weights = weights.astype(accumulator(weights.dtype))
    step = jnp.max(jnp.abs(weights), axes, keepdims=True, initial=0) / most
    step = jnp.where(step == 0, 1, step)
    multiples = jnp.clip(jnp.round(weights / step), -most, most)
    return Steps(multiples.astype(jnp.int8 if bits <= 8 else jnp.int16), step)


def in_steps(weights: jax.Array, bits: int) -> jax.Array:
    """The weights that `stepped` stores as integers of some bits."""

    @vjp.identity
    def rounded(weights: jax.Array) -> jax.Array:
        multiples, step = stepped(weights, bits)
        return (multiples.astype(step.dtype) * step).astype(weights.dtype)

    return rounded(weights)
