"""Logarithms of probabilities that may be 0."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

LEAST = -100.0
"""What the logarithm of a probability counts as at least, as in torch."""


def clamped_log(p: jax.Array) -> jax.Array:
    """Log p, at least -100 and with the gradient 0 there; NaN for p below 0."""
    return _clamped(jnp.log, p, p)


def clamped_log_of_rest(p: jax.Array) -> jax.Array:
    """log(1 - p) likewise, exact for small p too; NaN for p above 1."""
    return _clamped(lambda p: jnp.log1p(-p), p, 1 - p)


def _clamped(log: Callable[[jax.Array], jax.Array], p: jax.Array, share: jax.Array) -> jax.Array:
    """The logarithm of a share, with the gradient 0 where one would be infinite."""
    small = share < max(math.exp(LEAST), float(jnp.finfo(p.dtype).tiny))
    least = jnp.maximum(log(jax.lax.stop_gradient(p)), LEAST)
    return jnp.where(small, least, log(jnp.where(small, 0.5, p)))
