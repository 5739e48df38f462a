"""How numbers are brought to mean 0 and variance 1, with a derivative that keeps nothing.

The variance is that of the differences from the mean, never E[x^2] - E[x]^2, which is all rounding
where the mean is large. And the mean is corrected once by the mean of those differences, which in
float32 makes up for a sum of large numbers.
"""

import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ..dtypes import narrow, widen
from ..gradients import checkpoint


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


def _standard(options, wide, epsilon, where):
    """The numbers with mean 0 and variance 1, and the factor that made the variance so."""
    wide = shielded(wide, where)
    if options.centre:
        _, wide = centred(options, wide, where)
        wide = wide - mean(options, wide, where)
    factor = jax.lax.rsqrt(mean_square(options, wide, where) + epsilon)
    return shielded(wide * factor, where), factor


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _standardized(options, wide, epsilon, where):
    return _standard(options, wide, epsilon, where)[0]


@_standardized.defjvp
def _standardized_tangent(options, primals, tangents):
    """Ds = factor (dx - (s sum s dx + sum dx) / count) - s factor^2 de / 2."""
    wide, epsilon, where = primals
    d_wide, d_epsilon, _ = tangents
    standard, factor = _standard(options, *primals)
    d_wide = d_wide if where is None else jnp.where(_kept(wide, where), d_wide, 0)
    counted = d_wide if where is None else jnp.where(where, d_wide, 0)
    shared = standard * _total(options, standard * counted)
    shared = shared + _total(options, counted) if options.centre else shared
    d_standard = factor * (d_wide - shared / _count(options, wide, where))
    return standard, d_standard - 0.5 * standard * factor**2 * d_epsilon


def normalise(options, x, scale, bias, epsilon, where):
    """Normalises x; scale, bias and epsilon are of its rank and in the accumulator's dtype."""

    def normalised(x, scale, bias, epsilon, where):
        y = _standardized(options, widen(x, x.dtype, 0), epsilon, where)
        y = y if scale is None else y * scale
        return narrow(y if bias is None else y + bias, x.dtype)

    return checkpoint(normalised)(x, scale, bias, epsilon, where)
