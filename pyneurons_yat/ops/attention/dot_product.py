"""Attention whose weights are formed: dot-product attention, and any attention with dropout.

Letters: *B batch axes, T queries, S keys, N heads, K key and value heads (a divisor of N), H head
size, V value size. Arguments are (*B, T, N, H), (*B, S, K, H) and (*B, S, K, V); bias and mask
broadcast to (*B, N, T, S). Query t stands at position query_offset + t, key s at position s.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..dtypes import narrow, widen
from .arguments import pair_of

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
) -> jax.Array:
    """`jax.nn.dot_product_attention` for any batch axes, in which a query without a key gives 0.

    Like that one it takes the softmax in float32, also for float64.
    """
    dtype = jnp.result_type(query, key, value)
    inside = jnp.float32 if dtype == jnp.float16 else dtype  # the CPU's refuses float16
    shape = scores_shape(query, key)
    bias, mask = _limits(bias, mask, shape)
    _check_scale(scale)
    alive = None
    if mask is not None or (is_causal and not _is_zero(query_offset)):
        mask, is_causal = allowed(shape, mask, is_causal, query_offset), False
        alive = jnp.swapaxes(jnp.any(mask, -1), -1, -2)[..., None]
    y = jax.nn.dot_product_attention(
        *(_flat(a.astype(inside), 3) for a in (query, key, value)),
        *(None if a is None else _flat(a, 3) for a in (bias, mask)),
        scale=scale,
        is_causal=is_causal,
    )
    y = y.reshape((*query.shape[:-1], value.shape[-1])).astype(dtype)
    return y if alive is None else jnp.where(alive, y, 0)


def _limits(bias: Any, mask: Any, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Bias and mask in the rank of the scores; where the bias is -inf, the mask hides too."""
    bias, mask = spread("bias", bias, shape), spread("mask", mask, shape)
    if bias is None:
        return None, mask
    seen = bias > -jnp.inf
    return jnp.where(seen, bias, 0), seen if mask is None else seen & mask


def _check_scale(scale: Any) -> None:
    if scale is not None and np.shape(scale) != ():
        raise ValueError(
            f"attention: scale must be one number for all heads, got shape {np.shape(scale)}"
        )


def _is_zero(offset: Any) -> bool:
    return isinstance(offset, int) and offset == 0


def _flat(array: jax.Array, kept: int) -> jax.Array:
    """The batch axes as one, the last `kept` as they are; (1, ...) where each has size 1."""
    return array.reshape((math.prod(array.shape[:-kept]), *array.shape[-kept:]))


def scores_shape(query: jax.Array, key: jax.Array) -> tuple[int, ...]:
    """(*B, N, T, S)."""
    return (*query.shape[:-3], query.shape[-2], query.shape[-3], key.shape[-3])


def spread(name: str, value: Any, shape: tuple[int, ...]) -> Any:
    """A bias or mask in the rank of the scores, with 1s; whole batches or none."""
    if value is None:
        return None
    try:
        fits = np.broadcast_shapes(np.shape(value), shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"attention: {name} must broadcast to (*B, heads, queries, keys), {shape}, "
            f"got shape {np.shape(value)}"
        )
    value = jnp.asarray(value)
    if name == "mask" and value.dtype != bool:
        raise TypeError(
            f"attention: mask must be boolean, True where a query may see a key, got {value.dtype}"
        )
    if jnp.issubdtype(value.dtype, jnp.complexfloating):
        raise TypeError(f"attention: {name} must be real, got {value.dtype}")
    value = jnp.expand_dims(value, tuple(range(len(shape) - value.ndim)))
    some = any(size != 1 for size in value.shape[:-3])
    batch = shape[:-3] if some else value.shape[:-3]
    return jnp.broadcast_to(value, (*batch, *value.shape[-3:]))


def allowed(shape: tuple[int, ...], mask: Any, is_causal: bool, query_offset: Any = 0) -> Any:
    """The mask and the causal order in one, in the rank of the scores; None for no limit."""
    if not is_causal:
        return mask
    queries, keys = shape[-2:]
    causal = jnp.arange(keys)[None, :] <= query_offset + jnp.arange(queries)[:, None]
    causal = jnp.expand_dims(causal, tuple(range(len(shape) - 2)))
    return causal if mask is None else mask & causal


def dot_product_attention_weights(
    query: jax.Array,
    key: jax.Array,
    bias: jax.Array | None = None,
    mask: jax.Array | None = None,
    *,
    scale: Any = None,
    is_causal: bool = False,
    query_offset: Any = 0,
) -> jax.Array:
    """The weights of `dot_product_attention`, (*B, N, T, S)."""
    shape = scores_shape(query, key)
    bias, mask = _limits(bias, mask, shape)
    _check_scale(scale)
    mask = allowed(shape, mask, is_causal, query_offset)
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
        block_size: How many queries at a time, 128 for None; of a pair the first number.

    Returns:
        (*B, T, N, V), in the promoted dtype of query, key and value.
    """
    dtype = jnp.result_type(query, key, value)
    shape = scores_shape(query, key)
    if shape[-2] == 0:
        return jnp.zeros((*query.shape[:-1], value.shape[-1]), dtype)
    bias, mask = spread("bias", bias, shape), spread("mask", mask, shape)
    value = widen(_heads_first(value, shape[-3]), value.dtype, 0)
    rows, _ = pair_of("attention", "block_size", block_size, 1) or (128, None)
    size = min(rows, shape[-2])
    blocks = -(-shape[-2] // size)
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
    y = y.reshape((*shape[:-2], blocks * size, value.shape[-1]))[..., : shape[-2], :]
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
