"""Windows that slide over the spatial axes of an input: where they lie, and what they see.

Letters: *B batch axes, S... spatial axes, I inputs, O outputs, G groups, W... window.
"""

import math
from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..dtypes import accumulator
from ..sharding import on_automatic_axes

Pairs = tuple[tuple[int, int], ...]


class Windows(NamedTuple):
    """Where windows lie, static; each tuple has one entry per spatial axis.

    An input is dilated, extended by a border of its own entries, and padded with zeros.
    """

    size: tuple[int, ...]
    strides: tuple[int, ...]
    padding: Pairs  # zeros; a negative number cuts entries off
    input_dilation: tuple[int, ...]
    kernel_dilation: tuple[int, ...]
    groups: int = 1
    border: Pairs | None = None
    border_mode: str = "wrap"  # or "reflect"
    transpose_kernel: bool = False  # the kernel is (W..., O / G, I), its spatial axes reversed


def extents(windows: Windows) -> tuple[int, ...]:
    """How many entries a dilated window spans."""
    return span(windows.size, windows.kernel_dilation)


def span(sizes: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[int, ...]:
    """The sizes of axes after dilation."""
    pairs = zip(sizes, dilation, strict=True)
    return tuple(max((size - 1) * step + 1, 0) for size, step in pairs)


def dilated_sizes(windows: Windows, sizes: tuple[int, ...]) -> tuple[int, ...]:
    """The spatial sizes of the dilated input; on a ring zeros follow the last entry too."""
    if windows.border is not None and windows.border_mode == "wrap":
        return tuple(n * step for n, step in zip(sizes, windows.input_dilation, strict=True))
    return span(sizes, windows.input_dilation)


def padded_sizes(windows: Windows, sizes: tuple[int, ...]) -> tuple[int, ...]:
    """The spatial sizes of the input as the windows see it, zeros included."""
    sizes = dilated_sizes(windows, sizes)
    border = windows.border or ((0, 0),) * len(sizes)
    ends = zip(sizes, border, windows.padding, strict=True)
    return tuple(n + sum(inner) + sum(outer) for n, inner, outer in ends)


def window_counts(windows: Windows, sizes: tuple[int, ...]) -> tuple[int, ...]:
    """How many windows there are along each spatial axis: the sizes of the output."""
    fits = zip(padded_sizes(windows, sizes), extents(windows), windows.strides, strict=True)
    return tuple((size - extent) // stride + 1 for size, extent, stride in fits)


def seen(windows: Windows, sizes: tuple[int, ...], ends: Pairs) -> list[Any]:
    """How many entries each window sees, axis by axis: those of x, and so many beyond its ends."""
    bare = padded_sizes(windows._replace(padding=((0, 0),) * len(sizes)), sizes)
    counts = window_counts(windows, sizes)
    numbers = np if all(isinstance(n, int) for n in (*bare, *counts)) else jnp
    found = []
    for axis, (size, count, (low, high)) in enumerate(zip(bare, counts, ends, strict=True)):
        starts = numbers.arange(count) * windows.strides[axis] - windows.padding[axis][0]
        taps = numbers.arange(windows.size[axis]) * windows.kernel_dilation[axis]
        places = starts[:, None] + taps[None, :]
        found.append(((places >= -low) & (places < size + high)).sum(1))
    return found


def oriented(windows: Windows, kernel: jax.Array) -> jax.Array:
    """The kernel as (W..., I / G, O), as the convolution reads it."""
    return exchanged(kernel, windows.groups) if windows.transpose_kernel else kernel


def exchanged(kernel: jax.Array, groups: int) -> jax.Array:
    """A kernel (W..., I / G, O) as (W..., O / G, I), its spatial axes reversed; or the way back."""
    *size, one, other = kernel.shape  # the channels of one group, and of all
    kernel = jnp.flip(kernel, tuple(range(len(size))))
    kernel = kernel.reshape(*size, one, groups, other // groups)
    kernel = jnp.swapaxes(kernel, -3, -1)
    return kernel.reshape(*size, other // groups, groups * one)


def correlate(windows: Windows, x: jax.Array, kernel: jax.Array, precision: Any) -> jax.Array:
    """The dot product of each window of x (*B, S..., I) with each filter, accumulated."""
    rank = len(windows.size)
    last, spatial = rank + 1, tuple(range(1, rank + 1))
    layout = (0, last, *spatial), (last, rank, *range(rank)), (0, last, *spatial)

    def convolve(x, kernel):
        return lax.conv_general_dilated(
            x,
            kernel,
            windows.strides,
            windows.padding,
            _left_to_dilate(windows),
            windows.kernel_dilation,
            lax.ConvDimensionNumbers(*layout),
            windows.groups,
            precision=precision,
            preferred_element_type=accumulator(x.dtype),
        )

    return batched(windows, convolve, x, oriented(windows, kernel))


def window_sums(windows: Windows, x: jax.Array) -> jax.Array:
    """The sum over each window of x (*B, S..., C), channel by channel."""

    def everywhere(entries):
        return (1, *entries, 1)

    def add(x):
        return lax.reduce_window(
            x,
            np.zeros((), x.dtype),
            lax.add,
            everywhere(windows.size),
            everywhere(windows.strides),
            ((0, 0), *windows.padding, (0, 0)),
            everywhere(_left_to_dilate(windows)),
            everywhere(windows.kernel_dilation),
        )

    return batched(windows, add, x)


def patches(windows: Windows, x: jax.Array) -> jax.Array:
    """What each window sees of x (*B, S..., I): (*B, S'..., W, I), with W one axis."""
    low, high = zip(*windows.padding, strict=True)
    counts = window_counts(windows, x.shape[-len(windows.size) - 1 : -1])
    inner = [step - 1 for step in _left_to_dilate(windows)]

    def gather(x):
        margins = [(0, 0, 0), *zip(low, high, inner, strict=True), (0, 0, 0)]
        x = lax.pad(x, np.zeros((), x.dtype), margins)
        taps = product(*(range(size) for size in windows.size))
        return jnp.stack([x[_view(windows, counts, tap)] for tap in taps], -2)

    return batched(windows, gather, x)


def _view(windows, counts, tap):
    """The entries that the windows see at one of their taps, as an index."""
    starts = [t * step for t, step in zip(tap, windows.kernel_dilation, strict=True)]
    along = zip(starts, counts, windows.strides, strict=True)
    slices = (slice(s, s + (count - 1) * stride + 1, stride) for s, count, stride in along)
    return (slice(None), *slices)


def batched(windows: Windows, function: Callable[..., Any], x: jax.Array, *more: jax.Array) -> Any:
    """The function of x extended, with all batch axes as one, and of other arrays."""
    rank = len(windows.size)
    batch, rest = x.shape[: x.ndim - rank - 1], x.shape[x.ndim - rank - 1 :]

    def with_one_axis(x, *more):
        result = function(extended(windows, x.reshape(math.prod(batch), *rest)), *more)
        return jax.tree.map(lambda y: y.reshape(*batch, *y.shape[1:]), result)

    if len(batch) < 2:
        return with_one_axis(x, *more)
    return on_automatic_axes(with_one_axis, x, range(len(batch)))(x, *more)


def extended(windows: Windows, x: jax.Array) -> jax.Array:
    """The input dilated and with its border, if it has one."""
    if windows.border is None:
        return x
    sizes = zip(
        x.shape[1:-1], dilated_sizes(windows, x.shape[1:-1]), windows.input_dilation, strict=True
    )
    behind = [(0, size - ((n - 1) * step + 1), step - 1) for n, size, step in sizes]
    x = lax.pad(x, np.zeros((), x.dtype), [(0, 0, 0), *behind, (0, 0, 0)])
    if windows.border_mode == "wrap" and not all(isinstance(n, int) for n in x.shape[1:-1]):
        return _wrapped(windows, x)
    return jnp.pad(x, ((0, 0), *windows.border, (0, 0)), mode=windows.border_mode)


def _wrapped(windows, x):
    """The input that goes round, where an exported program leaves its sizes free."""
    for axis, (low, high) in enumerate(windows.border, 1):
        size = x.shape[axis]
        x = jnp.take(x, jnp.arange(-low, size + high) % size, axis)
    return x


def _left_to_dilate(windows):
    """The dilation that the convolution itself is to do: none where the border needed it done."""
    return windows.input_dilation if windows.border is None else (1,) * len(windows.size)
