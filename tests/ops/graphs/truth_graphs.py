"""What the graph ops should compute, in float64 NumPy: loops over edges, dense adjacencies."""

import numpy as np


def yat_pairs(x, y, bias=0.0, alpha=1.0, epsilon=1e-5):
    """The Yat product of each row of x with its row of y."""
    return alpha * ((x * y).sum(-1) + bias) ** 2 / (((x - y) ** 2).sum(-1) + epsilon)


def members(ids, where, segment):
    """The entries of one segment."""
    return [e for e, one in enumerate(ids) if one == segment and where[e]]


def segment_reduce(data, ids, size, reduction="sum", where=None):
    """One segment after another."""
    data = np.asarray(data, np.float64)
    where = np.ones(len(ids), bool) if where is None else where
    result = np.zeros((size, *data.shape[1:]))
    functions = {"sum": np.sum, "mean": np.mean, "max": np.max, "min": np.min}
    for segment in range(size):
        chosen = data[members(ids, where, segment)]
        if len(chosen) and reduction == "softmax":
            share = np.exp(chosen - chosen.max(0))
            result[segment] = (share * chosen).sum(0) / share.sum(0)
        elif len(chosen):
            result[segment] = functions[reduction](chosen, axis=0)
    return result


def segment_softmax(scores, ids, size, where=None):
    """One segment after another."""
    scores = np.asarray(scores, np.float64)
    where = np.ones(len(ids), bool) if where is None else where
    result = np.zeros(scores.shape)
    for segment in range(size):
        chosen = members(ids, where, segment)
        if chosen:
            power = np.exp(scores[chosen] - scores[chosen].max(0))
            result[chosen] = power / power.sum(0)
    return result


def segment_softermax(scores, ids, size, n=1.0, epsilon=1e-12, where=None):
    """One segment after another."""
    scores = np.asarray(scores, np.float64)
    where = np.ones(len(ids), bool) if where is None else where
    result = np.zeros(scores.shape)
    for segment in range(size):
        chosen = members(ids, where, segment)
        power = np.maximum(scores[chosen], 0) ** n
        result[chosen] = power / (epsilon + power.sum(0))
    return result


def adjacency(senders, receivers, size, weights=None, loop=0.0):
    """The dense matrix: row r, column s. Edges that occur twice count twice."""
    weights = np.ones(len(senders)) if weights is None else weights
    matrix = loop * np.eye(size)
    for sender, receiver, weight in zip(senders, receivers, weights, strict=True):
        matrix[receiver, sender] += weight
    return matrix


def normalized(matrix, normalization="symmetric"):
    """The dense matrix over the degrees of its rows and columns."""
    entering, leaving = matrix.sum(1, keepdims=True), matrix.sum(0, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = {
            "symmetric": matrix / np.sqrt(entering * leaving),
            "mean": matrix / entering,
            "sum": matrix,
        }[normalization]
    return np.where(matrix > 0, scaled, 0)


def degree_weights(weights, senders, receivers, size, normalization="symmetric"):
    """Edge by edge, the ratio of the normalised and the bare matrix."""
    matrix = adjacency(senders, receivers, size, weights)
    dense = normalized(matrix, normalization)
    return np.array(
        [
            w * dense[r, s] / matrix[r, s]
            for w, s, r in zip(weights, senders, receivers, strict=True)
        ]
    )


def propagate(
    nodes, senders, receivers, weights=None, teleport=0.0, normalization="symmetric", loop=1.0,
    steps=1,
):  # fmt: skip
    """Products with the dense matrix."""
    nodes = np.asarray(nodes, np.float64)
    matrix = adjacency(senders, receivers, len(nodes), weights, loop)
    matrix, mixed = normalized(matrix, normalization), nodes
    for _ in range(steps):
        mixed = (1 - teleport) * np.tensordot(matrix, mixed, 1) + teleport * nodes
    return mixed


def attention(query, key, value, senders, receivers, bias, alpha, epsilon, power=None):
    """Node by node, over the edges that enter it; each array is (N, heads, H)."""
    result = np.zeros(value.shape)
    for node in range(len(query)):
        from_ = [s for s, r in zip(senders, receivers, strict=True) if r == node]
        if from_:
            pairs = np.broadcast_to(query[node], key[from_].shape), key[from_]
            score = yat_pairs(*pairs, bias, alpha, epsilon)
            ids = np.zeros(len(from_), int)
            if power is None:
                weight = segment_softmax(score, ids, 1)
            else:
                weight = segment_softermax(score, ids, 1, power)
            result[node] = (weight[..., None] * value[from_]).sum(0)
    return result
