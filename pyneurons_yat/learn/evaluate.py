"""evaluate: loss and metrics of a model on data, by inference."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from ..core import Model
from ..core.checks import check_kind
from .batches import Arrays, Stream, data_of
from .epochs import Pass, Work, passes
from .losses import mse
from .measures import sums_of
from .metrics import Metric
from .objective import measured, numbers_of, outcome, started
from .programs import compiled
from .recipe import Loss, Recipe, recipe_of, with_targets
from .reports import Columns, Report, columns_of, in_order, means, results


def evaluate(
    model: Model,
    x: Any,
    y: Any = None,
    *,
    loss: Loss = mse,
    metrics: Sequence[Loss | Metric] = (),
    batch_size: int | None = None,
) -> dict[str, float]:
    """Loss and metrics of a model on data, by inference.

    Args:
        model: A model.
        x: Inputs, a tree of arrays with the examples along their first axes; or, without y, an
            iterable of batches `(x, y)`.
        y: Targets, likewise.
        loss: As for `fit`.
        metrics: Functions `(predictions, targets)` that return a scalar, or `Metric`s. They are
            those of the whole data set: a function sees all predictions at once. Metrics and losses
            of this library, but for `roc_auc` and `r2`, see one batch after another, and so do
            `Metric`s: what they are made of is added up, and the predictions are not kept. Options
            are given by `functools.partial(pn.f1, average="macro")`.
        batch_size: Examples per batch; all of them by default.

    Returns:
        A dictionary of numbers, "loss" first. The loss is the mean over the batches, weighted by
        their sizes, or the quotient of the sums where it returns `(sum, weight)`.

    Gradient:
        None: it runs on concrete arrays.

    Raises:
        TypeError: If the model is not a `Model`, or as for `fit`.
        ValueError: As for `fit`.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.Linear(jax.random.key(0), 3, 2)
        >>> x, y = jnp.ones((5, 3)), jnp.array([0, 1, 0, 1, 1])
        >>> report = pn.evaluate(model, x, y, loss=pn.cross_entropy, metrics=[pn.accuracy])
        >>> sorted(report)
        ['accuracy', 'loss']
    """
    check_kind("evaluate", "model", model, Model, "; bind makes one")
    recipe = recipe_of("evaluate", loss, metrics)
    data = with_targets("evaluate", loss, data_of("evaluate", "x and y", x, y, batch_size))
    return evaluation(recipe, model, data)(model)[0]


class Evaluation(NamedTuple):
    """Inference over some data, made once for many models of one kind."""

    recipe: Recipe
    over: Pass

    def __call__(self, model: Model) -> tuple[Report, Columns]:
        """The report on a model, and the numbers of the batches."""
        recipe = self.recipe
        seen, carry, sizes = seen_in(recipe, self.over, (model, started(recipe)))
        columns = columns_of([sums for sums, _ in seen])
        report = means(recipe, columns, sizes) | results(recipe, carry[1])
        if _seen_whole(recipe):
            predictions, targets = jax.tree.map(joined, *(pairs for _, pairs in seen))
            report |= compiled(_measured_whole, recipe)(predictions, targets)
        return in_order(recipe, report), columns


def evaluation(recipe: Recipe, model: Model, data: Arrays | Stream) -> Evaluation:
    """Inference over some data."""
    work = Work(_infer, unchecked)
    carry, singly = (model, started(recipe)), bool(_seen_whole(recipe))
    return Evaluation(recipe, passes(recipe, work, data, carry, singly=singly))


def _seen_whole(recipe: Recipe) -> list[Loss | Metric]:
    """The metrics that must see all predictions at once."""
    return [m for m in recipe.metrics if not isinstance(m, Metric) and sums_of(m) is None]


def _infer(recipe: Recipe, carry: Any, x: Any, y: Any) -> tuple[Any, Any]:
    """Loss and metrics of a batch by inference; beside them what metrics must see whole."""
    model, kept = carry
    sums, predictions = outcome(recipe, model, x, y)
    if recipe.metrics and predictions is None:
        predictions = model(x)
    whole = _seen_whole(recipe)
    rest = recipe._replace(metrics=tuple(m for m in recipe.metrics if m not in whole))
    more, kept = measured(rest, kept, predictions, y)
    return (model, kept), (sums | more, (predictions, y) if whole else None)


def seen_in(recipe: Recipe, over: Pass, carry: Any) -> tuple[list[Any], Any, list[int]]:
    """What was seen in the batches of a pass, at least one, what it ends with, and their sizes."""
    seen, sizes = [], []
    for piece in over(carry, 0, None):
        carry = piece.carry
        seen += piece.numbers()[0]
        sizes += piece.sizes
    if not seen:
        raise ValueError(
            f"{recipe.function}: the data must yield batches, got none; an iterator yields its "
            "batches once: give a list, a loader or a function that returns a new iterator"
        )
    return seen, carry, sizes


def unchecked(old: Any, new: Any) -> bool:
    """The check of a pass in which nothing can break."""
    return True


def joined(*parts: np.ndarray) -> np.ndarray:
    """What was seen in batches, each with an axis of its own, in one row."""
    return np.concatenate([part[0] for part in parts])


def _measured_whole(recipe: Recipe, predictions: Any, targets: Any) -> dict[str, jax.Array]:
    whole = recipe._replace(metrics=tuple(_seen_whole(recipe)))
    return numbers_of(whole, measured(whole, {}, predictions, targets)[0])
