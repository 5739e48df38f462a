"""What metrics count: answers that are yes or no, or examples of classes, with their weights."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..measures import are_known, labels_of, of_classes, of_one_shape, spread


class Counted(NamedTuple):
    """Answers or examples in one row.

    Attributes:
        scores: Of each answer, (N,), or of the classes of each example, (N, C).
        truth: 0 or 1 for an answer, else a label, (N,).
        weights: What each counts, (N,): integers where no weight is given.
    """

    scores: jax.Array
    truth: jax.Array
    weights: jax.Array


def answers(
    function: str,
    predictions: Any,
    targets: Any,
    weight: Any,
    ignore_index: Any = None,
    *,
    classes: str = "another average, such as 'macro'",
) -> Counted:
    """Answers, yes or no, checked; `classes` is for scores of classes."""
    shapes = np.shape(predictions), np.shape(targets)
    if len(shapes[0]) > len(shapes[1]) and shapes[0][:-1] == shapes[1]:
        raise ValueError(
            f"{function}: predictions and targets must have the same shape, got {shapes[0]} and "
            f"{shapes[1]}; for scores of classes use {classes}"
        )
    if ignore_index is not None:
        raise ValueError(
            f"{function}: ignore_index must be left out with average='binary', got {ignore_index}; "
            "a weight of 0 leaves an entry out"
        )
    (scores, targets), _ = of_one_shape(function, predictions=predictions, targets=targets)
    truth = (targets > 0.5).astype(int)
    return Counted(scores.ravel(), truth.ravel(), _weights(function, weight, truth).ravel())


def examples(
    function: str, binary: str, predictions: Any, targets: Any, weight: Any, ignore_index: Any
) -> Counted:
    """Examples of classes, checked. One whose label names no class counts nothing."""
    one = 1.0  # weights can be of examples only: there are none of classes to tell them from
    of = of_classes(function, binary, predictions, targets, weight, one, ignore_index)
    truth, classes = labels_of(of.scores, of.targets), of.scores.shape[-1]
    counts = are_known(truth, classes) if of.kept is None else are_known(truth, classes) & of.kept
    weights = jnp.where(counts, _weights(function, weight, truth), 0)
    return Counted(of.scores.reshape(-1, classes), truth.ravel(), weights.ravel())


def _weights(function: str, weight: Any, truth: jax.Array) -> jax.Array:
    if weight is None:
        return jnp.ones(truth.shape, int)
    return spread(function, weight, truth).astype(float)
