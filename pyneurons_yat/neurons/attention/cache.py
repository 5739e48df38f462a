"""The cache with which attention layers decode: keys and values of the tokens so far.

Letters: *B batch axes, K key and value heads, H head size, V value size.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import DTypeLike

from ...core import Model
from ...ops.checks import check_index, check_sizes
from ...ops.dtypes import narrow


class AttentionCache(NamedTuple):
    """Keys and values of the tokens so far, with room for more: what `decode` carries.

    Attributes:
        key: (*B, length, K, H), normalised and rotated as they are used.
        value: (*B, length, K, V).
        index: How many tokens are in it; int32.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> model = pn.MultiHeadAttention(jax.random.key(0), 8, 8, heads=2)
        >>> cache = pn.attention_cache(model, (), 16)
        >>> cache.key.shape, int(cache.index)
        ((16, 2, 4), 0)
    """

    key: jax.Array
    value: jax.Array
    index: jax.Array


def check_cache(layer: str, cache: AttentionCache, key: jax.Array, alone: bool) -> None:
    """Refuses a cache beside other inputs, one that does not fit, and one without room."""
    if not alone:
        raise ValueError(f"{layer}: a cache is for self attention, but inputs_k came as well")
    room, new = cache.key.shape, key.shape
    if room[:-3] != new[:-3] or room[-2:] != new[-2:]:
        raise ValueError(
            f"{layer}: the cache must have keys of shape (*B, length, K, H) with the batch axes "
            f"and heads of the new ones, {new}, got {room}; make it with "
            f"attention_cache(model, {new[:-3]}, length)"
        )
    if np.shape(cache.index) != ():
        raise ValueError(
            f"{layer}: the index of a cache must be one number, got shape "
            f"{np.shape(cache.index)}; for one index per entry, jax.vmap over caches"
        )
    check_index(layer, "the index of a cache", cache.index, 0, math.inf)
    used = 0 if isinstance(cache.index, Tracer) else int(cache.index)
    if used + new[-3] > room[-3]:
        raise ValueError(
            f"{layer}: the cache has room for {room[-3]} tokens and holds {used}, so {new[-3]} "
            "more do not fit; make a longer one with attention_cache"
        )


def extended(cache: AttentionCache, key: jax.Array, value: jax.Array) -> AttentionCache:
    """The cache with new keys and values behind those that it holds."""

    def put(room: jax.Array, new: jax.Array) -> jax.Array:
        return jax.lax.dynamic_update_slice_in_dim(
            room, narrow(new, room.dtype), cache.index, axis=-3
        )

    index = jnp.where(cache.index < 0, cache.index, cache.index + key.shape[-3])  # < 0 stays wrong
    return AttentionCache(put(cache.key, key), put(cache.value, value), index)


def or_nan(y: jax.Array, cache: AttentionCache) -> jax.Array:
    """The output y, or NaN where the last tokens had no place in the cache."""
    nowhere = (cache.index < 0) | (cache.index > cache.key.shape[-3])
    return jnp.where(nowhere, jnp.asarray(jnp.nan, y.dtype), y)


def attention_cache(
    model: Model, batch_shape: tuple[int, ...], length: int, dtype: DTypeLike | None = None
) -> AttentionCache:
    """An empty cache, for `decode` with an attention layer.

    Args:
        model: A `MultiHeadAttention`, `YatMultiHeadAttention` or `YatSelfAttention` model.
        batch_shape: The batch axes of the inputs to come, () for none.
        length: How many tokens it has room for, at least 1.
        dtype: Of the keys and values that are kept; by default that of the value kernel.

    Returns:
        An `AttentionCache` of zeros. Its size is batch * length * kv_heads * (H + V) numbers.

    Raises:
        TypeError: If the model is no attention layer, or the dtype is not floating.
        ValueError: If length is below 1.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> model = pn.YatMultiHeadAttention(jax.random.key(0), 8, 8, heads=4, kv_heads=2)
        >>> pn.attention_cache(model, (3,), 10).key.shape
        (3, 10, 2, 2)
    """
    heads = dict(model.static).get("heads") if isinstance(model, Model) else None
    params: Any = getattr(model, "params", None)
    if heads is None or not hasattr(params, "value") or not hasattr(params.value, "kernel"):
        raise TypeError(
            "attention_cache: model must be an attention layer whose value projection has a "
            f"kernel, got {model.layer.name if isinstance(model, Model) else type(model).__name__}"
        )
    check_sizes("attention_cache", length=length)
    kernel = _kernel(params.value)
    wide = kernel.shape[0] if params.query is None else _kernel(params.query).shape[-1]
    size = wide // heads
    kv_heads = wide // size if params.key is None else _kernel(params.key).shape[-1] // size
    dtype = jnp.dtype(kernel.dtype if dtype is None else dtype)
    if not jnp.issubdtype(dtype, jnp.floating):
        raise TypeError(f"attention_cache: dtype must be a floating one, got {dtype}")
    shape = (*batch_shape, length, kv_heads)
    return AttentionCache(
        jnp.zeros((*shape, size), dtype),
        jnp.zeros((*shape, kernel.shape[-1] // kv_heads), dtype),
        jnp.zeros((), jnp.int32),
    )


def _kernel(projection: Any) -> Any:
    """Shape and dtype of a kernel, also of one in whose place a transform has put a model."""
    kernel = projection.kernel
    return jax.eval_shape(kernel) if isinstance(kernel, Model) else kernel


def decode(
    model: Model, x: jax.Array, cache: AttentionCache, **options: Any
) -> tuple[jax.Array, AttentionCache]:
    """Attends from new tokens to those before them, whose keys and values a cache keeps.

    Token after token, or several at a time, the outputs are those of the full causal pass
    `model(x, is_causal=True)`. Rotary positions count on from the tokens in the cache. All entries
    of a batch have the same number of tokens; for prompts of different lengths, `jax.vmap` over
    the entries and their caches.

    Args:
        model: An attention model; what `reparam` makes of one will do. It is called as
            `model(x, cache=cache)`, so inside a layer of your own you can write that too.
        x: (*B, T, inputs), the next T tokens.
        cache: From `attention_cache`, or from the call before.
        **options: Of the model's call. A mask or bias broadcasts to (*B, heads, T, length), length
            being the cache's.

    Returns:
        y (*B, T, outputs), and the cache with the new tokens in it.

    When the cache is full:
        Outside `jax.jit`, a ValueError. Under `jit`, `scan` or `vmap`, where the number of tokens
        is not known, the output is NaN in this and every later call: wrong numbers do not pass
        for right ones. So is that of a cache whose index is below 0.

    Gradient:
        By autodiff, also through a scan of calls.

    Raises:
        ValueError: If the cache has no room, does not fit, or inputs_k came as well.
        TypeError: If `cache` is not an `AttentionCache`.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.YatMultiHeadAttention(jax.random.key(0), 8, 8, heads=2, rotary="half")
        >>> x = jax.random.normal(jax.random.key(1), (6, 8))
        >>> prompt, cache = pn.decode(model, x[:4], pn.attention_cache(model, (), 6))
        >>> fifth, cache = pn.decode(model, x[4:5], cache)
        >>> bool(jnp.allclose(fifth, model(x, is_causal=True)[4:5], atol=1e-5))
        True
    """
    if not isinstance(cache, AttentionCache):
        raise TypeError(
            f"decode: cache must be an AttentionCache, got {type(cache).__name__}; make one with "
            "attention_cache(model, batch_shape, length)"
        )
    return model(x, cache=cache, **options)
