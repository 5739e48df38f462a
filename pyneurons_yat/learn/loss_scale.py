"""LossScale: training in float16, whose small gradients would be 0."""

from numbers import Integral
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

LARGEST_SCALE = 2.0**60


class LossScale(NamedTuple):
    """The factor that keeps small gradients of float16 above 0, adjusted as training goes.

    The loss is multiplied by it and the gradient divided again, in at least float32: so the
    optimiser sees it. A step whose gradient is not finite is left out and halves it; `period`
    finite steps in a row double it, up to what the dtype of the loss holds: 2^15 in float16.

    Parameters should be float32 and computed with in float16, by `reparam(model, cast(float16))`:
    float16 parameters do not move by less than about a thousandth of their size.

    Example:
        >>> import pyneurons_yat as pn
        >>> float(pn.LossScale.create().scale)
        32768.0
    """

    scale: jax.Array
    period: jax.Array
    steps: jax.Array

    @classmethod
    def create(cls, scale: float = 2.0**15, period: int = 2000) -> "LossScale":
        """A scale to start from, and after how many good steps in a row it doubles."""
        if not 0 < scale < float("inf") or not isinstance(period, Integral) or period < 1:
            raise ValueError(
                "LossScale: scale must be a finite number above 0 and period an integer of at "
                f"least 1, but {scale} and {period} came"
            )
        return cls(jnp.float32(scale), jnp.int32(period), jnp.int32(0))

    def adjusted(self, finite: jax.Array, largest: float = LARGEST_SCALE) -> "LossScale":
        """The scale after a step whose gradient was finite, or was not; doubled up to `largest`."""
        steps = jnp.where(finite, self.steps + 1, 0)
        doubles = steps >= self.period
        doubled = jnp.maximum(self.scale, jnp.minimum(2 * self.scale, largest))
        kept = jnp.where(doubles, doubled, self.scale)
        scale = jnp.where(finite, kept, self.scale / 2)
        return LossScale(scale, self.period, jnp.where(doubles, 0, steps))


def largest_scale(dtype: Any) -> float:
    """The largest power of two that a loss of this dtype can be multiplied by, within bounds."""
    return min(LARGEST_SCALE, 2.0 ** (int(jnp.finfo(dtype).maxexp) - 1))
