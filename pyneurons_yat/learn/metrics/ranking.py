"""How well scores put what is true before what is not."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ...ops.checks import check_choice
from ..measures import quotient
from .examples import answers, examples

SIDES = "left", "right"
AVERAGES = "binary", "macro", "weighted", None


def roc_auc(
    predictions: ArrayLike,
    targets: ArrayLike,
    *,
    average: str | None = "binary",
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
) -> jax.Array:
    """Area under the receiver operating characteristic: how often a yes has a larger score.

        the share of pairs of a yes and a no in which the yes has the larger score; a tie is half

    It is exact, with ties. A pair weighs the product of its weights.

    Letters: *B any batch axes, C classes.

    Args:
        predictions: With `average="binary"` scores, any shape: logits or probabilities, of which
            only the order counts. Else scores of classes, (*B, C): each class against the others.
        targets: With `average="binary"` the same shape: 0 or 1. Else labels, integers (*B,), or
            distributions over the classes, (*B, C), of which the largest entry counts.
        average: `"binary"`; `"macro"`: the mean over the classes; `"weighted"`: that weighed by how
            often they are targets; None: one number per class.
        weight: One per entry, or per example.
        ignore_index: A label that leaves its example out. Not with `average="binary"`.

    Returns:
        A scalar in [0, 1], or (C,), of the default float. NaN where all are yes or all are no, or
        a score is NaN.

    Gradient:
        0: it is a metric, not a loss.

    Raises:
        TypeError: As for `accuracy`, or `binary_accuracy`.
        ValueError: As for those, or if average is none of the four.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> float(pn.roc_auc(jnp.array([0.1, 0.4, 0.35, 0.8]), jnp.array([0, 0, 1, 1])))
        0.75

    Source:
        Fawcett, "An introduction to ROC analysis", 2006.
    """
    check_choice("roc_auc", "average", average, AVERAGES)
    given = predictions, targets, weight, ignore_index
    if average == "binary":
        of = answers("roc_auc", *given)
        return _area(of.scores, of.truth == 1, of.weights)
    of = examples("roc_auc", "average='binary'", *given)
    places = jnp.arange(of.scores.shape[-1])
    of_class = jax.vmap(lambda scores, place: _area(scores, of.truth == place, of.weights), (1, 0))
    areas = of_class(of.scores, places)
    if average is None:
        return areas
    if average == "macro":
        return jnp.mean(areas)
    weights = jax.vmap(lambda place: jnp.sum((of.truth == place) * of.weights))(places)
    return quotient(jnp.sum(weights * areas), jnp.sum(weights))


def _area(scores: jax.Array, yes: jax.Array, weights: jax.Array) -> jax.Array:
    """The weighted share of pairs in order, by the weight of no that lies below each yes."""
    order = jnp.argsort(scores)
    scores, yes, weights = scores[order], yes[order], weights[order].astype(float)
    of_yes, of_no = jnp.where(yes, weights, 0), jnp.where(yes, 0, weights)
    up_to = jnp.concatenate([jnp.zeros(1), jnp.cumsum(of_no)])
    below, not_above = (up_to[jnp.searchsorted(scores, scores, side)] for side in SIDES)
    pairs = jnp.sum(of_yes) * up_to[-1]
    area = jnp.sum(of_yes * (below + not_above) / 2) / jnp.where(pairs == 0, jnp.nan, pairs)
    return jnp.where(jnp.isnan(scores).any(), jnp.nan, area)
