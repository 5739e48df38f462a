"""How numbers are brought to mean 0 and variance 1, with a reverse rule that keeps nothing.

The variance is that of the differences from the mean, never E[x^2] - E[x]^2, which is all rounding
where the mean is large. And the mean is corrected once by the mean of those differences, which in
float32 makes up for a sum of large numbers.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ..dtypes import narrow, sum_to, widen
from ..gradients import custom_gradient


class Options(NamedTuple):
    """What is static in a normalisation."""

    axes: tuple[int, ...]
    centre: bool
    axis_name: str | tuple[str, ...] | None


def _total(options, value):
    """The sum over the normalised axes, the mapped ones included."""
    total = jnp.sum(value, options.axes, keepdims=True)
    return total if options.axis_name is None else jax.lax.psum(total, options.axis_name)


def _count(options, like, where):
    """How many numbers a mean is over, at least 1."""
    if where is not None:
        return jnp.maximum(_total(options, where.astype(like.dtype)), 1)
    size = math.prod(like.shape[a] for a in options.axes)
    mapped = 1 if options.axis_name is None else jax.lax.psum(1, options.axis_name)
    return max(size * mapped, 1)


def _kept(x, where):
    """Where x is taken as it is: where it counts, or is finite."""
    return where | jnp.isfinite(x)


def shielded(x, where):
    """x, and 0 for what is masked and not finite: its gradient of 0, times it, would be NaN."""
    return x if where is None else jnp.where(_kept(x, where), x, 0)


def mean(options, value, where):
    """The mean over the normalised axes of what is not masked."""
    counted = value if where is None else jnp.where(where, value, 0)
    return _total(options, counted) / _count(options, value, where)


def mean_square(options, value, where):
    """The mean of the squares; what is masked goes first, since the slope of its square is huge."""
    return mean(options, jnp.square(value if where is None else jnp.where(where, value, 0)), where)


def centred(options, x, where):
    """A first, rounded mean, and x less that. What it is does not matter: it has no gradient."""
    wide = shielded(widen(x, x.dtype, 0), where)
    first = jax.lax.stop_gradient(mean(options, wide, where))
    return first, wide - first


def _standard(options, x, epsilon, where):
    """The numbers with mean 0 and variance 1, and the factor that made the variance so."""
    wide = shielded(widen(x, x.dtype, 0), where)
    if options.centre:
        _, wide = centred(options, x, where)
        wide = wide - mean(options, wide, where)
    factor = jax.lax.rsqrt(mean_square(options, wide, where) + epsilon)
    return shielded(wide * factor, where), factor


def _backward(options, residuals, gradient):
    x, scale, bias, epsilon, where = residuals
    standard, factor = _standard(options, x, epsilon, where)
    gradient = widen(gradient, x.dtype, 0)
    inner = gradient if scale is None else gradient * scale
    along = _total(options, inner * standard)
    shared = standard * along + (_total(options, inner) if options.centre else 0)
    shared = shared if where is None else jnp.where(where, shared, 0)
    dx = factor * (inner - shared / _count(options, inner, where))
    dx = dx if where is None else jnp.where(_kept(x, where), dx, 0)
    return (
        narrow(dx, x.dtype),
        None if scale is None else sum_to(gradient * standard, scale),
        None if bias is None else sum_to(gradient, bias),
        sum_to(-0.5 * inner * standard * factor**2, epsilon),
        None,
    )


@custom_gradient(_backward, static=(0,))
def normalise(options, x, scale, bias, epsilon, where):
    """Normalises x; scale, bias and epsilon are of its rank and in the accumulator's dtype."""
    y, _ = _standard(options, x, epsilon, where)
    y = y if scale is None else y * scale
    return narrow(y if bias is None else y + bias, x.dtype)
