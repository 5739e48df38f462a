"""Cases of the activations that JAX has not."""

import functools

import numpy as np
from case import Case

from pyneurons_yat import ops

_EDGES = (((0,),), ((2, 0),), ((1, 1),))


def srelu(x, al, tl, ar, tr):
    """The published formula, the left side first."""
    return np.where(x <= tl, tl + al * (x - tl), np.where(x < tr, x, tr + ar * (x - tr)))


def leaky(x, alpha):
    """The rectifier with a slope on the left."""
    return np.where(x < 0, alpha * x, x)


def trelu(x, epsilon):
    """What is below the threshold becomes 0."""
    return np.where(x < epsilon, 0, x)


def cases():
    """All of them."""
    one = functools.partial(Case, low=-2)
    several = tuple((*edge, *[()] * 4) for edge in _EDGES)
    yield one("srelu", ops.srelu, srelu, ((4, 6), (), (), (), ()), several)
    yield one("srelu-features", ops.srelu, srelu, ((4, 6), *[(6,)] * 4), variant=True)
    pairs = tuple((*edge, ()) for edge in _EDGES)
    for name, known in {"all_relu": leaky, "prelu": leaky, "trelu": trelu}.items():
        op = getattr(ops, name)
        yield one(name, op, known, ((2, 3), ()), pairs)
        yield one(f"{name}-features", op, known, ((2, 3), (3,)), variant=True)
