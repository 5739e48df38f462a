"""How much of the variance of numbers predictions explain."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ...ops.checks import check_choice
from ..measures import of_one_shape, quotient, spread

OUTPUTS = "uniform_average", "variance_weighted", "raw_values"


def r2(
    predictions: ArrayLike,
    targets: ArrayLike,
    *,
    multioutput: str = "uniform_average",
    weight: ArrayLike | None = None,
) -> jax.Array:
    """Coefficient of determination: 1 - sum (p - t)^2 / sum (t - mean t)^2, of each output.

    1 is perfect; 0 is what predicting the mean of the targets gives; it may be negative.

    Letters: *B examples, O outputs.

    Args:
        predictions: Numbers, (N,) of one output or (*B, O) of several.
        targets: The same shape.
        multioutput: `"uniform_average"`: the mean over the outputs. `"variance_weighted"`: that
            weighed by the variances of their targets. `"raw_values"`: one number per output.
        weight: One per example, (N,) or (*B,), or a leading part of it.

    Returns:
        A scalar of at most 1, or (O,), of the default float. Where all targets of an output are
        equal, 1 if the predictions are too, else 0. NaN for less than two examples.

    Gradient:
        That of the formula.

    Raises:
        TypeError: If an argument is not real.
        ValueError: If shapes do not fit, as for `mae`, or multioutput is none of the three.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> predictions, targets = jnp.array([2.5, 0.0, 2.0, 8.0]), jnp.array([3.0, -0.5, 2.0, 7.0])
        >>> round(float(pn.r2(predictions, targets)), 4)
        0.9486
    """
    check_choice("r2", "multioutput", multioutput, OUTPUTS)
    (predictions, targets), _ = of_one_shape("r2", predictions=predictions, targets=targets)
    shape = predictions.shape[:-1] if predictions.ndim > 1 else predictions.shape
    weights = jnp.ones(shape) if weight is None else spread("r2", weight, jnp.zeros(shape))
    weights = weights.reshape(-1, 1).astype(predictions.dtype)
    p, t = (array.reshape(len(weights), -1) for array in (predictions, targets))
    p, t = (jnp.where(weights == 0, 0, array) for array in (p, t))
    each, variances = _explained(p, t, weights)
    if multioutput == "raw_values":
        return each.astype(float)
    if multioutput == "uniform_average":
        return jnp.mean(each).astype(float)
    shares = jnp.where(jnp.any(variances > 0), variances, 1)
    return (jnp.sum(shares * each) / jnp.sum(shares)).astype(float)


def _explained(p: jax.Array, t: jax.Array, weights: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The share of variance that is explained, and the variance, of each output, (O,)."""
    if len(t) < 2:
        return jnp.full(t.shape[-1], jnp.nan), jnp.zeros(t.shape[-1])
    moved = t - t[jnp.argmax(weights)][None]  # so that equal targets have no variance, of any size
    mean = quotient(jnp.sum(weights * moved, 0, keepdims=True), jnp.sum(weights))
    variances = jnp.sum(weights * (moved - mean) ** 2, 0)
    errors = jnp.sum(weights * (p - t) ** 2, 0)
    none = variances == 0
    ratio = jnp.where(none, (errors > 0).astype(t.dtype), errors / jnp.where(none, 1, variances))
    return 1 - ratio, variances
