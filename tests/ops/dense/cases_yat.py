"""Cases of the dense products."""

import functools

import truth
from case import Case

from pyneurons_yat import ops


def _yat(x, kernel, bias, alpha, epsilon, **options):
    return ops.yat(x, kernel, bias, alpha, epsilon=epsilon, **options)


def _yat_scores(query, key, bias, alpha, epsilon, **options):
    return ops.yat_scores(query, key, bias, alpha, epsilon=epsilon, **options)


_YAT_EDGES = (
    ((0, 3), (3, 2), (2,), (2,), ()),  # an empty batch
    ((2, 0), (0, 2), (2,), (), ()),  # no features
    ((2, 3), (3, 0), (0,), (), (0,)),  # no outputs
    ((1, 1), (1, 1), (1,), (1,), (1,)),
    ((3,), (3, 2), (), (2,), ()),  # no batch axis
    ((2, 1, 3), (3, 2), (1, 1, 2), (2,), (1, 1, 1)),  # two batch axes, full rank
)
_SCORES_EDGES = (
    ((0, 3), (2, 3), (), (), ()),
    ((2, 0), (4, 0), (4,), (), ()),
    ((2, 3), (0, 3), (0,), (), ()),
    ((1, 1), (1, 1), (1,), (1,), (1,)),
    ((2, 3, 1, 2), (2, 3, 4, 2), (1, 3, 1, 1), (4,), ()),  # heads, a bias per head
)


def cases():
    """All of them."""
    for distance in ("expanded", "direct"):
        yield Case(
            f"yat-{distance}",
            functools.partial(_yat, distance=distance),
            truth.yat,
            ((3, 5), (5, 2), (2,), (2,), ()),
            _YAT_EDGES,
        )
        yield Case(
            f"yat_scores-{distance}",
            functools.partial(_yat_scores, distance=distance),
            truth.yat_scores,
            ((2, 3, 4), (2, 2, 4), (), (2,), (2,)),
            _SCORES_EDGES,
        )
    shapes = ((3, 5), (5, 2))
    yield Case("yat-bare", ops.yat, truth.yat, shapes, (((1, 0), (0, 1)),), variant=True)
    shapes = ((3, 5), (5, 2), (2,))
    edges = (((0, 3), (3, 2), ()), ((2, 0), (0, 2), (1,)), ((3,), (3, 2), (2,)))
    yield Case("linear", ops.linear, truth.linear, shapes, edges)
