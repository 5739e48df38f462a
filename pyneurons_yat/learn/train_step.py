"""train_step: training as a pure function of a state, for loops of your own."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from ..core import Model, exportable, merge, partition
from ..core.checks import check_kind
from ..ops.checks import check_flag
from .descent import conjugate, descend, start, strong
from .gradients import Batch, augmented, gradient_of, value_of, wide
from .loss_scale import LossScale, limits
from .measures import quotient
from .metrics import Metric, told
from .objective import Sums, numbers_of, started
from .placing import batch_on, kept_on, lies_on, place_of, state_on
from .programs import compiled
from .recipe import Augment, Loss, Recipe, check_key, check_optimizer, recipe_of, trained

if TYPE_CHECKING:
    import optax

Step = Callable[["TrainState", tuple[Any, Any]], tuple["TrainState", dict[str, jax.Array]]]


class TrainState(NamedTuple):
    """Everything that training changes, as a pytree: saved and loaded, it goes on to the bit.

    Attributes:
        model: The model.
        opt_state: The optimizer's state, for the leaves of the role "params".
        step: How many steps were taken.
        key: The PRNG key that every step draws from, by its number; or None.
        loss_scale: A `LossScale` for float16, or None.
        batch: How many batches of its epoch `fit` has taken, if it was stopped inside of one.
        order: The PRNG key that `fit` shuffles the epochs with, or None.

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
    batch: Any = 0
    order: jax.Array | None = None

    @classmethod
    def create(
        cls,
        model: Model,
        optimizer: "optax.GradientTransformation",
        key: jax.Array | None = None,
        loss_scale: LossScale | None = None,
    ) -> "TrainState":
        """The state before the first step."""
        check_kind("TrainState", "model", model, Model, "; bind makes one")
        check_optimizer("TrainState", optimizer)
        check_key("TrainState", key)
        if not isinstance(loss_scale, LossScale | None):
            raise TypeError(
                f"TrainState: loss_scale must be a LossScale, got {told(loss_scale)}; "
                "LossScale.create(scale) makes one"
            )
        model = strong(model)
        opt_state = opt_state_of("TrainState", optimizer, model, loss_scale)
        key, order = (None if key is None else jax.random.fold_in(key, n) for n in (0, 1))
        return exportable(cls(model, opt_state, jnp.int32(0), key, loss_scale, jnp.int32(0), order))


def opt_state_of(function: str, optimizer: Any, model: Model, scale: LossScale | None) -> Any:
    """The optimizer's state for what trains of a model."""
    params = trained(function, model)
    return start(optimizer, params if scale is None else wide(params))


