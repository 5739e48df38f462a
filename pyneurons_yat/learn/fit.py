"""fit: from a model and data to a trained model."""

import functools
import inspect
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, overload

import jax
import jax.numpy as jnp
from jax.core import Tracer
from jax.sharding import Mesh

from ..core import Model
from ..ops.checks import check_sizes
from .batches import Arrays, Stream, data_of
from .descent import strong
from .gradient_descent import one_step
from .history import History
from .keeping import Keep, PathLike, keep_of
from .losses import mse
from .metrics import Metric, told
from .placing import data_on, place_of, state_on
from .progress import Bar, Watched, check_progress
from .recipe import (
    Augment,
    Loss,
    check_key,
    check_model,
    is_optimizer,
    recipe_of,
    trained,
    with_targets,
)
from .session import Callback, DivergenceError, Kept, Plan, run, until_of
from .train_step import TrainState

if TYPE_CHECKING:  # importing optax takes longer than all of this package: only who trains pays
    import optax

P = ParamSpec("P")
Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)
Trained = TypeVar("Trained", Model, TrainState)


class TwoForms(Protocol[P, Result_co]):
    """A training loop that also takes a learning rate in place of an optimizer, for one step."""

    @overload
    def __call__(
        self, learning_rate: float | jax.Array, model: Model, x: Any, y: Any, /
    ) -> Model: ...
    @overload
    def __call__(self, *args: P.args, **options: P.kwargs) -> Result_co: ...


def or_one_step(loop: Callable[P, Result]) -> TwoForms[P, Result]:
    """Gives a training loop its other form. So its options stand once, in the loop."""
    parameters = inspect.signature(loop).parameters.values()
    accepted = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]

    @functools.wraps(loop)
    def either(optimizer: Any, model: Any, x: Any, y: Any = None, **options: Any) -> Any:
        if is_optimizer(optimizer):
            if unknown := [name for name in options if name not in accepted]:
                raise TypeError(
                    f"fit: unexpected keyword {', '.join(unknown)}; it takes {', '.join(accepted)}"
                )
            return loop(optimizer, model, x, y, **options)  # type: ignore[call-arg]
        if options:
            raise TypeError(
                f"fit: {', '.join(options)} must come with an optax optimizer, got "
                f"{told(optimizer)}; pass, for example, optax.sgd(0.1)"
            )
        return one_step(optimizer, model, x, y)

    return either  # type: ignore[return-value]


