"""Attention in float64 NumPy, query by query: what the layers should compute."""

import numpy as np


def linear(model, x):
    """A linear projection; what is absent changes nothing."""
    if model is None:
        return x
    bias = 0 if model.bias is None else np.asarray(model.bias, np.float64)
    return x @ np.asarray(model.kernel, np.float64) + bias


def in_heads(x, heads):
    return x.reshape(*x.shape[:-1], heads, x.shape[-1] // heads)


def rotate(x, offset, interleaved, base=1e4):
    """The paper's rotation, in complex numbers."""
    half = x.shape[-1] // 2
    pairs = (x[..., 0::2], x[..., 1::2]) if interleaved else (x[..., :half], x[..., half:])
    angles = (np.arange(x.shape[-3]) + offset)[:, None, None] * base ** (-np.arange(half) / half)
    turned = (pairs[0] + 1j * pairs[1]) * np.exp(1j * angles)
    parts = [turned.real, turned.imag]
    return np.stack(parts, -1).reshape(x.shape) if interleaved else np.concatenate(parts, -1)


def dot_scores(q, k, scale):
    return scale * (q * k).sum(-1)


def yat_scores(q, k, scale, shift=0.0, alpha=1.0, epsilon=1e-5):
    return alpha * scale * ((q * k).sum(-1) + shift) ** 2 / (((q - k) ** 2).sum(-1) + epsilon)


def weights(scores, seen, normalizer, power):
    """One row; all zero where nothing is seen."""
    if not seen.any():
        return np.zeros_like(scores)
    if normalizer == "softermax":
        powers = np.where(seen, np.maximum(scores, 0) ** power, 0)
        return powers / (1e-12 + powers.sum())
    exps = np.where(seen, np.exp(np.where(seen, scores - scores[seen].max(), 0)), 0)
    return exps / exps.sum()


def attend(query, key, value, score, seen, bias, normalizer="softmax", power=1.0):
    """(T, N, H), (S, K, H), (S, K, V); score(n, q, k); seen (T, S) and bias (N, T, S)."""
    length, heads, _ = query.shape
    group = heads // key.shape[1]
    y = np.zeros((length, heads, value.shape[-1]))
    for t, n in np.ndindex(length, heads):
        scores = score(n, query[t, n], key[:, n // group]) + bias[n, t]
        y[t, n] = weights(scores, seen[t], normalizer, power) @ value[:, n // group]
    return y


def layer(
    model, q, k=None, v=None, *, heads, rotary=None, offset=0, is_causal=False, mask=None,
    bias=None, unit=False, scale=None, epsilon=None, normalizer="softmax", power=1.0, before=0,
):  # fmt: skip
    """A whole layer on (T, inputs): dot-product without epsilon, Yat with (N,) numbers in model."""
    alone = k is None
    k = q if k is None else k
    v = k if v is None else v
    query, key, value = (
        linear(part, np.asarray(x, np.float64))
        for part, x in ((model.query, q), (model.key, k), (model.value, v))
    )
    size = query.shape[-1] // heads
    query, key = in_heads(query, heads), in_heads(key, key.shape[-1] // size)
    value = in_heads(value, key.shape[-2])
    if unit:
        query, key = (a / np.linalg.norm(a, axis=-1, keepdims=True) for a in (query, key))
    if rotary:
        query = rotate(query, offset, rotary == "interleaved")
        key = rotate(key, offset if alone else 0, rotary == "interleaved")
    scale = size**-0.5 if scale is None else scale
    length, keys = len(query), len(key)
    seen = np.ones((length, keys), bool) if mask is None else np.broadcast_to(mask, (length, keys))
    if is_causal:
        seen = seen & np.tril(np.ones((length, keys), bool), -before)
    bias = np.broadcast_to(0.0 if bias is None else bias, (heads, length, keys))

    def score(n, q, k):
        if epsilon is None:
            return dot_scores(q, k, scale)
        shift, alpha = (
            default if p is None else float(np.asarray(p)[n])
            for p, default in ((model.shift, 0.0), (model.alpha, 1.0))
        )
        return yat_scores(q, k, scale, shift, alpha, np.broadcast_to(epsilon, heads)[n])

    y = attend(query, key, value, score, seen, bias, normalizer, power)
    return linear(model.output, y.reshape(length, -1))
