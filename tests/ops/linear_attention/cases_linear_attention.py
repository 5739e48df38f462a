"""Cases of linear attention and its feature maps."""

import functools

import numpy as np
import truth_linear_attention as truth
from case import Case

from pyneurons_yat import ops

DEGREES = np.array([0, 2, 1])

_ATTENTION = ((2, 5, 2, 3), (2, 5, 2, 3), (2, 5, 2, 4))
_ATTENTION_EDGES = (
    ((4, 1, 3), (4, 1, 3), (4, 1, 1)),  # no batch axis, one head, one value
    ((1, 1, 1, 1), (1, 1, 1, 1), (1, 1, 1, 1)),
    ((0, 2, 1, 3), (0, 2, 1, 3), (0, 2, 1, 2)),  # an empty batch
    ((2, 0, 1, 3), (2, 0, 1, 3), (2, 0, 1, 2)),  # no tokens
    ((2, 3, 1, 0), (2, 3, 1, 0), (2, 3, 1, 2)),  # no features: nothing is seen
    ((1, 2, 3, 1, 2), (1, 2, 3, 1, 2), (1, 2, 3, 1, 2)),  # two batch axes
)


def _step(sums, lengths, query, key, value):
    state = ops.LinearState(sums, lengths)
    return ops.linear_attention_step(state, query, key, value, chunk_size=2)[0]


def _attention_cases():
    for name, options, known in (
        ("", {}, {}),
        ("-causal", {"is_causal": True, "chunk_size": 2}, {"is_causal": True}),
    ):
        op = functools.partial(ops.linear_attention, **options)
        wanted = functools.partial(truth.linear_attention, **known)
        shapes, edges = _ATTENTION, _ATTENTION_EDGES
        yield Case("linear_attention" + name, op, wanted, shapes, edges, rule=True)
    cross = ((2, 3, 2, 3), *_ATTENTION[1:])
    edges = (((2, 1, 3), (0, 1, 3), (0, 1, 2)),)  # no key
    yield Case(
        "linear_attention-cross",
        ops.linear_attention,
        truth.linear_attention,
        cross,
        edges,
        rule=True,
        variant=True,
    )


def _feature_cases():
    tail = ((3, 2, 3), (2, 3), (2,), (2,))
    yat = ((2, 3), (1, 2), (1,), *tail)
    edges = (
        ((3,), (2, 3), (2,), *tail),  # no batch axis, two nodes, all powers exact
        ((2, 3), (1, 0), (1,), *tail),  # none exact
        ((0, 3), (1, 1), (1,), *tail),
        ((2, 3), (1, 1), (1,), (3, 0, 3), (0, 3), (0,), (0,)),  # no random part
    )
    cosines = tuple((*shapes, shapes[-1]) for shapes in edges)
    yield Case("yat_features", ops.yat_features, truth.yat_features, (*yat, (2,)), cosines)
    yield Case("yat_features-positive", ops.yat_features, truth.yat_features, yat, edges)
    yield Case(
        "yat_features-unit",
        functools.partial(ops.yat_features, normalize=True),
        functools.partial(truth.yat_features, normalize=True),
        (*yat, (2,)),
        variant=True,
    )
    shapes = ((2, 3), (2, 3), (2, 2, 3), (2,), (2,))
    edges = (((3,), (1, 3), (1, 1, 3), (1,), (1,)), ((0, 3), *shapes[1:]))
    op, known = ops.anchor_features, truth.anchor_features
    yield Case("anchor_features", op, known, shapes, edges)
    shapes = ((2, 3), (2, 3), (2, 3), (2, 2), (2, 2, 3), (2, 2), (2,))
    edges = (((3,), (1, 3), (1, 3), (2, 1), (1, 1, 3), (1, 1), (1,)), ((0, 3), *shapes[1:]))
    op, known = ops.radial_features, truth.radial_features
    yield Case("radial_features", op, known, shapes, edges)
    op = functools.partial(ops.maclaurin_features, degrees=DEGREES)
    known = functools.partial(truth.maclaurin_features, degrees=DEGREES)
    shapes = ((2, 4), (2, 3, 4), (3,))
    edges = (((4,), *shapes[1:]), ((0, 4), *shapes[1:]))
    yield Case("maclaurin_features", op, known, shapes, edges)


def cases():
    """All of them."""
    yield from _attention_cases()
    yield from _feature_cases()
    shapes = ((2, 2, 3, 4), (2, 2), (2, 3, 2, 3), (2, 3, 2, 3), (2, 3, 2, 3))
    edges = (((1, 1, 2), (1,), (1, 1, 1), (1, 1, 1), (1, 1, 1)),)
    known = truth.linear_attention_step
    yield Case("linear_attention_step", _step, known, shapes, edges)
