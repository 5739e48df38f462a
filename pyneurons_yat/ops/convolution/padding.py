"""From the arguments of a convolution to its windows: every check and every kind of padding."""

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..checks import check_flag, check_sizes, integers, is_known, is_several, told
from .windows import Pairs, Windows, dilated_sizes, extents, padded_sizes, seen, window_counts

Shape = tuple[int, ...]
Steps = int | Sequence[int]  # one for all spatial axes, or one for each
Padding = str | int | Sequence[int | Sequence[int]]

BORDERS = {"CIRCULAR": "wrap", "REFLECT": "reflect"}
NAMES = ("SAME", "VALID", "CAUSAL", *BORDERS)
TRANSPOSED_NAMES = ("SAME", "VALID", "CIRCULAR")


def forward_windows(
    function: str,
    x: Shape,
    kernel: Shape,
    *,
    strides: Steps,
    padding: Padding,
    input_dilation: Steps,
    kernel_dilation: Steps,
    feature_group_count: int,
) -> Windows:
    """The windows of a convolution of x (*B, S..., I) with kernel (W..., I / G, O)."""
    rank = spatial_rank(function, x, kernel)
    check_sizes(function, feature_group_count=feature_group_count)
    groups = int(feature_group_count)
    _check_channels(function, x, kernel, groups, (groups * kernel[-2], kernel[-1]))
    windows = Windows(
        kernel[:-2],
        integers(function, "strides", strides, rank, 1),
        ((0, 0),) * rank,
        integers(function, "input_dilation", input_dilation, rank, 1),
        integers(function, "kernel_dilation", kernel_dilation, rank, 1),
        groups,
    )
    sizes = x[-rank - 1 : -1]
    windows = _pad(function, windows, sizes, padding)
    check_fit(function, windows, sizes)
    return windows


def transposed_windows(
    function: str,
    x: Shape,
    kernel: Shape,
    *,
    strides: Steps,
    padding: Padding,
    output_padding: Steps,
    kernel_dilation: Steps,
    feature_group_count: int,
    transpose_kernel: bool,
) -> Windows:
    """The windows of a transposed convolution, which slide by one over an input between zeros."""
    rank = spatial_rank(function, x, kernel)
    check_sizes(function, feature_group_count=feature_group_count)
    groups = int(feature_group_count)
    check_flag(function, transpose_kernel=transpose_kernel)
    if transpose_kernel:
        channels = kernel[-1], groups * kernel[-2]
    else:
        channels = groups * kernel[-2], kernel[-1]
    _check_channels(function, x, kernel, groups, channels)
    windows = Windows(
        kernel[:-2],
        (1,) * rank,
        ((0, 0),) * rank,
        integers(function, "strides", strides, rank, 1),
        integers(function, "kernel_dilation", kernel_dilation, rank, 1),
        groups,
        transpose_kernel=bool(transpose_kernel),
    )
    extra = integers(function, "output_padding", output_padding, rank, 0)
    sizes = x[-rank - 1 : -1]
    if 0 in sizes:
        raise ValueError(f"{function}: the spatial axes of x must not be empty, got shape {x}")
    windows = _pad_transposed(function, windows, sizes, padding, extra)
    check_fit(function, windows, sizes)
    return windows


def pooling_windows(
    function: str,
    x: Shape,
    window: Steps,
    *,
    strides: Steps | None,
    padding: Padding,
    dilation: Steps,
    ceil_mode: bool,
) -> tuple[Windows, Pairs]:
    """The windows of a pooling of x (*B, S..., C), and the padding that was asked for.

    They differ where the last window, with `ceil_mode`, reaches beyond that padding.
    """
    size = per_axis(function, "window", window, x)
    rank = len(size)
    check_flag(function, ceil_mode=ceil_mode)
    windows = Windows(
        size,
        size if strides is None else integers(function, "strides", strides, rank, 1),
        ((0, 0),) * rank,
        (1,) * rank,
        integers(function, "dilation", dilation, rank, 1),
    )
    sizes = x[-rank - 1 : -1]
    asked = _pad(function, windows, sizes, padding)
    windows = _with_last(asked, sizes) if ceil_mode else asked
    check_fit(function, windows, sizes)
    _check_seen(function, windows, sizes)
    return windows, asked.padding


