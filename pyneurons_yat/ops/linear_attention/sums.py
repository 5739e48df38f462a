"""The sums of linear attention and their derivatives, all at once or in causal chunks.

Letters: G batch entries and heads, T queries, S keys, C tokens of a chunk, F features, V values.
"""

import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ..checks import is_known
from ..dtypes import accumulator, narrow


class Options(NamedTuple):
    """What is static in linear attention."""

    is_causal: bool
    guard: float
    chunk_size: int


def split_heads(query, key, value, mask):
    """The arrays as (G, T, F), (G, S, F) and (G, S, V + 1), G batch entries and heads.

    A column of ones behind the values makes the denominator one more value. What is masked is 0.
    """
    value = jnp.concatenate([value, jnp.ones((*value.shape[:-1], 1), value.dtype)], axis=-1)
    if mask is not None:
        kept = jnp.asarray(mask)[..., None, None]
        key, value = jnp.where(kept, key, 0), jnp.where(kept, value, 0)
    return by_head(query), by_head(key), by_head(value)


def by_head(array):
    """(*B, T, N, F) as (G, T, F)."""
    array = jnp.moveaxis(array, -2, -3)
    return array.reshape(math.prod(array.shape[:-2]), *array.shape[-2:])


def by_token(rows, shape):
    """(G, T, F) as `shape` (*B, T, N, F)."""
    *batch, _, heads, _ = shape
    return jnp.moveaxis(rows.reshape(*batch, heads, *rows.shape[-2:]), -3, -2)


def nothing(key, value):
    """The sums before the first key: (G, F, V + 1) and (G, 1, 1)."""
    groups, _, features = key.shape
    wide = accumulator(key.dtype)
    zeros = partial(jnp.zeros_like, key, wide)  # and, in shard_map, varying as the keys do
    return zeros(shape=(groups, features, value.shape[-1])), zeros(shape=(groups, 1, 1))


def _einsum(letters, left, right):
    """A product accumulated in float32 or float64."""
    wide = accumulator(left.dtype)
    return jnp.einsum(letters, left, right, preferred_element_type=wide)


def _norms(features):
    """|phi|, (G, T, 1), with gradient 0: it is only used by the guard."""
    wide = jax.lax.stop_gradient(features).astype(accumulator(features.dtype))
    return jnp.sqrt(jnp.sum(jnp.square(wide), axis=-1, keepdims=True))


def add(carry, key, value):
    """The sums with more keys in them."""
    sums, lengths = carry
    lengths = lengths + jnp.sum(_norms(key), axis=1, keepdims=True)
    return sums + _einsum("gsf,gsv->gfv", key, value), lengths


def _divide(guard, total, bound):
    """The quotient of the values and the last column; `bound` is what that cannot exceed."""
    number, below = total[..., :-1], total[..., -1:]
    below = jnp.maximum(below, jax.lax.stop_gradient(guard * bound))
    seen = below > 0
    return jnp.where(seen, number / jnp.where(seen, below, 1), 0)


def _lower(count):
    return jnp.tril(jnp.ones((count, count), bool))[None]


def _read(carry, query, key, value):
    """The sums that each query of a chunk sees, times its features; and their bound."""
    sums, lengths = carry
    seen = _lower(query.shape[1])
    weights = jnp.where(seen, _einsum("gtf,gsf->gts", query, key), 0)
    total = _einsum("gtf,gfv->gtv", query, sums) + _einsum("gts,gsv->gtv", weights, value)
    lengths = lengths + jnp.cumsum(_norms(key), axis=1)
    return total, _norms(query) * lengths


