"""The dot product and the squared distance of rows and columns, two ways.

Letters: *B any batch axes, I features, O outputs. x is (*B, I); kernel is (I, O), or (..., I, O)
with the batch axes of x but the last. Each function gives (*B, O).
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from ..dtypes import accumulator, widen
from ..sharding import as_rows

UNROLL = 8  # features per step of the loop in `direct_distance`


def product(x: jax.Array, kernel: jax.Array, precision: Any, out_sharding: Any) -> jax.Array:
    """The dot products x . w, accumulated in float32 or float64.

    XLA's CPU backend wants one batch axis. The gradient of a kernel sums over the batch axes, and
    where they are several it first copies what it multiplies, turned.
    """
    multiply = partial(jnp.matmul, precision=precision, preferred_element_type=accumulator(x.dtype))
    one_kernel = kernel.ndim == 2 and out_sharding is None
    if x.ndim > 2 and one_kernel and jax.default_backend() == "cpu":
        return multiply(as_rows(x), kernel).reshape(*x.shape[:-1], kernel.shape[-1])
    return multiply(x, kernel, out_sharding=out_sharding)


def squared_lengths(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """|x|^2 + |w|^2, which the squared distance exceeds by -2 x.w.

    With that it may round to a negative number when x is near w.
    """
    x, kernel = widen(x, x.dtype, 0), widen(kernel, x.dtype, 0)
    rows = jnp.sum(jnp.square(x), axis=-1, keepdims=True)
    if x.ndim == 1:
        return rows + jnp.sum(jnp.square(kernel), axis=-2)
    return rows + widen(jnp.sum(jnp.square(kernel), axis=-2, keepdims=True), x.dtype, x.ndim)


def direct_distance(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """The sum of (x_i - w_i)^2, feature after feature: only (*B, O) is held at a time."""
    x, kernel = widen(x, x.dtype, x.ndim), widen(kernel, x.dtype, x.ndim)
    rows = jnp.moveaxis(x, -1, 0)[..., None]
    columns = jnp.moveaxis(kernel, -2, 0)[..., None, :]

    @jax.checkpoint  # the reverse pass recomputes the difference instead of storing it
    def squared_difference(row, column):
        return (row - column) ** 2

    def add(total, feature):
        return total + squared_difference(*feature), None

    nothing = jax.lax.stop_gradient((x[..., :0], kernel[..., :0, :]))
    return jax.lax.scan(add, jnp.matmul(*nothing), (rows, columns), unroll=UNROLL)[0]


DISTANCES = {"expanded": squared_lengths, "direct": direct_distance}
