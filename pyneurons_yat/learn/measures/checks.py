"""What losses and metrics share: checks of what came, weights, and the reduction to a number."""

from collections.abc import Callable
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

REDUCTIONS = ("mean", "sum", "none")


class Measure(Protocol):
    """A loss or metric of predictions and targets."""

    def __call__(
        self,
        predictions: ArrayLike,
        targets: ArrayLike,
        *,
        weight: ArrayLike | None = None,
        reduction: str = "mean",
    ) -> jax.Array:
        """A scalar, or one value per entry."""
        ...


class ClassMeasure(Protocol):
    """A loss or metric of scores of classes and labels, or shares, of classes."""

    def __call__(
        self,
        predictions: ArrayLike,
        targets: ArrayLike,
        *,
        weight: ArrayLike | None = None,
        class_weight: ArrayLike | None = None,
        reduction: str = "mean",
    ) -> jax.Array:
        """A scalar, or one value per example."""
        ...


def real(function: str, name: str, value: ArrayLike) -> jax.Array:
    """The value as an array of real numbers."""
    try:
        array = jnp.asarray(value)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{function}: {name} must be an array of real numbers, got {type(value).__name__}: "
            f"{error}"
        ) from error
    if not (jnp.issubdtype(array.dtype, jnp.floating) or jnp.issubdtype(array.dtype, jnp.integer)):
        raise TypeError(f"{function}: {name} must be real numbers, got dtype {array.dtype}")
    return array


def computable(*arrays: jax.Array) -> tuple[list[jax.Array], Any]:
    """The arrays in the dtype to compute in, at least float32, and the dtype of the result."""
    dtype = jnp.result_type(*arrays, float)
    return [array.astype(jnp.promote_types(dtype, jnp.float32)) for array in arrays], dtype


def of_one_shape(
    function: str, predictions: ArrayLike, targets: ArrayLike
) -> tuple[list[jax.Array], Any]:
    """Predictions and targets of one shape, to compute with, and the dtype of the result."""
    predictions = real(function, "predictions", predictions)
    targets = real(function, "targets", targets)
    if predictions.shape != targets.shape:
        raise ValueError(
            f"{function}: predictions and targets must have the same shape, got "
            f"{predictions.shape} and {targets.shape}; reshape one of them"
        )
    return computable(predictions, targets)


def of_classes(
    function: str, predictions: ArrayLike, targets: ArrayLike
) -> tuple[list[jax.Array], Any]:
    """Scores and labels, or shares, of at least two classes, as `of_one_shape` gives them."""
    predictions = real(function, "predictions", predictions)
    targets = real(function, "targets", targets)
    if predictions.ndim < 1 or targets.shape not in (predictions.shape, predictions.shape[:-1]):
        raise ValueError(
            f"{function}: predictions must be (*B, C) and targets (*B,) labels or (*B, C) "
            f"distributions, got {predictions.shape} and {targets.shape}"
        )
    if predictions.shape[-1] < 2:
        raise ValueError(
            f"{function}: predictions must have at least two classes along the last axis, got "
            f"{predictions.shape}; for yes or no use binary_{function}, of targets of that shape"
        )
    if targets.ndim == predictions.ndim:
        return computable(predictions, targets)
    if not jnp.issubdtype(targets.dtype, jnp.integer):
        raise TypeError(
            f"{function}: targets of shape (*B,) must be integer labels, got {targets.dtype}"
        )
    (scores,), dtype = computable(predictions)
    return [scores, targets.astype(int)], dtype  # int8 does not hold a number such as 300


def are_known(labels: jax.Array, classes: int) -> jax.Array:
    """Which labels name a class."""
    return (labels >= 0) & (labels < classes)