@or_one_step
def fit(
    optimizer: "optax.GradientTransformation",
    model: Trained,
    x: Any,
    y: Any = None,
    *,
    loss: Loss = mse,
    metrics: Sequence[Loss | Metric] = (),
    epochs: int = 1,
    batch_size: int | None = None,
    key: jax.Array | None = None,
    validation: Any = None,
    callback: Callback | None = None,
    monitor: str | None = None,
    patience: int | None = None,
    maximize: bool = False,
    remainder: str = "keep",
    steps: int | None = None,
    accumulate: int = 1,
    per_example: bool = False,
    augment: Augment | None = None,
    mesh: Mesh | None = None,
    layout: Any = None,
    path: PathLike | None = None,
    every: int | None = None,
    progress: Watched = True,
) -> tuple[Trained, History]:
    """Trains a model.

    Two forms:

        fit(learning_rate, model, x, y) -> model
        fit(optimizer, model, x, y, *, loss=mse, epochs=1, ...) -> (model, history)

    The first is one step of gradient descent on the mean absolute error. The second trains with an
    optax optimizer, by the step of `train_step`, and gives back what it was given: a model, or a
    `TrainState` to go on with. Only leaves of the role "params" are trained. The model is called as
    in training, so dropout drops and batch norm moves its statistics.

    A run can be stopped and resumed. `fit` of the state that it returned, or that `callback` saved,
    takes the steps that it would have taken: to the bit the same, wherever it was stopped, also in
    the middle of an epoch. Ctrl-C returns the last good state and the history; `history.stopped`
    tells. Where a number becomes infinite or NaN, a `DivergenceError` is raised that holds both, as
    `kept` and `history`. Any other error that breaks off training holds them too.

    On arrays the steps of an epoch run in one compiled loop, unless the step holds a convolution
    and runs on a CPU, where that would be slow. Calling `fit` again with the same functions and
    shapes does not compile again.

    Args:
        optimizer: A learning rate, which is a number; or an optax optimizer.
        model: A model, or a `TrainState`, whose optimizer state, step, key and loss scale go on.
        x: Inputs, a pytree whose leaves have the examples along their first axis. Without y, an
            iterable of batches `(x, y)`: a list, a `torch` or `grain` loader, a generator, or a
            function that returns one. It is iterated over anew in each epoch. While a batch is
            computed, the next is fetched and sent to the device.
        y: Targets, likewise.
        loss: As for `train_step`: of `(predictions, targets)` or `(model, x, y)`. It returns a
            scalar, `(sum, weight)`, or either beside a dictionary of metrics. A key that it names
            is None in validation.
        metrics: Functions `(predictions, targets)` that return a scalar, or `Metric`s, reported by
            their names. In training they are those before each step, on the training-time
            predictions (those of `model(x)` if the loss calls the model itself). In validation they
            are those of the whole set, as in `evaluate`. `Metric`s, metrics and losses of this
            library, but for `roc_auc` and `r2`, are exact over the batches of an epoch too; of
            another function the mean over the batches is reported, weighted by their sizes.
        epochs: How many times to go through the data.
        batch_size: Examples per step; all of them by default.
        key: A PRNG key for shuffling and for whatever the model draws. Without it the order is that
            of the data, and nothing is drawn. A `TrainState` has its own.
        validation: `(x, y)`, or an iterable of batches, to report loss and metrics on after each
            epoch, by inference.
        callback: `callback(epoch, state, report)`, called after each epoch with its index, the
            `TrainState` and its numbers, as the history has them. Training ends when it returns
            True. Where it returns a `TrainState`, such as one that `rewire` has changed, training
            goes on with that: of the same structure, shapes and dtypes. What else it returns does
            not count.
        monitor: Which number of the report tells the best epoch, such as `"validation_loss"`. The
            model of that epoch is returned, unless Ctrl-C ends training; `history.best` tells
            which.
        patience: After how many epochs without a better monitored number training ends.
        maximize: Whether more of the monitored number is better.
        remainder: `"keep"`: a last smaller batch is a step too. `"drop"`: it is left out; with a
            key they are other examples in each epoch.
        steps: Batches per epoch of an iterable that does not end.
        accumulate: As for `train_step`.
        per_example: As for `train_step`.
        augment: As for `train_step`: `augment(key, (x, y)) -> (x, y)` of every batch in training,
            never in validation. It draws from the key, by the number of the step.
        mesh: A mesh to train on, as for `train_step`. Model and data are put there, each device has
            its part, and what is returned lies there. In several processes each must call `fit`
            alike, on the same data.
        layout: As for `train_step`.
        path: A file in which to keep the `TrainState`, as `save` does, when training ends or breaks
            off: the last good one.
        every: After how many steps it is kept there meanwhile too, or soon after them: the steps of
            a quarter of a second, or 16 in several processes, are one piece.
        progress: Whether to show a progress bar in a terminal or notebook, if tqdm is installed, or
            lines where standard error goes to a file. A path or an open file takes lines.

    Returns:
        The trained model or state; in the second form also the `History` of losses and metrics per
        epoch. Of an epoch that was broken off and resumed it tells of the later part.

    Gradient:
        The first form can be differentiated through. The second runs on concrete arrays; inside of
        `jax.jit`, `jax.vmap` or `jax.grad` use `train_step`.

    Raises:
        TypeError: If the model is neither a `Model` nor a `TrainState`, the first argument neither
            a learning rate nor an optimizer, an option unknown, the loss or a metric no function,
            the key no PRNG key, the loss of no floating dtype, an argument is traced, augment
            returns another structure, or it or the model needs a key and there is none.
        ValueError: If x and y differ in the number of examples, a size is below 1, the loss or a
            metric is no scalar, there is nothing to train, two metrics have one name, or one begins
            with validation_ and another is the rest of it, or an option does not go with the data.
        DivergenceError: A FloatingPointError, if the loss or the validation loss becomes infinite
            or NaN, naming epoch and step; or a parameter by the last step, naming it.

    Example:
        >>> import jax, jax.numpy as jnp, optax, pyneurons_yat as pn
        >>> x = jnp.linspace(-1, 1, 64)[:, None]
        >>> model = pn.Linear(jax.random.key(0), 1, 1)
        >>> y = 3 * x + 1
        >>> model, history = pn.fit(optax.adam(0.1), model, x, y, epochs=200, progress=False)
        >>> bool(history["loss"][-1] < 1e-3)
        True
    """
    _refuse_traced(model, x, y, key)
    check_sizes("fit", epochs=epochs)
    check_progress("fit", progress)
    training = {"optimizer": optimizer, "accumulate": accumulate, "per_example": per_example}
    place = place_of("fit", mesh, layout)
    recipe = recipe_of("fit", loss, metrics, augment=augment, place=place, **training)
    until = until_of(callback, monitor, patience, maximize)
    state = state_on("fit", place, _state(optimizer, model, key))
    data = with_targets("fit", loss, data_of("fit", "x and y", x, y, batch_size, remainder, steps))
    held_out = data_on("fit", place, _held_out(validation, data))
    plan = Plan(recipe, data_on("fit", place, data), epochs, held_out, until)
    whole = isinstance(model, TrainState)
    return _watched(plan, state, whole, keep_of(path, every), progress)


