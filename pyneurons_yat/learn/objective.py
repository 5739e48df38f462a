"""One step of training: loss, gradient of what trains, update by the optimiser, moved state."""

import inspect
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..core import Model, merge, observe, partition
from ..core.calls import with_key

if TYPE_CHECKING:  # importing optax takes longer than all of this package: only who trains pays
    import optax

Loss = Callable[..., jax.Array]


class Recipe(NamedTuple):
    """What is static in training; equal recipes share compiled programs.

    Attributes:
        function: Whose recipe it is, for its errors.
        optimizer: An optax optimiser.
        loss: Of predictions and targets, or of the model, x and y.
        metrics: Of predictions and targets.
    """

    function: str
    optimizer: "optax.GradientTransformation"
    loss: Loss
    metrics: tuple[Loss, ...]


def trained(function: str, model: Model) -> Any:
    """The leaves that train, at least one."""
    try:
        return partition(model, "params", ...)[0]
    except ValueError as error:
        raise ValueError(
            f"{function}: {model.layer.name} has no leaf of the role 'params' to train"
        ) from error


def names(recipe: Recipe) -> list[str]:
    """What loss and metrics are reported as."""
    return ["loss", *(getattr(m, "__name__", type(m).__name__) for m in recipe.metrics)]


def recipe_of(function: str, optimizer: Any, loss: Loss, metrics: Any) -> Recipe:
    """The recipe of what a caller gave, checked."""
    check_optimizer(function, optimizer)
    if not callable(loss):
        raise TypeError(
            f"{function}: loss must be a function of (predictions, targets) or (model, x, y), but "
            f"{loss!r} is not a callable; pass, for example, pn.mse"
        )
    metrics = tuple(metrics) if isinstance(metrics, Iterable) else metrics
    if not isinstance(metrics, tuple) or not all(map(callable, metrics)):
        raise TypeError(
            f"{function}: metrics must be a sequence of functions, but {metrics!r} came; write "
            "metrics=[pn.mae]"
        )
    recipe = Recipe(function, optimizer, loss, metrics)
    reported = names(recipe)
    if len({"seconds", *reported, *map(validated, reported)}) <= 2 * len(reported):
        raise ValueError(
            f"{function}: metrics are reported by their names beside loss and seconds, and with "
            f"validation_ before them, so these must differ, but {', '.join(reported)} came; give "
            "each function its own __name__"
        )
    return recipe


def validated(name: str) -> str:
    """What a loss or metric is reported as in validation."""
    return f"validation_{name}"


def check_optimizer(function: str, optimizer: Any) -> None:
    """Refuses what is no optax optimiser."""
    if not (hasattr(optimizer, "init") and hasattr(optimizer, "update")):
        raise TypeError(
            f"{function}: optimizer must be an optax optimiser such as optax.adam(1e-3), but "
            f"{optimizer!r} came"
        )


def check_key(function: str, key: Any) -> None:
    """Refuses what is neither a PRNG key, of either kind, nor None."""
    dtype = getattr(key, "dtype", np.dtype(object))
    old = dtype == jnp.uint32 and np.ndim(key) > 0
    if not (key is None or old or jnp.issubdtype(dtype, jax.dtypes.prng_key)):
        raise TypeError(
            f"{function}: key must be a PRNG key, but {key!r} came; jax.random.key(0) makes one"
        )


def told(batch: Any) -> str:
    """What came instead of a pair, in words."""
    if isinstance(batch, jax.Array):
        return f"an array of shape {batch.shape}"
    size = f" of {len(batch)}" if isinstance(batch, tuple | list | dict) else ""
    return f"a {type(batch).__name__}{size}"