def class_weights(
    function: str, class_weight: Any, arrays: list[jax.Array], weight: Any
) -> jax.Array | None:
    """The weight that every example has from its class or classes; None if there is none."""
    scores, targets = arrays
    classes = scores.shape[-1]
    if class_weight is None:
        if scores.ndim == 2 and np.shape(weight) == (classes,) == scores.shape[:1]:
            raise ValueError(
                f"{function}: weight must be one per example, got {classes} for {classes} examples "
                f"of {classes} classes, which could be one per class; give weights of classes as "
                "class_weight, or class_weight=1.0 beside weights of examples"
            )
        return None
    weights = real(function, "class_weight", class_weight)
    if weights.shape not in ((), (classes,)):
        raise ValueError(
            f"{function}: class_weight must have one weight per class, ({classes},), or be one "
            f"number, got shape {weights.shape}"
        )
    weights = jnp.broadcast_to(weights, classes).astype(scores.dtype)
    if targets.ndim == scores.ndim:
        known = jnp.isfinite(targets).all(-1)
        return jnp.where(known, jnp.where(known[..., None], targets, 0) @ weights, 1)
    known = are_known(targets, classes)
    return jnp.where(known, weights[jnp.where(known, targets, 0)], 1)  # else the error is NaN


def check_labels(function: str, arrays: list[jax.Array], weight: Any) -> None:
    """Refuses a label that names no class, where it is known and counts."""
    scores, labels = arrays
    known = not any(isinstance(value, Tracer) for value in (labels, weight))
    if labels.ndim == scores.ndim or not known or not labels.size:
        return
    with jax.ensure_compile_time_eval():  # labels and weights that a compiled function closes over
        counts = True if weight is None else np.asarray(spread(function, weight, labels)) != 0
        wrong = np.asarray(labels)[~np.asarray(are_known(labels, scores.shape[-1])) & counts]
    if wrong.size:
        raise ValueError(
            f"{function}: targets must be labels from 0 to {scores.shape[-1] - 1}, got {wrong[0]}; "
            "a weight of 0 leaves an example out"
        )


def weighed(
    function: str,
    error: Callable[..., jax.Array],
    arrays: list[jax.Array],
    weight: Any,
    of_class: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array | None]:
    """The error of every entry, and its weight: that given times that of its class.

    An entry is left out if its weight is 0 and its error is not finite: 0 times a gradient that is
    not finite would be NaN. Its input is 0, so that its gradient is 0 too.
    """
    if weight is None and of_class is None:
        return error(*arrays), None
    values = error(*map(jax.lax.stop_gradient, arrays))
    given = jnp.ones_like(values) if weight is None else spread(function, weight, values)
    weights = given.astype(values.dtype) if of_class is None else given * of_class
    left_out = (weights == 0) & ~jnp.isfinite(values)

    def inputs(array: jax.Array) -> jax.Array:
        classes = tuple(range(values.ndim, array.ndim))
        return jnp.where(jnp.expand_dims(left_out, classes), 0, array)

    return jnp.where(left_out, 0, error(*map(inputs, arrays))), weights


def spread(function: str, weight: Any, values: jax.Array) -> jax.Array:
    """The weight of every entry."""
    weight = real(function, "weight", weight)
    if weight.shape != values.shape[: weight.ndim]:
        raise ValueError(
            f"{function}: weight must have the shape {values.shape} of the errors or a leading "
            f"part of it, got {weight.shape}"
        )
    trailing = tuple(range(weight.ndim, values.ndim))
    return jnp.broadcast_to(jnp.expand_dims(weight, trailing), values.shape)


def reduced(
    function: str, values: jax.Array, weight: jax.Array | None, reduction: str
) -> jax.Array:
    """Errors and their weights in one number, or weighted one by one; the mean of none is 0."""
    if reduction not in REDUCTIONS:
        raise ValueError(
            f"{function}: reduction must be one of {', '.join(REDUCTIONS)}, got {reduction!r}"
        )
    if weight is not None:
        values = weight * values
    if reduction == "none":
        return values
    total = jnp.sum(values)
    if reduction == "sum":
        return total
    return quotient(total, values.size if weight is None else jnp.sum(weight))


def quotient(total: Any, weight: Any) -> jax.Array:
    """A sum over its weight, where nothing over nothing is 0."""
    return total / jnp.where(weight == 0, 1, weight)
