"""Cases of the products with sparse kernels, against the dense ones of the same entries."""

import numpy as np
import truth
from case import Case

from pyneurons_yat import ops
from pyneurons_yat.ops.sparse import Inputs


def places(count, inputs, outputs):
    """Indices (K, O), none twice in a column, in no order."""
    step = 2 if inputs % 2 else 1
    return (step * np.arange(count)[::-1, None] + np.arange(outputs)) % inputs


def kernel(x, values):
    """The sparse kernel of some values, for rows of x."""
    indices = places(*values.shape[:1], x.shape[-1], values.shape[1]).astype(np.int32)
    return ops.SparseKernel(values, indices, Inputs(x.shape[-1]))


def dense(x, values):
    """The kernel (I, O) with its zeros."""
    full, (_, indices, _) = np.zeros((x.shape[-1], values.shape[1])), kernel(x, values)
    for o, column in enumerate(indices.T):
        for k, i in enumerate(column):
            full[i, o] = values[k, o]
    return full


def _linear(x, values, bias):
    return ops.sparse_linear(x, kernel(x, values), bias)


def _yat(x, values, bias, alpha, epsilon):
    return ops.sparse_yat(x, kernel(x, values), bias, alpha, epsilon=epsilon)


def _known_linear(x, values, bias):
    return truth.linear(x, dense(x, values), bias)


def _known_yat(x, values, bias, alpha, epsilon):
    return truth.yat(x, dense(x, values), bias, alpha, epsilon)


_EDGES = (
    ((0, 3), (2, 4), (4,), (4,), ()),  # an empty batch
    ((2, 3), (2, 0), (0,), (), (0,)),  # no outputs
    ((1, 1), (1, 1), (1,), (1,), (1,)),
    ((2, 3), (3, 4), (4,), (4,), ()),  # density 1
    ((5,), (2, 2), (), (2,), ()),  # no batch axis
    ((2, 1, 5), (2, 2), (1, 1, 2), (2,), (1, 1, 1)),  # two batch axes, full rank
)


def cases():
    """All of them."""
    shapes = ((3, 7), (4, 2), (2,))
    yield Case("sparse_linear", _linear, _known_linear, shapes, tuple(e[:3] for e in _EDGES))
    yield Case("sparse_yat", _yat, _known_yat, (*shapes, (2,), ()), _EDGES)