def train_step(
    loss: Loss,
    optimizer: "optax.GradientTransformation",
    *,
    metrics: Sequence[Loss | Metric] = (),
    accumulate: int = 1,
    per_example: bool = False,
    augment: Augment | None = None,
    mesh: Mesh | None = None,
    layout: Any = None,
    donate: bool = False,
) -> Step:
    """One step of training, compiled: `step(state, (x, y)) -> (state, metrics)`.

    It is what `fit` does with a batch. The model is called through `observe`, so dropout drops and
    batch norm moves its statistics; only leaves of the role "params" train. Clipping, schedules
    and weight decay are optax's. Where the state has a `LossScale`, steps whose gradient is not
    finite leave model and optimizer as they are, what batch norm holds too.

    Args:
        loss: `loss(predictions, targets)`, or `loss(model, x, y)`: the number of its required
            arguments tells which. The second kind receives a key of its own if it names a keyword
            `key`. It returns a scalar, or `(sum, weight)`, whose quotient is the loss; or either
            of them and a dictionary of metrics, each again a scalar or `(sum, weight)`. No gradient
            flows through a weight.
        optimizer: An optax optimizer. The model holds the fast parameters of `optax.lookahead`, and
            `state.opt_state.slow` the slow ones.
        metrics: Functions `(predictions, targets)` that return a scalar, or `Metric`s.
        accumulate: In how many parts a batch goes through the model, one after another. It must
            divide the number of examples. One running sum of gradients is in memory. A scalar loss
            and scalar metrics are averaged over the parts, which is the whole where they are means
            over examples. Where parts weigh differently, as tokens under a mask do, let the loss
            return `(sum, weight)`: sums are added and divided in the end, as in the whole batch.
        per_example: Whether the optimizer receives a gradient per example, stacked along the first
            axis, as `optax.contrib.dpsgd` wants. Each example is then a batch of one, with a key of
            its own.
        augment: `augment(key, (x, y)) -> (x, y)`, which changes a batch before the step, by a key
            of its own: crops, noise, mixtures of examples. `pyneurons_yat.data` has some. It may
            change shapes and dtypes, neither the structure nor the number of examples. Loss and
            metrics are those of what it returns.
        mesh: A mesh that the step is divided over by XLA, whether its axes are explicit or not.
            State and batch are put there if they do not lie there, and the state stays as it lies:
            `shard` puts it there beforehand, and `sharded` makes it there.
        layout: How state and batch lie on the mesh, as for `shard`; `data_parallel` by default.
        donate: Whether the new state takes the memory of the old one, which is gone then.

    Returns:
        The step. Its metrics are those before the update, and "loss". Steps made of the same
        functions share one compiled program.

    Gradient:
        The step can be differentiated through, as far as the optimizer can. The optimizer sees the
        direction of steepest ascent: for a complex leaf the conjugate of what `jax.grad` gives.

    Raises:
        ValueError: If accumulate is below 1, does not divide the batch, or comes with per_example;
            if two metrics have one name, or one begins with validation_ and another is the rest of
            it; if a loss or metric is no scalar; if augment returns another number of examples; if
            a layout comes without a mesh or does not fit it.
        TypeError: If the optimizer is none, loss or a metric no function, the state no
            `TrainState`, the batch no pair, the loss of no floating dtype, if augment returns
            another structure, or if the model or augment needs a key and the state has none.

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
    training = {"optimizer": optimizer, "accumulate": accumulate, "per_example": per_example}
    place = place_of("train_step", mesh, layout)
    check_flag("train_step", donate=donate)
    recipe = recipe_of("train_step", loss, metrics, augment=augment, place=place, **training)
    return partial(_call, recipe, compiled(_step, recipe, donate=donate))


def _call(
    recipe: Recipe, program: Any, state: TrainState, batch: tuple[Any, Any]
) -> tuple[TrainState, dict[str, jax.Array]]:
    """Runs the program of a step; holds the recipe, which the program knows by weak references."""
    if not isinstance(state, TrainState):
        raise TypeError(
            f"train_step: state must be a TrainState, got {told(state)}; "
            "TrainState.create(model, optimizer) makes one"
        )
    return program(*in_place("train_step", recipe, state, batch))


def in_place(
    function: str, recipe: Recipe, state: TrainState, batch: Any
) -> tuple[TrainState, tuple[Any, Any]]:
    """State and batch, arrays or shapes, where the program of a step takes them."""
    if not (isinstance(batch, tuple | list) and len(batch) == 2):
        raise TypeError(f"{function}: batch must be a pair (x, y), got {told(batch)}")
    place = recipe.place
    if place is not None and not lies_on(place, state.step):
        state = state_on(function, place, state)
    return state, batch_on(function, place, *batch)


def _step(recipe: Recipe, state: TrainState, batch: Any) -> tuple[TrainState, dict[str, jax.Array]]:
    state, kept, sums = take(recipe, state, started(recipe), *batch)
    results = {m.name: m.result(kept[m.name]) for m in recipe.metrics if isinstance(m, Metric)}
    return state, numbers_of(recipe, sums) | results


def take(
    recipe: Recipe, state: TrainState, kept: dict[str, Any], x: Any, y: Any
) -> tuple[TrainState, dict[str, Any], Sums]:
    """One step of training: the state after it, what the metrics keep, and loss and metrics."""
    model, opt_state, step, key, scale, *epoch = state
    draw = None if key is None else jax.random.fold_in(key, step)
    params, rest = partition(model, "params", ...)
    batch = augmented(recipe, Batch(x, y, draw))
    factor = 1 if scale is None else scale.scale
    gradient, (sums, after, moved) = gradient_of(recipe, factor, params, rest, kept, batch)
    gradient = kept_on(recipe.place, gradient)
    value = sums["loss"][0] if sums["loss"][1] is None else quotient(*sums["loss"])
    before, gradient = _comparable(params, gradient, scale)

    def value_again(params: Any) -> jax.Array:
        return value_of(recipe, rest, batch, params)[0]

    found = (
        *descend(recipe.optimizer, opt_state, before, gradient, value, value_again),
        after,
        moved,
    )
    if scale is not None:
        finite = jnp.all(jnp.stack([jnp.isfinite(g).all() for g in jax.tree.leaves(gradient)]))
        old = params, opt_state, kept, rest
        found = jax.tree.map(partial(_chosen, finite), found, old)
        scale = scale.adjusted(finite, *limits(value.dtype))
    params, opt_state, kept, rest = found
    state = TrainState(merge(params, rest), opt_state, step + 1, key, scale, *epoch)
    return kept_on(recipe.place, state), kept, sums


def _comparable(params: Any, gradient: Any, scale: LossScale | None) -> tuple[Any, Any]:
    """What trains and its gradient for the optimizer, of one dtype."""
    gradient = conjugate(gradient)
    if scale is None:
        return params, jax.tree.map(lambda g, p: g.astype(jnp.result_type(p)), gradient, params)
    gradient = wide(gradient)
    return wide(params), jax.tree.map(lambda g: g / scale.scale.astype(g.dtype), gradient)


def _chosen(finite: jax.Array, new: Any, old: Any) -> Any:
    """The new leaf after a finite step, else the old one, in the dtype of the old one."""
    if jnp.issubdtype(old.dtype, jax.dtypes.prng_key):
        clone = jax.random.clone  # what a step drew that is left out may be drawn again
        return clone(jnp.where(finite, clone(new), clone(old)))
    return jnp.where(finite, new, old).astype(old.dtype)
