"""Softermax: scores normalised by their sum of powers."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..checks import check_axes, check_mask, check_positive, check_shapes, check_spread
from ..dtypes import result_dtype, widen
from ..gradients import checkpoint
from .power import ignored, nonnegative, safe_log, scaled_power


def softermax(
    x: ArrayLike,
    axis: int | Sequence[int] = -1,
    *,
    n: ArrayLike = 1.0,
    epsilon: ArrayLike = 1e-12,
    where: ArrayLike | None = None,
) -> jax.Array:
    """Normalises non-negative scores to a sum of 1 (nearly: epsilon takes the rest).

        softermax(x)_i = x_i^n / (epsilon + sum_j x_j^n)

    For x > 0 it is softmax(n log x) with log(epsilon) as one more logit. It is computed so:
    no power overflows or underflows, whatever n and x. n sharpens (n > 1) or flattens (n < 1).

    Negative scores count as 0, and so do subnormal ones where XLA flushes them, as it does on the
    CPU. Infinite scores count as the largest finite number. A row that is all zero or fully
    masked gives 0.

    Letters: F entries on the last axis.

    Args:
        x: scores of any shape with at least one axis.
        axis: the axis, or several, over which the result sums to 1.
        n: the power, above 0; one number, or one per entry of the last axis (F,).
        epsilon: a number above 0, added to the sum.
        where: booleans that broadcast to the shape of x. Where it is False the score takes no
            part, whatever it is, and the result is 0.

    Returns:
        Values in [0, 1], of the shape of x and the promoted dtype of x, n and epsilon.

    Gradient:
        In x, n and epsilon. With S = epsilon + sum_j x_j^n, y the result, g its gradient and
        G = sum_j g_j y_j:

            dx_i = (g_i - G) n x_i^(n-1) / S
            dn = sum_i (g_i - G) y_i log x_i
            depsilon = -G / S

        At x_i = 0 the first is exact for n >= 1 (1/S for n = 1, in an all-zero row 1/epsilon).
        For n < 1 it is infinite there, and 0 was chosen. A negative or masked score gets 0. A
        gradient beyond the dtype's range is its largest finite number. Only the arguments
        are kept for the reverse pass.

    Raises:
        ValueError: n or epsilon is a number not above 0, or a shape or an axis does not fit.
        TypeError: an argument is complex or not an array, or where is not boolean.

    Example:
        >>> import jax.numpy as jnp
        >>> from pyneurons_yat.ops import softermax
        >>> y = softermax(jnp.array([1.0, 3.0, 0.0]))
        >>> [round(float(v), 4) for v in y]
        [0.25, 0.75, 0.0]
        >>> softermax(jnp.array([3e38, 3e38]), n=2).tolist()
        [0.5, 0.5]

    Source:
        Bouhsine, "Deep Learning 2.0: Artificial Neurons That Matter", arXiv:2411.08085.
    """
    dtype = result_dtype("softermax", x=x, n=n, epsilon=epsilon)
    shape = np.shape(x)
    axes = check_axes("softermax", axis, len(shape))
    check_positive("softermax", n=n, epsilon=epsilon)
    check_spread("softermax", shape, n=n)
    check_shapes("softermax", (), epsilon=epsilon)
    check_mask("softermax", where, shape)
    return _call_softermax(x, n, epsilon, where, axes=axes, dtype=dtype)


@partial(jax.jit, static_argnames=("axes", "dtype"))
def _call_softermax(x, n, epsilon, where, *, axes, dtype):
    x = jnp.asarray(x, dtype)
    where = None if where is None else jnp.broadcast_to(where, x.shape)
    scales = widen(n, dtype, x.ndim), widen(epsilon, dtype, x.ndim)
    return checkpoint(partial(_softermax, axes))(x, *scales, where)


def _row(axes, x, n, epsilon, where):
    """The row's shift and, times exp(-shift), its powers, epsilon, and the sum of both."""
    score = nonnegative(x, where)
    logits = jnp.where(score == 0, -jnp.inf, n * safe_log(score))
    largest = jnp.max(logits, axes, keepdims=True, initial=-jnp.inf)
    shift = jax.lax.stop_gradient(jnp.maximum(largest, jnp.log(epsilon)))
    powers = scaled_power(score, n, shift)
    rest = epsilon * jnp.exp(-shift)
    return shift, powers, rest, rest + jnp.sum(powers, axes, keepdims=True)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _softermax(axes, x, n, epsilon, where):
    _, powers, _, total = _row(axes, x, n, epsilon, where)
    return (powers / total).astype(x.dtype)


@_softermax.defjvp
def _softermax_tangent(axes, primals, tangents):
    """Dy = (dp - y (sum dp + de)) / total, where dp and de are times exp(-shift)."""
    x, n, _, where = primals
    dx, dn, d_epsilon, _ = tangents
    shift, powers, rest, total = _row(axes, *primals)
    share = powers / total
    score = nonnegative(x, where)
    slope = n * scaled_power(score, n - 1, shift)
    dx = jnp.where(ignored(x, where), 0, slope * widen(dx, x.dtype, 0))
    push = (dx + powers * safe_log(score) * dn) / total
    added = jnp.sum(push, axes, keepdims=True)
    push = push - share * added
    # Where one score dominates, its push now is a rounding error: this sum takes it away.
    lost = jnp.sum(push, axes, keepdims=True) - rest / total * added
    dy = push - share * (lost + d_epsilon * jnp.exp(-shift) / total)
    return share.astype(x.dtype), dy.astype(x.dtype)
