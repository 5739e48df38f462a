"""Rotary positions as the paper has them: complex numbers, turned."""

import numpy as np


def rotary(x, positions=None, offset=0.0, base=1e4, size=None, interleaved=False):
    """The rotation of (*B, T, N, H), token by token and pair by pair, in float64."""
    y = np.array(x, np.float64)
    size = y.shape[-1] if size is None else size
    positions = np.arange(y.shape[-3]) if positions is None else np.asarray(positions, np.float64)
    positions = np.broadcast_to(positions, y.shape[:-2])
    offset = np.broadcast_to(np.asarray(offset, np.float64), y.shape[:-3])
    for place in np.ndindex(*y.shape[:-2]):
        p = positions[place] + offset[place[:-1]]
        for i in range(size // 2):
            a, b = (2 * i, 2 * i + 1) if interleaved else (i, i + size // 2)
            turned = (y[(*place, ..., a)] + 1j * y[(*place, ..., b)]) * np.exp(
                1j * p * base ** (-2 * i / size)
            )
            y[(*place, ..., a)], y[(*place, ..., b)] = turned.real, turned.imag
    return y


def sinusoidal(positions, features, base=1e4, interleaved=True):
    """Sines and cosines of each position, pair by pair."""
    y = np.zeros((*np.shape(positions), features))
    for i in range(features // 2):
        angle = positions * base ** (-2 * i / features)
        sine, cosine = (2 * i, 2 * i + 1) if interleaved else (i, i + features // 2)
        y[..., sine], y[..., cosine] = np.sin(angle), np.cos(angle)
    return y
