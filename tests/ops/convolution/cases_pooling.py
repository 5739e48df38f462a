"""Cases of pooling, upsampling and flattening."""

import math
from functools import partial

import numpy as np
import truth_pooling
from case import Case

from pyneurons_yat import ops

_EDGES = (((0, 4, 3, 2),), ((4, 3, 0),), ((1, 3, 3, 1),), ((2, 1, 3, 4, 2),))

# The windows of each case: as the op is told, and as the truth is.
_WINDOWS = {
    "same": ((5, 4, 2), (3, 2), {"padding": "SAME"}, {"padding": ((0, 1), (0, 0))}),
    "dilated": (
        (2, 7, 2),
        (2,),
        {"dilation": 3, "strides": 1, "padding": ((1, 2),)},
        {"dilations": (1, 3), "strides": 1, "padding": ((1, 2),)},
    ),
    "circular": (
        (5, 2),
        (3,),
        {"strides": 2, "padding": "CIRCULAR"},
        {"strides": 2, "border": ((1, 1),)},
    ),
    "3d": (
        (3, 4, 2, 2),
        (2, 3, 2),
        {"strides": (1, 2, 2), "padding": (0, 1, 0)},
        {"strides": (1, 2, 2), "padding": ((0, 0), (1, 1), (0, 0))},
    ),
}


def _pooling(name, op, known):
    same = partial(known, size=(2, 2), strides=2)
    yield Case(name, partial(op, window=(2, 2)), same, ((2, 4, 5, 2),), _EDGES)
    for variant, (shape, window, options, wanted) in _WINDOWS.items():
        wanted = {"strides": window, **wanted}
        yield Case(
            f"{name}-{variant}",
            partial(op, window=window, **options),
            partial(known, size=window, **wanted),
            (shape,),
            variant=True,
        )


def _unpooled(x):
    y = np.zeros((2, 6, 2))
    np.put_along_axis(y, _PLACES, np.asarray(x), 1)
    return y


def _put_back(x):
    batch = x.shape[:-2]
    return ops.max_unpool(x, np.broadcast_to(_PLACES[0], (*batch, 3, 2)), 6)


def _repeated(x, factors):
    return np.kron(x, np.ones((*factors, 1)))


_PLACES = np.array([[[5, 1], [0, 2], [3, 4]]] * 2)


def _sized():
    """Pooling to given sizes."""
    for name, reduce in (("max", np.max), ("average", np.mean)):
        adaptive = partial(getattr(ops, f"adaptive_{name}_pool"), sizes=(2, 3))
        known = partial(truth_pooling.adaptive, reduce, sizes=(2, 3))
        yield Case(f"adaptive_{name}_pool", adaptive, known, ((4, 5, 2),), (((0, 4, 4, 2),),))
        whole = partial(getattr(ops, f"global_{name}_pool"), axis=(-3, -2))
        known = partial(lambda reduce, x: reduce(np.asarray(x), (-3, -2)), reduce)
        edges = (((0, 2, 3, 2),), ((2, 1, 1, 0),))
        yield Case(f"global_{name}_pool", whole, known, ((2, 3, 2, 2),), edges)


def _reshaped():
    """What undoes pooling, and what follows it."""
    yield Case("max_unpool", _put_back, _unpooled, ((2, 3, 2),))
    linear = partial(ops.upsample, factor=(2, 3), method="linear")
    known = partial(truth_pooling.upsample, factors=(2, 3))
    edges = (((0, 2, 2, 1),), ((1, 1, 1),))
    yield Case("upsample", linear, known, ((2, 3, 2, 2),), edges)
    repeated = partial(_repeated, factors=(2, 3))
    nearest = partial(ops.upsample, factor=(2, 3))
    yield Case("upsample-nearest", nearest, repeated, ((2, 3, 2, 2),), edges, variant=True)
    flat = partial(ops.flatten, start_axis=-2)
    known = partial(lambda x: x.reshape(*x.shape[:-2], math.prod(x.shape[-2:])))
    yield Case("flatten", flat, known, ((2, 3, 2),), (((2, 1, 1),), ((0, 2, 0),)))


def cases():
    """All of them."""
    yield from _pooling("max_pool", ops.max_pool, truth_pooling.max_pool)
    yield from _pooling("average_pool", ops.average_pool, truth_pooling.average_pool)
    ends = {"padding": 1, "ceil_mode": True, "count_include_pad": False}
    op = partial(ops.average_pool, window=3, strides=2, **ends)
    known = partial(truth_pooling.average_pool, counted=False, beyond=((0, 1),))
    known = partial(known, size=(3,), strides=2, padding=((1, 1),))
    yield Case("average_pool-ceil", op, known, ((2, 6, 2),), variant=True)
    yield from _sized()
    yield from _reshaped()
