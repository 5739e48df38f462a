"""The training loop of `fit`: an epoch is one compiled program."""

import time
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import keystr, tree_flatten_with_path

from ..core import Model
from ..ops.sharding import rows_of
from .history import History
from .losses import mse
from .objective import (
    Loss,
    Recipe,
    call_loss,
    check_key,
    measured,
    names,
    needs_predictions,
    recipe_of,
    told,
    trained,
    update,
    validated,
)
from .progress import Bar

if TYPE_CHECKING:  # importing optax takes longer than all of this package: only who trains pays
    import optax


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
    recipe = recipe_of("fit", optimizer, loss, metrics)
    check_key("fit", key)
    size = min(batch_size or examples, examples)
    if validation is not None:
        _examples("validation", *_pair(validation))
    x, y, validation = jax.tree.map(jnp.asarray, (x, y, validation))
    history: dict[str, list[float]] = {}
    state = model, optimizer.init(trained("fit", model))
    with Bar(progress, epochs, -(-examples // size)) as bar:
        for epoch in range(epochs):
            start = time.perf_counter()
            state, key, steps = _epoch(recipe, size, state, x, y, key)
            _refuse_nonfinite("loss", epoch, np.asarray(steps[0]))
            report = _report(recipe, size, steps, examples) | {
                "seconds": time.perf_counter() - start
            }
            if validation is not None:
                report |= _validate(recipe, size, state[0], validation, epoch)
            for name, value in report.items():
                history.setdefault(name, []).append(value)
            bar.advance(report)
    _refuse_broken(model, state[0])
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
        raise ValueError(f"fit: validation must be a pair (x, y), but {told(validation)} came")
    return validation


def _at_least_one(**sizes: int) -> None:
    for name, size in sizes.items():
        if not isinstance(size, Integral) or size < 1:
            raise ValueError(f"fit: {name} must be an integer of at least 1, but {size!r} came")


CURE = (
    "lower the learning rate, clip the gradients (optax.clip_by_global_norm), or look at the data"
)


def _refuse_nonfinite(what: str, epoch: int, losses: np.ndarray) -> None:
    bad = np.flatnonzero(~np.isfinite(losses))
    if bad.size:
        raise FloatingPointError(
            f"fit: the {what} became {losses[bad[0]]} in epoch {epoch + 1}, step {bad[0] + 1} of "
            f"{losses.size}; {CURE}"
        )


def _refuse_broken(before: Model, after: Model) -> None:
    """Looks at the update of the last step, which no loss has seen."""
    found = jax.device_get(_broken(trained("fit", before), trained("fit", after)))
    broken = [keystr(path) for path, bad in tree_flatten_with_path(found)[0] if bad]
    if broken:
        raise FloatingPointError(
            f"fit: {', '.join(broken)} became infinite or NaN in the last step; {CURE}"
        )


@jax.jit
def _broken(old: Any, new: Any) -> Any:
    """Which leaves are not finite where they were; an infinity that was there may stay."""
    return jax.tree.map(lambda a, b: jnp.any(jnp.isfinite(a) & ~jnp.isfinite(b)), old, new)


def _report(recipe: Recipe, size: int, steps: Any, examples: int) -> dict[str, float]:
    """The means over batches, weighted by their sizes."""
    sizes = [min(size, examples - start) for start in range(0, examples, size)]
    return {
        name: float(np.average(np.asarray(values, np.float64), weights=sizes))
        for name, values in zip(names(recipe), steps, strict=True)
    }


def _validate(
    recipe: Recipe, size: int, model: Model, validation: Any, epoch: int
) -> dict[str, float]:
    """The report of an epoch on the validation set."""
    steps = _evaluate(recipe, size, model, *validation)
    _refuse_nonfinite("validation loss", epoch, np.asarray(steps[0]))
    seen = _report(recipe, size, steps, _examples("validation", *validation))
    return {validated(name): value for name, value in seen.items()}


def _jit(function: Callable[..., Any]) -> Callable[..., Any]:
    return jax.jit(function, static_argnums=(0, 1))


@_jit
def _epoch(recipe: Recipe, size: int, state: Any, x: Any, y: Any, key: Any) -> tuple[Any, Any, Any]:
    """One pass over the data: state and key after it, and loss and metrics of every step."""
    examples = _examples("x and y", x, y)
    order, keys = jnp.arange(examples), None
    if key is not None:
        key, shuffling, drawing = jax.random.split(key, 3)
        order = _shuffled(shuffling, examples)
        keys = jax.random.split(drawing, -(-examples // size))

    def step(state: Any, batch: Any) -> tuple[Any, Any]:
        return update(recipe, state, *batch)

    state, steps = _over_batches(step, state, size, order, x, y, keys)
    return state, key, steps


def _shuffled(key: jax.Array, examples: int) -> jax.Array:
    """A random order by one sort of random bits; `jax.random.permutation` takes several."""
    return jnp.argsort(jax.random.bits(key, (examples,)))


@_jit
def _evaluate(recipe: Recipe, size: int, model: Model, x: Any, y: Any) -> Any:
    """Loss and metrics of every batch, by inference."""

    def step(state: None, batch: Any) -> tuple[None, Any]:
        x, y, _ = batch
        predictions = model(x) if needs_predictions(recipe) else None
        value = call_loss(recipe, model, predictions, x, y)
        return None, (value, *measured(recipe, predictions, y))

    examples = _examples("validation", x, y)
    order = jnp.arange(examples)
    return _over_batches(step, None, min(size, examples), order, x, y, None)[1]


def _over_batches(
    step: Any, state: Any, size: int, order: jax.Array, x: Any, y: Any, keys: Any
) -> tuple[Any, Any]:
    """Scans a step over the batches of equal size, and takes one more over what is left."""

    def pick(state: Any, chosen: Any) -> tuple[Any, Any]:
        rows, key = chosen
        batch = jax.tree.map(lambda leaf: rows_of(jnp.asarray(leaf), rows), (x, y))
        return step(state, (*batch, key))

    full = order.size // size
    rows = order[: full * size].reshape(full, size)
    state, steps = jax.lax.scan(pick, state, (rows, None if keys is None else keys[:full]))
    if order.size % size:
        rest = order[full * size :], None if keys is None else keys[full]
        state, last = pick(state, rest)
        steps = jax.tree.map(lambda many, one: jnp.append(many, one), steps, last)
    return state, steps
