"""What the attention layers share: heads, positions, and the cache of decoding.

Letters: *B batch axes, T queries, S keys, N heads, K key and value heads, H head size.
"""

import math
import numbers
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike, DTypeLike

from ...core import Model, observe, sequential
from ...core.calls import split_key
from ...ops import rotary
from ...ops.checks import check_index, check_sizes
from ...ops.dtypes import narrow

Projection = Callable[..., Model]
Call = Callable[[Any, Any], tuple[Any, Any]]
ROTATIONS = {"half": False, "interleaved": True}


class Positions(NamedTuple):
    """How queries and keys are told where they stand."""

    rotary: str | None
    base: ArrayLike
    offset: ArrayLike
    positions: ArrayLike | None


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


def unit(x: jax.Array) -> jax.Array:
    """Vectors of length 1 along the last axis; 0 stays 0."""
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    square = jnp.sum(jnp.square(wide), -1, keepdims=True)
    return (wide * jax.lax.rsqrt(jnp.maximum(square, 1e-24))).astype(x.dtype)


def created_norms(normalize_qk: bool | Callable[[int], Model], size: int) -> tuple[Any, Any]:
    """The models that normalise queries and keys, each over its head; None for none."""
    if normalize_qk is False:
        return None, None
    if normalize_qk is True:
        return sequential(unit), sequential(unit)
    if not callable(normalize_qk):
        raise TypeError(
            "attention: normalize_qk must be True, False, or a function that makes a model of a "
            f"head's size, got {normalize_qk!r}"
        )
    return normalize_qk(size), normalize_qk(size)


def check_heads(layer: str, features: int, heads: int, kv_heads: int) -> None:
    """Refuses heads that do not divide the features, or key heads that do not divide the heads."""
    check_sizes(layer, heads=heads, kv_heads=kv_heads)
    if features % heads:
        raise ValueError(
            f"{layer}: heads must divide qkv_features, which are the inputs unless given: "
            f"{heads} heads do not divide {features}"
        )
    if heads % kv_heads:
        raise ValueError(
            f"{layer}: kv_heads must divide heads, since each serves heads / kv_heads of them: "
            f"{kv_heads} do not divide {heads}"
        )


def check_dropout(layer: str, dropout: float, key: Any) -> None:
    """Refuses a rate out of range, and a rate without a key."""
    if not isinstance(dropout, numbers.Real) or not 0 <= dropout < 1:
        raise ValueError(f"{layer}: dropout must be a number in [0, 1), got {dropout}")
    if dropout and key is None:
        raise ValueError(
            f"{layer}: dropout={dropout} draws, so it needs a key, but none came; call "
            "observe(model, x, key=key), or observe(model, x, dropout=0.0) to drop nothing"
        )


def infer(part: Any, x: Any) -> tuple[Any, Any]:
    """Calls a part as in inference; what is absent changes nothing."""
    return (x if part is None else part(x)), part


def train(keys: Iterator[Any]) -> Call:
    """A function that calls a part as in training, with a key of its own."""

    def call(part: Any, x: Any) -> tuple[Any, Any]:
        key = next(keys)
        return (x, part) if part is None else observe(part, x, key=key)

    return call


def training(key: Any) -> tuple[Any, Call]:
    """From one key: one for dropout, and the call of the parts of a layer."""
    first, *keys = split_key(key, 7)
    return first, train(iter(keys))


def three(layer: str, query: Any, key: Any, value: Any) -> tuple[Any, Any, Any]:
    """Query, key and value inputs: keys default to queries, values to keys."""
    if key is None and value is not None:
        raise ValueError(f"{layer}: inputs_v came without inputs_k; give them as inputs_k")
    key = query if key is None else key
    value = key if value is None else value
    shapes = [np.shape(array) for array in (query, key, value)]
    lead, lengths = {shape[:-2] for shape in shapes}, {shape[-2:-1] for shape in shapes[1:]}
    if min(map(len, shapes)) < 2 or len(lead) > 1 or len(lengths) > 1:
        raise ValueError(
            f"{layer}: inputs must have shapes (*B, T, features), (*B, S, features) and "
            f"(*B, S, features) with the same batch axes, got {', '.join(map(str, shapes))}"
        )
    return query, key, value


