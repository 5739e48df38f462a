"""Upsampling: a larger image by repetition or by interpolation."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..checks import check_choice, check_real
from ..dtypes import narrow, result_dtype, widen
from ..sharding import on_automatic_axes
from .padding import Steps, per_axis

METHODS = ("nearest", "linear", "cubic")


def upsample(x: ArrayLike, factor: Steps, *, method: str = "nearest") -> jax.Array:
    """Makes the spatial axes longer by whole factors.

    Entries are the middles of equal intervals: entry i of the result lies at (i + 1/2) / factor -
    1/2 of x.

    Letters: *B any batch axes, S... spatial axes, 1 to 3 as factor has entries, C channels.

    Args:
        x: (*B, S..., C), channels last.
        factor: how many times longer, an integer for each spatial axis: (2, 2) for images.
        method: "nearest" repeats entries. "linear" interpolates between neighbors along each axis,
            bilinear for images; beyond the ends the last entry goes on, which is torch's
            `align_corners=False`. "cubic" is the interpolation of `jax.image.resize`, whose
            constant is -0.5 where torch's is -0.75.

    Returns:
        (*B, S factor..., C) in the dtype of x; integers stay so with "nearest", and else become the
        default float.

    Gradient:
        Plain autodiff: each entry gets what went to where it was used, by its weight.

    Raises:
        ValueError: a shape or a factor does not fit, or there is no such method.
        TypeError: x is complex or not an array, or a factor is not an integer.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> x = jnp.array([[0.0], [4.0]])
        >>> pn.upsample(x, 2)[:, 0].tolist(), pn.upsample(x, 2, method="linear")[:, 0].tolist()
        ([0.0, 0.0, 4.0, 4.0], [0.0, 1.0, 3.0, 4.0])
    """
    factors = per_axis("upsample", "factor", factor, np.shape(x))
    check_choice("upsample", "method", method, METHODS)
    check_real("upsample", x=x)
    dtype = None if method == "nearest" else result_dtype("upsample", x=x)
    return _upsample(x, factors=factors, method=method, dtype=dtype)


@partial(jax.jit, static_argnames=("factors", "method", "dtype"))
def _upsample(x, *, factors, method, dtype):
    x = jnp.asarray(x, dtype)
    first = x.ndim - len(factors) - 1
    sizes = [n * factor for n, factor in zip(x.shape[first:-1], factors, strict=True)]
    shape = (*x.shape[:first], *sizes, x.shape[-1])

    def resized(x):
        if method == "nearest":
            for axis, factor in enumerate(factors, first):
                x = jnp.repeat(x, factor, axis)
            return x
        return narrow(jax.image.resize(widen(x, dtype, 0), shape, method), dtype)

    return on_automatic_axes(resized, x, range(first))(x)
