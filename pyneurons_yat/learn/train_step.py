"""train_step: training as a pure function of a state, for loops of your own."""

from collections.abc import Callable, Sequence
from functools import partial
from numbers import Integral
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from ..core import Model, exportable, merge, partition
from .loss_scale import LossScale, largest_scale
from .objective import (
    Loss,
    Recipe,
    check_key,
    check_optimizer,
    descend,
    names,
    objective_on,
    recipe_of,
    told,
    trained,
)

if TYPE_CHECKING:
    import optax


class TrainState(NamedTuple):
    """Everything that training changes, as a pytree: saved and loaded, it goes on to the bit.

    Attributes:
        model: The model.
        opt_state: The optimiser's state, for the leaves of the role "params".
        step: How many steps were taken.
        key: The PRNG key that the next steps draw from, or None.
        loss_scale: A `LossScale` for float16, or None.

    Example:
        >>> import jax, optax, pyneurons_yat as pn
        >>> model = pn.Linear(jax.random.key(0), 3, 2)
        >>> state = pn.TrainState.create(model, optax.adam(1e-3))
        >>> int(state.step)
        0
    """

    model: Model
    opt_state: Any
    step: jax.Array
    key: jax.Array | None = None
    loss_scale: LossScale | None = None

    @classmethod
    def create(
        cls,
        model: Model,
        optimizer: "optax.GradientTransformation",
        key: jax.Array | None = None,
        loss_scale: LossScale | None = None,
    ) -> "TrainState":
        """The state before the first step."""
        if not isinstance(model, Model):
            raise TypeError(f"TrainState: model must be a Model, but a {type(model).__name__} came")
        check_optimizer("TrainState", optimizer)
        check_key("TrainState", key)
        if not isinstance(loss_scale, LossScale | None):
            raise TypeError(
                f"TrainState: loss_scale must be a LossScale, but {loss_scale!r} came; "
                "LossScale.create(scale) makes one"
            )
        params = trained("TrainState", model)
        opt_state = optimizer.init(params if loss_scale is None else _wide(params))
        return exportable(cls(model, opt_state, jnp.int32(0), key, loss_scale))


def train_step(
    loss: Loss,
    optimizer: "optax.GradientTransformation",
    *,
    metrics: Sequence[Loss] = (),
    accumulate: int = 1,
) -> Callable[[TrainState, tuple[Any, Any]], tuple[TrainState, dict[str, jax.Array]]]:
    """One step of training, compiled: `step(state, (x, y)) -> (state, metrics)`.

    It is what `fit` does with a batch. The model is called through `observe`, so dropout drops and
    batch norm moves its statistics; only leaves of the role "params" train. Clipping, schedules
    and weight decay are optax's. Where the state has a `LossScale`, steps whose gradient is not
    finite leave model and optimiser as they are, what batch norm holds too.

    Args:
        loss: `loss(predictions, targets)`, or `loss(model, x, y)`, which returns a scalar. The
            second kind receives the key of the step if it names a keyword `key`.
        optimizer: An optax optimiser.
        metrics: Functions `(predictions, targets)` that return a scalar.
        accumulate: In how many parts a batch goes through the model, one after another; the
            gradients are averaged. It must divide the number of examples. Loss and metrics are the
            means over the parts.

    Returns:
        The step. Its metrics are those before the update, and "loss". Steps made of the same
        functions share one compiled program.

    Gradient:
        The step can be differentiated through, as far as the optimiser can.

    Raises:
        ValueError: If accumulate is not an integer of at least 1, or does not divide the batch; if
            two metrics have one name, or one begins with validation_ and another is the rest of it;
            if a loss or metric is no scalar.
        TypeError: If the optimiser is none, loss or a metric no function, the state no
            `TrainState`, the batch no pair, the loss of no floating dtype, or if the model needs a
            key and the state has none.

    Example:
        >>> import jax, jax.numpy as jnp, optax, pyneurons_yat as pn
        >>> x = jnp.linspace(-1, 1, 64)[:, None]
        >>> optimizer = optax.adam(0.1)
        >>> state = pn.TrainState.create(pn.Linear(jax.random.key(0), 1, 1), optimizer)
        >>> step = pn.train_step(pn.mse, optimizer)
        >>> for _ in range(200):
        ...     state, metrics = step(state, (x, 3 * x + 1))
        >>> bool(metrics["loss"] < 1e-3), int(state.step)
        (True, 200)
    """
    if not isinstance(accumulate, Integral) or accumulate < 1:
        raise ValueError(
            f"train_step: accumulate must be an integer of at least 1, but {accumulate!r} came"
        )
    recipe = recipe_of("train_step", optimizer, loss, metrics)
    return partial(_take, recipe, int(accumulate))


