"""What a loss returns, in one form: the sums of a batch and what they are weighed with."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ..core import Model, flow, flowing, training
from ..core.signatures import takes_key
from .descent import strong
from .measures import quotient, sums_of
from .metrics import Metric, told
from .placing import flow_of
from .recipe import Recipe, check_names, name_of, names, results_of, takes_model

Sums = dict[str, tuple[Any, jax.Array | None]]


class Outcome(NamedTuple):
    """The loss of a batch.

    Attributes:
        sums: Under each name a number and its weight: the sum over the batch and what to divide it
            by, where the loss returned both; else the number and None. Loss first. Of a metric that
            is made of other sums, those sums, and a weight that has no meaning.
        predictions: What the model returned; None if the loss called it itself.
    """

    sums: Sums
    predictions: Any


def outcome(recipe: Recipe, model: Model, x: Any, y: Any, *, key: Any = None) -> Outcome:
    """The loss of a batch, of either kind; one that calls the model gets the key if it names it."""
    with flow(flow_of(recipe.place, x)):
        if takes_model(recipe.loss):
            options = {"key": key} if takes_key(recipe.loss) else {}
            predictions, value = None, recipe.loss(model, x, y, **options)
        else:
            predictions = flowing(model(x))
            value = recipe.loss(predictions, y)
    return Outcome(_sums(recipe, value), predictions)


def _sums(recipe: Recipe, value: Any) -> Sums:
    """Loss and metrics of what a loss returned: `value`, `(sum, weight)`, `(either, metrics)`."""
    extra: Mapping[str, Any] = {}
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], Mapping):
        value, extra = value
    sums = {"loss": _pair(recipe, "the loss", value)}
    if not jnp.issubdtype(sums["loss"][0].dtype, jnp.floating):
        raise TypeError(
            f"{recipe.function}: the loss must be a real number with a gradient, got dtype "
            f"{sums['loss'][0].dtype}; compute it in a floating dtype"
        )
    check_names(recipe.function, [*names(recipe), *extra])
    for name, number in extra.items():
        pair = _pair(recipe, f"the metric {name} of the loss", number)
        sums[name] = jax.lax.stop_gradient(pair)
    return sums


def _pair(recipe: Recipe, what: str, value: Any) -> tuple[jax.Array, jax.Array | None]:
    if isinstance(value, tuple) and len(value) == 2:
        total, weight = (
            _scalar(recipe, f"{part} of {what}", v)
            for part, v in zip(("the sum", "the weight"), value, strict=True)
        )
        return total, jax.lax.stop_gradient(weight)
    return _scalar(recipe, what, value), None


def _scalar(recipe: Recipe, what: str, value: Any) -> jax.Array:
    if not jax.tree_util.all_leaves([value]):
        raise TypeError(
            f"{recipe.function}: {what} must be a scalar, got {told(value)}; return one array, "
            "(sum, weight), or either of them beside a dictionary of metrics"
        )
    value = jnp.asarray(value)
    if value.shape != ():
        raise ValueError(
            f"{recipe.function}: {what} must be a scalar, got shape {value.shape}; take its mean: "
            "lambda predictions, targets: jnp.mean(f(predictions, targets))"
        )
    return value


def measured(
    recipe: Recipe, kept: dict[str, Any], predictions: Any, y: Any
) -> tuple[Sums, dict[str, Any]]:
    """The metrics of a batch that are functions, and what the others keep after it."""
    sums, after = {}, {}
    for metric in recipe.metrics:
        if isinstance(metric, Metric):
            after[metric.name] = strong(metric.update(kept[metric.name], predictions, y))
        else:
            sums[name_of(metric)] = _measured(recipe, metric, predictions, y)
    return sums, after


def _measured(
    recipe: Recipe, metric: Callable[..., Any], predictions: Any, y: Any
) -> tuple[Any, jax.Array | None]:
    """What a function measures in a batch: a number, or sums that make one."""
    what, sums = f"the metric {name_of(metric)}", sums_of(metric)
    if sums is None:
        return _scalar(recipe, what, metric(predictions, y)), None
    found = sums.summed(predictions, y)
    if sums.result is None:
        return _pair(recipe, what, found)
    _scalar(recipe, what, sums.result(found))
    return found, jnp.ones(())


def numbers_of(recipe: Recipe, sums: Sums) -> dict[str, jax.Array]:
    """The numbers of a batch, of its sums."""
    numbers, results = {}, results_of(recipe)
    for name, (total, weight) in sums.items():
        if name in results:
            numbers[name] = results[name](total)
        else:
            numbers[name] = total if weight is None else quotient(total, weight)
    return numbers


def started(recipe: Recipe) -> dict[str, Any]:
    """What metrics that are no functions keep before the first batch."""
    return {m.name: strong(m.start()) for m in recipe.metrics if isinstance(m, Metric)}


def in_training(recipe: Recipe, model: Model, x: Any, y: Any, key: Any) -> tuple[Outcome, Model]:
    """The loss as in training, whoever calls the model, and the moved model."""
    return training(partial(outcome, recipe))(model, x, y, key=key)
