"""The battery every op runs through, and the cases it runs on.

A case is an op, its truth in NumPy, and arguments at generic points. All arguments of a case are
traced and differentiable; what is static or masked is bound into the op.
"""

import dataclasses
import functools
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
import truth

from pyneurons_yat import ops

UNITS = {"bfloat16": 2**-8, "float16": 2**-11, "float32": 2**-24, "float64": 2**-53}


@dataclasses.dataclass(frozen=True)
class Case:
    """One op at one choice of its options."""

    name: str
    op: Callable
    truth: Callable
    shapes: tuple[tuple[int, ...], ...]  # of the arguments
    more_shapes: tuple[tuple[tuple[int, ...], ...], ...] = ()  # with empty and size-1 axes
    low: float = 0.3  # the arguments are drawn from [low, high]
    high: float = 2.0
    rule: bool = True  # it has a reverse rule of its own, which refuses forward mode
    slope: Callable | None = None  # of a straight-through op: the gradient it declares
    variant: bool = False  # of an op that another case puts through the slow checks

    def arguments(self, dtype=np.float64, shapes=None, seed=0):
        """Arguments drawn evenly, the same for every dtype up to rounding."""
        rng = np.random.default_rng(seed)
        drawn = [rng.uniform(self.low, self.high, s) for s in shapes or self.shapes]
        return tuple(jnp.asarray(a, dtype) for a in drawn)

    def weights(self, y):
        """Fixed weights that make a scalar of y, so that its gradient tells all entries apart."""
        return np.cos(np.arange(np.size(y), dtype=np.float64)).reshape(np.shape(y))

    def loss(self, *arguments):
        """The weighted sum of the op's result, in the result's own dtype."""
        y = self.op(*arguments)
        return jnp.sum(y * jnp.asarray(self.weights(y), y.dtype))

    @property
    def positions(self):
        """The positions of all arguments, for jax.grad."""
        return tuple(range(len(self.shapes)))

    def known(self, arguments):
        """The result that the op should have, from NumPy alone."""
        return self.truth(*(np.asarray(a, np.float64) for a in arguments))

    def gradients(self, arguments):
        """The gradients of the loss that the op should have, from NumPy alone."""
        wide = [np.asarray(a, np.float64) for a in arguments]
        weights = self.weights(self.known(arguments))
        if self.slope is not None:
            return (weights * self.slope(wide[0]),)
        return tuple(truth.numerical_gradient(self.truth, wide, weights, p) for p in self.positions)


def _softermax(x, n, epsilon, **options):
    return ops.softermax(x, n=n, epsilon=epsilon, **options)


def _yat(x, kernel, bias, alpha, epsilon, **options):
    return ops.yat(x, kernel, bias, alpha, epsilon=epsilon, **options)


def _yat_scores(query, key, bias, alpha, epsilon, **options):
    return ops.yat_scores(query, key, bias, alpha, epsilon=epsilon, **options)


MASK = np.array([[True, False, True, True], [False, True, True, False]])

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
_ROW_EDGES = (
    ((0,), (), ()),
    ((2, 0), (), ()),
    ((0, 3), (), ()),
    ((1,), (1,), ()),
    ((1, 1), (), ()),
)
_SQUASH_EDGES = (((), ()), ((0,), (0,)), ((2, 0), ()), ((1, 1), (1,)))
_ONE_EDGES = (((),), ((0,),), ((2, 0),), ((1, 1),))


def _yat_cases():
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


def _linear_cases():
    shapes = ((3, 5), (5, 2), (2,))
    edges = (((0, 3), (3, 2), ()), ((2, 0), (0, 2), (1,)), ((3,), (3, 2), (2,)))
    yield Case("linear", ops.linear, truth.linear, shapes, edges, rule=False)


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
    shapes = ((2, 3), (3,))
    yield Case("soft_tanh-negative-x", _mirrored, _mirrored_truth, shapes, variant=True)


def _mirrored(x, n):
    return ops.soft_tanh(-x, n)


def _mirrored_truth(x, n):
    return truth.soft_tanh(-x, n)


def _threshold_cases():
    one = functools.partial(Case, shapes=((2, 3),), more_shapes=_ONE_EDGES, low=-2, rule=False)
    straight = functools.partial(one, slope=np.ones_like)
    yield straight("binary", ops.binary, truth.binary)
    yield straight("relu", ops.relu, truth.relun)
    yield straight("relun", ops.relun(1.5), functools.partial(truth.relun, n=1.5))
    yield straight("relu1", ops.relu1, functools.partial(truth.relun, n=1))
    yield straight("vector", ops.vector, truth.vector)
    yield one("abs", ops.abs, np.abs, slope=np.sign)
    yield straight("vjp.identity", ops.vjp.identity(jnp.round), np.round)
    yield one("vjp.sign", ops.vjp.sign(jnp.square), np.square, slope=np.sign)


CASES = {
    case.name: case
    for family in (_yat_cases, _linear_cases, _softermax_cases, _squash_cases, _threshold_cases)
    for case in family()
}
