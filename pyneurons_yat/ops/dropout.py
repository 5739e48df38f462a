"""Dropout as a function of x and a key, or, without a key, of x alone: the identity."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from .checks import check_axes, check_key, check_share
from .dtypes import result_dtype


def dropout(
    x: ArrayLike,
    rate: ArrayLike,
    *,
    key: jax.Array | None = None,
    broadcast_axes: int | Sequence[int] = (),
) -> jax.Array:
    """Sets each number to 0 with probability `rate`, and divides the others by 1 - rate.

    The expected value is x. Without a key, in inference, it is x itself. A key draws the same on
    one device and on a mesh, however x is sharded.

    Args:
        x: any shape.
        rate: the probability of dropping, between 0 and 1. With 1 the result is 0.
        key: a PRNG key, or None to drop nothing.
        broadcast_axes: axes along which all numbers share one decision; `(1, 2)` drops whole
            channels of images (batch, height, width, channels).

    Returns:
        The shape of x, and its dtype; integers become the default float.

    Gradient:
        In x: 1 / (1 - rate) where x was kept, 0 where it was dropped. In rate there is none.

    Raises:
        ValueError: rate is a number outside of [0, 1], or x has no such axis.
        TypeError: an argument is complex or not an array, or key is no PRNG key.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> pn.dropout(jnp.ones((4, 2)), 0.5, key=jax.random.key(0), broadcast_axes=1).tolist()
        [[0.0, 0.0], [0.0, 0.0], [2.0, 2.0], [2.0, 2.0]]

    Source:
        Srivastava et al., "Dropout", Journal of Machine Learning Research 15, 2014.
    """
    check_share("dropout", rate=rate)
    check_key("dropout", key)
    axes = check_axes("dropout", broadcast_axes, np.ndim(x), empty=True)
    dtype = result_dtype("dropout", x=x)
    if key is None:
        return jnp.asarray(x, dtype)
    return _dropout(x, rate, key, axes=axes, dtype=dtype)


@partial(jax.jit, static_argnames=("axes", "dtype"))
def _dropout(x, rate, key, *, axes, dtype):
    x = jnp.asarray(x, dtype)
    shape = [1 if axis in axes else size for axis, size in enumerate(x.shape)]
    keep = 1 - jax.lax.stop_gradient(rate)
    factor = jnp.where(jax.random.bernoulli(key, keep, shape), 1 / jnp.where(keep == 0, 1, keep), 0)
    return x * factor.astype(dtype)
