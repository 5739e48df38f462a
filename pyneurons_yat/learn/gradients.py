"""The gradient of a recipe's loss: of a whole batch, part by part, or of each example."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ..core import merge, partition
from ..ops.sharding import rows_of
from .batches import examples_of
from .convolutions import slow_in_loops
from .measures import quotient
from .objective import Sums, in_training, measured
from .recipe import Recipe


class Batch(NamedTuple):
    """What a step works on: inputs, targets, and the key that it draws from, or None."""

    x: Any
    y: Any
    key: jax.Array | None


def augmented(recipe: Recipe, batch: Batch) -> Batch:
    """The batch as a step sees it: as it came, or augmented by a key that nothing else draws from.

    All of it at once, whatever the step divides it into: so its parts see what the whole would.
    """
    if recipe.augment is None:
        return batch
    if batch.key is None:
        raise TypeError(
            f"{recipe.function}: key must be a PRNG key for augment to draw from, got None; give "
            "key=jax.random.key(0) to fit or TrainState.create"
        )
    key, draw = jax.random.split(batch.key)
    given = jax.tree.map(jnp.asarray, (batch.x, batch.y))
    made = recipe.augment(draw, given)
    if jax.tree.structure(made) != jax.tree.structure(given):
        raise TypeError(
            f"{recipe.function}: augment must return a batch of the structure that it takes, "
            f"{jax.tree.structure(given)}, got {jax.tree.structure(made)}; return x and y"
        )
    examples = examples_of(recipe.function, "what augment takes", *given)
    if examples_of(recipe.function, "what augment returns", *made) != examples:
        raise ValueError(
            f"{recipe.function}: augment must return as many examples as it takes, {examples}, got "
            f"shapes {', '.join(str(leaf.shape) for leaf in jax.tree.leaves(made))}"
        )
    x, y = made
    return Batch(x, y, key)


class Found(NamedTuple):
    """What a loss has found beside its value.

    Attributes:
        sums: Loss and metrics, as `Outcome` has them.
        predictions: What the model returned, or None.
        rest: What the model holds beside what trains, as it is after the call.
    """

    sums: Sums
    predictions: Any
    rest: Any


class Seen(NamedTuple):
    """What a step has seen: `Found`, with the metrics instead of the predictions."""

    sums: Sums
    kept: dict[str, Any]
    rest: Any


def objective(recipe: Recipe, rest: Any, batch: Batch, params: Any) -> tuple[jax.Array, Found]:
    """What the loss of a batch returns: its value, or the sum that has a weight."""
    again = None if batch.key is None else jax.random.clone(batch.key)  # a line search draws again
    found, moved = in_training(recipe, merge(params, rest), batch.x, batch.y, again)
    return found.sums["loss"][0], Found(*found, partition(moved, "params", ...)[1])


def value_of(recipe: Recipe, rest: Any, batch: Batch, params: Any) -> tuple[jax.Array, Found]:
    """The loss of a batch: the quotient, where it returns a sum and a weight."""
    total, found = objective(recipe, rest, batch, params)
    weight = found.sums["loss"][1]
    return total if weight is None else quotient(total, weight), found


def gradient_of(
    recipe: Recipe, scale: Any, params: Any, rest: Any, kept: dict[str, Any], batch: Batch
) -> tuple[Any, Seen]:
    """The gradient of `scale` times the loss in what trains, and what was seen on the way."""
    if recipe.accumulate > 1:
        return _of_parts(recipe, scale, params, rest, kept, batch)
    of_whole = _of_examples if recipe.per_example else _of_batch
    gradient, found = of_whole(recipe, scale, params, rest, batch)
    return gradient, _with_metrics(recipe, params, rest, kept, batch, found)


def _with_metrics(
    recipe: Recipe, params: Any, rest: Any, kept: dict[str, Any], batch: Batch, found: Found
) -> Seen:
    sums, predictions, moved = found
    if recipe.metrics:
        given = merge(params, rest)(batch.x) if predictions is None else predictions
        more, kept = measured(recipe, kept, given, batch.y)
        sums = sums | more
    return Seen(sums, kept, moved)


def _differentiate(function: Callable[[Any], Any], scale: Any, params: Any) -> tuple[Any, Found]:
    def scaled(params: Any) -> tuple[jax.Array, Found]:
        value, found = function(params)
        return value * jnp.asarray(scale, value.dtype), found

    (_, found), gradient = jax.value_and_grad(scaled, has_aux=True)(params)
    return gradient, found


def _of_batch(
    recipe: Recipe, scale: Any, params: Any, rest: Any, batch: Batch
) -> tuple[Any, Found]:
    return _differentiate(partial(value_of, recipe, rest, batch), scale, params)


def _of_examples(
    recipe: Recipe, scale: Any, params: Any, rest: Any, batch: Batch
) -> tuple[Any, Found]:
    """One gradient per example, each a batch of its own; what the model holds must not move."""
    examples = _examples(recipe, batch)
    keys = None if batch.key is None else jax.random.split(batch.key, examples)

    def of_example(x: Any, y: Any, key: Any) -> tuple[Any, tuple[Any, ...]]:
        x, y = jax.tree.map(lambda leaf: leaf[None], (x, y))
        alone = Batch(x, y, key)
        gradient, (sums, predictions, moved) = _of_batch(recipe, scale, params, rest, alone)
        return gradient, (sums, jax.tree.map(lambda p: p[0], predictions), moved)

    try:
        x, y = jax.tree.map(jnp.asarray, (batch.x, batch.y))
        many = jax.vmap(of_example, out_axes=(0, (0, 0, None)))
        gradient, (sums, predictions, moved) = many(x, y, keys)
    except ValueError as error:
        if "out_axes is None" not in str(error):
            raise
        raise ValueError(
            f"{recipe.function}: per_example must come with a model whose state does not move in "
            "training, got one that holds statistics of batches; keep that part in inference by "
            "pn.inference(part)"
        ) from error
    return gradient, Found(_over(examples, jax.tree.map(jnp.sum, sums)), predictions, moved)


def _of_parts(
    recipe: Recipe, scale: Any, params: Any, rest: Any, kept: dict[str, Any], batch: Batch
) -> tuple[Any, Seen]:
    """The gradient over the parts of a batch, one after another: one running sum is in memory."""
    parts = recipe.accumulate
    size = _examples(recipe, batch) // parts
    keys = None if batch.key is None else jax.random.split(batch.key, parts)

    def of_part(rest: Any, kept: Any, i: Any) -> tuple[Any, Seen]:
        rows = i * size + jnp.arange(size)
        x, y = jax.tree.map(lambda leaf: rows_of(jnp.asarray(leaf), rows), (batch.x, batch.y))
        part = Batch(x, y, None if keys is None else keys[i])
        gradient, found = _differentiate(partial(objective, recipe, rest, part), scale, params)
        return wide(gradient), _with_metrics(recipe, params, rest, kept, part, found)

    def add(carry: Any, i: Any) -> tuple[Any, None]:
        sums, kept, rest = carry
        gradient, seen = of_part(rest, kept, i)
        return (jax.tree.map(jnp.add, sums, (gradient, seen.sums)), seen.kept, seen.rest), None

    traced, (_, seen) = jax.make_jaxpr(of_part, return_shape=True)(rest, kept, 0)
    nothing = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), seen.sums)
    start = (jax.tree.map(jnp.zeros_like, wide(params)), nothing), kept, rest
    unroll = parts if slow_in_loops(traced) else 1
    ((gradient, sums), kept, rest), _ = jax.lax.scan(add, start, jnp.arange(parts), unroll=unroll)
    weight = sums["loss"][1]
    gradient = jax.tree.map(lambda g: quotient(g, parts if weight is None else weight), gradient)
    return gradient, Seen(_over(parts, sums), kept, rest)


def _over(count: int, sums: Sums) -> Sums:
    """Means of the sums that have no weight."""
    return {n: (t / count, None) if w is None else (t, w) for n, (t, w) in sums.items()}


def _examples(recipe: Recipe, batch: Batch) -> int:
    """The number of examples, which the parts divide."""
    shapes = [jnp.shape(leaf) for leaf in jax.tree.leaves((batch.x, batch.y))]
    sizes = {shape[0] if shape else 0 for shape in shapes}
    if len(sizes) != 1 or min(sizes) < 1 or min(sizes) % recipe.accumulate:
        raise ValueError(
            f"{recipe.function}: accumulate must divide the number of examples, got "
            f"{recipe.accumulate} and shapes {', '.join(map(str, shapes))}"
        )
    return sizes.pop()


def wide(tree: Any) -> Any:
    """Leaves in at least float32."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, wider(leaf)), tree)


def wider(leaf: Any) -> Any:
    """The dtype of a leaf, or float32 where that is narrower."""
    dtype = jnp.result_type(leaf)
    return dtype if dtype.itemsize >= 4 else jnp.dtype(jnp.float32)
