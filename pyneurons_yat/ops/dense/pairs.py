"""The Yat product of pairs of vectors, row by row."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..checks import check_positive, check_spread
from ..dtypes import result_dtype, widen
from .response import Product, respond


def yat_pairs(
    x: ArrayLike,
    y: ArrayLike,
    bias: ArrayLike | None = None,
    alpha: ArrayLike | None = None,
    *,
    epsilon: ArrayLike = 1e-5,
) -> jax.Array:
    """The Yat product of each x with its own y: the scores of the edges of a graph.

        s = alpha (x . y + bias)^2 / (|x - y|^2 + epsilon)

    Where `yat_scores` scores every query with every key, this scores pairs. The distance is the sum
    of the squared differences themselves, so nothing is lost where x is near y.

    Letters: *B any batch axes, I features.

    Args:
        x: (*B, I).
        y: (*B, I), the same shape.
        bias: one number, or one per entry of the last axis of B, such as heads; or None for 0.
        alpha: as bias; or None for 1.
        epsilon: as bias; above 0.

    Returns:
        (*B), in the promoted dtype of x, y, bias and alpha. Sums of bfloat16 and float16 are
        accumulated in float32; a result of theirs that is out of range is the largest finite
        number.

    Gradient:
        In x, y, bias, alpha and epsilon. With r = (x . y + bias) / (|x - y|^2 + epsilon) and g the
        gradient of s:

            dx = 2 g alpha (r y + r^2 (y - x)),   dy = 2 g alpha (r x + r^2 (x - y))

        Kept for the reverse pass: the arguments and one array of
        the result's size.

    Raises:
        ValueError: a shape does not fit, or epsilon is a number not above 0.
        TypeError: an argument is complex or not an array.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> x, y = jnp.array([[1.0, 0.0], [1.0, 1.0]]), jnp.array([[1.0, 1.0], [1.0, 1.0]])
        >>> pn.yat_pairs(x, y, epsilon=1.0).tolist()  # 1^2 / (1 + 1), 2^2 / (0 + 1)
        [0.5, 4.0]

    Source:
        Bouhsine, "Deep Learning 2.0: Artificial Neurons That Matter", arXiv:2411.08085.
    """
    shape = np.shape(x)
    if len(shape) < 1 or shape != np.shape(y):
        raise ValueError(
            f"yat_pairs: x and y must have the same shape (*B, I), got {shape} and {np.shape(y)}"
        )
    dtype = result_dtype("yat_pairs", x=x, y=y, bias=bias, alpha=alpha)
    check_positive("yat_pairs", epsilon=epsilon)
    check_spread("yat_pairs", shape[:-1], bias=bias, alpha=alpha, epsilon=epsilon)
    return _call(x, y, bias, alpha, epsilon, dtype=dtype)


@partial(jax.jit, static_argnames=("dtype",))
def _call(x, y, bias, alpha, epsilon, *, dtype):
    x, y = jnp.asarray(x, dtype), jnp.asarray(y, dtype)
    scales = [None if v is None else widen(v, dtype, x.ndim - 1) for v in (bias, alpha, epsilon)]
    return respond(Product(_dot, _distance, expanded=False), x, y, *scales)


def _dot(x: jax.Array, y: jax.Array) -> jax.Array:
    return jnp.sum(widen(x, x.dtype, 0) * widen(y, y.dtype, 0), -1)


def _distance(x: jax.Array, y: jax.Array) -> jax.Array:
    return jnp.sum(jnp.square(widen(x, x.dtype, 0) - widen(y, y.dtype, 0)), -1)
