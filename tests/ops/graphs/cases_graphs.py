"""Cases of the graph ops: segments, degrees, message passing."""

import functools

import numpy as np
import truth_graphs as truth
from case import Case

from pyneurons_yat import ops

IDS = np.array([2, 0, 2, 3, 0, 2])  # unordered; segments 1 and 4 are empty
MASK = np.array([True, True, False, True, False, True])
SENDERS = np.array([1, 2, 1, 0, 1, 4])  # one edge twice, a loop, and node 3 without any
RECEIVERS = np.array([0, 0, 0, 2, 1, 1])

_PAIR_EDGES = (
    ((0, 3), (0, 3), (), (), ()),
    ((2, 0), (2, 0), (2,), (), ()),
    ((1, 1), (1, 1), (1,), (1,), (1,)),
    ((3,), (3,), (), (), ()),
    ((2, 3, 4), (2, 3, 4), (3,), (1, 3), ()),
)


def _pairs(x, y, bias, alpha, epsilon):
    return ops.yat_pairs(x, y, bias, alpha, epsilon=epsilon)


def _softermax(scores, n, epsilon, **options):
    return ops.segment_softermax(scores, IDS, 5, n=n, epsilon=epsilon, **options)


def _softermax_truth(scores, n, epsilon, **options):
    return truth.segment_softermax(scores, IDS, 5, n, epsilon, **options)


def _of_ids(function, size, **options):
    """The function of data of any length, whose ids begin as IDS do."""
    return lambda data: function(data, IDS[: len(data)], size, **options)


def _segment_cases():
    edges = (((0, 2),), ((1, 1),), ((4,),), ((3, 0),))
    for name in ("sum", "mean", "max", "min", "softmax"):
        op, known = (_of_ids(module.segment_reduce, 5, reduction=name) for module in (ops, truth))
        same = name in ("sum", "min")  # as mean and max
        yield Case(f"segment_reduce-{name}", op, known, ((6, 2),), edges, variant=same)
    for name in ("sum", "max"):
        op, known = (
            _of_ids(module.segment_reduce, 5, reduction=name, where=MASK) for module in (ops, truth)
        )
        shapes = ((6, 2),)
        yield Case(f"segment_reduce-{name}-masked", op, known, shapes, variant=True)
    op, known = (_of_ids(module.segment_softmax, 5) for module in (ops, truth))
    yield Case("segment_softmax", op, known, ((6, 2),), edges)
    op, known = (_of_ids(module.segment_softmax, 5, where=MASK) for module in (ops, truth))
    yield Case("segment_softmax-masked", op, known, ((6, 2),), variant=True)
    yield Case("segment_softermax", _softermax, _softermax_truth, ((6, 2), (2,), ()))
    masked = (functools.partial(f, where=MASK) for f in (_softermax, _softermax_truth))
    yield Case("segment_softermax-masked", *masked, ((6, 2), (), ()), variant=True)


def _graph(nodes, edges=None, senders=SENDERS, receivers=RECEIVERS):
    return ops.GraphsTuple(nodes, edges, receivers, senders, None, None, None)


def _degree_weights(weights, normalization):
    return ops.degree_weights(SENDERS, RECEIVERS, 5, weights, normalization=normalization)


def _degree_truth(weights, normalization):
    return truth.degree_weights(weights, SENDERS, RECEIVERS, 5, normalization)


def _propagate(nodes, weights, teleport, self_loops=True, **options):
    return ops.propagate(
        _graph(nodes, weights), weighted=True, teleport=teleport, self_loops=self_loops, **options
    ).nodes


def _propagate_truth(nodes, weights, teleport, self_loops=True, **options):
    return truth.propagate(
        nodes, SENDERS, RECEIVERS, weights, teleport, loop=float(self_loops), **options
    )


def _graph_cases():
    for name in ("symmetric", "mean", "sum"):
        functions = [
            functools.partial(f, normalization=name) for f in (_degree_weights, _degree_truth)
        ]
        yield Case(f"degree_weights-{name}", *functions, ((6,),), variant=name != "symmetric")
        functions = [
            functools.partial(f, normalization=name) for f in (_propagate, _propagate_truth)
        ]
        shapes = ((5, 3), (6,), ())
        edges = (((5, 0), (6,), ()), ((5,), (6,), ()), ((5, 1, 2), (6,), ()))
        yield Case(
            f"propagate-{name}",
            *functions,
            shapes,
            edges,
            high=0.9,
            variant=name != "symmetric",
        )
    for name, options in {"steps": {"steps": 3}, "no-loops": {"self_loops": False}}.items():
        functions = [functools.partial(f, **options) for f in (_propagate, _propagate_truth)]
        shapes = ((5, 30), (6,), ())
        yield Case(f"propagate-{name}", *functions, shapes, high=0.9, variant=True)


def cases():
    """All of them."""
    shapes = ((3, 2, 4), (3, 2, 4), (2,), (2,), ())
    yield Case("yat_pairs", _pairs, truth.yat_pairs, shapes, _PAIR_EDGES)
    yield from _segment_cases()
    yield from _graph_cases()
