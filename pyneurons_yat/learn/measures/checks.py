"""What losses and metrics refuse: what is no real number, shapes and labels that do not fit."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from ...ops.checks import check_shapes, check_whole
from .arrays import computable, real, spread
from .weights import Errors, weighed


def of_one_shape(function: str, **given: ArrayLike) -> tuple[list[jax.Array], Any]:
    """Arrays of one shape, to compute with, and the dtype of the result."""
    arrays = [real(function, name, value) for name, value in given.items()]
    shapes = [array.shape for array in arrays]
    if len(set(shapes)) > 1:
        raise ValueError(
            f"{function}: {_and(given)} must have the same shape, got {_and(map(str, shapes))}; "
            "reshape one of them; labels of classes are for cross_entropy"
        )
    return computable(*arrays)


def _and(words: Any) -> str:
    """Words in a row, with an "and" before the last."""
    *before, last = words
    return f"{', '.join(before)} and {last}"


def of_vectors(function: str, **given: ArrayLike) -> tuple[list[jax.Array], Any]:
    """Vectors of at least one entry along the last axes, as `of_one_shape` gives them."""
    arrays, dtype = of_one_shape(function, **given)
    shape = arrays[0].shape
    if not shape or not shape[-1]:
        raise ValueError(
            f"{function}: {_and(given)} must be vectors (*B, D) of at least one entry, got {shape}"
        )
    return arrays, dtype


class Examples(NamedTuple):
    """Scores of classes and what they should have been, checked.

    Attributes:
        scores: Numbers to compute with, (*B, C).
        targets: Labels, (*B,), or distributions over the classes, (*B, C).
        dtype: Of the result.
        kept: Which examples count, (*B,), where labels are ignored.
        of_class: The weight of each class, (C,), if any is given.
        share: The weight that each example has from its classes, (*B,), if any is given.
    """

    scores: jax.Array
    targets: jax.Array
    dtype: Any
    kept: jax.Array | None
    of_class: jax.Array | None
    share: jax.Array | None

    def weighed(
        self, function: str, error: Callable[..., jax.Array], weight: Any, dtype: Any
    ) -> Errors:
        """The errors of the examples, which are weighed by class already."""
        arrays, how = (self.scores, self.targets), {"share": self.share, "kept": self.kept}
        return weighed(function, error, arrays, dtype, weight=weight, **how)


def of_classes(
    function: str,
    binary: str,
    predictions: ArrayLike,
    targets: ArrayLike,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
) -> Examples:
    """Scores and labels, or distributions, of at least two classes; `binary` is for one."""
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
            f"{predictions.shape}; for yes or no use {binary}, of targets of that shape"
        )
    if targets.ndim == predictions.ndim:
        _refuse_ignored(function, ignore_index)
        (scores, targets), dtype = computable(predictions, targets)
    else:
        (scores,), dtype = computable(predictions)
        targets = labels(function, targets, scores.shape[-1], weight, ignore_index)
    kept = None if ignore_index is None else targets != ignore_index
    of_class = class_weights(function, class_weight, scores, weight)
    share = None if of_class is None else _shares(of_class, targets, scores.ndim)
    return Examples(scores, targets, dtype, kept, of_class, share)


def labels(
    function: str,
    targets: jax.Array,
    classes: int,
    weight: Any = None,
    ignore_index: Any = None,
    blank: int | None = None,
) -> jax.Array:
    """Labels of the default integer, as int8 does not hold a number such as 300; checked."""
    if not jnp.issubdtype(targets.dtype, jnp.integer):
        raise TypeError(f"{function}: targets must be integer labels, got {targets.dtype}")
    targets = targets.astype(int)
    check_labels(function, targets, classes, weight, ignore_index, blank)
    return targets


def _shares(of_class: jax.Array, targets: jax.Array, rank: int) -> jax.Array:
    """The weight of the class of each label, or of the classes of each distribution."""
    if targets.ndim < rank:
        known = are_known(targets, len(of_class))
        return jnp.where(known, of_class[jnp.where(known, targets, 0)], 1)  # else it costs NaN
    known = jnp.isfinite(targets).all(-1)
    return jnp.where(known, jnp.where(known[..., None], targets, 0) @ of_class, 1)


def _refuse_ignored(function: str, ignore_index: Any) -> None:
    """Refuses a label to be ignored where there are no labels."""
    if ignore_index is not None:
        raise ValueError(
            f"{function}: ignore_index must be left out beside distributions, got {ignore_index}; "
            "a weight of 0 leaves an example out"
        )


def are_known(labels: jax.Array, classes: int) -> jax.Array:
    """Which labels name a class."""
    return (labels >= 0) & (labels < classes)


def class_weights(
    function: str, class_weight: Any, scores: jax.Array, weight: Any
) -> jax.Array | None:
    """The weight of every class; None if none is given."""
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
    return jnp.broadcast_to(weights, classes).astype(scores.dtype)


def check_labels(
    function: str,
    labels: jax.Array,
    classes: int,
    weight: Any,
    ignore_index: Any,
    blank: int | None,
) -> None:
    """Refuses a label that names no class, where it is known and counts."""
    if ignore_index is not None:
        check_whole(function, "ignore_index", ignore_index)
        check_shapes(function, (), ignore_index=ignore_index)
    given = labels, weight, ignore_index
    if any(isinstance(value, Tracer) for value in given) or not labels.size:
        return
    with jax.ensure_compile_time_eval():  # labels and weights that a compiled function closes over
        wrong = ~np.asarray(are_known(labels, classes))
        if blank is not None:
            wrong |= np.asarray(labels) == blank
        if weight is not None:
            wrong &= np.asarray(spread(function, weight, labels)) != 0
        if ignore_index is not None:
            wrong &= np.asarray(labels) != np.asarray(ignore_index)
        wrong = np.asarray(labels)[wrong]
    if wrong.size:
        other = "" if blank is None else f" and not the blank {blank}"
        raise ValueError(
            f"{function}: targets must be labels from 0 to {classes - 1}{other}, got {wrong[0]}; a "
            "weight of 0 leaves an example out"
        )
