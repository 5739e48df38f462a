"""Decorators that make a loss or metric of its formula.

What is decorated computes the error of every entry, every example or every vector, or what every
class would cost. The measure takes what its formula takes and the options that its family shares.
"""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, Concatenate, ParamSpec, Protocol, TypedDict

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike, DTypeLike

from ...core.signatures import options_in, with_options
from ...ops.checks import SHARE, check_numbers
from .checks import are_known, of_classes, of_one_shape, of_vectors
from .weights import measured

P = ParamSpec("P")


class Shared(TypedDict, total=False):
    """The options of every loss and metric that is a mean."""

    weight: ArrayLike | None
    reduction: str


class SharedByClasses(Shared, total=False):
    """The options of those of classes."""

    class_weight: ArrayLike | None
    ignore_index: int | None


class SharedByCosts(SharedByClasses, total=False):
    """The options of those that tell what every class would cost."""

    label_smoothing: float


class Measure(Protocol[P]):
    """A loss or metric of predictions and targets: a scalar, or one value per entry or example."""

    def __call__(
        self, predictions: ArrayLike, targets: ArrayLike, *args: P.args, **options: P.kwargs
    ) -> jax.Array:
        """Computes it."""
        ...


Formula = Callable[Concatenate[jax.Array, jax.Array, P], jax.Array]
Costs = Callable[Concatenate[jax.Array, P], jax.Array]


def per_entry(result: DTypeLike | None = None) -> Callable[[Formula[P]], Measure[P]]:
    """Makes a measure of the error of each entry, of predictions and targets of one shape."""
    return partial(_elementwise, of_one_shape, result)


def per_vector() -> Callable[[Formula[P]], Measure[P]]:
    """Makes a measure of the error of each vector, of predictions and targets (*B, D)."""
    return partial(_elementwise, of_vectors, None)


def _elementwise(
    check: Callable[..., tuple[list[jax.Array], Any]],
    result: DTypeLike | None,
    formula: Callable[..., jax.Array],
) -> Any:
    def measure(
        predictions: ArrayLike,
        targets: ArrayLike,
        *,
        weight: ArrayLike | None = None,
        reduction: str = "mean",
        **options: Any,
    ) -> jax.Array:
        name = formula.__name__
        arrays, dtype = check(name, predictions=predictions, targets=targets)
        error = partial(formula, **options)
        how = {"weight": weight, "reduction": reduction, "dtype": result or dtype}
        return measured(name, error, arrays, **how)

    return named_after(formula, measure)


def per_example(binary: str, result: DTypeLike | None = None) -> Callable[[Formula[P]], Measure[P]]:
    """Makes a measure of the error of each example, of scores of classes and labels.

    The label of a distribution is the class of its largest entry.

    Args:
        binary: What is there for one class, which is no choice.
        result: The dtype of the result, if it is not that of the arguments.
    """

    def decorate(formula: Callable[..., jax.Array]) -> Any:
        def measure(
            predictions: ArrayLike,
            targets: ArrayLike,
            *,
            class_weight: ArrayLike | None = None,
            ignore_index: int | None = None,
            weight: ArrayLike | None = None,
            reduction: str = "mean",
            **options: Any,
        ) -> jax.Array:
            name, given = formula.__name__, (weight, class_weight, ignore_index)
            of = of_classes(name, binary, predictions, targets, *given)

            def error(scores: jax.Array, targets: jax.Array) -> jax.Array:
                errors = formula(scores, labels_of(scores, targets), **options)
                return errors if of.share is None else of.share * errors

            return of.measured(name, error, weight, reduction, result or of.dtype)

        return named_after(formula, measure)

    return decorate


def labels_of(scores: jax.Array, targets: jax.Array) -> jax.Array:
    """Labels as they are; of distributions the classes of their largest entries."""
    return targets if targets.ndim < scores.ndim else jnp.argmax(targets, axis=-1)


def per_class(binary: str) -> Callable[[Costs[P]], Measure[P]]:
    """Makes a measure of what each class would cost, of scores of classes.

    A label costs what its class does, a distribution what its classes do, each by its share. The
    costs are weighed by class, and a part of every target is spread over all classes.

    Args:
        binary: What is there for one class, which is no choice.
    """

    def decorate(costs: Callable[..., jax.Array]) -> Any:
        def measure(
            predictions: ArrayLike,
            targets: ArrayLike,
            *,
            class_weight: ArrayLike | None = None,
            ignore_index: int | None = None,
            label_smoothing: float = 0.0,
            weight: ArrayLike | None = None,
            reduction: str = "mean",
            **options: Any,
        ) -> jax.Array:
            name, given = costs.__name__, (weight, class_weight, ignore_index)
            check_numbers(name, SHARE, static=True, label_smoothing=label_smoothing)
            of = of_classes(name, binary, predictions, targets, *given)

            def error(scores: jax.Array, targets: jax.Array) -> jax.Array:
                table = costs(scores, **options)
                if of.of_class is not None:
                    table = times(jnp.broadcast_to(of.of_class, table.shape), table)
                chosen = _chosen(table, targets)
                if label_smoothing == 0:
                    return chosen
                return (1 - label_smoothing) * chosen + label_smoothing * jnp.mean(table, axis=-1)

            return of.measured(name, error, weight, reduction, of.dtype)

        return named_after(costs, measure)

    return decorate


def _chosen(table: jax.Array, targets: jax.Array) -> jax.Array:
    """What labels or distributions cost; NaN for a label that names no class."""
    if targets.ndim == table.ndim:
        return jnp.sum(times(targets, table), axis=-1)
    known = are_known(targets, table.shape[-1])
    places = jnp.where(known, targets, 0)[..., None]
    return jnp.where(known, jnp.take_along_axis(table, places, axis=-1)[..., 0], jnp.nan)


def times(shares: jax.Array, numbers: jax.Array) -> jax.Array:
    """Shares times numbers, where no share of infinity is 0."""
    return jnp.where((shares == 0) & jnp.isinf(numbers), 0, shares * numbers)


def named_after(formula: Callable[..., Any], measure: Callable[..., jax.Array]) -> Any:
    """The measure as its formula is called, told and pickled, with the options of both."""
    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(measure, name, getattr(formula, name))
    setattr(measure, "is_mean", True)  # noqa: B010
    own = [p for p in options_in(formula) if p.kind is p.KEYWORD_ONLY]
    shared = [p for p in options_in(measure) if p.kind is p.KEYWORD_ONLY]
    signature = inspect.signature(measure)
    positional = [p for p in signature.parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    signature = with_options(signature.replace(parameters=positional), [*own, *shared])
    measure.__signature__ = signature  # pyright: ignore[reportFunctionMemberAccess]
    return measure
