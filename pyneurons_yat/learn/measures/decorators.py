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

from ...core.signatures import with_options
from ...ops.checks import SHARE, check_numbers
from .checks import are_known, of_classes, of_one_shape, of_vectors
from .sums import Sums, adding_up
from .weights import Errors, check_reduction, reduced, totals, weighed

P = ParamSpec("P")


class Reduction(TypedDict, total=False):
    """The option of everything that is reduced."""

    reduction: str


class Shared(Reduction, total=False):
    """The options of every loss and metric that is a mean."""

    weight: ArrayLike | None


class SharedByClasses(Shared, total=False):
    """The options of those of classes."""

    class_weight: ArrayLike | None
    ignore_index: int | None


class SharedByCosts(SharedByClasses, total=False):
    """The options of those that tell what every class would cost."""

    label_smoothing: float


class Measure(Protocol[P]):
    """A loss or metric of predictions and targets: a scalar, or one value per entry or example."""

    sums: Sums

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
    def errors(
        predictions: ArrayLike,
        targets: ArrayLike,
        *,
        weight: ArrayLike | None = None,
        **options: Any,
    ) -> Errors:
        name = formula.__name__
        arrays, dtype = check(name, predictions=predictions, targets=targets)
        return weighed(name, partial(formula, **options), arrays, result or dtype, weight=weight)

    return reducing(named_after(formula, errors))


def per_example(binary: str, result: DTypeLike | None = None) -> Callable[[Formula[P]], Measure[P]]:
    """Makes a measure of the error of each example, of scores of classes and labels.

    The label of a distribution is the class of its largest entry.

    Args:
        binary: What is there for one class, which is no choice.
        result: The dtype of the result, if it is not that of the arguments.
    """

    def decorate(formula: Callable[..., jax.Array]) -> Any:
        def errors(
            predictions: ArrayLike,
            targets: ArrayLike,
            *,
            class_weight: ArrayLike | None = None,
            ignore_index: int | None = None,
            weight: ArrayLike | None = None,
            **options: Any,
        ) -> Errors:
            name, given = formula.__name__, (weight, class_weight, ignore_index)
            of = of_classes(name, binary, predictions, targets, *given)

            def error(scores: jax.Array, targets: jax.Array) -> jax.Array:
                each = formula(scores, labels_of(scores, targets), **options)
                return each if of.share is None else of.share * each

            return of.weighed(name, error, weight, result or of.dtype)

        return reducing(named_after(formula, errors))

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
        def errors(
            predictions: ArrayLike,
            targets: ArrayLike,
            *,
            class_weight: ArrayLike | None = None,
            ignore_index: int | None = None,
            label_smoothing: float = 0.0,
            weight: ArrayLike | None = None,
            **options: Any,
        ) -> Errors:
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

            return of.weighed(name, error, weight, of.dtype)

        return reducing(named_after(costs, errors))

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


def reducing(errors: Callable[P, Errors]) -> Callable[P, jax.Array]:
    """Makes a measure of a function that gives weighted errors: their mean, sum, or each of them.

    Over the batches of a data set, what it is made of adds up.
    """
    signature = inspect.signature(errors)
    taken = [p.name for p in _of_kind(signature, KEYWORD)]
    known = {*taken, *(p.name for p in _of_kind(signature, POSITIONAL))}

    def checked(*arrays: Any, **options: Any) -> Errors:
        if unknown := [name for name in options if name not in known]:
            raise TypeError(
                f"{errors.__name__}: unexpected keyword {', '.join(unknown)}; it takes "
                f"{', '.join([*taken, 'reduction'])}"
            )
        return errors(*arrays, **options)

    def measure(*arrays: Any, reduction: str = "mean", **options: Any) -> jax.Array:
        check_reduction(errors.__name__, reduction)
        return reduced(checked(*arrays, **options), reduction)

    def summed(*arrays: Any, **options: Any) -> tuple[jax.Array, jax.Array]:
        return totals(checked(*arrays, **options))

    return adding_up(named_after(errors, measure), summed)


def named_after(formula: Callable[..., Any], function: Callable[..., Any]) -> Any:
    """The function as its formula is called, told and pickled, with the options of both."""
    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(function, name, getattr(formula, name))
    own, before = inspect.signature(function), inspect.signature(formula)
    arrays = _of_kind(own, POSITIONAL) or _of_kind(before, POSITIONAL)
    signature = own.replace(parameters=arrays)
    options = [*_of_kind(before, KEYWORD), *_of_kind(own, KEYWORD)]
    function.__signature__ = with_options(signature, options)  # pyright: ignore[reportFunctionMemberAccess]
    return function


POSITIONAL, KEYWORD = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY


def _of_kind(signature: inspect.Signature, kind: Any) -> list[inspect.Parameter]:
    return [p for p in signature.parameters.values() if p.kind is kind]
