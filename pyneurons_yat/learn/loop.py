"""The training loop of `fit`: an epoch is one compiled program."""

import inspect
import time
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..core import Model, merge, observe, partition
from .history import History
from .losses import mse
from .progress import Bar

if TYPE_CHECKING:  # importing optax takes longer than all of this package: only who trains pays
    import optax

Loss = Callable[..., jax.Array]


class Recipe(NamedTuple):
    """What is static in a training run; equal recipes share compiled programs."""

    optimizer: "optax.GradientTransformation"
    loss: Loss
    metrics: tuple[Loss, ...]
    batch_size: int


def train(
    optimizer: "optax.GradientTransformation",
    model: Model,
    x: Any,
    y: Any,
    *,
    loss: Loss = mse,
    metrics: Sequence[Loss] = (),
    epochs: int = 1,
    batch_size: int | None = None,
    key: jax.Array | None = None,
    validation: tuple[Any, Any] | None = None,
    progress: bool = True,
) -> tuple[Model, History]:
    """The second form of `fit`, which documents it."""
    examples = _examples("x and y", x, y)
    _at_least_one(epochs=epochs, batch_size=examples if batch_size is None else batch_size)
    recipe = Recipe(optimizer, loss, tuple(metrics), min(batch_size or examples, examples))
    _refuse_equal(_names(recipe))
    if validation is not None:
        _examples("validation", *_pair(validation))
    x, y, validation = jax.tree.map(jnp.asarray, (x, y, validation))
    history: dict[str, list[float]] = {}
    state = model, optimizer.init(_trained(model))
    with Bar(progress, epochs, -(-examples // recipe.batch_size)) as bar:
        for epoch in range(epochs):
            start = time.perf_counter()
            state, key, steps = _epoch(recipe, state, x, y, key)
            _refuse_nonfinite(epoch, np.asarray(steps[0]))
            report = _report(recipe, steps, examples) | {"seconds": time.perf_counter() - start}
            if validation is not None:
                steps = _evaluate(recipe, state[0], *validation)
                seen = _report(recipe, steps, _examples("validation", *validation))
                report |= {f"validation_{name}": value for name, value in seen.items()}
            for name, value in report.items():
                history.setdefault(name, []).append(value)
            bar.advance(report)
    return state[0], History(history)


def _examples(what: str, x: Any, y: Any) -> int:
    shapes = [np.shape(leaf) for leaf in jax.tree.leaves((x, y))]
    sizes = {shape[0] if shape else None for shape in shapes}
    if len(sizes) != 1 or None in sizes or 0 in sizes:
        raise ValueError(
            f"fit: {what} must have the same number of examples along their first axes, and at "
            f"least one, but shapes {', '.join(map(str, shapes))} came; of a list make an array"
        )
    return shapes[0][0]


def _pair(validation: Any) -> Any:
    if not isinstance(validation, tuple) or len(validation) != 2:
        raise ValueError(
            f"fit: validation must be a pair (x, y), but a {type(validation).__name__} came"
        )
    return validation


def _trained(model: Model) -> Any:
    params = partition(model, "params", ...)[0]
    if not jax.tree.leaves(params):
        raise ValueError(f"fit: {model.layer.name} has no leaf of the role 'params' to train")
    return params


def _names(recipe: Recipe) -> list[str]:
    return ["loss", *(getattr(m, "__name__", type(m).__name__) for m in recipe.metrics)]


def _refuse_equal(names: list[str]) -> None:
    if len({*names, "seconds"}) <= len(names):
        raise ValueError(
            "fit: metrics are reported by their names beside loss and seconds, so these must "
            f"differ, but {', '.join(names)} came; give each function its own __name__"
        )


def _at_least_one(**sizes: int) -> None:
    for name, size in sizes.items():
        if not isinstance(size, Integral) or size < 1:
            raise ValueError(f"fit: {name} must be an integer of at least 1, but {size!r} came")


def _refuse_nonfinite(epoch: int, losses: np.ndarray) -> None:
    bad = np.flatnonzero(~np.isfinite(losses))
    if bad.size:
        raise FloatingPointError(
            f"fit: the loss became {losses[bad[0]]} in epoch {epoch + 1}, step {bad[0] + 1} of "
            f"{losses.size}; lower the learning rate, clip the gradients "
            "(optax.clip_by_global_norm), or look at the data"
        )


def _report(recipe: Recipe, steps: Any, examples: int) -> dict[str, float]:
    """The means over batches, weighted by their sizes."""
    size = recipe.batch_size
    sizes = [min(size, examples - start) for start in range(0, examples, size)]
    return {
        name: float(np.average(np.asarray(values, np.float64), weights=sizes))
        for name, values in zip(_names(recipe), steps, strict=True)
    }


def _jit(function: Callable[..., Any]) -> Callable[..., Any]:
    return jax.jit(function, static_argnums=0)


@_jit
def _epoch(recipe: Recipe, state: Any, x: Any, y: Any, key: Any) -> tuple[Any, Any, Any]:
    """One pass over the data: state and key after it, and loss and metrics of every step."""
    examples = _examples("x and y", x, y)
    order, keys = jnp.arange(examples), None
    if key is not None:
        key, shuffling, drawing = jax.random.split(key, 3)
        order = _shuffled(shuffling, examples)
        keys = jax.random.split(drawing, -(-examples // recipe.batch_size))

    def step(state: Any, batch: Any) -> tuple[Any, Any]:
        return _step(recipe, state, *batch)

    state, steps = _over_batches(step, state, recipe.batch_size, order, x, y, keys)
    return state, key, steps


def _shuffled(key: jax.Array, examples: int) -> jax.Array:
    """A random order by one sort of random bits; `jax.random.permutation` takes several."""
    return jnp.argsort(jax.random.bits(key, (examples,)))


@_jit
def _evaluate(recipe: Recipe, model: Model, x: Any, y: Any) -> Any:
    """Loss and metrics of every batch, by inference."""

    def step(state: None, batch: Any) -> tuple[None, Any]:
        x, y, _ = batch
        predictions = model(x) if _needs_predictions(recipe) else None
        value = _call_loss(recipe.loss, model, predictions, x, y)
        return None, (value, *_measured(recipe, predictions, y))

    examples = _examples("validation", x, y)
    order = jnp.arange(examples)
    return _over_batches(step, None, min(recipe.batch_size, examples), order, x, y, None)[1]


def _over_batches(
    step: Any, state: Any, size: int, order: jax.Array, x: Any, y: Any, keys: Any
) -> tuple[Any, Any]:
    """Scans a step over the batches of equal size, and takes one more over what is left."""

    def pick(state: Any, chosen: Any) -> tuple[Any, Any]:
        rows, key = chosen
        return step(state, (*jax.tree.map(lambda leaf: jnp.asarray(leaf)[rows], (x, y)), key))

    full = order.size // size
    rows = order[: full * size].reshape(full, size)
    state, steps = jax.lax.scan(pick, state, (rows, None if keys is None else keys[:full]))
    if order.size % size:
        rest = order[full * size :], None if keys is None else keys[full]
        state, last = pick(state, rest)
        steps = jax.tree.map(lambda many, one: jnp.append(many, one), steps, last)
    return state, steps


def _step(recipe: Recipe, state: Any, x: Any, y: Any, key: Any) -> tuple[Any, Any]:
    import optax

    model, memory = state
    params, rest = partition(model, "params", ...)

    def objective(params: Any) -> tuple[jax.Array, Any]:
        model = merge(params, rest)
        again = None if key is None else jax.random.clone(key)  # a line search draws the same
        predictions, moved = _predict(recipe, model, x, again)
        value = _call_loss(recipe.loss, model, predictions, x, y)
        return value, (moved, _measured(recipe, predictions, y))

    (value, (moved, metrics)), gradient = jax.value_and_grad(objective, has_aux=True)(params)
    update = optax.with_extra_args_support(recipe.optimizer).update
    updates, memory = update(
        gradient,
        memory,
        params,
        value=value,
        grad=gradient,
        value_fn=lambda params: objective(params)[0],
    )
    params = optax.apply_updates(params, updates)
    return (merge(params, partition(moved, "params", ...)[1]), memory), (value, *metrics)


def _predict(recipe: Recipe, model: Model, x: Any, key: Any) -> tuple[Any, Model]:
    """Predictions as in training, unless the loss calls the model itself."""
    if not _takes_model(recipe.loss):
        return observe(model, x, key=key)
    return (model(x) if _needs_predictions(recipe) else None), model


def _needs_predictions(recipe: Recipe) -> bool:
    return bool(recipe.metrics) or not _takes_model(recipe.loss)


def _call_loss(loss: Loss, model: Model, predictions: Any, x: Any, y: Any) -> jax.Array:
    value = loss(model, x, y) if _takes_model(loss) else loss(predictions, y)
    return _scalar("the loss", value)


def _measured(recipe: Recipe, predictions: Any, y: Any) -> tuple[jax.Array, ...]:
    names = _names(recipe)[1:]
    return tuple(
        _scalar(f"the metric {name}", metric(predictions, y))
        for name, metric in zip(names, recipe.metrics, strict=True)
    )


def _scalar(what: str, value: Any) -> jax.Array:
    value = jnp.asarray(value)
    if value.shape != ():
        raise ValueError(
            f"fit: {what} must be a scalar, but one of shape {value.shape} came; take its mean: "
            "lambda predictions, targets: jnp.mean(f(predictions, targets))"
        )
    return value


def _takes_model(loss: Loss) -> bool:
    """Whether a loss wants (model, x, y), by the number of arguments that it requires."""
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(loss).parameters.values()
    return sum(p.kind in positional and p.default is p.empty for p in parameters) == 3