@partial(jax.jit, static_argnums=(0, 1))
def _take(recipe: Recipe, parts: int, state: TrainState, batch: Any) -> tuple[TrainState, Any]:
    _check_call(state, batch)
    x, y = batch
    model, opt_state, step, key, scale = state
    draw = None
    if key is not None:
        key, draw = jax.random.split(key)
    params, rest = partition(model, "params", ...)
    gradient, observed, values = _gradient(recipe, parts, scale, params, rest, (x, y, draw))
    objective = objective_on(recipe, rest, x, y, draw)
    before = params if scale is None else _wide(params)
    moved = *descend(recipe, before, opt_state, gradient, values[0], objective), observed
    if scale is not None:
        finite = jnp.all(jnp.stack([jnp.isfinite(g).all() for g in jax.tree.leaves(gradient)]))
        moved = jax.tree.map(partial(_chosen, finite), moved, (params, opt_state, rest))
        scale = scale.adjusted(finite, largest_scale(values[0].dtype))
    params, opt_state, rest = moved
    state = TrainState(merge(params, rest), opt_state, step + 1, key, scale)
    return state, dict(zip(names(recipe), values, strict=True))


def _chosen(finite: jax.Array, new: Any, old: Any) -> Any:
    """The new leaf after a finite step, else the old one, in the dtype of the old one."""
    if jnp.issubdtype(old.dtype, jax.dtypes.prng_key):
        clone = jax.random.clone  # what a step drew that is left out may be drawn again
        return clone(jnp.where(finite, clone(new), clone(old)))
    return jnp.where(finite, new, old).astype(old.dtype)


def _wide(tree: Any) -> Any:
    """Leaves in at least float32."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, wider(leaf)), tree)


def wider(leaf: Any) -> Any:
    """The dtype of a leaf, or float32 where that is wider."""
    dtype = jnp.result_type(leaf)
    return dtype if dtype.itemsize >= 4 else jnp.dtype(jnp.float32)


def _check_call(state: Any, batch: Any) -> None:
    if not isinstance(state, TrainState):
        raise TypeError(
            f"train_step: the state must be a TrainState, but a {type(state).__name__} came; "
            "TrainState.create(model, optimizer) makes one"
        )
    if not (isinstance(batch, tuple | list) and len(batch) == 2):
        raise TypeError(f"train_step: the batch must be a pair (x, y), got {told(batch)}")


def _gradient(
    recipe: Recipe, parts: int, scale: LossScale | None, params: Any, rest: Any, batch: Any
) -> tuple[Any, Any, tuple[jax.Array, ...]]:
    """Gradient, what else the model holds afterwards, and loss and metrics."""

    def of_part(rest: Any, part: Any) -> tuple[Any, Any]:
        objective = objective_on(recipe, rest, *part)

        def scaled(params: Any) -> tuple[jax.Array, Any]:
            value, (rest, metrics) = objective(params)
            factor = 1 if scale is None else scale.scale.astype(value.dtype)
            return value * factor, (rest, (value, *metrics))

        (_, (rest, values)), gradient = jax.value_and_grad(scaled, has_aux=True)(params)
        return rest, (gradient if scale is None else _wide(gradient), values)

    if parts == 1:
        rest, (gradient, values) = of_part(rest, batch)
    else:
        rest, many = jax.lax.scan(of_part, rest, _split(parts, *batch))
        gradient, values = jax.tree.map(lambda leaf: jnp.mean(leaf, 0), many)
    if scale is not None:
        gradient = jax.tree.map(lambda g: g / scale.scale.astype(g.dtype), gradient)
    return gradient, rest, values


def _split(parts: int, x: Any, y: Any, key: Any) -> tuple[Any, Any, Any]:
    def split(leaf: Any) -> jax.Array:
        leaf = jnp.asarray(leaf)
        if leaf.ndim == 0 or leaf.shape[0] % parts:
            raise ValueError(
                f"train_step: accumulate must divide the number of examples, but it is {parts} and "
                f"shape {leaf.shape} came"
            )
        return leaf.reshape(parts, leaf.shape[0] // parts, *leaf.shape[1:])

    x, y = jax.tree.map(split, (x, y))
    return x, y, None if key is None else jax.random.split(key, parts)
