"""A recipe: what does not change in training, checked once for `fit`, `train_step`, `evaluate`."""

import inspect
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..core import Model, partition
from ..ops.checks import check_flag, check_sizes
from .batches import Arrays, Stream
from .measures import sums_of
from .metrics import Metric, as_metric, told
from .placing import Place

if TYPE_CHECKING:  # importing optax takes longer than all of this package: only who trains pays
    import optax

Loss = Callable[..., Any]
Augment = Callable[[Any, Any], Any]


class Recipe(NamedTuple):
    """What is static in training; equal recipes share compiled programs.

    Attributes:
        function: Whose recipe it is, for its errors.
        loss: Of predictions and targets, or of the model, x and y.
        metrics: Functions of predictions and targets, and metrics.
        optimizer: An optax optimizer; None where nothing is trained.
        accumulate: In how many parts a batch goes through the model.
        per_example: Whether the optimizer wants the gradient of each example.
        augment: What is made of a batch before a step, by a key; None for nothing.
        place: The mesh that state and batches lie on, and how; None for none.
    """

    function: str
    loss: Loss
    metrics: tuple[Callable[..., Any] | Metric, ...] = ()
    optimizer: "optax.GradientTransformation | None" = None
    accumulate: int = 1
    per_example: bool = False
    augment: Augment | None = None
    place: Place | None = None


def recipe_of(function: str, loss: Loss, metrics: Any, **training: Any) -> Recipe:
    """The recipe of what a caller gave, checked."""
    if not callable(loss):
        raise TypeError(
            f"{function}: loss must be a function of (predictions, targets) or (model, x, y), got "
            f"{told(loss)}; pass, for example, pn.mse"
        )
    if isinstance(metrics, Metric | str | bytes) or not isinstance(metrics, Iterable):
        raise TypeError(
            f"{function}: metrics must be a sequence of functions, got {told(metrics)}; "
            "write metrics=[pn.mae]"
        )
    recipe = Recipe(function, loss, tuple(as_metric(function, m) for m in metrics), **training)
    if "optimizer" in training:
        check_optimizer(function, recipe.optimizer)
    check_sizes(function, accumulate=recipe.accumulate)
    check_flag(function, per_example=recipe.per_example)
    if recipe.per_example and recipe.accumulate > 1:
        raise ValueError(
            f"{function}: accumulate must be 1 with per_example, got {recipe.accumulate}; "
            "gradients of examples are not summed"
        )
    if not (recipe.augment is None or callable(recipe.augment)):
        raise TypeError(
            f"{function}: augment must be a function (key, (x, y)) -> (x, y), got "
            f"{told(recipe.augment)}"
        )
    check_names(function, names(recipe))
    return recipe


def names(recipe: Recipe) -> list[str]:
    """What loss and metrics are reported as."""
    return ["loss", *map(name_of, recipe.metrics)]


def name_of(metric: Callable[..., Any] | Metric) -> str:
    """What a metric is reported as; one with some options as without them."""
    if isinstance(metric, Metric):
        return metric.name
    while isinstance(metric, partial) and not hasattr(metric, "__name__"):
        metric = metric.func
    return getattr(metric, "__name__", type(metric).__name__)


def results_of(recipe: Recipe) -> dict[str, Callable[[Any], Any]]:
    """What makes metrics of sums that add up over batches, where they are no means."""
    found = {name_of(m): sums_of(m) for m in recipe.metrics if not isinstance(m, Metric)}
    return {name: sums.result for name, sums in found.items() if sums and sums.result}


def check_names(function: str, reported: list[str]) -> None:
    """Refuses names that would overwrite one another in a report."""
    if len({"seconds", *reported, *map(validated, reported)}) <= 2 * len(reported):
        raise ValueError(
            f"{function}: the names in a report, which has seconds too and each name with "
            f"validation_ before it, must differ, got {', '.join(reported)}; give each function a "
            "__name__ of its own"
        )


def validated(name: str) -> str:
    """What a loss or metric is reported as in validation."""
    return f"validation_{name}"


def takes_model(loss: Loss) -> bool:
    """Whether a loss wants (model, x, y), by the number of arguments that it requires."""
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        parameters = inspect.signature(loss).parameters.values()
    except ValueError:  # a builtin that does not tell its signature
        return False
    return sum(p.kind in positional and p.default is p.empty for p in parameters) == 3


def check_model(function: str, model: Any) -> None:
    """Refuses what is no model, with the way to one."""
    if not isinstance(model, Model):
        raise TypeError(
            f"{function}: model must be a Model or a TrainState, got {told(model)}; a layer, which "
            "bind makes, makes a model where it is called: layer(key, ...)"
        )


def with_targets(function: str, loss: Loss, data: Arrays | Stream) -> Arrays | Stream:
    """The data, which must have targets where the loss is known to compare with them."""
    if isinstance(data, Arrays) and data.y is None and sums_of(loss):
        raise TypeError(
            f"{function}: y must be given for the loss {name_of(loss)}, got None; "
            "where x is a pair of both, pass *x"
        )
    return data


def trained(function: str, model: Model) -> Any:
    """The leaves that train, at least one."""
    try:
        return partition(model, "params", ...)[0]
    except ValueError as error:
        raise ValueError(
            f"{function}: model must have a leaf of the role 'params' to train, got "
            f"{model.layer.name} without one"
        ) from error


def is_optimizer(value: Any) -> bool:
    """Whether a value has the two functions of an optax optimizer."""
    return hasattr(value, "init") and hasattr(value, "update")


def check_optimizer(function: str, optimizer: Any) -> None:
    """Refuses what is no optax optimizer."""
    if not is_optimizer(optimizer):
        raise TypeError(
            f"{function}: optimizer must be an optax optimizer such as optax.adam(1e-3), got "
            f"{told(optimizer)}"
        )


def check_key(function: str, key: Any) -> None:
    """Refuses what is neither a PRNG key, of either kind, nor None."""
    dtype = getattr(key, "dtype", np.dtype(object))
    old = dtype == jnp.uint32 and np.ndim(key) > 0
    if not (key is None or old or jnp.issubdtype(dtype, jax.dtypes.prng_key)):
        raise TypeError(
            f"{function}: key must be a PRNG key, got {told(key)}; jax.random.key(0) makes one"
        )
