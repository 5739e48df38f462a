"""What a measure of a whole data set is made of: sums over its batches."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax


class Sums(NamedTuple):
    """What a measure is made of.

    Attributes:
        summed: `summed(predictions, targets) -> sums`, a pytree of arrays that add up.
        result: `result(sums) -> the measure`; None where the sums are those of errors and of their
            weights, and the measure is the mean.
    """

    summed: Callable[..., Any]
    result: Callable[..., jax.Array] | None


def adding_up(
    measure: Callable[..., jax.Array],
    summed: Callable[..., Any],
    result: Callable[..., jax.Array] | None = None,
) -> Any:
    """The measure, which tells what it is made of; both functions take its options."""
    measure.sums = Sums(summed, result)  # pyright: ignore[reportFunctionMemberAccess]
    return measure


def sums_of(measure: Callable[..., Any]) -> Sums | None:
    """What a measure, with some options or without, is made of; None if that does not add up."""
    options: dict[str, Any] = {}
    while isinstance(measure, partial) and not measure.args:
        options = {**measure.keywords, **options}
        measure = measure.func
    sums = getattr(measure, "sums", None)
    if not isinstance(sums, Sums) or "reduction" in options:
        return None
    summed, result = sums
    return Sums(partial(summed, **options), result and partial(result, **options))
