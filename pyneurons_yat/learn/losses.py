"""Losses and metrics: plain functions of (predictions, targets).

All of them check shapes and broadcast nothing: a target of shape (3,) beside a prediction of shape
(3, 1) is an error, not a (3, 3) table of differences. They compute in at least float32; the result
has the promoted dtype of the arguments, and that of integers is the default float.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from .. import ops

REDUCTIONS = ("mean", "sum", "none")


def mae(
    predictions: ArrayLike,
    targets: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    reduction: str = "mean",
) -> jax.Array:
    """Mean absolute error: mean |predictions - targets|.

    Args:
        predictions: Any shape, real.
        targets: The same shape.
        weight: One weight per entry, or per example: a leading part of the shape. The mean is then
            sum(weight * error) / sum(weight), and 0 if all weights are 0. Where the weight is 0, an
            error that is NaN counts as 0.
        reduction: `"mean"`, `"sum"`, or `"none"` for one value per entry.

    Returns:
        A scalar, or an array of the shape of the predictions.

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
    difference, dtype = _difference("mae", predictions, targets)
    return _reduce("mae", ops.abs(difference), weight, reduction).astype(dtype)


def mse(
    predictions: ArrayLike,
    targets: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    reduction: str = "mean",
) -> jax.Array:
    """Mean squared error: mean (predictions - targets)^2.

    Args:
        predictions: Any shape, real.
        targets: The same shape.
        weight: As for `mae`.
        reduction: As for `mae`.

    Returns:
        A scalar, or an array of the shape of the predictions.

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
    difference, dtype = _difference("mse", predictions, targets)
    return _reduce("mse", jnp.square(difference), weight, reduction).astype(dtype)


def cross_entropy(
    predictions: ArrayLike,
    targets: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    reduction: str = "mean",
) -> jax.Array:
    """Cross entropy of the softmax of logits: mean -log softmax(predictions)[target].

    Letters: *B any batch axes, C classes.

    Args:
        predictions: Logits, (*B, C).
        targets: Labels, integers (*B,) in [0, C), or distributions over the classes, (*B, C).
        weight: One weight per example, (*B,) or a leading part of it; as for `mae`.
        reduction: As for `mae`; `"none"` gives (*B,).

    Returns:
        A scalar, or (*B,). NaN for a label that is out of range.

    Gradient:
        softmax(predictions) - onehot(targets), divided by the number of examples in the mean.

    Raises:
        TypeError: If the predictions are not real, or labels are no integers.
        ValueError: If the shapes do not fit, or as for `mae`.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> logits = jnp.array([[0.0, 0.0], [0.0, 0.0]])
        >>> round(float(pn.cross_entropy(logits, jnp.array([0, 1]))), 4)
        0.6931
    """
    predictions, targets = _classes("cross_entropy", predictions, targets)
    if targets.ndim == predictions.ndim:
        (logits, shares), dtype = _computable(predictions, targets)
        logs = jax.nn.log_softmax(logits)
        impossible = (shares == 0) & (logs == -jnp.inf)  # 0 log 0 is 0
        losses = -jnp.sum(jnp.where(impossible, 0, shares * logs), axis=-1)
    else:
        (logits,), dtype = _computable(predictions)
        labels = targets.astype(int)  # an int8 does not hold a number of classes such as 300
        known = (labels >= 0) & (labels < logits.shape[-1])
        places = jnp.where(known, labels, 0)[..., None]
        logs = jnp.take_along_axis(jax.nn.log_softmax(logits), places, axis=-1)[..., 0]
        losses = jnp.where(known, -logs, jnp.nan)
    return _reduce("cross_entropy", losses, weight, reduction).astype(dtype)


def accuracy(
    predictions: ArrayLike,
    targets: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    reduction: str = "mean",
) -> jax.Array:
    """The share of examples whose largest prediction is that of the target.

    Letters: *B any batch axes, C classes.

    Args:
        predictions: Scores, (*B, C); the largest counts, of equal ones the first.
        targets: Labels, integers (*B,), or distributions over the classes, (*B, C).
        weight: One weight per example, as for `cross_entropy`.
        reduction: As for `mae`; `"none"` gives 0 or 1 per example.

    Returns:
        A scalar in [0, 1], or (*B,).

    Gradient:
        0: it is a metric, not a loss.

    Raises:
        TypeError: As for `cross_entropy`.
        ValueError: As for `cross_entropy`.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> float(pn.accuracy(jnp.array([[0.1, 0.9], [0.8, 0.2]]), jnp.array([1, 1])))
        0.5
    """
    predictions, targets = _classes("accuracy", predictions, targets)
    labels = targets if targets.ndim < predictions.ndim else jnp.argmax(targets, axis=-1)
    right = jnp.argmax(predictions, axis=-1) == labels
    return _reduce("accuracy", right.astype(float), weight, reduction)


def _real(function: str, name: str, value: ArrayLike) -> jax.Array:
    array = jnp.asarray(value)
    if not (jnp.issubdtype(array.dtype, jnp.floating) or jnp.issubdtype(array.dtype, jnp.integer)):
        raise TypeError(f"{function}: {name} must be real numbers, but dtype {array.dtype} came")
    return array


def _difference(function: str, predictions: ArrayLike, targets: ArrayLike) -> tuple[jax.Array, Any]:
    predictions = _real(function, "predictions", predictions)
    targets = _real(function, "targets", targets)
    if predictions.shape != targets.shape:
        raise ValueError(
            f"{function}: predictions and targets must have the same shape, but "
            f"{predictions.shape} and {targets.shape} came; reshape one of them"
        )
    (predictions, targets), dtype = _computable(predictions, targets)
    return predictions - targets, dtype


def _computable(*arrays: jax.Array) -> tuple[list[jax.Array], Any]:
    """The arrays in the dtype to compute in, at least float32, and the dtype of the result."""
    dtype = jnp.result_type(*arrays, float)
    return [array.astype(jnp.promote_types(dtype, jnp.float32)) for array in arrays], dtype


def _classes(
    function: str, predictions: ArrayLike, targets: ArrayLike
) -> tuple[jax.Array, jax.Array]:
    predictions = _real(function, "predictions", predictions)
    targets = _real(function, "targets", targets)
    if predictions.ndim < 1 or targets.shape not in (predictions.shape, predictions.shape[:-1]):
        raise ValueError(
            f"{function}: predictions must be (*B, C) and targets (*B,) labels or (*B, C) "
            f"distributions, but {predictions.shape} and {targets.shape} came"
        )
    if targets.ndim < predictions.ndim and not jnp.issubdtype(targets.dtype, jnp.integer):
        raise TypeError(
            f"{function}: targets of shape (*B,) must be integer labels, but {targets.dtype} came"
        )
    return predictions, targets


def _reduce(function: str, values: jax.Array, weight: Any, reduction: str) -> jax.Array:
    if reduction not in REDUCTIONS:
        raise ValueError(
            f"{function}: reduction must be one of {', '.join(REDUCTIONS)}, but {reduction!r} came"
        )
    if weight is None:
        return {"mean": jnp.mean, "sum": jnp.sum, "none": lambda v: v}[reduction](values)
    weight = _real(function, "weight", weight)
    if weight.shape != values.shape[: weight.ndim]:
        raise ValueError(
            f"{function}: weight must have the shape {values.shape} of the errors or a leading "
            f"part of it, but {weight.shape} came"
        )
    trailing = tuple(range(weight.ndim, values.ndim))
    weight = jnp.broadcast_to(jnp.expand_dims(weight, trailing), values.shape).astype(values.dtype)
    values = jnp.where((weight == 0) & jnp.isnan(values), 0, weight * values)
    if reduction == "none":
        return values
    total, weights = jnp.sum(values), jnp.sum(weight)
    return total if reduction == "sum" else total / jnp.where(weights == 0, 1, weights)
