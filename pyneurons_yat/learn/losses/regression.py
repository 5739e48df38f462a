"""Losses of numbers: absolute, squared, and between the two."""

from typing import Unpack

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ... import ops
from ...ops.checks import check_positive, check_shapes
from ..measures import Shared, per_entry


@per_entry()
def mae(predictions: jax.Array, targets: jax.Array, **shared: Unpack[Shared]) -> jax.Array:
    """Mean absolute error: mean |predictions - targets|.

    Args:
        predictions: Any shape, real.
        targets: The same shape.
        weight: One weight per entry, or per example: a leading part of the shape. The mean is then
            sum(weight * error) / sum(weight), and 0 if all weights are 0. Where the weight is 0, an
            error that is infinite or NaN counts as 0, and has the gradient 0.
        reduction: `"mean"`, `"sum"`, or `"none"` for one value per entry.

    Returns:
        A scalar, or an array of the shape of the predictions. The mean of no entry is 0.

    Gradient:
        sign(predictions - targets), 0 where they are equal.

    Raises:
        TypeError: If an argument is not real.
        ValueError: If the shapes differ, the weight's shape does not lead theirs, or the reduction
            is none of the three.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> float(pn.mae(jnp.array([1.0, 2.0]), jnp.array([1.0, 5.0])))
        1.5
    """
    return ops.abs(predictions - targets)


l1 = mae  # the name that others give it


@per_entry()
def mse(predictions: jax.Array, targets: jax.Array, **shared: Unpack[Shared]) -> jax.Array:
    """Mean squared error: mean (predictions - targets)^2.

    Args:
        predictions: Any shape, real.
        targets: The same shape.
        weight: As for `mae`.
        reduction: As for `mae`.

    Returns:
        A scalar, or an array of the shape of the predictions. The mean of no entry is 0.

    Gradient:
        2 (predictions - targets), divided by their number in the mean.

    Raises:
        TypeError: If an argument is not real.
        ValueError: As for `mae`.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> float(pn.mse(jnp.array([1.0, 2.0]), jnp.array([1.0, 5.0])))
        4.5
    """
    return jnp.square(predictions - targets)


@per_entry()
def huber(
    predictions: jax.Array,
    targets: jax.Array,
    *,
    delta: ArrayLike = 1.0,
    **shared: Unpack[Shared],
) -> jax.Array:
    """Huber loss: squared near 0, absolute far from it.

        mean  e^2 / 2                   where |e| <= delta,   e = predictions - targets
              delta (|e| - delta / 2)   elsewhere

    It is `HuberLoss` of torch. Its `SmoothL1Loss(beta=b)` is `huber(..., delta=b) / b`: the slope
    far from 0 is 1 there, and delta here. With delta 1 the two are one.

    Args:
        predictions: Any shape, real.
        targets: The same shape.
        delta: Above 0: where the square ends.
        weight: As for `mae`.
        reduction: As for `mae`.

    Returns:
        A scalar, or an array of the shape of the predictions. The mean of no entry is 0.

    Gradient:
        The error, clipped to [-delta, delta], divided by their number in the mean.

    Raises:
        TypeError: If an argument is not real.
        ValueError: As for `mae`, or if delta is no number above 0.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> pn.huber(jnp.array([0.5, 5.0]), jnp.zeros(2), reduction="none").tolist()
        [0.125, 4.5]

    Source:
        Huber, "Robust estimation of a location parameter", 1964.
    """
    import optax

    check_positive("huber", delta=delta)
    check_shapes("huber", (), delta=delta)
    return optax.huber_loss(predictions, targets, delta=jnp.asarray(delta, predictions.dtype))
