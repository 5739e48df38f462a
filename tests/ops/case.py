"""A case of the battery: an op, its truth, and the arguments it is tried on.

A case is an op, its truth in NumPy, and arguments at generic points. All arguments of a case are
traced and differentiable; what is static or masked is bound into the op.
"""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import truth
from derivatives import reverse

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
    rule: bool = False  # it has a reverse rule of its own, which refuses forward mode
    slope: Callable | None = None  # of a straight-through op: the gradient it declares
    variant: bool = False  # of an op that another case puts through the slow checks

    def arguments(self, dtype=np.float64, shapes=None, seed=0):
        """Arguments drawn evenly, the same for every dtype up to rounding."""
        rng = np.random.default_rng(seed)
        drawn = [rng.uniform(self.low, self.high, s) for s in shapes or self.shapes]
        return tuple(jax.device_put(np.asarray(a, jnp.dtype(dtype))) for a in drawn)

    def weights(self, y):
        """Fixed weights that make a scalar of y, so that its gradient tells all entries apart."""
        return np.cos(np.arange(np.size(y), dtype=np.float64)).reshape(np.shape(y))

    def loss(self, *arguments):
        """The weighted sum of the op's result, in the result's own dtype."""
        y = self.op(*arguments)
        return jnp.sum(y * jnp.asarray(self.weights(y), y.dtype))

    @functools.cached_property
    def value(self):
        """The op as one program, compiled once for all tests of the case."""
        return jax.jit(self.op)

    @functools.cached_property
    def reverse(self):
        """`reverse(arguments, cotangent)`, one program: the value and the gradients."""
        return reverse(self.op)

    def value_and_gradients(self, arguments):
        """The value, and the gradients of the loss."""
        cotangent = self.weights(self.known(arguments)).astype(arguments[0].dtype)
        return self.reverse(arguments, cotangent)

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
