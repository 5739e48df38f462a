"""What pooling should compute, in float64 NumPy: every window is taken out, entry by entry."""

import itertools

import numpy as np
from truth_conv import patches


def max_pool(x, size, padding=None, **windows):
    """The largest entry of each window, among which no padding is."""
    return patches(padded(x, padding, -np.inf), size, **windows).max(-2)


def average_pool(x, size, padding=None, counted=True, beyond=None, **windows):
    """The mean of each window; `beyond` is padded too, and not counted."""
    x = np.asarray(x, np.float64)
    total = patches(padded(padded(x, padding, 0), beyond, 0), size, **windows).sum(-2)
    inside = padded(padded(np.ones_like(x), padding, float(counted)), beyond, 0)
    return total / patches(inside, size, **windows).sum(-2)


def padded(x, padding, value):
    """Puts a number around the spatial axes of x."""
    x = np.asarray(x, np.float64)
    if padding is None:
        return x
    around = [(0, 0)] * (x.ndim - len(padding) - 1)
    return np.pad(x, [*around, *padding, (0, 0)], constant_values=value)


def adaptive(reduce, x, sizes):
    """The reduction of windows that begin at floor(i S / n) and end at ceil((i + 1) S / n)."""
    x = np.asarray(x, np.float64)
    first = x.ndim - len(sizes) - 1
    y = np.zeros((*x.shape[:first], *sizes, x.shape[-1]))
    lengths = x.shape[first:-1]
    for place in itertools.product(*map(range, sizes)):
        along = zip(place, lengths, sizes, strict=True)
        window = [
            slice(int(np.floor(i * s / n)), int(np.ceil((i + 1) * s / n))) for i, s, n in along
        ]
        axes = tuple(range(first, x.ndim - 1))
        y[(..., *place, slice(None))] = reduce(x[(..., *window, slice(None))], axes)
    return y


def upsample(x, factors):
    """Linear interpolation between the middles of intervals, axis by axis."""
    x = np.asarray(x, np.float64)
    for axis, factor in enumerate(factors, x.ndim - len(factors) - 1):
        x = np.moveaxis(x, axis, 0)
        places = (np.arange(len(x) * factor) + 0.5) / factor - 0.5
        places = np.clip(places, 0, len(x) - 1)
        low = places.astype(int)
        share = (places - low).reshape(-1, *(1,) * (x.ndim - 1))
        y = (1 - share) * x[low] + share * x[np.minimum(low + 1, len(x) - 1)]
        x = np.moveaxis(y, 0, axis)
    return x
