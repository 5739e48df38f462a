"""Which query sees which key, in the rank of the scores; and what then is not read at all.

Letters: *B batch axes, T queries, S keys, N heads. Scores are (*B, N, T, S).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ..checks import check_fit, check_mask, check_real, check_whole

Shape = tuple[int, ...]


def scores_shape(query: jax.Array, key: jax.Array) -> Shape:
    """(*B, N, T, S), of queries (*B, T, N, H) and keys (*B, S, K, H)."""
    return (*query.shape[:-3], query.shape[-2], query.shape[-3], key.shape[-3])


def check_lengths(function: str, batch: Shape, queries: Any, keys: Any) -> None:
    """Refuses lengths that are not integers (*B,); None is no length."""
    for name, lengths in (("query_seq_lengths", queries), ("key_value_seq_lengths", keys)):
        if lengths is not None:
            check_whole(function, name, lengths, batch)


def check_scores(function: str, shape: Shape, bias: Any, mask: Any) -> None:
    """Refuses a bias or a mask that does not broadcast to the scores, (*B, N, T, S)."""
    if bias is not None:
        check_real(function, bias=bias)
        check_fit(function, "bias", bias, shape)
    check_mask(function, mask, shape, name="mask", cure="pass an additive mask as bias")


def both(*conditions: jax.Array | None) -> jax.Array | None:
    """Where all of the conditions hold; None is a condition that always does."""
    together = None
    for condition in conditions:
        if condition is not None:
            together = condition if together is None else together & condition
    return together


def in_rank(value: Any, shape: Shape) -> Any:
    """A bias or mask that broadcasts to the scores, in their rank, with 1s; None stays None."""
    if value is None:
        return None
    value = jnp.asarray(value)
    return jnp.expand_dims(value, tuple(range(len(shape) - value.ndim)))


def without_hidden(bias: Any, mask: Any, shape: Shape) -> tuple[Any, Any]:
    """Bias and mask in the rank of the scores; where the bias is -inf, the mask hides instead."""
    bias, mask = in_rank(bias, shape), in_rank(mask, shape)
    if bias is None:
        return None, mask
    seen = bias > -jnp.inf
    return jnp.where(seen, bias, 0), both(mask, seen)


def within(lengths: tuple[Any, Any], shape: Shape, rows: Any = None) -> tuple[Any, Any]:
    """The queries and the keys in use, (*B, 1, T, 1) and (*B, 1, 1, S), by their numbers (*B,).

    Rows are the places (T,) of the queries, where these are not the first T.
    """

    def places(axis: int) -> jax.Array:
        wanted = [shape[axis] if at == axis % len(shape) else 1 for at in range(len(shape))]
        given = rows if axis == -2 and rows is not None else jnp.arange(shape[axis])
        return given.reshape(wanted)

    queries, keys = (None if n is None else jnp.asarray(n)[..., None, None, None] for n in lengths)
    return (
        None if queries is None else places(-2) < queries,
        None if keys is None else places(-1) < keys,
    )


def in_use(mask: Any, rows: Any, columns: Any) -> tuple[Any, Any]:
    """Which queries (*B, T) see a key at all, and which keys (*B, S) a query sees; None for all.

    Args:
        mask: Booleans in the rank of the scores, or None.
        rows: The queries in use, as `within` makes them.
        columns: The keys in use.
    """
    if mask is None:
        found = rows, columns
    else:
        for limit in (rows, columns):
            mask = mask if limit is None else mask & limit
        found = jnp.any(mask, (-3, -1), keepdims=True), jnp.any(mask, (-3, -2), keepdims=True)
    queries, keys = found
    return (
        None if queries is None else queries[..., 0, :, 0],
        None if keys is None else keys[..., 0, 0, :],
    )


def cleared(x: jax.Array, used: jax.Array | None) -> jax.Array:
    """An array (*B, L, ...) with 0 for what is not in use: be it NaN, it reaches nothing.

    A weight of 0 would not do: 0 times NaN is NaN, in the result and in the gradient.
    """
    if used is None:
        return x
    return jnp.where(jnp.expand_dims(used, tuple(range(used.ndim, x.ndim))), x, 0)


class Visible(NamedTuple):
    """What is visible: bias and mask in the rank of the scores; what is read at all, None for all.

    The mask hides what the lengths and a bias of -inf hide too.
    """

    bias: Any
    mask: Any
    queries: Any  # (*B, T), those that see a key
    keys: Any  # (*B, S), those that a query sees


def visible_parts(
    function: str, shape: Shape, bias: Any, mask: Any, query_lengths: Any, key_lengths: Any
) -> Visible:
    """What is visible in scores of this shape; what does not fit it is refused."""
    check_scores(function, shape, bias, mask)
    check_lengths(function, shape[:-3], query_lengths, key_lengths)
    bias, mask = without_hidden(bias, mask, shape)
    rows, columns = within((query_lengths, key_lengths), shape)
    return Visible(bias, both(mask, rows, columns), *in_use(mask, rows, columns))