def update(recipe: Recipe, state: Any, x: Any, y: Any, key: Any) -> tuple[Any, Any]:
    """Model and optimiser state after one step on one batch, and loss and metrics before it."""
    model, opt_state = state
    params, rest = partition(model, "params", ...)
    objective = objective_on(recipe, rest, x, y, key)
    (value, (moved, metrics)), gradient = jax.value_and_grad(objective, has_aux=True)(params)
    state = descend(recipe, params, opt_state, gradient, value, objective)
    return (merge(state[0], moved), state[1]), (value, *metrics)


def objective_on(recipe: Recipe, rest: Any, x: Any, y: Any, key: Any) -> Callable[[Any], Any]:
    """The function of what trains: `(loss, (what else the model holds afterwards, metrics))`."""

    def objective(params: Any) -> tuple[jax.Array, Any]:
        model = merge(params, rest)
        again = None if key is None else jax.random.clone(key)  # a line search draws the same
        predictions, moved = _predict(recipe, model, x, again)
        value = call_loss(recipe, model, predictions, x, y, again)
        return value, (partition(moved, "params", ...)[1], measured(recipe, predictions, y))

    return objective


def descend(
    recipe: Recipe, params: Any, opt_state: Any, gradient: Any, value: Any, objective: Any
) -> tuple[Any, Any]:
    """What trains and the optimiser state, after the optimiser's update."""
    import optax

    updates, opt_state = optax.with_extra_args_support(recipe.optimizer).update(
        gradient,
        opt_state,
        params,
        value=value,
        grad=gradient,
        value_fn=lambda params: objective(params)[0],
    )
    return optax.apply_updates(params, updates), opt_state


def _predict(recipe: Recipe, model: Model, x: Any, key: Any) -> tuple[Any, Model]:
    """Predictions as in training, unless the loss calls the model itself."""
    if not _takes_model(recipe.loss):
        try:
            return observe(model, x, key=key)
        except TypeError as error:
            if key is None and "key" in str(error):
                error.add_note(
                    "fit takes it as key=key, train_step from TrainState.create(..., key)"
                )
            raise
    return (model(x) if needs_predictions(recipe) else None), model


def needs_predictions(recipe: Recipe) -> bool:
    """Whether loss or metrics are functions of predictions."""
    return bool(recipe.metrics) or not _takes_model(recipe.loss)


def call_loss(
    recipe: Recipe, model: Model, predictions: Any, x: Any, y: Any, key: Any = None
) -> jax.Array:
    """The loss of a batch, of either kind; one that calls the model gets the key if it names it."""
    if _takes_model(recipe.loss):
        value = with_key(recipe.loss, key)(model, x, y)
    else:
        value = recipe.loss(predictions, y)
    value = _scalar(recipe, "the loss", value)
    if not jnp.issubdtype(value.dtype, jnp.floating):
        raise TypeError(
            f"{recipe.function}: the loss must be a real number with a gradient, but one of dtype "
            f"{value.dtype} came; compute it in a floating dtype"
        )
    return value


def measured(recipe: Recipe, predictions: Any, y: Any) -> tuple[jax.Array, ...]:
    """The metrics of a batch."""
    return tuple(
        _scalar(recipe, f"the metric {name}", metric(predictions, y))
        for name, metric in zip(names(recipe)[1:], recipe.metrics, strict=True)
    )


def _scalar(recipe: Recipe, what: str, value: Any) -> jax.Array:
    if not jax.tree_util.all_leaves([value]):
        raise TypeError(
            f"{recipe.function}: {what} must be a scalar, but a {type(value).__name__} came; "
            "return one array"
        )
    value = jnp.asarray(value)
    if value.shape != ():
        raise ValueError(
            f"{recipe.function}: {what} must be a scalar, but one of shape {value.shape} came; "
            "take its mean: lambda predictions, targets: jnp.mean(f(predictions, targets))"
        )
    return value


def _takes_model(loss: Loss) -> bool:
    """Whether a loss wants (model, x, y), by the number of arguments that it requires."""
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(loss).parameters.values()
    return sum(p.kind in positional and p.default is p.empty for p in parameters) == 3
