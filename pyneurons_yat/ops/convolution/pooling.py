"""Pooling by windows: their maxima, with their places where asked, and their averages."""

import math
from functools import partial
from typing import Any, Literal, overload

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from ..checks import check_flag, check_index, check_real, check_whole
from ..dtypes import narrow, result_dtype, widen
from ..gradients import checkpoint
from ..sharding import on_automatic_axes
from .padding import Padding, Steps, per_axis, pooling_windows
from .windows import (
    Pairs,
    Windows,
    batched,
    extended,
    seen,
    window_counts,
    window_sums,
)


@overload
def max_pool(
    x: ArrayLike,
    window: Steps,
    *,
    strides: Steps | None = None,
    padding: Padding = "VALID",
    dilation: Steps = 1,
    ceil_mode: bool = False,
    return_indices: Literal[False] = False,
) -> jax.Array: ...
@overload
def max_pool(
    x: ArrayLike,
    window: Steps,
    *,
    strides: Steps | None = None,
    padding: Padding = "VALID",
    dilation: Steps = 1,
    ceil_mode: bool = False,
    return_indices: Literal[True],
) -> tuple[jax.Array, jax.Array]: ...
def max_pool(
    x: ArrayLike,
    window: Steps,
    *,
    strides: Steps | None = None,
    padding: Padding = "VALID",
    dilation: Steps = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest entry of each window, channel by channel.

        y_sc = max over the entries t of window s of x_tc

    Letters: *B any batch axes, S... spatial axes, 1 to 3 as the window has entries, C channels.

    Args:
        x: (*B, S..., C), channels last.
        window: the size of the window, an integer for each spatial axis: (2, 2) for images. One
            integer is a window of 1 axis: it slides over sequences, and takes an image for a
            batch of rows.
        strides: the steps between windows; as all that follow, one integer or one per spatial
            axis. None is the window, which then tile x, as in torch; flax takes 1.
        padding: what stands beyond the ends of x, as in `conv`: "VALID" nothing, "SAME" so much
            that there are ceil(S / stride) windows, an integer or a pair of them per axis. What is
            padded is never the largest. "CIRCULAR" and "REFLECT" are entries of x.
        dilation: d takes every d-th entry into the window.
        ceil_mode: whether entries that are left behind the last window get one more, which reaches
            beyond the padding. It begins in x or in the padding in front.
        return_indices: whether the places of the maxima are returned too.

    Returns:
        (*B, S'..., C) in the dtype of x. With `return_indices` also where the maxima lie, int32 of
        the same shape: positions in the spatial axes of x, flattened, as torch counts them. A
        window with NaN gives NaN.

    Gradient:
        It goes to the maximum, among equals to the first, as in torch. Only x is kept for the
        reverse pass. In a window of -inf alone that reaches into the padding it is lost.

    Raises:
        ValueError: a shape or a size does not fit, or a window lies in the padding alone.
        TypeError: x is complex or not an array, or an option is not an integer or a flag.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> x = jnp.array([[1.0], [5.0], [2.0], [-3.0]])  # 4 steps of 1 channel
        >>> y, places = pn.max_pool(x, 2, return_indices=True)
        >>> y[:, 0].tolist(), places[:, 0].tolist()
        ([5.0, 2.0], [1, 2])
    """
    options = {"strides": strides, "padding": padding, "dilation": dilation}
    windows, _ = pooling_windows("max_pool", np.shape(x), window, ceil_mode=ceil_mode, **options)
    check_flag("max_pool", return_indices=return_indices)
    check_real("max_pool", x=x)
    return _max_pool(x, windows=windows, with_indices=bool(return_indices))


def average_pool(
    x: ArrayLike,
    window: Steps,
    *,
    strides: Steps | None = None,
    padding: Padding = "VALID",
    dilation: Steps = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> jax.Array:
    """The mean of each window, channel by channel.

        y_sc = 1 / n_s * sum over the entries t of window s of x_tc

    Letters: *B any batch axes, S... spatial axes, 1 to 3 as the window has entries, C channels.

    Args:
        x: (*B, S..., C), channels last.
        window: as in `max_pool`: an integer for each spatial axis, (2, 2) for images.
        strides: as in `max_pool`; None is the window.
        padding: as in `max_pool`; what is padded is 0.
        dilation: d takes every d-th entry into the window.
        ceil_mode: as in `max_pool`.
        count_include_pad: whether n counts the padding. Without, it counts the entries of x that
            the window sees. What `ceil_mode` adds is never counted.

    Returns:
        (*B, S'..., C) in the dtype of x; integers become the default float. Sums of bfloat16 and
        float16 are accumulated in float32.

    Gradient:
        Plain autodiff: 1 / n to each entry of the window.

    Raises:
        ValueError: a shape or a size does not fit, or a window lies in the padding alone.
        TypeError: x is complex or not an array, or an option is not an integer or a flag.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> x = jnp.array([[2.0], [4.0], [6.0]])
        >>> pn.average_pool(x, 2, ceil_mode=True)[:, 0].tolist()
        [3.0, 6.0]
        >>> pn.average_pool(x, 2, strides=1, padding=1)[:, 0].tolist()
        [1.0, 3.0, 5.0, 3.0]
    """
    options = {"strides": strides, "padding": padding, "dilation": dilation}
    name = "average_pool"
    windows, asked = pooling_windows(name, np.shape(x), window, ceil_mode=ceil_mode, **options)
    check_flag(name, count_include_pad=count_include_pad)
    counted = asked if count_include_pad else ((0, 0),) * len(asked)
    dtype = result_dtype(name, x=x)
    return _average_pool(x, windows=windows, counted=counted, dtype=dtype)


def max_unpool(x: ArrayLike, indices: ArrayLike, sizes: Steps) -> jax.Array:
    """Puts maxima back to where `max_pool` took them from, with 0 everywhere else.

    Letters: *B any batch axes, S'... spatial axes, 1 to 3 of them, C channels.

    Args:
        x: (*B, S'..., C), such as what `max_pool` returned.
        indices: integers of the shape of x, positions in the flattened result, each from 0 to less
            than the product of sizes. Where several are equal, as with windows that overlap, one
            of the numbers stands there.
        sizes: the spatial sizes of the result, an integer for each axis.

    Returns:
        (*B, *sizes, C) in the dtype of x.

    Gradient:
        That of the entry which a number of x became; 0 for one that another overwrote.

    Raises:
        ValueError: the shapes differ, or an index that is known is out of range.
        TypeError: x is complex or not an array, or indices are not integers.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> x = jnp.array([[1.0], [5.0], [2.0], [-3.0]])
        >>> pn.max_unpool(*pn.max_pool(x, 2, return_indices=True), 4)[:, 0].tolist()
        [0.0, 5.0, 2.0, 0.0]
    """
    entries = per_axis("max_unpool", "sizes", sizes, np.shape(x))
    check_real("max_unpool", x=x)
    check_whole("max_unpool", "indices", indices, np.shape(x))
    check_index("max_unpool", "indices", indices, 0, math.prod(entries) - 1)
    return _max_unpool(x, indices, sizes=entries)


# ----------------------------------------------------------------------- what is compiled


@partial(jax.jit, static_argnames=("windows", "with_indices"))
def _max_pool(x, *, windows, with_indices):
    x, rank = jnp.asarray(x), len(windows.size)
    sizes = x.shape[x.ndim - rank - 1 : -1]

    def largest(x):
        found = (_around(windows, x, lowest(x.dtype)),)
        if with_indices:
            places = jnp.arange(math.prod(sizes), dtype=jnp.int32).reshape(1, *sizes, 1)
            found = (*found, _around(windows, extended(windows, places), -1))
        for axis in reversed(range(rank)):  # so that among equals the first in reading order wins
            found = _along(windows, found, axis)
        return found if with_indices else found[0]

    return checkpoint(partial(batched, windows, largest))(x)


def lowest(dtype: np.dtype) -> Any:
    """The least number of a dtype."""
    if jnp.issubdtype(dtype, jnp.floating):
        return np.array(-np.inf, dtype)
    whole = jnp.issubdtype(dtype, jnp.integer)
    return np.array(jnp.iinfo(dtype).min if whole else False, dtype)


def _around(windows: Windows, x: jax.Array, value: Any) -> jax.Array:
    ends = [(low, high, 0) for low, high in windows.padding]
    return lax.pad(x, jnp.asarray(value, x.dtype), [(0, 0, 0), *ends, (0, 0, 0)])


def _along(windows, found, axis):
    """The maxima along one spatial axis, by windows of doubling size, of which the last stride."""
    length = found[0].shape[axis + 1]
    size, step = windows.size[axis], windows.kernel_dilation[axis]
    stride = windows.strides[axis]
    count = (length - (size - 1) * step - 1) // stride + 1

    def cut(start, entries, by):
        end = start + (entries - 1) * by + 1
        return tuple(lax.slice_in_dim(each, start, end, by, axis + 1) for each in found)

    if size == 1:
        return cut(0, count, stride)
    reach = 1  # entries that a window sees so far
    while reach < size:
        more = min(reach, size - reach)
        last = reach + more == size
        entries = count if last else found[0].shape[axis + 1] - more * step
        by = stride if last else 1
        found = larger(cut(0, entries, by), cut(more * step, entries, by))
        reach += more
    return found


def larger(one: tuple[jax.Array, ...], two: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
    """The larger values with their places, if they have some; of equals the first, but no padding.

    A NaN is larger than any number.
    """
    better = (two[0] > one[0]) | (two[0] != two[0])
    if len(one) > 1:
        better |= (one[1] < 0) & (two[1] >= 0)
    return tuple(jnp.where(better, b, a) for a, b in zip(one, two, strict=True))


@partial(jax.jit, static_argnames=("windows", "counted", "dtype"))
def _average_pool(x, *, windows, counted, dtype):
    x = jnp.asarray(x, dtype)
    total = window_sums(windows, widen(x, dtype, x.ndim))
    return narrow(total / _counts(windows, counted, x).astype(total.dtype), dtype)


def _counts(windows: Windows, counted: Pairs, x: jax.Array) -> jax.Array:
    """How many entries each window counts: one number, or (S'..., 1)."""
    rank = len(windows.size)
    sizes = x.shape[x.ndim - rank - 1 : -1]
    if counted == windows.padding:
        return jnp.asarray(math.prod(windows.size))
    count = jnp.ones((1,) * x.ndim, int)
    for axis, entries in enumerate(seen(windows, sizes, counted)):
        shape = [1] * x.ndim
        shape[x.ndim - rank - 1 + axis] = window_counts(windows, sizes)[axis]
        count = count * jnp.asarray(entries).reshape(shape)
    return count


@partial(jax.jit, static_argnames="sizes")
def _max_unpool(x, indices, *, sizes):
    x, first = jnp.asarray(x), x.ndim - len(sizes) - 1
    batch, channels = x.shape[:first], x.shape[-1]

    def put(x, places):
        rows = jnp.zeros((math.prod(batch), math.prod(sizes), channels), x.dtype)
        flat = (math.prod(batch), math.prod(x.shape[first:-1]), channels)
        y = jnp.put_along_axis(rows, places.reshape(flat), x.reshape(flat), 1, inplace=False)
        return y.reshape(*batch, *sizes, channels)

    return on_automatic_axes(put, x, range(first))(x, jnp.asarray(indices))
