"""Confusions of classes, and what is told of them: precision, recall, F1."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ...ops.checks import check_choice
from ..measures import adding_up, named_after, quotient
from .examples import Counted, answers, examples

BINARY = "average='binary', or binary_confusion_matrix"
AVERAGES = "binary", "macro", "micro", "weighted", None


def confusion_matrix(
    predictions: ArrayLike,
    targets: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
) -> jax.Array:
    """How many examples of each class were taken for each: rows are targets, columns predictions.

    Letters: *B any batch axes, C classes.

    Args:
        predictions: Scores, (*B, C), of at least two classes; the largest counts, of equal ones the
            first. For one logit per answer, yes or no, use `binary_confusion_matrix`.
        targets: Labels, integers (*B,) in [0, C), or distributions over the classes, (*B, C), of
            which the largest entry counts.
        weight: One weight per example, (*B,) or a leading part of it.
        ignore_index: A label that leaves its example out.

    Returns:
        (C, C), integers; of the default float beside weights. Inside `jax.jit` a label that is out
        of range counts nowhere.

    Gradient:
        None of the counts, which are integers; in the weight that of a sum.

    Raises:
        TypeError: As for `cross_entropy`.
        ValueError: As for `cross_entropy`.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> scores = jnp.array([[2.0, 1.0], [0.0, 3.0], [1.0, 0.0]])
        >>> pn.confusion_matrix(scores, jnp.array([0, 1, 1])).tolist()
        [[1, 0], [1, 1]]
    """
    name = "confusion_matrix"
    return _of_classes(examples(name, BINARY, predictions, targets, weight, ignore_index))


def binary_confusion_matrix(
    predictions: ArrayLike, targets: ArrayLike, *, weight: ArrayLike | None = None
) -> jax.Array:
    """How many answers, yes or no, were right and wrong: [[no, wrong yes], [wrong no, yes]].

    Args:
        predictions: Logits, any shape, as for `binary_accuracy`: above 0 says yes.
        targets: The same shape: 0 or 1, or probabilities, of which those above 1/2 say yes.
        weight: One per entry, or per example, as for `mae`.

    Returns:
        (2, 2), integers; of the default float beside weights.

    Gradient:
        As for `confusion_matrix`.

    Raises:
        TypeError: If an argument is not real.
        ValueError: If shapes do not fit, as for `mae`.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> logits = jnp.array([2.0, -1.0, 0.5, 3.0])
        >>> pn.binary_confusion_matrix(logits, jnp.array([1, 0, 0, 1])).tolist()
        [[1, 1], [0, 2]]
    """
    name, classes = "binary_confusion_matrix", "confusion_matrix"
    return _of_answers(answers(name, predictions, targets, weight, classes=classes))


def _table(of: Counted, said: jax.Array, classes: int) -> jax.Array:
    """The weights of the examples, summed by what they are and what is said of them."""
    table = jnp.zeros(classes**2, of.weights.dtype)
    cells = jnp.where(of.weights == 0, 0, of.truth * classes + said)
    return table.at[cells].add(of.weights).reshape(classes, classes)


def _of_answers(of: Counted) -> jax.Array:
    return _table(of, (of.scores > 0).astype(int), 2)


def _of_classes(of: Counted) -> jax.Array:
    return _table(of, jnp.argmax(of.scores, axis=-1), of.scores.shape[-1])


class Counts(NamedTuple):
    """Numbers of examples of each class: said and right, said at all, and true."""

    right: jax.Array
    said: jax.Array
    true: jax.Array


class ByClass(Protocol):
    """A number told of each class, or the average over them."""

    def __call__(
        self,
        predictions: ArrayLike,
        targets: ArrayLike,
        *,
        average: str | None = "binary",
        weight: ArrayLike | None = None,
        ignore_index: int | None = None,
    ) -> jax.Array:
        """Computes it."""
        ...


def of_counts(formula: Callable[[Counts], tuple[jax.Array, jax.Array]]) -> ByClass:
    """Makes a metric of the two numbers of each class whose quotient it is."""

    def table(
        predictions: ArrayLike,
        targets: ArrayLike,
        *,
        average: str | None = "binary",
        weight: ArrayLike | None = None,
        ignore_index: int | None = None,
    ) -> jax.Array:
        name, given = formula.__name__, (predictions, targets, weight, ignore_index)
        check_choice(name, "average", average, AVERAGES)
        if average == "binary":
            return _of_answers(answers(name, *given))
        return _of_classes(examples(name, BINARY, *given))

    def result(table: jax.Array, *, average: str | None = "binary", **_: Any) -> jax.Array:
        table = jnp.asarray(table, float)
        counts = Counts(jnp.diagonal(table), jnp.sum(table, 0), jnp.sum(table, 1))
        return _averaged(*formula(counts), counts, average)

    def metric(*arrays: Any, **options: Any) -> jax.Array:
        return result(table(*arrays, **options), **options)

    return adding_up(named_after(named_after(formula, table), metric), table, result)


def _averaged(over: jax.Array, under: jax.Array, counts: Counts, average: str | None) -> jax.Array:
    """The quotients of the classes, or one number of them."""
    if average == "micro":
        return quotient(jnp.sum(over), jnp.sum(under))
    each = quotient(over, under)
    if average is None:
        return each
    if average == "binary":
        return each[1]
    weights = counts.true if average == "weighted" else counts.said + counts.true > 0
    return quotient(jnp.sum(weights * each), jnp.sum(weights))


@of_counts
def precision(counts: Counts) -> tuple[jax.Array, jax.Array]:
    """The share of what was said to be of a class that is: right / said.

    Letters: *B any batch axes, C classes.

    Args:
        predictions: With `average="binary"` logits, any shape, above 0 saying yes, as for
            `binary_accuracy`. Else scores, (*B, C), of which the largest counts, as for `accuracy`.
        targets: With `average="binary"` the same shape: 0 or 1. Else labels, integers (*B,), or
            distributions over the classes, (*B, C), of which the largest entry counts.
        average: `"binary"`: of yes. `"macro"`: the mean over the classes that occur, as target or
            as prediction. `"weighted"`: that weighed by how often they are targets. `"micro"`: of
            all examples together, which is the accuracy. None: one number per class.
        weight: One per entry, or per example.
        ignore_index: A label that leaves its example out. Not with `average="binary"`.

    Returns:
        A scalar in [0, 1], or (C,), of the default float. 0 where nothing was said.

    Gradient:
        0: it is a metric, not a loss.

    Raises:
        TypeError: As for `accuracy`, or `binary_accuracy`.
        ValueError: As for those, or if average is none of the five.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> logits, targets = jnp.array([2.0, 1.0, 3.0, -1.0]), jnp.array([1, 0, 1, 1])
        >>> round(float(pn.precision(logits, targets)), 4)
        0.6667
        >>> from functools import partial  # as a metric of fit or evaluate, with an option
        >>> metrics = [partial(pn.precision, average="macro")]
    """
    return counts.right, counts.said


@of_counts
def recall(counts: Counts) -> tuple[jax.Array, jax.Array]:
    """The share of what is of a class that was said to be: right / true.

    Letters: *B any batch axes, C classes.

    Args:
        predictions: As for `precision`.
        targets: As for `precision`.
        average: As for `precision`.
        weight: As for `precision`.
        ignore_index: As for `precision`.

    Returns:
        A scalar in [0, 1], or (C,), of the default float. 0 where nothing is true.

    Gradient:
        0: it is a metric, not a loss.

    Raises:
        TypeError: As for `precision`.
        ValueError: As for `precision`.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> logits, targets = jnp.array([2.0, 1.0, 3.0, -1.0]), jnp.array([1, 0, 1, 1])
        >>> round(float(pn.recall(logits, targets)), 4)
        0.6667
    """
    return counts.right, counts.true


@of_counts
def f1(counts: Counts) -> tuple[jax.Array, jax.Array]:
    """The harmonic mean of precision and recall: 2 right / (said + true).

    Letters: *B any batch axes, C classes.

    Args:
        predictions: As for `precision`.
        targets: As for `precision`.
        average: As for `precision`.
        weight: As for `precision`.
        ignore_index: As for `precision`.

    Returns:
        A scalar in [0, 1], or (C,), of the default float. 0 where nothing is true or said.

    Gradient:
        0: it is a metric, not a loss.

    Raises:
        TypeError: As for `precision`.
        ValueError: As for `precision`.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> scores = jnp.array([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0], [1.0, 0.0, 2.0], [4.0, 1.0, 0.0]])
        >>> targets = jnp.array([0, 1, 2, 1])
        >>> pn.f1(scores, targets, average=None).round(4).tolist()
        [0.6667, 0.6667, 1.0]
    """
    return 2 * counts.right, counts.said + counts.true
