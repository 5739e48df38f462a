"""What the normalisations should compute, in float64 NumPy, written as the formulas stand."""

import numpy as np


def standard(x, axis, epsilon, where, centre=True):
    """The numbers less their mean, over the root of their variance."""
    x = np.asarray(x, np.float64)
    weight = np.broadcast_to(where, x.shape).astype(float)
    count = np.maximum(weight.sum(axis, keepdims=True), 1)
    mean = (x * weight).sum(axis, keepdims=True) / count if centre else 0.0
    variance = ((x - mean) ** 2 * weight).sum(axis, keepdims=True) / count
    return (x - mean) / np.sqrt(variance + epsilon)


def layer_norm(x, scale=1.0, bias=0.0, epsilon=1e-5, axis=-1, where=True):
    """Each row by itself."""
    return standard(x, axis, epsilon, where) * scale + bias


def rms_norm(x, scale=1.0, epsilon=1e-6, axis=-1, where=True):
    """Without the mean."""
    return standard(x, axis, epsilon, where, centre=False) * scale


def group_norm(x, scale=1.0, bias=0.0, epsilon=1e-5, groups=1, axis=None, where=True):
    """Group after group."""
    x = np.asarray(x, np.float64)
    spatial = tuple(range(1, x.ndim - 1)) if axis is None else axis
    where = np.broadcast_to(where, x.shape)
    parts = zip(np.split(x, groups, -1), np.split(where, groups, -1), strict=True)
    done = [standard(part, (*spatial, x.ndim - 1), epsilon, mask) for part, mask in parts]
    return np.concatenate(done, -1) * scale + bias


def batch_norm(x, scale=1.0, bias=0.0, epsilon=1e-5, where=True):
    """Each channel over all other axes."""
    return standard(x, tuple(range(np.ndim(x) - 1)), epsilon, where) * scale + bias


def batch_norm_given(x, mean, variance, scale=1.0, bias=0.0, epsilon=1e-5):
    """Each channel by given statistics."""
    return (x - mean) / np.sqrt(variance + epsilon) * scale + bias


def mean_plus_variance(x):
    """Both moments in one array, for one gradient."""
    axes = tuple(range(np.ndim(x) - 1))
    return np.mean(x, axes) + 3 * np.var(x, axes)


def yat_gate(x, prototype, bias=0.0, alpha=1.0, epsilon=1.0, where=True):
    """Group after group, feature after feature."""
    x, prototype = np.asarray(x, np.float64), np.asarray(prototype, np.float64)
    alpha, bias = (np.broadcast_to(v, prototype.shape[:1]) for v in (alpha, bias))
    y = x.copy()
    size = prototype.shape[1]
    where = np.broadcast_to(where, x.shape)
    for g, p in enumerate(prototype):
        part = x[..., g * size : (g + 1) * size]
        mask = where[..., g * size : (g + 1) * size]
        count = np.maximum(mask.sum(-1), 1)
        dot = (part * p * mask).sum(-1) / count + bias[g]
        distance = ((part - p) ** 2 * mask).sum(-1) / count
        gain = 1 + alpha[g] * dot**2 / (distance + epsilon)
        y[..., g * size : (g + 1) * size] = part * gain[..., None]
    return y