def per_axis(function: str, name: str, value: Steps, x: Shape) -> Shape:
    """An integer for each of 1 to 3 spatial axes of x (*B, S..., C); one alone means one axis."""
    rank = len(value) if is_several(value) else 1
    if rank not in (1, 2, 3):
        raise ValueError(f"{function}: {name} must have 1, 2 or 3 entries, got {told(value)}")
    entries = integers(function, name, value, rank, 1)
    if len(x) < rank + 1:
        raise ValueError(
            f"{function}: {name} {entries} is for {rank} spatial axes, so x must have shape "
            f"(*B, {'S, ' * rank}C), got {x}"
        )
    return entries


def output_shape(windows: Windows, x: Shape, kernel: Shape) -> Shape:
    """The shape (*B, S'..., O) of the result."""
    rank = len(windows.size)
    outputs = windows.groups * kernel[-2] if windows.transpose_kernel else kernel[-1]
    return (*x[: -rank - 1], *window_counts(windows, x[-rank - 1 : -1]), outputs)


def spatial_rank(function: str, x: Shape, kernel: Shape) -> int:
    """The number of spatial axes, read off the kernel."""
    rank = len(kernel) - 2
    if rank not in (1, 2, 3):
        raise ValueError(
            f"{function}: kernel must have 1, 2 or 3 spatial axes and two of channels, "
            f"got shape {kernel}"
        )
    if len(x) < rank + 1:
        raise ValueError(
            f"{function}: kernel {kernel} has {rank} spatial axes, so x must have shape "
            f"(*B, {'S, ' * rank}I), got {x}"
        )
    if 0 in kernel[:-2]:
        raise ValueError(f"{function}: the window of kernel must not be empty, got shape {kernel}")
    return rank


def _check_channels(function, x, kernel, groups, channels):
    inputs, outputs = channels
    if x[-1] != inputs:
        cure = f" in {groups} groups" if groups > 1 else ""
        raise ValueError(
            f"{function}: the channels of x must match those of kernel: x {x} has {x[-1]}, "
            f"kernel {kernel}{cure} wants {inputs}"
        )
    if inputs % groups or outputs % groups:
        raise ValueError(
            f"{function}: feature_group_count must divide the channels of x and of the result, "
            f"got {groups} for {inputs} and {outputs}"
        )


def _pairs(function: str, padding: Any, rank: int, names: Sequence[str]) -> Pairs:
    """A pair of numbers per spatial axis, from a padding that is no name."""
    one = isinstance(padding, numbers.Integral)
    entries = (padding,) * rank if one and not isinstance(padding, bool) else padding
    if is_several(entries) and len(entries) == rank:
        pairs = [integers(function, "padding", entry, 2) for entry in entries]
        return tuple((low, high) for low, high in pairs)
    wrong = ValueError if is_several(entries) or isinstance(entries, str) else TypeError
    raise wrong(
        f"{function}: padding must be {', '.join(names)}, an integer, or for each of the "
        f"{rank} spatial axes an integer or a pair of them, got {told(padding)}"
    )


