"""A run of `fit`: epochs of steps, and after each what is reported, kept and decided."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import keystr, tree_flatten_with_path

from ..core import partition
from ..core.leaves import describe
from ..ops.checks import check_choice, check_flag, check_sizes
from .batches import Arrays, Stream, ahead, shuffled
from .descent import strong
from .epochs import Piece, Work, passes
from .evaluate import Evaluation, evaluation
from .metrics import told
from .objective import Sums, started
from .recipe import Recipe, validated
from .reports import Columns, Report, columns_of, in_order, means, results, values_of
from .train_step import TrainState, take

CURE = (
    "lower the learning rate, clip the gradients (optax.clip_by_global_norm), or look at the data"
)
Callback = Callable[[int, TrainState, Report], Any]


class DivergenceError(FloatingPointError):
    """What `fit` raises where a number is no longer finite.

    Attributes:
        kept: The last good model, or `TrainState` if `fit` was given one.
        history: The `History` of the epochs before.

    Example:
        >>> import jax, jax.numpy as jnp, optax, pyneurons_yat as pn
        >>> model, x = pn.Linear(jax.random.key(0), 1, 1), jnp.ones((4, 1))
        >>> try:
        ...     model, history = pn.fit(optax.sgd(1e30), model, x, x, epochs=9)
        ... except pn.DivergenceError as error:
        ...     model, history = error.kept, error.history
        >>> history.epochs
        1
    """

    kept: Any = None
    history: Any = None


class Until(NamedTuple):
    """What is decided after each epoch.

    Attributes:
        callback: What is called. It may end training, or give another state to go on from.
        monitor: Which number of the report tells the best epoch.
        patience: After how many epochs without a better one training ends.
        maximize: Whether more is better.
    """

    callback: Callback | None
    monitor: str | None
    patience: int | None
    maximize: bool


class Plan(NamedTuple):
    """What a run is to do.

    Attributes:
        recipe: What is static.
        data: The batches.
        epochs: How many passes over them.
        held_out: The batches of the validation set, if there is one.
        until: What is decided after each.
    """

    recipe: Recipe
    data: Arrays | Stream
    epochs: int
    held_out: Arrays | Stream | None
    until: Until


class Best(NamedTuple):
    """The best epoch so far."""

    value: float
    epoch: int
    state: TrainState


class Kept(NamedTuple):
    """What a run has come to: the last good state, and what was reported.

    Attributes:
        state: The last state of which all numbers were finite.
        reports: The report of every epoch that ended, and perhaps of later ones.
        epochs: How many epochs ended.
        steps: How many steps were taken.
        best: The best epoch, where one is looked for.
        stopped: Why the run ends early.
    """

    state: TrainState
    reports: list[Report]
    epochs: int = 0
    steps: int = 0
    best: Best | None = None
    stopped: str | None = None


def until_of(callback: Any, monitor: str | None, patience: int | None, maximize: bool) -> Until:
    """What a caller gave to decide by, checked."""
    check_flag("fit", maximize=maximize)
    if callback is not None and not callable(callback):
        raise TypeError(
            f"fit: callback must be a function (epoch, state, report), got {told(callback)}"
        )
    if not isinstance(monitor, str | None):
        raise TypeError(
            f"fit: monitor must be a name in the report, such as 'validation_loss', got "
            f"{told(monitor)}"
        )
    if patience is not None:
        check_sizes("fit", patience=patience)
        if monitor is None:
            raise ValueError(
                f"fit: patience must come with a number to monitor, got {patience} without one; "
                "add monitor='validation_loss'"
            )
    return Until(callback, monitor, patience, maximize)


def _train(recipe: Recipe, carry: Any, x: Any, y: Any) -> tuple[Any, Sums]:
    state, kept = carry
    state, kept, sums = take(recipe, state, kept, x, y)
    return (state._replace(batch=state.batch + 1), kept), sums


def _still_finite(old: Any, new: Any) -> jax.Array:
    """Whether what trains is finite where it was; an infinity that was there may stay."""
    old, new = (partition(state.model, "params", ...)[0] for state, _ in (old, new))
    broken = jax.tree.map(lambda a, b: jnp.any(jnp.isfinite(a) & ~jnp.isfinite(b)), old, new)
    return ~jnp.any(jnp.stack(jax.tree.leaves(broken)))


def run(plan: Plan, state: TrainState) -> Iterator[Kept]:
    """What a run has come to: after every piece of an epoch but the last, and after every epoch."""
    kept, sound, begin = Kept(state, []), True, _begun(plan.data, state)
    whole, held_out = plan.data.steps, plan.held_out
    validation = None if held_out is None else evaluation(plan.recipe, state.model, held_out)
    changed: list[TrainState] = []
    pieces = _pieces(plan, state, begin, changed)
    for epoch in range(plan.epochs):
        start, seen, sizes, metrics = time.perf_counter(), [], [], started(plan.recipe)
        while isinstance(piece := next(pieces), Piece):
            state, metrics = piece.carry
            found, sound = piece.numbers()
            if state.loss_scale is None:
                _refuse_nonfinite("loss", epoch, columns_of(found), begin + len(sizes), whole)
            seen += found
            sizes += piece.sizes
            kept = kept._replace(steps=kept.steps + len(piece.sizes))
            if piece.done != whole:
                kept = kept._replace(state=state if sound else kept.state)
                yield kept
        if not sizes and not begin:
            raise ValueError(
                f"fit: x must yield batches, got none in epoch {epoch + 1}; an iterator yields its "
                "batches once: give a list, a loader or a function that returns a new iterator"
            )
        state, begin = piece, 0
        report = _report(plan, epoch, columns_of(seen), sizes, metrics)
        report["seconds"] = time.perf_counter() - start
        if validation is not None:
            report |= _validate(validation, epoch, state)
        kept.reports.append(report)
        kept = kept._replace(state=state if sound else kept.state, epochs=epoch + 1)
        kept = _decided(plan.until, kept, epoch, state, changed)
        if changed and sound:
            kept = kept._replace(state=changed[0])
        yield kept
        if kept.stopped is not None:
            break
    if not sound:
        _refuse_broken(kept.state, state)


def _begun(data: Arrays | Stream, state: TrainState) -> int:
    """How many batches of its epoch a state has behind it."""
    begin = int(state.batch)
    return 0 if data.steps is not None and begin >= data.steps else begin


def _pieces(
    plan: Plan, state: TrainState, begin: int, changed: list[TrainState]
) -> Iterator[Piece | TrainState]:
    """The pieces of each epoch, and the state after it. Where nobody looks, one is ahead.

    The next epoch begins with the state that is put into `changed`, if one is.
    """
    pieces = _passes(plan, state, begin, changed)
    until = plan.until
    looked_at = until.callback or until.monitor or plan.held_out or isinstance(plan.data, Stream)
    return pieces if looked_at else ahead(pieces, 2)


def _passes(
    plan: Plan, state: TrainState, begin: int, changed: list[TrainState]
) -> Iterator[Piece | TrainState]:
    recipe = plan.recipe
    over = passes(recipe, Work(_train, _still_finite), plan.data, (state, started(recipe)))
    none = jnp.zeros_like(state.batch)  # batches of an epoch that has not begun
    for _ in range(plan.epochs):
        for piece in over((state, started(recipe)), begin, _order(plan.data, state, begin)):
            state, _ = piece.carry
            yield piece
        state, begin = state._replace(batch=none), 0
        yield state
        state = changed.pop() if changed else state


def _order(data: Arrays | Stream, state: TrainState, begin: int) -> jax.Array | None:
    """The order of the examples in the epoch that the state is in."""
    if isinstance(data, Stream) or state.order is None:
        return None
    return _shuffled(state.order, state.step, begin, len(jax.tree.leaves(data.x)[0]))


@partial(jax.jit, static_argnums=3)
def _shuffled(key: jax.Array, step: jax.Array, begin: int, examples: int) -> jax.Array:
    """A random order, drawn by the step that the epoch began with, `begin` batches ago."""
    return shuffled(jax.random.fold_in(key, step - begin), examples)


def _report(
    plan: Plan, epoch: int, columns: Columns, sizes: list[int], kept: dict[str, Any]
) -> Report:
    """The numbers of an epoch; steps that a loss scale has left out do not count."""
    counts = np.isfinite(values_of(columns["loss"])) if columns else np.ones(0, bool)
    if sizes and not counts.any():
        raise DivergenceError(f"fit: no step of epoch {epoch + 1} had a finite loss; {CURE}")
    columns = jax.tree.map(lambda column: column[counts], columns)
    report = means(plan.recipe, columns, np.asarray(sizes)[counts])
    return in_order(plan.recipe, report | results(plan.recipe, kept))


def _validate(validation: Evaluation, epoch: int, state: TrainState) -> Report:
    report, columns = validation(state.model)
    steps = len(columns["loss"][0])
    _refuse_nonfinite("validation loss", epoch, columns, 0, steps)
    return {validated(name): value for name, value in report.items()}


def _refuse_nonfinite(
    what: str, epoch: int, columns: Columns, before: int, whole: int | None
) -> None:
    values = values_of(columns["loss"])
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        of = "" if whole is None else f" of {whole}"
        raise DivergenceError(
            f"fit: the {what} became {values[bad[0]]} in epoch {epoch + 1}, step "
            f"{before + bad[0] + 1}{of}; {CURE}"
        )


def _refuse_broken(good: TrainState, last: TrainState) -> None:
    """Looks at the update of the last steps, which no loss has seen."""
    old, new = (partition(state.model, "params", ...)[0] for state in (good, last))
    pairs = zip(tree_flatten_with_path(old)[0], jax.tree.leaves(new), strict=True)
    broken = [keystr(path) for (path, a), b in pairs if (jnp.isfinite(a) & ~jnp.isfinite(b)).any()]
    if broken:
        raise DivergenceError(
            f"fit: {', '.join(broken)} became infinite or NaN in the last step; {CURE}"
        )


def _decided(
    until: Until, kept: Kept, epoch: int, state: TrainState, changed: list[TrainState]
) -> Kept:
    """Whether the epoch was the best, whether training ends with it, or goes on `changed`."""
    report = kept.reports[-1]
    if until.monitor is not None:
        check_choice("fit", "monitor", until.monitor, tuple(report))
        value, sign = report[until.monitor], -1 if until.maximize else 1
        if np.isfinite(value) and (kept.best is None or sign * value < sign * kept.best.value):
            kept = kept._replace(best=Best(value, epoch, state))
        since = epoch - (-1 if kept.best is None else kept.best.epoch)
        if until.patience is not None and since >= until.patience:
            kept = kept._replace(stopped="patience")
    answer = None if until.callback is None else until.callback(epoch, state, dict(report))
    if isinstance(answer, TrainState):
        changed.append(_alike(state, answer))
    return kept._replace(stopped="callback") if _is_true(answer) else kept


def _alike(old: TrainState, new: TrainState) -> TrainState:
    """The state that a callback gives, which must be such as the one that it got."""
    new = strong(new)
    (before, one), (after, other) = map(tree_flatten_with_path, (old, new))
    if one != other:
        raise TypeError(
            "fit: the callback's TrainState must have the structure of the one that it got, got "
            "another; to go on with other layers or another optimizer, call fit again"
        )
    for (path, a), (_, b) in zip(before, after, strict=True):
        if (a.shape, a.dtype) != (b.shape, b.dtype):
            raise ValueError(
                f"fit: the callback's TrainState must have {describe(a)} at {keystr(path)}, got "
                f"{describe(b)}"
            )
    return new


def _is_true(answer: Any) -> bool:
    """Whether a callback has returned True, be it of NumPy or JAX."""
    array = isinstance(answer, jax.Array | np.ndarray | np.generic)
    return answer is True or (
        array and answer.dtype == bool and answer.shape == () and bool(answer)
    )
