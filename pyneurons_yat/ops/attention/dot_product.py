"""Attention whose weights are formed: dot-product attention, and any attention with dropout.

Letters: *B batch axes, T queries, S keys, N heads, K key and value heads (a divisor of N), H head
size, V value size. Arguments are (*B, T, N, H), (*B, S, K, H) and (*B, S, K, V); bias and mask
broadcast to (*B, N, T, S), lengths are (*B,). Query t stands at position query_offset + t, key s at
position s. A key that no query sees, and a query that sees no key, may hold anything, NaN included.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ..checks import check_flag, check_positive, check_shapes, is_known
from ..dtypes import narrow, widen
from .arguments import pair_of
from .masks import both, cleared, in_rank, scores_shape, visible_parts

Shape = tuple[int, ...]
Weigh = Callable[..., jax.Array]


def dot_product_attention(
    query: jax.Array,
    key: jax.Array,
    value: jax.Array,
    bias: Any = None,
    mask: Any = None,
    *,
    scale: Any = None,
    is_causal: bool = False,
    query_offset: Any = 0,
    query_seq_lengths: Any = None,
    key_value_seq_lengths: Any = None,
) -> jax.Array:
    """`jax.nn.dot_product_attention` for any batch axes, in which a query without a key gives 0.

    That one takes its softmax in float32; here float64 is computed in float64, the weights formed.

    Args:
        query: (*B, T, N, H).
        key: (*B, S, K, H), where K divides N.
        value: (*B, S, K, V).
        bias: broadcasts to (*B, N, T, S), or None for 0. Where it is -inf, t does not see s.
        mask: booleans that broadcast to (*B, N, T, S), True where t sees s, or None for all.
        scale: one number above 0, or None for 1 / sqrt(H).
        is_causal: whether t sees only keys at its place and before.
        query_offset: the place of query 0 among the keys, a whole number; it may be traced.
        query_seq_lengths: (*B,), the number of queries in use; the others give 0.
        key_value_seq_lengths: (*B,), the number of keys in use.

    Returns:
        (*B, T, N, V), in the promoted dtype of query, key and value.
    """
    dtype = jnp.result_type(query, key, value)
    shape = scores_shape(query, key)
    _check_scale(scale)
    limits = bias, mask, query_seq_lengths, key_value_seq_lengths
    (query, key, value), bias, mask = _visible((query, key, value), *limits, is_causal=is_causal)
    if dtype == jnp.float64:
        weights = _weights(query, key, bias, mask, scale, is_causal, query_offset)
        return jnp.swapaxes(jnp.matmul(weights, _heads_first(value, shape[-3])), -3, -2)
    alive = None
    if mask is not None or (is_causal and not _is_zero(query_offset)):
        mask, is_causal = _allowed(shape, mask, is_causal, query_offset), False
        alive = jnp.swapaxes(jnp.any(mask, -1), -1, -2)[..., None]
    inside = jnp.float32 if dtype == jnp.float16 else dtype  # the CPU's refuses float16
    y = jax.nn.dot_product_attention(
        *(_flat(a.astype(inside), 3) for a in (query, key, value)),
        *(None if a is None else _flat(_batched(a, shape), 3) for a in (bias, mask)),
        scale=scale,
        is_causal=bool(is_causal),
    )
    y = y.reshape((*query.shape[:-1], value.shape[-1])).astype(dtype)
    return y if alive is None else jnp.where(alive, y, 0)


def _check_scale(scale: Any) -> None:
    if scale is not None:
        check_positive("attention", scale=scale)
        check_shapes("attention", (), scale=scale)


def _visible(
    arrays: tuple[jax.Array, ...], *limits: Any, is_causal: bool
) -> tuple[tuple[jax.Array, ...], Any, Any]:
    """Query, key and maybe value with 0 for what is not read; the bias; all that hides, as a mask.

    Bias and mask are in the rank of the scores.
    """
    check_flag("attention", is_causal=is_causal)
    bias, mask, queries, keys = visible_parts("attention", scores_shape(*arrays[:2]), *limits)
    query, *rest = arrays
    return (cleared(query, queries), *(cleared(x, keys) for x in rest)), bias, mask


def _is_zero(offset: Any) -> bool:
    return isinstance(offset, int) and offset == 0


def _flat(array: jax.Array, kept: int) -> jax.Array:
    """The batch axes as one, the last `kept` as they are; (1, ...) where each has size 1."""
    return array.reshape((math.prod(array.shape[:-kept]), *array.shape[-kept:]))


def _batched(value: jax.Array, shape: Shape) -> jax.Array:
    """A bias or mask in the rank of the scores, with all batch axes or, if all are 1, none."""
    none = all(size == 1 for size in value.shape[:-3])
    return value if none else jnp.broadcast_to(value, (*shape[:-3], *value.shape[-3:]))


def _allowed(shape: Shape, mask: Any, is_causal: bool, query_offset: Any) -> Any:
    """The mask and the causal order in one, in the rank of the scores; None for no limit."""
    if not is_causal:
        return mask
    queries, keys = shape[-2:]
    causal = jnp.arange(keys)[None, :] <= query_offset + jnp.arange(queries)[:, None]
    return both(mask, in_rank(causal, shape))


def dot_product_attention_weights(
    query: jax.Array,
    key: jax.Array,
    bias: jax.Array | None = None,
    mask: jax.Array | None = None,
    *,
    scale: Any = None,
    is_causal: bool = False,
    query_offset: Any = 0,
    query_seq_lengths: Any = None,
    key_value_seq_lengths: Any = None,
) -> jax.Array:
    """The weights of `dot_product_attention`, (*B, N, T, S)."""
    _check_scale(scale)
    limits = bias, mask, query_seq_lengths, key_value_seq_lengths
    (query, key), bias, mask = _visible((query, key), *limits, is_causal=is_causal)
    return _weights(query, key, bias, mask, scale, is_causal, query_offset)


def _weights(
    query: jax.Array,
    key: jax.Array,
    bias: Any,
    mask: Any,
    scale: Any,
    is_causal: bool,
    query_offset: Any,
) -> jax.Array:
    shape = scores_shape(query, key)
    mask = _allowed(shape, mask, is_causal, query_offset)
    query, key = (_heads_first(widen(array, array.dtype, 0), shape[-3]) for array in (query, key))
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    scores = scale * jnp.matmul(query, jnp.swapaxes(key, -1, -2))
    scores = scores if bias is None else scores + bias
    if mask is None:
        return jax.nn.softmax(scores)
    scores = jnp.where(mask, scores, float(jnp.finfo(scores.dtype).min))
    return jnp.where(mask, jax.nn.softmax(scores), 0)


def dropped_attention(
    rng: Any,
    rate: float,
    weigh: Weigh,
    query: jax.Array,
    key: jax.Array,
    value: jax.Array,
    bias: jax.Array | None = None,
    mask: jax.Array | None = None,
    *,
    is_causal: bool = False,
    query_offset: Any = 0,
    query_seq_lengths: Any = None,
    key_value_seq_lengths: Any = None,
    block_size: int | tuple[int, int] | None = None,
) -> jax.Array:
    """Attention with dropout: each weight is 0 with probability `rate`, else w / (1 - rate).

    Weights are dropped after normalisation, so those that are left do not sum to 1, but the
    expected result is the one without dropout. Query t draws from `fold_in(rng, t)`: the result
    does not depend on `block_size`.

    Weights are formed for `block_size` queries at a time, in the reverse pass once more: memory is
    N block_size S numbers per batch entry.

    Args:
        rng: A PRNG key.
        rate: The probability of dropping, in [0, 1).
        weigh: `dot_product_attention_weights` or `yat_attention_weights`, their options bound.
        query: (*B, T, N, H).
        key: (*B, S, K, H).
        value: (*B, S, K, V).
        bias: Handed to `weigh`, block by block, like all that follows.
        mask: Where a query may see a key.
        is_causal: Whether a query sees no key behind its own position.
        query_offset: The position of the first query.
        query_seq_lengths: (*B,), how many queries are in use; the others give 0.
        key_value_seq_lengths: (*B,), how many keys are in use.
        block_size: How many queries at a time, 128 for None; of a pair the first number.

    Returns:
        (*B, T, N, V), in the promoted dtype of query, key and value.
    """
    dtype = jnp.result_type(query, key, value)
    shape = scores_shape(query, key)
    if (length := shape[-2]) == 0:
        return jnp.zeros((*query.shape[:-1], value.shape[-1]), dtype)
    limits = bias, mask, query_seq_lengths, key_value_seq_lengths
    (query, key, value), bias, mask = _visible((query, key, value), *limits, is_causal=is_causal)
    value = widen(_heads_first(value, shape[-3]), value.dtype, 0)
    rows, _ = pair_of("attention", "block_size", block_size, 1) or (128, None)
    size = min(rows, length) if is_known(length) else length
    blocks = -(-length // size)
    query = _padded(query, blocks * size, -3)
    bias, mask = (_padded(array, blocks * size, -2) for array in (bias, mask))

    @jax.checkpoint  # the reverse pass forms the weights of a block once more
    def respond(first):
        q = _rows(query, first, size, -3)
        b, m = (_rows(array, first, size, -2) for array in (bias, mask))
        w = weigh(q, key, b, m, is_causal=is_causal, query_offset=query_offset + first)
        w = _dropped(rng, rate, first, widen(w, w.dtype, 0))
        return narrow(jnp.matmul(w, value), dtype)

    y = jax.lax.map(respond, size * jnp.arange(blocks))
    y = jnp.moveaxis(y, 0, -3)  # (*B, N, blocks, size, V)
    y = y.reshape((*shape[:-2], blocks * size, value.shape[-1]))[..., :length, :]
    return jnp.swapaxes(y, -3, -2)


def _dropped(rng, rate, first, weights):
    """Weights (*B, N, T, S) of the queries from `first` on, each query with a key of its own."""
    columns = (*weights.shape[:-2], weights.shape[-1])
    keys = jax.vmap(jax.random.fold_in, (None, 0))(rng, first + jnp.arange(weights.shape[-2]))
    kept = jax.vmap(lambda key: jax.random.bernoulli(key, 1 - rate, columns), out_axes=-2)(keys)
    return jnp.where(kept, weights / (1 - rate), 0)


def _heads_first(array: jax.Array, heads: int) -> jax.Array:
    """(*B, S, K, H) as (*B, N, S, H), each key head repeated for its group of query heads."""
    return jnp.swapaxes(jnp.repeat(array, heads // max(array.shape[-2], 1), axis=-2), -3, -2)


def _padded(array: Any, length: int, axis: int) -> Any:
    """Rows up to a length; one row that stands for all stays one."""
    if array is None or array.shape[axis] == 1:
        return array
    widths = [(0, 0)] * array.ndim
    widths[axis] = (0, length - array.shape[axis])
    return jnp.pad(array, widths)


def _rows(array: Any, first: Any, size: int, axis: int) -> Any:
    """The rows of one block."""
    if array is None or array.shape[axis] == 1:
        return array
    return jax.lax.dynamic_slice_in_dim(array, first, size, axis)
