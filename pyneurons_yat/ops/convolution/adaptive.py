"""Pooling to given sizes: one window over everything, or as many as the result has entries."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, overload

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..checks import check_flag, check_real, is_known, spatial_axes
from ..dtypes import narrow, result_dtype, widen
from ..gradients import checkpoint
from ..sharding import on_automatic_axes
from .padding import Steps, per_axis
from .pooling import lowest


def global_max_pool(x: ArrayLike, *, axis: int | Sequence[int] | None = None) -> jax.Array:
    """The largest entry of each channel: `max_pool` with one window over everything.

    Letters: B batch, S... spatial axes, C channels.

    Args:
        x: (B, S..., C), or any shape with `axis`.
        axis: the spatial axes; by default all between the first and the last. (-3, -2) are those of
            images with any batch axes, also under `jax.vmap`.

    Returns:
        (B, C), in the dtype of x; the spatial axes are gone.

    Gradient:
        It goes to the maximum, among equals to the first.

    Raises:
        ValueError: x has no spatial axes, or an empty one.
        TypeError: x is complex or not an array, or an axis is not an integer.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> pn.global_max_pool(jnp.arange(8.0).reshape(1, 2, 2, 2)).tolist()
        [[6.0, 7.0]]
    """
    check_real("global_max_pool", x=x)
    return _global(x, axes=_global_axes("global_max_pool", axis, x), dtype=None)


def global_average_pool(x: ArrayLike, *, axis: int | Sequence[int] | None = None) -> jax.Array:
    """The mean of each channel: `average_pool` with one window over everything.

    Letters: B batch, S... spatial axes, C channels.

    Args:
        x: (B, S..., C), or any shape with `axis`.
        axis: the spatial axes; by default all between the first and the last. (-3, -2) are those of
            images with any batch axes, also under `jax.vmap`.

    Returns:
        (B, C), in the dtype of x; the spatial axes are gone. Integers become the default float.

    Gradient:
        Plain autodiff.

    Raises:
        ValueError: x has no spatial axes, or an empty one.
        TypeError: x is complex or not an array, or an axis is not an integer.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> pn.global_average_pool(jnp.arange(8.0).reshape(1, 2, 2, 2)).tolist()
        [[3.0, 4.0]]
    """
    dtype = result_dtype("global_average_pool", x=x)
    return _global(x, axes=_global_axes("global_average_pool", axis, x), dtype=dtype)


@overload
def adaptive_max_pool(
    x: ArrayLike, sizes: Steps, *, return_indices: Literal[False] = False
) -> jax.Array: ...
@overload
def adaptive_max_pool(
    x: ArrayLike, sizes: Steps, *, return_indices: Literal[True]
) -> tuple[jax.Array, jax.Array]: ...
def adaptive_max_pool(x: ArrayLike, sizes: Steps, *, return_indices: bool = False) -> Any:
    """The largest entry of each window, of as many windows as the result is to have entries.

    Along an axis of S entries window i of n begins at floor(i S / n) and ends before
    ceil((i + 1) S / n), as in torch. Windows tile x where n divides S, and else overlap.

    Letters: *B any batch axes, S... spatial axes, 1 to 3 as sizes has entries, C channels.

    Args:
        x: (*B, S..., C), channels last.
        sizes: the spatial sizes of the result, an integer for each axis: (1, 1) for images.
        return_indices: whether the places of the maxima are returned too, as by `max_pool`.

    Returns:
        (*B, *sizes, C) in the dtype of x, and with `return_indices` the places.

    Gradient:
        It goes to the maximum, among equals to the first.

    Raises:
        ValueError: a shape or a size does not fit, or a spatial axis is empty.
        TypeError: x is complex or not an array, or an option is not an integer or a flag.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> pn.adaptive_max_pool(jnp.arange(5.0).reshape(5, 1), 2)[:, 0].tolist()
        [2.0, 4.0]
    """
    check_real("adaptive_max_pool", x=x)
    check_flag("adaptive_max_pool", return_indices=return_indices)
    sizes = _sizes("adaptive_max_pool", sizes, np.shape(x))
    return _adaptive_max(x, sizes=sizes, with_indices=bool(return_indices))


def adaptive_average_pool(x: ArrayLike, sizes: Steps) -> jax.Array:
    """The mean of each window, of as many windows as the result is to have entries.

    The windows are those of `adaptive_max_pool`.

    Letters: *B any batch axes, S... spatial axes, 1 to 3 as sizes has entries, C channels.

    Args:
        x: (*B, S..., C), channels last.
        sizes: the spatial sizes of the result, an integer for each axis: (1, 1) for images.

    Returns:
        (*B, *sizes, C) in the dtype of x; integers become the default float.

    Gradient:
        Plain autodiff.

    Raises:
        ValueError: a shape or a size does not fit, or a spatial axis is empty.
        TypeError: x is complex or not an array, or a size is not an integer.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> pn.adaptive_average_pool(jnp.arange(5.0).reshape(5, 1), 2)[:, 0].tolist()
        [1.0, 3.0]
    """
    dtype = result_dtype("adaptive_average_pool", x=x)
    sizes = _sizes("adaptive_average_pool", sizes, np.shape(x))
    return _adaptive_average(x, sizes=sizes, dtype=dtype)


def _global_axes(function: str, axis: Any, x: ArrayLike) -> tuple[int, ...]:
    axes = spatial_axes(function, axis, np.shape(x))
    _check_filled(function, [np.shape(x)[a] for a in axes], np.shape(x))
    return axes


def _sizes(function: str, sizes: Steps, shape: tuple[int, ...]) -> tuple[int, ...]:
    entries = per_axis(function, "sizes", sizes, shape)
    _check_filled(function, shape[-len(entries) - 1 : -1], shape)
    return entries


def _check_filled(function: str, sizes: Sequence[int], shape: tuple[int, ...]) -> None:
    if not sizes or any(is_known(size) and size == 0 for size in sizes):
        raise ValueError(
            f"{function}: x must have spatial axes, and entries along each, got {shape}"
        )


# ----------------------------------------------------------------------- what is compiled


@partial(jax.jit, static_argnames=("axes", "dtype"))
def _global(x, *, axes, dtype):
    """The means in a dtype, or the maxima where there is none."""
    if dtype is not None:
        return narrow(jnp.mean(widen(jnp.asarray(x, dtype), dtype, 0), axes), dtype)

    def largest(x):
        for axis in reversed(axes):
            x, _ = _largest(x, 1, axis)
        return jnp.squeeze(x, axes)

    x = jnp.asarray(x)
    return on_automatic_axes(largest, x, [a for a in range(x.ndim) if a not in axes])(x)


@partial(jax.jit, static_argnames=("sizes", "with_indices"))
def _adaptive_max(x, *, sizes, with_indices):
    x = jnp.asarray(x)
    first = x.ndim - len(sizes) - 1

    def largest(x):
        shape = (*(1,) * first, *x.shape[first:-1], 1)
        places = jnp.arange(math.prod(shape), dtype=jnp.int32).reshape(shape)
        places = jnp.broadcast_to(places, x.shape)
        for axis, count in reversed([*enumerate(sizes, first)]):
            x, chosen = _largest(x, count, axis)
            places = jnp.take_along_axis(places, chosen, axis)
        return (x, places) if with_indices else x

    return on_automatic_axes(largest, x, range(first))(x)


@partial(jax.jit, static_argnames=("sizes", "dtype"))
def _adaptive_average(x, *, sizes, dtype):
    x = widen(jnp.asarray(x, dtype), dtype, 0)
    first = x.ndim - len(sizes) - 1

    def mean(x):
        for axis, count in enumerate(sizes, first):
            entries, inside, _ = _windows(x, count, axis)
            total = jnp.sum(jnp.where(inside, entries, 0), axis + 1)
            x = total / jnp.sum(inside, axis + 1).astype(x.dtype)
        return x

    return narrow(checkpoint(on_automatic_axes(mean, x, range(first)))(x), dtype)


def _largest(x: jax.Array, count: int, axis: int) -> tuple[jax.Array, jax.Array]:
    """The first maxima of `count` windows along an axis, and where they lie."""
    entries, inside, starts = _windows(jax.lax.stop_gradient(x), count, axis)
    chosen = jnp.argmax(jnp.where(inside, entries, lowest(x.dtype)), axis + 1)
    places = chosen + starts.reshape([-1 if a == axis else 1 for a in range(x.ndim)])
    return jnp.take_along_axis(x, places, axis), places


def _windows(x: jax.Array, count: int, axis: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """What windows see along an axis, (..., count, entries, ...), which of it counts, and starts.

    Windows of unequal length have as many entries as the longest.
    """
    size = x.shape[axis]
    numbers = jnp.arange(count)
    starts, ends = numbers * size // count, -(-(numbers + 1) * size // count)
    even = size % count == 0
    longest = size // count if even else size // count + 2
    places = starts[:, None] + jnp.arange(longest)[None, :]
    inside = places < ends[:, None]
    shape = (*x.shape[:axis], *places.shape, *x.shape[axis + 1 :])
    entries = x if even else jnp.take(x, places.reshape(-1), axis, mode="clip")
    inside = jnp.expand_dims(inside, [a for a in range(len(shape)) if a not in (axis, axis + 1)])
    return entries.reshape(shape), inside, starts