def _refuse_traced(*given: Any) -> None:
    """Refuses to run inside of a transformation of JAX."""
    if isinstance(jnp.zeros(()), Tracer) or any(
        isinstance(leaf, Tracer) for leaf in jax.tree.leaves(given)
    ):
        raise TypeError(
            "fit: model, data and key must be concrete, got traced ones, as inside of jax.jit, "
            "jax.vmap, jax.grad or jax.lax.scan; use train_step, a pure function of a TrainState"
        )


def _state(optimizer: Any, model: Any, key: Any) -> TrainState:
    """The state to train from."""
    if isinstance(model, TrainState):
        if key is not None:
            raise ValueError(
                "fit: key must be left out for a TrainState, which has its own, got both; give it "
                "to TrainState.create(model, optimizer, key)"
            )
        return strong(model)
    check_model("fit", model)
    check_key("fit", key)
    trained("fit", model)
    return TrainState.create(model, optimizer, key)


def _held_out(validation: Any, data: Arrays | Stream) -> Arrays | Stream | None:
    """The validation set, in batches as large as those of training."""
    if validation is None:
        return None
    pair = isinstance(validation, tuple) and len(validation) == 2
    if not pair and (isinstance(validation, tuple | dict) or hasattr(validation, "shape")):
        raise ValueError(
            "fit: validation must be a pair (x, y) or an iterable of batches, got "
            f"{told(validation)}"
        )
    size = data.size if isinstance(data, Arrays) and pair else None
    x, y = validation if pair else (validation, None)
    return data_of("fit", "validation", x, y, size)


def _watched(
    plan: Plan, state: TrainState, whole: bool, keep: Keep, progress: Watched
) -> tuple[Any, History]:
    """Runs a plan to its end or to Ctrl-C; what else breaks it off holds what there is."""
    kept, saved = Kept(state, []), 0
    try:
        with Bar(progress, plan.epochs, plan.data.steps) as bar:
            for kept in run(plan, state):
                bar.show(kept.steps, kept.epochs, kept.reports)
                if keep.every is not None and kept.steps - saved >= keep.every:
                    keep(kept.state)
                    saved = kept.steps
    except KeyboardInterrupt:
        kept = kept._replace(state=_undrawn(kept.state), stopped="interrupted")
    except BaseException as error:
        kept = kept._replace(state=_undrawn(kept.state))
        if kept.steps or isinstance(error, DivergenceError):
            _hand_over(error, kept, whole)
            if not _together(plan) or isinstance(error, DivergenceError):
                keep(kept.state)
        raise
    keep(kept.state)
    ended = kept.stopped != "interrupted"
    chosen = kept.best.state if ended and kept.best is not None else kept.state
    return (chosen if whole else chosen.model), _history(kept)


def _undrawn(state: TrainState) -> TrainState:
    """The state with keys that count as not drawn from: what drew from them is taken again."""
    return jax.tree.map(
        lambda leaf: (
            jax.random.clone(leaf)
            if jnp.issubdtype(jnp.result_type(leaf), jax.dtypes.prng_key)
            else leaf
        ),
        state,
    )


def _hand_over(error: Any, kept: Kept, whole: bool) -> None:
    """Gives an error what was trained before it."""
    error.kept, error.history = kept.state if whole else kept.state.model, _history(kept)
    what = "TrainState" if whole else "model"
    error.add_note(f"fit: the error's kept is the last good {what}, its history the epochs before")


def _together(plan: Plan) -> bool:
    """Whether other processes train too, which need not have met with an error of this one."""
    return plan.recipe.place is not None and jax.process_count() > 1


def _history(kept: Kept) -> History:
    reports = kept.reports[: kept.epochs]
    names = dict.fromkeys(name for report in reports for name in report)
    columns = {name: [report.get(name, math.nan) for report in reports] for name in names}
    return History(columns, kept.stopped, None if kept.best is None else kept.best.epoch)
