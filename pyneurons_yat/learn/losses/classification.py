"""Losses and metrics: plain functions of (predictions, targets).

All of them check shapes and broadcast nothing: a target of shape (3,) beside a prediction of shape
(3, 1) is an error, not a (3, 3) table of differences. They compute in at least float32. A loss has
the promoted dtype of predictions and targets (labels do not count), and that of integers is the
default float. An accuracy has the default float always.

A weight of 0 leaves an entry out: an error there that is infinite or NaN counts as 0, and so does
its gradient. The mean over no entry, or over weights that are all 0, is 0 with the gradient 0.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike, DTypeLike

from ... import ops
from ..measures import (
    ClassMeasure,
    Measure,
    are_known,
    check_labels,
    class_weights,
    of_classes,
    of_one_shape,
    reduced,
    weighed,
)

Error = Callable[[jax.Array, jax.Array], jax.Array]


def per_entry(result: DTypeLike | None = None) -> Callable[[Error], Measure]:
    """Makes a measure of the error of each entry, of predictions and targets of one shape."""

    def decorate(error: Error) -> Measure:
        def measure(
            predictions: ArrayLike,
            targets: ArrayLike,
            *,
            weight: ArrayLike | None = None,
            reduction: str = "mean",
        ) -> jax.Array:
            name = error.__name__
            arrays, dtype = of_one_shape(name, predictions, targets)
            values, weights = weighed(name, error, arrays, weight)
            return reduced(name, values, weights, reduction).astype(result or dtype)

        return named_after(error, measure)

    return decorate


def per_example(result: DTypeLike | None = None) -> Callable[[Error], ClassMeasure]:
    """Makes a measure of the error of each example, of scores of classes and their targets."""

    def decorate(error: Error) -> ClassMeasure:
        def measure(
            predictions: ArrayLike,
            targets: ArrayLike,
            *,
            weight: ArrayLike | None = None,
            class_weight: ArrayLike | None = None,
            reduction: str = "mean",
        ) -> jax.Array:
            name = error.__name__
            arrays, dtype = of_classes(name, predictions, targets)
            check_labels(name, arrays, weight)
            of_class = class_weights(name, class_weight, arrays, weight)
            values, weights = weighed(name, error, arrays, weight, of_class)
            return reduced(name, values, weights, reduction).astype(result or dtype)

        return named_after(error, measure)

    return decorate


def named_after(error: Error, measure: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """The measure under the name and docstring of its error, so that it can be pickled too."""
    for name in ("__name__", "__qualname__", "__doc__"):
        setattr(measure, name, getattr(error, name))
    setattr(measure, "is_mean", True)  # noqa: B010
    return measure


@per_entry()
def mae(predictions: jax.Array, targets: jax.Array) -> jax.Array:
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
def mse(predictions: jax.Array, targets: jax.Array) -> jax.Array:
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


@per_example()
def cross_entropy(predictions: jax.Array, targets: jax.Array) -> jax.Array:
    """Cross entropy of the softmax of logits: mean -log softmax(predictions)[target].

    Letters: *B any batch axes, C classes.

    Args:
        predictions: Logits, (*B, C), of at least two classes. For one logit per answer, yes or no,
            use `binary_cross_entropy`.
        targets: Labels, integers (*B,) in [0, C), or distributions over the classes, (*B, C).
        weight: One weight per example, (*B,) or a leading part of it; as for `mae`.
        class_weight: One weight per class, (C,), or one number for all. An example weighs what its
            class does, times its own weight; a distribution weighs the mean of its classes. So the
            mean is sum(class_weight[target] * error) / sum(class_weight[target]), as in torch.
        reduction: As for `mae`; `"none"` gives (*B,).

    Returns:
        A scalar, or (*B,). NaN inside `jax.jit` for a label that is out of range.

    Gradient:
        softmax(predictions) - onehot(targets), divided by the number of examples in the mean.

    Raises:
        TypeError: If the predictions are not real, or labels are no integers.
        ValueError: If the shapes do not fit, or as for `mae`. If a label is out of range where its
            value is known and its weight is not 0. If a weight per example could be one per class,
            as there are as many of each: give `class_weight`, be it 1.0.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> logits = jnp.array([[0.0, 0.0], [0.0, 0.0]])
        >>> round(float(pn.cross_entropy(logits, jnp.array([0, 1]))), 4)
        0.6931
    """
    logs = jax.nn.log_softmax(predictions)
    if targets.ndim == predictions.ndim:
        return -jnp.sum(_times_log(targets, logs), axis=-1)
    known = are_known(targets, predictions.shape[-1])
    places = jnp.where(known, targets, 0)[..., None]
    return jnp.where(known, -jnp.take_along_axis(logs, places, axis=-1)[..., 0], jnp.nan)


def _times_log(shares: jax.Array, logs: jax.Array) -> jax.Array:
    """Shares times logarithms, where 0 log 0 is 0."""
    return jnp.where((shares == 0) & (logs == -jnp.inf), 0, shares * logs)


@per_entry()
def binary_cross_entropy(predictions: jax.Array, targets: jax.Array) -> jax.Array:
    """Cross entropy of the sigmoid of logits, for answers that are yes or no.

        mean -(t log sigmoid(p) + (1 - t) log sigmoid(-p)),   p predictions, t targets

    Args:
        predictions: Logits, any shape, real.
        targets: The same shape: 0 or 1, or probabilities between them.
        weight: As for `mae`.
        reduction: As for `mae`.

    Returns:
        A scalar, or an array of the shape of the predictions. The mean of no entry is 0.

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
    yes = _times_log(targets, jax.nn.log_sigmoid(predictions))
    return -(yes + _times_log(1 - targets, jax.nn.log_sigmoid(-predictions)))


@per_example(result=float)
def accuracy(predictions: jax.Array, targets: jax.Array) -> jax.Array:
    """The share of examples whose largest prediction is that of the target.

    Letters: *B any batch axes, C classes.

    Args:
        predictions: Scores, (*B, C), of at least two classes; the largest counts, of equal ones the
            first. For one logit per answer, yes or no, use `binary_accuracy`.
        targets: Labels, integers (*B,), or distributions over the classes, (*B, C).
        weight: One weight per example, as for `cross_entropy`.
        class_weight: As for `cross_entropy`: with 1 / the number of examples of each class, it is
            the balanced accuracy.
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
    labels = targets if targets.ndim < predictions.ndim else jnp.argmax(targets, axis=-1)
    return (jnp.argmax(predictions, axis=-1) == labels).astype(float)


@per_entry(result=float)
def binary_accuracy(predictions: jax.Array, targets: jax.Array) -> jax.Array:
    """The share of answers, yes or no, that are right: mean (predictions > 0) == (targets > 1/2).

    Args:
        predictions: Logits, any shape, as for `binary_cross_entropy`: above 0 says yes. Of
            probabilities p pass p - 0.5.
        targets: The same shape: 0 or 1, or probabilities, of which those above 1/2 say yes.
        weight: As for `mae`.
        reduction: As for `mae`; `"none"` gives 0 or 1 per entry.

    Returns:
        A scalar in [0, 1], or an array of the shape of the predictions, of the default float.

    Gradient:
        0: it is a metric, not a loss.

    Raises:
        TypeError: If an argument is not real.
        ValueError: As for `mae`.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> logits = jnp.array([[2.0], [-1.0], [0.5], [3.0]])
        >>> float(pn.binary_accuracy(logits, jnp.array([[1], [0], [0], [1]])))
        0.75
    """
    return ((predictions > 0) == (targets > 0.5)).astype(float)
