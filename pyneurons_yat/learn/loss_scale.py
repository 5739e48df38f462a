"""LossScale: training in float16, whose small gradients would be 0."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from ..ops.checks import check_real, check_sizes

LARGEST_SCALE = 2.0**60
LARGEST, SMALLEST = float(np.finfo(np.float32).max), float(np.finfo(np.float32).tiny)


class LossScale(NamedTuple):
    """The factor that keeps small gradients of float16 above 0, adjusted as training goes.

    The loss is multiplied by it and the gradient divided again, in at least float32: so the
    optimizer sees it. A step whose gradient is not finite is left out and halves it; `period`
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
        check_sizes("LossScale", period=period)
        check_real("LossScale", scale=scale)
        shape = np.shape(scale)
        if shape or not SMALLEST <= scale <= LARGEST:
            raise ValueError(
                f"LossScale: scale must be one number from {SMALLEST:.3g} to {LARGEST:.3g}, which "
                f"float32 holds, got {f'shape {shape}' if shape else scale}"
            )
        return cls(jnp.float32(scale), jnp.int32(period), jnp.int32(0))

    def adjusted(
        self, finite: jax.Array, largest: float = LARGEST_SCALE, smallest: float = SMALLEST
    ) -> "LossScale":
        """The scale after a step whose gradient was finite, or was not.

        It doubles up to `largest` and halves down to `smallest`: at 0 no later step would count.
        """
        steps = jnp.where(finite, self.steps + 1, 0)
        doubles = steps >= self.period
        doubled = jnp.maximum(self.scale, jnp.minimum(2 * self.scale, largest))
        halved = jnp.minimum(self.scale, jnp.maximum(self.scale / 2, smallest))
        kept = jnp.where(doubles, doubled, self.scale)
        return LossScale(jnp.where(finite, kept, halved), self.period, jnp.where(doubles, 0, steps))


def limits(dtype: DTypeLike) -> tuple[float, float]:
    """The largest and the smallest power of two to multiply a loss of this dtype by."""
    told = jnp.finfo(dtype)
    largest = min(LARGEST_SCALE, 2.0 ** (int(told.maxexp) - 1))
    return largest, max(SMALLEST, float(told.tiny))
