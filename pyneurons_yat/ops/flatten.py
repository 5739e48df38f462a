"""Flatten: the last axes as one."""

import math
import numbers

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from .checks import told


def flatten(x: ArrayLike, *, start_axis: int = 1) -> jax.Array:
    """The axes from one on as a single axis, such as images as rows for a dense layer.

    Letters: *B the axes before `start_axis`, F the product of the others.

    Args:
        x: any shape with that axis. Of channels-last images the channels are next to each other in
            the result, where torch's are apart: a dense kernel that comes from there wants its rows
            in another order.
        start_axis: the first axis that is flattened. 1 leaves the batch axis; -3 flattens an image
            whatever the batch axes are, also under `jax.vmap`.

    Returns:
        (*B, F), in the dtype of x.

    Gradient:
        That of the result, in the shape of x.

    Raises:
        ValueError: x has no such axis.
        TypeError: start_axis is not an integer.

    Example:
        >>> import functools, jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> pn.flatten(jnp.ones((2, 4, 4, 3))).shape
        (2, 48)
        >>> each = pn.sequential(functools.partial(pn.flatten, start_axis=-3))
        >>> jax.vmap(each)(jnp.ones((2, 4, 4, 3))).shape
        (2, 48)
    """
    shape = np.shape(x)
    if not isinstance(start_axis, numbers.Integral) or isinstance(start_axis, bool):
        raise TypeError(f"flatten: start_axis must be an integer, got {told(start_axis)}")
    if not -len(shape) <= start_axis < len(shape):
        raise ValueError(
            f"flatten: start_axis must be an axis of x, which has {len(shape)}, got {start_axis}"
        )
    first = int(start_axis) % len(shape)
    return jnp.reshape(x, (*shape[:first], math.prod(shape[first:])))
