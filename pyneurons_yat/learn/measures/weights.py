"""Weights of errors, and the reduction of weighted errors to a number."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from .arrays import spread

REDUCTIONS = ("mean", "sum", "none")


class Errors(NamedTuple):
    """Weighted errors.

    Attributes:
        values: The errors times their weights.
        weights: What each counts; None if all count 1.
        dtype: Of what is made of them.
    """

    values: jax.Array
    weights: jax.Array | None
    dtype: Any


def weighed(
    function: str,
    error: Callable[..., jax.Array],
    arrays: Sequence[jax.Array],
    dtype: Any,
    *,
    weight: ArrayLike | None = None,
    share: jax.Array | None = None,
    kept: jax.Array | None = None,
) -> Errors:
    """The weighted error of every entry.

    An entry is left out if its weight is 0 and its error is not finite: 0 times a gradient that is
    not finite would be NaN. Its input is 0, so that its gradient is 0 too.

    Args:
        function: Whose it is, for its errors.
        error: What the error of arrays is, entry by entry.
        arrays: What to call it with. Their first axes are those of the errors.
        dtype: Of the result.
        weight: What every error is multiplied by, and counts; one per entry or for leading axes.
        share: What every error counts beside that, if `error` has weighed it already.
        kept: Which errors count; the others are 0, whatever stands there.
    """
    if kept is not None:
        arrays = _cleared(~kept, arrays)
    if weight is None and share is None:
        values = error(*arrays)
        if kept is None:
            return Errors(values, None, dtype)
        return Errors(jnp.where(kept, values, 0), kept.astype(values.dtype), dtype)
    values = error(*map(jax.lax.stop_gradient, arrays))
    given = jnp.ones_like(values)
    if weight is not None:
        given = spread(function, weight, values).astype(values.dtype)
    if kept is not None:
        given = jnp.where(kept, given, 0)
    weights = given if share is None else given * share
    left_out = (weights == 0) & ~jnp.isfinite(values)
    values = jnp.where(left_out, 0, error(*_cleared(left_out, arrays)))
    return Errors(given * values, weights, dtype)


def check_reduction(function: str, reduction: str) -> None:
    """Refuses what is no way to reduce errors."""
    if reduction not in REDUCTIONS:
        raise ValueError(
            f"{function}: reduction must be one of {', '.join(REDUCTIONS)}, got {reduction!r}"
        )


def totals(errors: Errors) -> tuple[jax.Array, jax.Array]:
    """The sum of the weighted errors, and that of their weights."""
    values, weights, _ = errors
    total = jnp.sum(values)
    return total, jnp.asarray(values.size, total.dtype) if weights is None else jnp.sum(weights)


def reduced(errors: Errors, reduction: str) -> jax.Array:
    """Weighted errors in one number, or one by one; the mean of none is 0."""
    values = errors.values
    if reduction != "none":
        total, weight = totals(errors)
        values = total if reduction == "sum" else quotient(total, weight)
    return values.astype(errors.dtype)


def _cleared(left_out: jax.Array, arrays: Sequence[jax.Array]) -> list[jax.Array]:
    """The arrays with 0 for what is left out."""
    trailing = [tuple(range(left_out.ndim, array.ndim)) for array in arrays]
    return [
        jnp.where(jnp.expand_dims(left_out, axes), 0, array)
        for axes, array in zip(trailing, arrays, strict=True)
    ]


def quotient(total: Any, weight: Any) -> jax.Array:
    """A sum over its weight, where nothing over nothing is 0."""
    return total / jnp.where(weight == 0, 1, weight)
