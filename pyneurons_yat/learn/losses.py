"""Losses and metrics: plain functions of (predictions, targets).

All of them check shapes and broadcast nothing: a target of shape (3,) beside a prediction of shape
(3, 1) is an error, not a (3, 3) table of differences. They compute in at least float32. A loss has
the promoted dtype of predictions and targets (labels do not count), and that of integers is the
default float; `accuracy` has the default float always.

A weight of 0 leaves an entry out: an error there that is infinite or NaN counts as 0, and so does
its gradient.
"""

from collections.abc import Callable
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
            error that is infinite or NaN counts as 0, and has the gradient 0.
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
    arrays, dtype = _pair("mae", predictions, targets)
    values = _values("mae", _absolute, arrays, weight)
    return _reduce("mae", values, weight, reduction).astype(dtype)


def _absolute(predictions: jax.Array, targets: jax.Array) -> jax.Array:
    return ops.abs(predictions - targets)


l1 = mae  # the name that others give it


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
    arrays, dtype = _pair("mse", predictions, targets)
    values = _values("mse", _squared, arrays, weight)
    return _reduce("mse", values, weight, reduction).astype(dtype)


def _squared(predictions: jax.Array, targets: jax.Array) -> jax.Array:
    return jnp.square(predictions - targets)


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
        error = _entropy_of_shares
        arrays, dtype = _computable(predictions, targets)
    else:
        error = _entropy_of_labels
        (logits,), dtype = _computable(predictions)
        arrays = [logits, targets.astype(int)]  # int8 does not hold a number of classes such as 300
    values = _values("cross_entropy", error, arrays, weight)
    return _reduce("cross_entropy", values, weight, reduction).astype(dtype)


def _entropy_of_shares(logits: jax.Array, shares: jax.Array) -> jax.Array:
    return -jnp.sum(_times_log(shares, jax.nn.log_softmax(logits)), axis=-1)


def _entropy_of_labels(logits: jax.Array, labels: jax.Array) -> jax.Array:
    known = (labels >= 0) & (labels < logits.shape[-1])
    places = jnp.where(known, labels, 0)[..., None]
    logs = jnp.take_along_axis(jax.nn.log_softmax(logits), places, axis=-1)[..., 0]
    return jnp.where(known, -logs, jnp.nan)


def _times_log(shares: jax.Array, logs: jax.Array) -> jax.Array:
    """Shares times logarithms, where 0 log 0 is 0."""
    return jnp.where((shares == 0) & (logs == -jnp.inf), 0, shares * logs)


def binary_cross_entropy(
    predictions: ArrayLike,
    targets: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    reduction: str = "mean",
) -> jax.Array:
    """Cross entropy of the sigmoid of logits, for answers that are yes or no.

        mean -(t log sigmoid(p) + (1 - t) log sigmoid(-p)),   p predictions, t targets

    Args:
        predictions: Logits, any shape, real.
        targets: The same shape: 0 or 1, or probabilities between them.
        weight: As for `mae`.
        reduction: As for `mae`.

    Returns:
        A scalar, or an array of the shape of the predictions.

    Gradient:
        sigmoid(predictions) - targets, divided by their number in the mean.

    Raises:
        TypeError: If an argument is not real.
        ValueError: As for `mae`.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> round(float(pn.binary_cross_entropy(jnp.zeros(2), jnp.array([0.0, 1.0]))), 4)
        0.6931
    """
    arrays, dtype = _pair("binary_cross_entropy", predictions, targets)
    values = _values("binary_cross_entropy", _binary_entropy, arrays, weight)
    return _reduce("binary_cross_entropy", values, weight, reduction).astype(dtype)


def _binary_entropy(logits: jax.Array, shares: jax.Array) -> jax.Array:
    yes = _times_log(shares, jax.nn.log_sigmoid(logits))
    return -(yes + _times_log(1 - shares, jax.nn.log_sigmoid(-logits)))


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
        A scalar in [0, 1], or (*B,), of the default float: half precision would round the share.

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
    try:
        array = jnp.asarray(value)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{function}: {name} must be an array of real numbers, but a {type(value).__name__} "
            f"came: {error}"
        ) from error
    if not (jnp.issubdtype(array.dtype, jnp.floating) or jnp.issubdtype(array.dtype, jnp.integer)):
        raise TypeError(f"{function}: {name} must be real numbers, but dtype {array.dtype} came")
    return array


def _pair(function: str, predictions: ArrayLike, targets: ArrayLike) -> tuple[list[jax.Array], Any]:
    """Predictions and targets of one shape, to compute with, and the dtype of the result."""
    predictions = _real(function, "predictions", predictions)
    targets = _real(function, "targets", targets)
    if predictions.shape != targets.shape:
        raise ValueError(
            f"{function}: predictions and targets must have the same shape, but "
            f"{predictions.shape} and {targets.shape} came; reshape one of them"
        )
    return _computable(predictions, targets)


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
    if not predictions.shape[-1]:
        raise ValueError(
            f"{function}: predictions must have at least one class, but {predictions.shape} came"
        )
    if targets.ndim < predictions.ndim and not jnp.issubdtype(targets.dtype, jnp.integer):
        raise TypeError(
            f"{function}: targets of shape (*B,) must be integer labels, but {targets.dtype} came"
        )
    return predictions, targets


def _values(
    function: str, error: Callable[..., jax.Array], arrays: list[jax.Array], weight: Any
) -> jax.Array:
    """The error of every entry; 0 as input where it is left out, so that its gradient is 0 too.

    An entry is left out if its weight is 0 and its error is not finite: 0 times a gradient that is
    not finite would be NaN.
    """
    if weight is None:
        return error(*arrays)
    values = error(*map(jax.lax.stop_gradient, arrays))
    left_out = (_spread(function, weight, values) == 0) & ~jnp.isfinite(values)

    def inputs(array: jax.Array) -> jax.Array:
        classes = tuple(range(values.ndim, array.ndim))
        return jnp.where(jnp.expand_dims(left_out, classes), 0, array)

    return jnp.where(left_out, 0, error(*map(inputs, arrays)))


def _spread(function: str, weight: Any, values: jax.Array) -> jax.Array:
    """The weight of every entry."""
    weight = _real(function, "weight", weight)
    if weight.shape != values.shape[: weight.ndim]:
        raise ValueError(
            f"{function}: weight must have the shape {values.shape} of the errors or a leading "
            f"part of it, but {weight.shape} came"
        )
    trailing = tuple(range(weight.ndim, values.ndim))
    return jnp.broadcast_to(jnp.expand_dims(weight, trailing), values.shape).astype(values.dtype)


def _reduce(function: str, values: jax.Array, weight: Any, reduction: str) -> jax.Array:
    if reduction not in REDUCTIONS:
        raise ValueError(
            f"{function}: reduction must be one of {', '.join(REDUCTIONS)}, but {reduction!r} came"
        )
    if weight is None:
        return {"mean": jnp.mean, "sum": jnp.sum, "none": lambda v: v}[reduction](values)
    weight = _spread(function, weight, values)
    values = weight * values
    if reduction == "none":
        return values
    total, weights = jnp.sum(values), jnp.sum(weight)
    return total if reduction == "sum" else total / jnp.where(weights == 0, 1, weights)
