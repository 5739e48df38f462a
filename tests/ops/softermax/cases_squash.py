"""Cases of the softermax family and the thresholds."""

import functools

import jax.numpy as jnp
import numpy as np
import truth
from case import Case

from pyneurons_yat import ops


def _softermax(x, n, epsilon, **options):
    return ops.softermax(x, n=n, epsilon=epsilon, **options)


MASK = np.array([[True, False, True, True], [False, True, True, False]])

_ROW_EDGES = (
    ((0,), (), ()),
    ((2, 0), (), ()),
    ((0, 3), (), ()),
    ((1,), (1,), ()),
    ((1, 1), (), ()),
)
_SQUASH_EDGES = (((), ()), ((0,), (0,)), ((2, 0), ()), ((1, 1), (1,)))
_ONE_EDGES = (((),), ((0,),), ((2, 0),), ((1, 1),))


def _softermax_cases():
    shapes = ((2, 4), (), ())
    variant = functools.partial(Case, variant=True)
    yield Case("softermax", _softermax, truth.softermax, shapes, _ROW_EDGES)
    vectors = ((2, 4), (4,), ()), (((3, 0), (0,), ()),)
    yield variant("softermax-vector-n", _softermax, truth.softermax, *vectors)
    for name, options in {
        "axis-0": {"axis": 0},
        "all-axes": {"axis": (0, 1)},
        "masked": {"where": MASK},
    }.items():
        op = functools.partial(_softermax, **options)
        known = functools.partial(truth.softermax, **options)
        yield variant(f"softermax-{name}", op, known, shapes)


def _squash_cases():
    for name in ("softer_sigmoid", "score_tanh", "soft_tanh"):
        op, known = getattr(ops, name), getattr(truth, name)
        yield Case(name, op, known, ((2, 3), ()), _SQUASH_EDGES)
        # A plain n of 1 takes a way of its own, without logarithms.
        odd = {"low": -2.0} if name == "soft_tanh" else {"variant": True}
        yield Case(f"{name}-unit", op, known, ((2, 3),), _ONE_EDGES, **odd)
    shapes = ((2, 3), (3,))
    yield Case("soft_tanh-negative-x", _mirrored, _mirrored_truth, shapes, variant=True)


def _mirrored(x, n):
    return ops.soft_tanh(-x, n)


def _mirrored_truth(x, n):
    return truth.soft_tanh(-x, n)


def _threshold_cases():
    one = functools.partial(Case, shapes=((2, 3),), more_shapes=_ONE_EDGES, low=-2)
    straight = functools.partial(one, slope=np.ones_like)
    yield straight("binary", ops.binary, truth.binary)
    yield straight("relu", ops.relu, truth.relun)
    yield straight("relun", ops.relun(1.5), functools.partial(truth.relun, n=1.5))
    yield straight("relu1", ops.relu1, functools.partial(truth.relun, n=1))
    yield straight("vector", ops.vector, truth.vector)
    yield one("abs", ops.abs, np.abs, slope=np.sign)
    yield straight("vjp.identity", ops.vjp.identity(jnp.round), np.round)
    yield one("vjp.sign", ops.vjp.sign(jnp.square), np.square, slope=np.sign)


def cases():
    """All of them."""
    yield from _softermax_cases()
    yield from _squash_cases()
    yield from _threshold_cases()