def projected(params: Any, inputs: tuple[Any, Any, Any], heads: int, call: Call) -> tuple[Any, Any]:
    """Queries, keys and values head by head, and the parameters after the call."""
    (query, one), (key, two), (value, three) = (
        call(part, x)
        for part, x in zip((params.query, params.key, params.value), inputs, strict=True)
    )
    if query.shape[-1] % heads:
        raise ValueError(f"attention: {heads} heads do not divide {query.shape[-1]} features")
    query = _in_heads(query, heads)
    key = _in_heads(key, key.shape[-1] // query.shape[-1])
    value = _in_heads(value, key.shape[-2])
    query, four = call(params.query_norm, query)
    key, five = call(params.key_norm, key)
    params = params._replace(query=one, key=two, value=three, query_norm=four, key_norm=five)
    return (query, key, value), params


def _in_heads(x: jax.Array, heads: int) -> jax.Array:
    return x.reshape((*x.shape[:-1], heads, x.shape[-1] // heads))


def placed(layer: str, place: Positions, query: Any, key: Any, cache: Any, alone: bool) -> Any:
    """Queries and keys, rotated to their positions; keys of other inputs count from 0."""
    if place.rotary is None:
        if place.positions is not None or not (
            isinstance(place.offset, numbers.Integral) and place.offset == 0
        ):
            raise ValueError(
                f"{layer}: positions and offset turn nothing without rotary; pass "
                'rotary="half" or rotary="interleaved" as well'
            )
        return query, key
    if place.rotary not in ROTATIONS:
        wanted = " or ".join(map(repr, ROTATIONS))
        raise ValueError(f"{layer}: rotary must be None, {wanted}, got {place.rotary!r}")
    turn = {"base": place.base, "interleaved": ROTATIONS[place.rotary]}
    offset, positions = place.offset, place.positions
    if cache is not None and positions is None:
        offset = offset + cache.index
    here = {"positions": positions, "offset": offset}
    return rotary(query, **here, **turn), rotary(key, **(here if alone else {}), **turn)


def attended(
    layer: str,
    params: Any,
    inputs: tuple[Any, Any, Any],
    respond: Callable[..., jax.Array],
    call: Call,
    *,
    heads: int,
    place: Positions,
    is_causal: bool,
    cache: AttentionCache | None = None,
    before: int = 0,
) -> tuple[Any, Any]:
    """The common course: project, normalise, rotate, remember, `respond`, project back.

    A query sees the keys up to its own position; with `before`, so many positions less.
    """
    alone = inputs[1] is None
    inputs = three(layer, *inputs)
    (query, key, value), params = projected(params, inputs, heads, call)
    query, key = placed(layer, place, query, key, cache, alone)
    if cache is None:
        y = respond(query, key, value, is_causal=is_causal, query_offset=-before)
    else:
        _check_cache(layer, cache, key, alone)
        offset = cache.index - before
        cache = _extended(cache, key, value)
        y = respond(query, cache.key, cache.value, is_causal=True, query_offset=offset)
        y = y.astype(jnp.result_type(query, key, value))  # as without a cache, of another dtype
    y, output = call(params.output, y.reshape((*y.shape[:-2], y.shape[-2] * y.shape[-1])))
    if cache is None:
        return y, params._replace(output=output)
    outside = (cache.index < 0) | (cache.index > cache.key.shape[-3])
    return jnp.where(outside, jnp.asarray(jnp.nan, y.dtype), y), cache


def _check_cache(layer: str, cache: AttentionCache, key: jax.Array, alone: bool) -> None:
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


def _extended(cache: AttentionCache, key: jax.Array, value: jax.Array) -> AttentionCache:
    def put(room: jax.Array, new: jax.Array) -> jax.Array:
        return jax.lax.dynamic_update_slice_in_dim(
            room, narrow(new, room.dtype), cache.index, axis=-3
        )

    index = jnp.where(cache.index < 0, cache.index, cache.index + key.shape[-3])  # < 0 stays wrong
    return AttentionCache(put(cache.key, key), put(cache.value, value), index)


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
        Outside `jax.jit`, a ValueError, as for an index below 0. Under `jit`, `scan` or `vmap`,
        where the number of tokens is not known, the output is NaN in this and every later call:
        wrong numbers do not pass for right ones.

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
