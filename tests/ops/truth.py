"""What the ops should compute, in float64 NumPy, written as the formulas stand."""

import numpy as np


def yat(x, kernel, bias=0.0, alpha=1.0, epsilon=1e-5):
    """The Yat product of (*B, I) with (I, O), every difference formed."""
    x, kernel = np.asarray(x, np.float64)[..., :, None], np.asarray(kernel, np.float64)
    dot = (x * kernel).sum(-2)
    return alpha * (dot + bias) ** 2 / (((x - kernel) ** 2).sum(-2) + epsilon)


def yat_scores(query, key, bias=0.0, alpha=1.0, epsilon=1e-5):
    """The Yat products of (*B, T, H) with (*B, S, H), every difference formed."""
    query = np.asarray(query, np.float64)[..., :, None, :]
    key = np.asarray(key, np.float64)[..., None, :, :]
    dot = (query * key).sum(-1)
    return alpha * (dot + bias) ** 2 / (((query - key) ** 2).sum(-1) + epsilon)


def linear(x, kernel, bias=0.0):
    """The affine map of the last axis of (*B, I) by (I, O)."""
    return (np.asarray(x, np.float64)[..., :, None] * kernel).sum(-2) + bias


def softermax(x, n=1.0, epsilon=1e-12, axis=-1, where=True):
    """Powers over their sum. In float64 there is room for the tests' powers."""
    power = np.where(where, np.maximum(np.asarray(x, np.float64), 0) ** n, 0)
    return power / (epsilon + power.sum(axis, keepdims=True))


def softermax_gradient(x, n, g, epsilon=1e-12):
    """The gradients of sum(g * softermax(x)) in x and n, of one row, power by power.

    The quotient rule: d y_i = sum_j ([i = j] - y_i) d(x_j^n) / S.
    """
    x, g = np.asarray(x, np.float64), np.asarray(g, np.float64)
    total = epsilon + (x**n).sum()
    share, rest = x**n / total, epsilon / total
    # g_j - sum_i share_i g_i, without the cancellation where one share is nearly 1:
    push = np.array([(share * (g_j - g)).sum() + rest * g_j for g_j in g])
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where((x == 0) & (n < 1), 0, n * x ** (n - 1.0))
        turn = np.where(x == 0, 0, share * np.log(x))
    return push * slope / total, (push * turn).sum()


def softer_sigmoid(x, n=1.0):
    """The published formula; negative scores count as 0."""
    power = np.maximum(np.asarray(x, np.float64), 0) ** n
    return power / (1 + power)


def score_tanh(x, n=1.0):
    """The published formula; negative scores count as 0."""
    power = np.maximum(np.asarray(x, np.float64), 0) ** n
    return (power - 1) / (power + 1)


def soft_tanh(x, n=1.0):
    """The odd function."""
    power = np.abs(np.asarray(x, np.float64)) ** n
    return np.sign(x) * power / (1 + power)


def binary(x):
    """The unit step, 1 at 0."""
    return np.where(np.asarray(x) >= 0, 1.0, 0.0)


def relun(x, n=np.inf):
    """The positive part, at most n."""
    return np.minimum(np.maximum(np.asarray(x, np.float64), 0), n)


def vector(x):
    """The step plus the positive part capped at 1."""
    return binary(x) + relun(x, 1)


def numerical_gradient(function, arguments, weights, position, step=1e-6):
    """Central differences of sum(weights * function(*arguments)) in one argument."""
    arguments = [np.array(a, np.float64) for a in arguments]
    gradient = np.zeros_like(arguments[position])
    for index in np.ndindex(gradient.shape):
        sides = []
        for sign in (1, -1):
            moved = [a.copy() for a in arguments]
            moved[position][index] += sign * step
            sides.append((weights * function(*moved)).sum())
        gradient[index] = (sides[0] - sides[1]) / (2 * step)
    return gradient