def _pad(function, windows, sizes, padding):
    """The windows with the padding of a convolution."""
    spans = extents(windows)
    if not isinstance(padding, str) or padding not in NAMES:
        return windows._replace(padding=_pairs(function, padding, len(spans), NAMES))
    if padding == "SAME":
        return windows._replace(padding=_same(windows, sizes))
    if padding == "CAUSAL":
        if len(spans) != 1:
            raise ValueError(
                f"{function}: CAUSAL padding is for 1 spatial axis, got {len(spans)}; give pairs"
            )
        return windows._replace(padding=((spans[0] - 1, 0),))
    if padding in BORDERS:
        border = tuple(((span - 1) // 2, span // 2) for span in spans)
        windows = windows._replace(border=border, border_mode=BORDERS[padding])
        _check_border(function, windows, sizes)
    return windows


def _same(windows: Windows, sizes: Shape) -> Pairs:
    """The padding that gives ceil(size / stride) windows, the odd zero behind."""
    pairs = []
    dilated = dilated_sizes(windows, sizes)
    for size, extent, stride in zip(dilated, extents(windows), windows.strides, strict=True):
        total = max((-(-size // stride) - 1) * stride + extent - size, 0)
        pairs.append((total // 2, total - total // 2))
    return tuple(pairs)


def _with_last(windows: Windows, sizes: Shape) -> Windows:
    """The windows with one more where some entries are left, if it begins before the padding."""
    pairs = []
    axes = zip(
        padded_sizes(windows, sizes),
        extents(windows),
        windows.strides,
        windows.padding,
        strict=True,
    )
    for size, extent, stride, (low, high) in axes:
        count = min(-((extent - size) // stride), (size - high - 1) // stride) + 1
        pairs.append((low, high + max((count - 1) * stride + extent - size, 0)))
    return windows._replace(padding=tuple(pairs))


def _check_seen(function: str, windows: Windows, sizes: Shape) -> None:
    """Refuses a window that lies in the padding alone, where the sizes are known."""
    counts = window_counts(windows, sizes)
    if not all(map(is_known, counts)):
        return
    nothing = ((0, 0),) * len(sizes)
    for axis, entries in enumerate(seen(windows, sizes, nothing)):
        if not np.all(entries):
            raise ValueError(
                f"{function}: padding must leave each window an entry of x, got one on spatial "
                f"axis {axis} that has none; choose less padding or a larger window"
            )


def _pad_transposed(function, windows, sizes, padding, extra):
    """The windows with the padding of a transposed convolution."""
    spans, strides = extents(windows), windows.input_dilation
    named = isinstance(padding, str) and padding in TRANSPOSED_NAMES
    if named and padding == "CIRCULAR":
        if any(extra):
            raise ValueError(
                f"{function}: output_padding must be 0 with CIRCULAR padding, got {extra}"
            )
        windows = windows._replace(border=_circular(windows))
        _check_border(function, windows, sizes)
        return windows
    if named:
        pairs = [_full(padding, *axis) for axis in zip(spans, strides, strict=True)]
    else:
        pairs = _pairs(function, padding, len(spans), TRANSPOSED_NAMES)
    ends = zip(pairs, extra, strict=True)
    return windows._replace(padding=tuple((low, high + more) for (low, high), more in ends))


def _full(padding: str, extent: int, stride: int) -> tuple[int, int]:
    """The zeros before and behind: for SAME stride times the size comes out, for VALID all."""
    if padding == "VALID":
        return extent - 1, max(extent, stride) - 1
    total = extent + stride - 2
    low = extent - 1 if stride > extent - 1 else -(-total // 2)
    return low, total - low


def _circular(windows: Windows) -> Pairs:
    """The entries wrapped around so that the full result, folded, keeps its middle in place."""
    pairs = []
    for extent, stride in zip(extents(windows), windows.input_dilation, strict=True):
        surplus = max(extent - stride, 0)
        behind = surplus - surplus // 2 if windows.transpose_kernel else surplus // 2
        pairs.append((extent - 1 - behind, behind))
    return tuple(pairs)


def _check_border(function, windows, sizes):
    name = next(name for name, mode in BORDERS.items() if mode == windows.border_mode)
    dilated = zip(dilated_sizes(windows, sizes), windows.border, strict=True)
    for axis, (size, (low, high)) in enumerate(dilated):
        if size == 0:
            raise ValueError(f"{function}: {name} padding of spatial axis {axis}, which is empty")
        if name == "REFLECT" and max(low, high) >= size:
            raise ValueError(
                f"{function}: REFLECT padding of ({low}, {high}) needs more entries than that on "
                f"spatial axis {axis}, which has {size}; choose a smaller kernel or CIRCULAR"
            )


def check_fit(function: str, windows: Windows, sizes: Shape) -> None:
    """Refuses a window that is larger than the padded input."""
    spans = extents(windows)
    for axis, (size, extent) in enumerate(zip(padded_sizes(windows, sizes), spans, strict=True)):
        if size < extent:
            raise ValueError(
                f"{function}: the window spans {extent} entries of spatial axis {axis}, which has "
                f"{size} with its padding; choose a smaller window or more padding"
            )
