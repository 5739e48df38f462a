"""What attention should compute, in float64 NumPy, one query and one head at a time."""

import numpy as np
import truth


def sees(t, s, is_causal=False, window=None, dilation=1, offset=0):
    """Whether query t sees key s."""
    away = t + offset - s
    if (is_causal and away < 0) or away % dilation:
        return False
    return window is None or -window[1] * dilation <= away <= window[0] * dilation


def pattern(queries, keys, **options):
    """Which of the keys (S,) each of the queries (T,) sees."""
    seen = [[sees(t, s, **options) for s in range(keys)] for t in range(queries)]
    return np.array(seen, bool).reshape(queries, keys)


def normalised(scores, normalizer, power):
    """The weights of the scores that one query sees."""
    if normalizer == "softermax":
        return truth.softermax(scores, power)
    parts = np.exp(scores - scores.max(initial=-np.inf))
    return parts / parts.sum()


def weights(
    query, key, bias=0.0, seen=True, shift=0.0, alpha=1.0, epsilon=1e-5, scale=None,
    normalizer="softmax", power=1.0,
):  # fmt: skip
    """(*B, N, T, S), row by row; `seen` broadcasts to that shape."""
    *batch, length, heads, size = query.shape
    full = (*batch, heads, length, key.shape[-3])
    bias, seen = np.broadcast_to(bias, full), np.broadcast_to(seen, full)
    per_head = (np.broadcast_to(v, heads) for v in (shift, alpha, epsilon, power))
    shift, alpha, epsilon, power = per_head
    scale = np.broadcast_to(max(size, 1) ** -0.5 if scale is None else scale, heads)
    result = np.zeros(full)
    for *b, n, t in np.ndindex(full[:-1]):
        row, chosen = (*b, n, t), seen[(*b, n, t)]
        if chosen.any():
            keys = key[tuple(b)][:, n * key.shape[-2] // heads]
            product = truth.yat_scores(
                query[(*b, t, n)][None], keys, shift[n], alpha[n] * scale[n], epsilon[n]
            )
            scores = (product[0] + bias[row])[chosen]
            result[row][chosen] = normalised(scores, normalizer, power[n])
    return result


def attention(query, key, value, *arguments, **options):
    """(*B, T, N, V)."""
    found = weights(query, key, *arguments, **options)
    groups = query.shape[-2] // key.shape[-2]
    return np.einsum("...nts,...snv->...tnv", found, np.repeat(value, groups, axis=-2))
