"""What the convolutions should compute, in float64 NumPy loops.

Padding is pairs of numbers of zeros, or the mode of `numpy.pad` with a border of pairs. A
transposed convolution is written the other way round: every entry of x is scattered over the
result.
"""

import itertools

import numpy as np


def conv(x, kernel, bias=0.0, **windows):
    """The dot product of every patch with every filter."""
    return _products(x, kernel, **windows)[0] + bias


def yat_conv(x, kernel, bias=0.0, alpha=1.0, epsilon=1e-5, **windows):
    """The Yat product of every patch with every filter, each difference formed."""
    dot, distance = _products(x, kernel, **windows)
    return alpha * (dot + bias) ** 2 / (distance + epsilon)


def _products(x, kernel, groups=1, **windows):
    kernel = np.asarray(kernel, np.float64)
    *size, features, outputs = kernel.shape
    seen = patches(x, tuple(size), **windows)
    filters = kernel.reshape(np.prod(size), features, groups, outputs // groups)
    dots, distances = [], []
    for g in range(groups):
        patch = seen[..., g * features : (g + 1) * features, None]
        w = filters[:, :, g]
        dots.append((patch * w).sum((-3, -2)))
        distances.append(((patch - w) ** 2).sum((-3, -2)))
    return np.concatenate(dots, -1), np.concatenate(distances, -1)


def patches(x, size, strides=1, padding=None, border=None, mode="wrap", dilations=(1, 1)):
    """What each window sees, (*B, S'..., W, I), entry by entry."""
    rank = len(size)
    x = np.asarray(x, np.float64)
    into_x, into_kernel = dilations
    around = [(0, 0)] * (x.ndim - rank - 1)
    spatial = x.shape[-rank - 1 : -1]
    ring = border is not None and mode == "wrap"
    sizes = (n * into_x if ring else (n - 1) * into_x + 1 for n in spatial)
    stuffed = np.zeros((*x.shape[: -rank - 1], *sizes, x.shape[-1]))
    stuffed[(..., *(slice(None, None, into_x),) * rank, slice(None))] = x
    if border is not None:
        stuffed = np.pad(stuffed, [*around, *border, (0, 0)], mode=mode)
    x = np.pad(stuffed, [*around, *(padding or [(0, 0)] * rank), (0, 0)])
    spans = [(n - 1) * into_kernel + 1 for n in size]
    strides = (strides,) * rank if isinstance(strides, int) else strides
    places = [
        range(0, n - s + 1, by)
        for n, s, by in zip(x.shape[-rank - 1 : -1], spans, strides, strict=True)
    ]
    taps = [range(0, s, into_kernel) for s in spans]
    seen = np.stack(
        [
            np.stack(
                [x[(..., *np.add(place, tap), slice(None))] for tap in itertools.product(*taps)], -2
            )
            for place in itertools.product(*places)
        ],
        -3,
    )
    return seen.reshape(*seen.shape[:-3], *map(len, places), *seen.shape[-2:])


def conv_transpose(x, kernel, bias=0.0, **windows):
    """The dot products of a transposed convolution, scattered."""
    return _scattered(x, kernel, **windows)[0] + bias


def yat_conv_transpose(x, kernel, bias=0.0, alpha=1.0, epsilon=1e-5, **windows):
    """The Yat products of a transposed convolution, from what is scattered."""
    dot, squares = _scattered(x, kernel, **windows)
    transposed = windows.get("transpose_kernel", False)
    kernel = np.asarray(kernel, np.float64)
    if transposed:  # (W..., O / G, I): the outputs of a group, by the inputs of that group
        groups = windows.get("groups", 1)
        grouped = kernel.reshape(*kernel.shape[:-1], groups, -1)
        lengths = (grouped**2).sum((*range(kernel.ndim - 2), -1)).T.reshape(-1)
    else:
        lengths = (kernel**2).sum(tuple(range(kernel.ndim - 1)))
    return alpha * (dot + bias) ** 2 / (squares + lengths - 2 * dot + epsilon)


def _scattered(
    x, kernel, strides=1, padding=None, groups=1, dilation=1, transpose_kernel=False, circular=False
):
    """Dot products and squared lengths of the patches, each entry of x given to its windows."""
    x, kernel = np.asarray(x, np.float64), np.asarray(kernel, np.float64)
    *size, _, _ = kernel.shape
    rank = len(size)
    batch, spatial, inputs = x.shape[: -rank - 1], x.shape[-rank - 1 : -1], x.shape[-1]
    if not transpose_kernel:  # as (W..., O / G, I), reversed
        per_group = kernel.shape[-1] // groups
        split = kernel.reshape(*size, inputs // groups, groups, per_group)
        kernel = np.swapaxes(split, -1, -3).reshape(*size, per_group, inputs)
        kernel = np.flip(kernel, tuple(range(rank)))
    per_group = kernel.shape[-2]
    spans = [(n - 1) * dilation + 1 for n in size]
    full = [max((n - 1) * strides + s, n * strides) for n, s in zip(spatial, spans, strict=True)]
    dot = np.zeros((*batch, *full, groups * per_group))
    squares = np.zeros_like(dot)
    for place in itertools.product(*map(range, spatial)):
        for tap in itertools.product(*map(range, size)):
            target = tuple(p * strides + t * dilation for p, t in zip(place, tap, strict=True))
            for g in range(groups):
                own = slice(g * inputs // groups, (g + 1) * inputs // groups)
                entry = x[(..., *place, own)]
                out = (..., *target, slice(g * per_group, (g + 1) * per_group))
                dot[out] += entry @ kernel[tap][:, own].T
                squares[out] += (entry**2).sum(-1, keepdims=True)
    if circular:
        turns = [(n * strides, s, transpose_kernel) for n, s in zip(spatial, spans, strict=True)]
        return tuple(_fold(y, len(batch), strides, turns) for y in (dot, squares))
    sizes = [(n - 1) * strides + 1 for n in spatial]
    return tuple(_cut(y, len(batch), sizes, spans, padding) for y in (dot, squares))


def _cut(full, first, sizes, spans, padding):
    """The part of the full result that a padding of the input leaves."""
    for axis, (n, span, (low, high)) in enumerate(zip(sizes, spans, padding, strict=True), first):
        wanted = np.arange(n + low + high - span + 1) + span - 1 - low
        inside = (wanted >= 0) & (wanted < full.shape[axis])
        taken = np.take(full, np.where(inside, wanted, 0), axis)
        shape = [-1 if a == axis else 1 for a in range(full.ndim)]
        full = taken * inside.reshape(shape)
    return full


def _fold(full, first, stride, turns):
    """The full result, with zeros on both sides up to whole turns, its turns added."""
    for axis, (period, span, transposed) in enumerate(turns, first):
        length = period + max(span - stride, 0)
        behind = -(length - period) % (2 * period)
        front = behind // 2 if transposed else (behind + 1) // 2
        folded = np.zeros((*full.shape[:axis], period, *full.shape[axis + 1 :]))
        before = (slice(None),) * axis
        for t in range(full.shape[axis]):
            folded[(*before, (t + front) % period)] += full[(*before, t)]
        full = folded
    return full
