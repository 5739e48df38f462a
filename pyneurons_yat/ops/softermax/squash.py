"""Functions that squash one score at a time: softermax's relatives.

And the inverse of softplus, for parameters that must stay positive.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..checks import check_positive, check_spread
from ..dtypes import result_dtype, widen
from ..gradients import checkpoint
from .power import ignored, nonnegative, safe_log, scaled_power


def softer_sigmoid(x: ArrayLike, n: ArrayLike = 1.0) -> jax.Array:
    """Squashes a non-negative score to [0, 1).

        softer_sigmoid(x) = x^n / (1 + x^n) = sigmoid(n log x)

    Negative scores count as 0, and infinite ones as the largest finite number.

    Letters: F entries on the last axis.

    Args:
        x: scores of any shape.
        n: the power, above 0; one number, or one per entry of the last axis (F,).

    Returns:
        Values in [0, 1], of the shape of x and the promoted dtype of x and n: 1/2 at x = 1.

    Gradient:
        In x: n x^(n-1) / (1 + x^n)^2. In n: y (1 - y) log x. At x = 0 the first is exact for
        n >= 1; for n < 1 it is infinite and 0 was chosen. A negative score gets 0. A
        gradient beyond the dtype's range is its largest finite number. Only the arguments are
        kept for the reverse pass.

    Raises:
        ValueError: n is a number not above 0, or its shape does not fit.
        TypeError: an argument is complex or not an array.

    Example:
        >>> from pyneurons_yat.ops import softer_sigmoid
        >>> round(float(softer_sigmoid(3.0)), 4), round(float(softer_sigmoid(3.0, 2)), 4)
        (0.75, 0.9)

    Source:
        Bouhsine, the nmn library, where it has the same name.
    """
    return _squash("softer_sigmoid", x, n)


def score_tanh(x: ArrayLike, n: ArrayLike = 1.0) -> jax.Array:
    """Squashes a non-negative score to [-1, 1).

        score_tanh(x) = (x^n - 1) / (x^n + 1) = tanh(n log x / 2) = 2 softer_sigmoid(x) - 1

    Negative scores count as 0, and infinite ones as the largest finite number.

    Letters: F entries on the last axis.

    Args:
        x: scores of any shape.
        n: the power, above 0; one number, or one per entry of the last axis (F,).

    Returns:
        Values in [-1, 1], of the shape of x and the promoted dtype of x and n: 0 at x = 1.

    Gradient:
        Twice that of `softer_sigmoid`, with the same choices: in x 2 n x^(n-1) / (1 + x^n)^2,
        in n (1 - y^2) log x / 2.

    Raises:
        ValueError: n is a number not above 0, or its shape does not fit.
        TypeError: an argument is complex or not an array.

    Example:
        >>> from pyneurons_yat.ops import score_tanh
        >>> float(score_tanh(0.0)), round(float(score_tanh(3.0)), 4)
        (-1.0, 0.5)

    Source:
        Bouhsine, the nmn library, where it is called soft_tanh. Here `soft_tanh` is the odd
        function.
    """
    return _squash("score_tanh", x, n)


def soft_tanh(x: ArrayLike, n: ArrayLike = 1.0) -> jax.Array:
    """Squashes a signed number to (-1, 1), odd in x.

        soft_tanh(x) = sign(x) |x|^n / (1 + |x|^n)

    It is defined for every real x, so it is safe on a recurrent cell's signed carry. The
    published form on non-negative scores, (x^n - 1) / (x^n + 1), is `score_tanh`. The formula
    once printed for a signed soft-tanh, x^n / (1 + x^n) - (-x)^n / (1 + (-x)^n), is unusable:
    for n = 1 it has a pole at x = 1 (and at -1), for even n it is 0 everywhere, and for an n
    that is not whole a power of a negative number is not real.

    Letters: F entries on the last axis.

    Args:
        x: any shape, either sign; infinities count as the largest finite number.
        n: the power, above 0; one number, or one per entry of the last axis (F,).

    Returns:
        Values in [-1, 1], of the shape of x and the promoted dtype of x and n.

    Gradient:
        In x: n |x|^(n-1) / (1 + |x|^n)^2, which is even. In n: sign(x) |y| (1 - |y|) log |x|.
        At x = 0 the first is exact for n >= 1 (1 for n = 1); for n < 1 it is infinite and 0
        was chosen. A gradient beyond the dtype's range is its largest finite number. Only the
        arguments are kept for the reverse pass.

    Raises:
        ValueError: n is a number not above 0, or its shape does not fit.
        TypeError: an argument is complex or not an array.

    Example:
        >>> from pyneurons_yat.ops import soft_tanh
        >>> round(float(soft_tanh(-3.0)), 4), round(float(soft_tanh(3.0)), 4)
        (-0.75, 0.75)
    """
    return _squash("soft_tanh", x, n)


def inverse_softplus(y: ArrayLike) -> jax.Array:
    """The number whose softplus is y: a start value for a parameter that softplus keeps positive.

        inverse_softplus(y) = log(exp(y) - 1) = y + log(1 - exp(-y))

    The second form neither overflows for large y nor cancels for small.

    Args:
        y: Above 0, any shape. 0 gives -inf, a negative number NaN.

    Returns:
        An array of the shape of y.

    Gradient:
        1 / (1 - exp(-y)), by plain autodiff.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> round(float(jax.nn.softplus(pn.inverse_softplus(0.25))), 6)
        0.25
    """
    y = jnp.asarray(y)
    return y + jnp.log(-jnp.expm1(-y))


def _squash(name: str, x: ArrayLike, n: ArrayLike) -> jax.Array:
    dtype = result_dtype(name, x=x, n=n)
    check_positive(name, n=n)
    check_spread(name, np.shape(x), n=n)
    if isinstance(n, int | float) and n == 1:  # most common, and needs no logarithm
        return _call_unit(x, name=name, dtype=dtype)
    return _call_squash(x, n, name=name, dtype=dtype)


@partial(jax.jit, static_argnames=("name", "dtype"))
def _call_squash(x, n, *, name, dtype):
    x = jnp.asarray(x, dtype)
    return checkpoint(partial(_squashed, name))(x, widen(n, dtype, x.ndim))


@partial(jax.jit, static_argnames=("name", "dtype"))
def _call_unit(x, *, name, dtype):
    return checkpoint(partial(_unit, name))(jnp.asarray(x, dtype))


def _split(name, x):
    """The sign, 1 unless the function is odd, and the score."""
    if name != "soft_tanh":
        return 1, nonnegative(x)
    return jnp.where(x < 0, -1.0, 1.0).astype(x.dtype), nonnegative(jnp.where(x < 0, -x, x))


def _odds(score, n):
    """The shift, x**n and 1, both times exp(-shift): the larger of them becomes 1."""
    logit = jnp.where(score == 0, -jnp.inf, n * safe_log(score))
    shift = jax.lax.stop_gradient(jnp.maximum(logit, 0))
    return shift, scaled_power(score, n, shift), jnp.exp(-shift)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _unit(name, x):
    """The squash for n = 1, where the power is the score itself."""
    sign, score = _split(name, x)
    top = score - 1 if name == "score_tanh" else score
    return (sign * (top / (1 + score))).astype(x.dtype)


@_unit.defjvp
def _unit_tangent(name, primals, tangents):
    (x,), (dx,) = primals, tangents
    _, score = _split(name, x)
    dx = _counted(name, x, dx) / (1 + score)
    return _unit(name, x), (dx / (1 + score)).astype(x.dtype)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _squashed(name, x, n):
    sign, score = _split(name, x)
    _, power, one = _odds(score, n)
    top = power - one if name == "score_tanh" else power
    return (sign * top / (power + one)).astype(x.dtype)


@_squashed.defjvp
def _squashed_tangent(name, primals, tangents):
    (x, n), (dx, dn) = primals, tangents
    sign, score = _split(name, x)
    shift, power, one = _odds(score, n)
    d_power = _counted(name, x, dx) * n * scaled_power(score, n - 1, shift)
    d_power = d_power + (2 if name == "score_tanh" else 1) * sign * power * safe_log(score) * dn
    return _squashed(name, x, n), (d_power * (one / (power + one) ** 2)).astype(x.dtype)


def _counted(name, x, dx):
    """The tangent of the score times the slope at 1; 0 where a negative score counts as 0."""
    dx = widen(dx, x.dtype, 0)
    if name == "soft_tanh":
        return dx
    return jnp.where(ignored(x), 0, 2 * dx if name == "score_tanh" else dx)
