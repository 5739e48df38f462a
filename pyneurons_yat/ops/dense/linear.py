"""The affine product, with the checks and the dtypes of the Yat product."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ..checks import check_product, check_spread
from ..dtypes import result_dtype, widen
from .distance import product


def linear(
    x: ArrayLike,
    kernel: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    precision: Any = None,
    out_sharding: Any = None,
) -> jax.Array:
    """An affine map of the last axis.

        y = x @ kernel + bias

    Letters: *B any batch axes, I inputs, O outputs.

    Args:
        x: (*B, I).
        kernel: (I, O).
        bias: one number or (O,), or None for 0.
        precision: as in `jax.lax.dot_general`.
        out_sharding: the sharding of the result, for meshes with explicit axes.

    Returns:
        (*B, O), in the promoted dtype of the arrays; integers become the default float. Products
        of bfloat16 and float16 are accumulated in float32.

    Gradient:
        Plain autodiff: dx = g kernel^T, dkernel = x^T g, dbias = sum_b g.

    Raises:
        ValueError: a shape does not fit.
        TypeError: an argument is complex or not an array.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> pn.linear(jnp.array([[1.0, 2.0]]), jnp.array([[3.0], [4.0]]), jnp.array([0.5])).tolist()
        [[11.5]]
    """
    shape = check_product("linear", x, kernel)
    check_spread("linear", shape, bias=bias)
    dtype = result_dtype("linear", x=x, kernel=kernel, bias=bias)
    return _linear(x, kernel, bias, precision=precision, out_sharding=out_sharding, dtype=dtype)


@partial(jax.jit, static_argnames=("precision", "out_sharding", "dtype"))
def _linear(x, kernel, bias, *, precision, out_sharding, dtype):
    x, kernel = jnp.asarray(x, dtype), jnp.asarray(kernel, dtype)
    y = product(x, kernel, precision, out_sharding)
    return (y if bias is None else y + widen(bias, dtype, y.ndim)).astype(dtype)
