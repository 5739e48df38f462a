"""Attention of any kind with dropout of its weights, which are formed some queries at a time.

Letters: as for `dot_product_attention`.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ..checks import check_flag, is_known
from ..dtypes import narrow, widen
from .arguments import pair_of
from .dot_product import heads_first, read_alone
from .masks import scores_shape

Weigh = Callable[..., jax.Array]


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
    check_flag("attention", is_causal=is_causal)
    limits = bias, mask, query_seq_lengths, key_value_seq_lengths
    (query, key, value), bias, mask = read_alone("attention", (query, key, value), *limits)
    value = widen(heads_first(value, shape[-3]), value.dtype, 0)
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
