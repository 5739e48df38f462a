"""Powers of non-negative scores, which the softermax family is made of.

A power overflows early (3e38 squared) and underflows early. So every power here is divided by a
number of its row's size, whose logarithm is called the shift:

    x**n exp(-shift) = exp(n log x - shift)

The shift cancels in each result of the family, hence it carries no gradient.
"""

import jax
import jax.numpy as jnp
import numpy as np

from ..dtypes import widen


def nonnegative(x: jax.Array, where: jax.Array | None = None) -> jax.Array:
    """The scores in the accumulator's dtype: 0 for negative and masked, and finite."""
    score = jnp.minimum(widen(x, x.dtype, x.ndim), float(jnp.finfo(x.dtype).max))
    return jnp.where(ignored(x, where), 0.0, score)


def ignored(x: jax.Array, where: jax.Array | None = None) -> jax.Array:
    """Where a score is negative or masked."""
    return x < 0 if where is None else (x < 0) | ~where


def safe_log(x: jax.Array) -> jax.Array:
    """The logarithm, and 0 at 0."""
    return jnp.log(jnp.where(x == 0, 1.0, x))


@jax.custom_jvp
def scaled_power(x: jax.Array, n: jax.Array, shift: jax.Array) -> jax.Array:
    """x**n exp(-shift) for x >= 0, with the right derivatives at 0 and never infinite.

    At x = 0 it is exp(-shift) for n = 0, and otherwise 0: that is right for n > 0, and for
    n < 0, where the power is infinite, it was chosen. The derivative in x is again a scaled
    power, n x**(n-1) exp(-shift), so derivatives of every order follow.
    """
    ceiling = float(np.log(float(jnp.finfo(x.dtype).max))) - 1e-3  # a NumPy number would widen
    power = jnp.exp(jnp.minimum(n * safe_log(x) - shift, ceiling))
    return jnp.where(x == 0, jnp.where(n == 0, jnp.exp(-shift), 0.0), power)


@scaled_power.defjvp
def _scaled_power_tangent(primals, tangents):
    x, n, shift = primals
    dx, dn, dshift = tangents
    power = scaled_power(x, n, shift)
    slope = n * scaled_power(x, n - 1, shift)
    return power, slope * dx + power * safe_log(x) * dn - power * dshift