def _chunks(options, *rows):
    """(G, T, F) as (T / C, G, C, F), with zeros behind the last token."""
    length = rows[0].shape[1]
    size = min(options.chunk_size, max(length, 1)) if is_known(length) else options.chunk_size
    count = -(-length // size)
    padded = (jnp.pad(r, ((0, 0), (0, count * size - length), (0, 0))) for r in rows)
    return tuple(
        jnp.moveaxis(r.reshape(r.shape[0], count, size, r.shape[-1]), 1, 0) for r in padded
    )


def _whole(chunks, length):
    """The inverse of `_chunks`."""
    rows = jnp.moveaxis(chunks, 0, 1)
    return rows.reshape(rows.shape[0], rows.shape[1] * rows.shape[2], rows.shape[3])[:, :length]


def causal_pass(options, carry, query, key, value):
    """The causal pass over chunks, from the sums of earlier keys."""

    def step(carry, chunk):
        total, bound = _read(carry, *chunk)
        y = _divide(options.guard, total, bound)
        return add(carry, *chunk[1:]), narrow(y, query.dtype)

    carry, y = jax.lax.scan(step, carry, _chunks(options, query, key, value))
    return carry, _whole(y, query.shape[1])


def forward(options, query, key, value, mask, before=None):
    """Linear attention of (*B, T, N, F), (*B, S, N, F) and (*B, S, N, V).

    Before causal attention may come the sums of earlier keys.
    """
    q, k, v = split_heads(query, key, value, mask)
    if options.is_causal:
        carry = nothing(k, v) if before is None else before
        y = causal_pass(options, carry, q, k, v)[1]
    else:
        sums, lengths = add(nothing(k, v), k, v)
        total = _einsum("gtf,gfv->gtv", q, sums)
        y = _divide(options.guard, total, _norms(q) * lengths)
    return narrow(by_token(y, value.shape), value.dtype)


def backward(options, residuals, gradient):
    """The gradients of `forward` in the three arrays and in `before`, from these alone."""
    query, key, value, mask, before = residuals
    rows, restore = jax.vjp(partial(split_heads, mask=mask), query, key, value)
    gradient, d_before = by_head(gradient), None
    if options.is_causal:
        carry = nothing(*rows[1:]) if before is None else before
        found, pushed = _backward_causal(options, carry, *rows, gradient)
        d_before = None if before is None else (pushed, jnp.zeros_like(before[1]))
    else:
        found = _backward_full(options, *rows, gradient)
    return *restore(tuple(narrow(d, query.dtype) for d in found)), None, d_before


def _pull_quotient(options, total, bound, gradient):
    """The gradient of the quotient in its numerators and denominator."""
    _, pull = jax.vjp(lambda total: _divide(options.guard, total, bound), total)
    return pull(gradient.astype(total.dtype))[0]


def _backward_full(options, query, key, value, gradient):
    sums, lengths = add(nothing(key, value), key, value)
    total = _einsum("gtf,gfv->gtv", query, sums)
    push = _pull_quotient(options, total, _norms(query) * lengths, gradient)
    pushed = _einsum("gtf,gtv->gfv", query, push)
    d_query = _einsum("gtv,gfv->gtf", push, sums)
    return d_query, _einsum("gsv,gfv->gsf", value, pushed), _einsum("gsf,gfv->gsv", key, pushed)


def _backward_causal(options, carry, query, key, value, gradient):
    """Forwards over the chunks for the queries, then backwards for keys and values.

    And the gradient of the sums with which it begins.
    """
    length = query.shape[1]

    def forwards(carry, chunk):
        query, key, value, gradient = chunk
        push = _pull_quotient(options, *_read(carry, query, key, value), gradient)
        weights = jnp.where(_lower(query.shape[1]), _einsum("gtv,gsv->gts", push, value), 0)
        d_query = _einsum("gtv,gfv->gtf", push, carry[0]) + _einsum("gts,gsf->gtf", weights, key)
        return add(carry, key, value), (narrow(d_query, query.dtype), push)

    def backwards(pushed, chunk):
        query, key, value, push = chunk
        seen = _lower(query.shape[1])
        slopes = jnp.where(seen, _einsum("gtv,gsv->gts", push, value), 0)
        weights = jnp.where(seen, _einsum("gtf,gsf->gts", query, key), 0)
        d_key = _einsum("gsv,gfv->gsf", value, pushed) + _einsum("gts,gtf->gsf", slopes, query)
        d_value = _einsum("gsf,gfv->gsv", key, pushed) + _einsum("gts,gtv->gsv", weights, push)
        found = narrow(d_key, key.dtype), narrow(d_value, key.dtype)
        return pushed + _einsum("gtf,gtv->gfv", query, push), found

    query, key, value, gradient = _chunks(options, query, key, value, gradient)
    _, (d_query, push) = jax.lax.scan(forwards, carry, (query, key, value, gradient))
    chunks = query, key, value, push
    none = jnp.zeros_like(carry[0])
    pushed, (d_key, d_value) = jax.lax.scan(backwards, none, chunks, reverse=True)
    return tuple(_whole(d, length) for d in (d_query, d_key, d_value)), pushed
