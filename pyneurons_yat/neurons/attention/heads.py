"""What the attention layers share: their parts, and the course that their inputs take.

Letters: *B batch axes, T queries, S keys, N heads, K key and value heads, H head size.
"""

from collections.abc import Callable
from functools import partial
from numbers import Integral
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike, DTypeLike

from ...core import Model, Size, offer, options_of, sequential
from ...core.signatures import divided
from ...ops import rotary as turned
from ...ops.attention import cleared, dropped_attention, visible_parts
from ...ops.checks import PART, check_choice, check_flag, check_key, check_numbers, check_sizes
from ...ops.lengths import unit
from ..dense import Linear
from .cache import AttentionCache, check_cache, extended, or_nan

Projection = Callable[..., Model]
ROTATIONS = {None: None, "half": False, "interleaved": True}


class Kind(NamedTuple):
    """One kind of attention: what computes it, and what forms the weights that dropout acts on.

    A query sees the keys up to its own position; with `before`, so many positions less.
    """

    layer: str
    attend: Callable[..., jax.Array]
    weigh: Callable[..., jax.Array]
    before: int = 0


class Positions(NamedTuple):
    """How queries and keys are told where they stand."""

    rotary: str | None
    base: ArrayLike
    offset: ArrayLike
    positions: ArrayLike | None


# ----------------------------------------------------------------------------------- creation


def attention_parts(
    layer: str,
    key: jax.Array,
    inputs: int,
    outputs: int,
    only: tuple[str, ...] = ("query", "key", "value", "output"),
    *,
    heads: Size,
    kv_heads: int | None = None,
    qkv_features: int | None = None,
    kv_inputs: int | None = None,
    use_bias: bool = True,
    normalize_qk: bool | Callable[[int], Model] = False,
    projection: Projection = Linear,
    dropout: float = 0.0,
    dtype: DTypeLike = jnp.float32,
) -> tuple[dict[str, Any], int]:
    """The projections and norms of an attention layer by name, and its head size.

    Args:
        layer: What errors call it.
        key: A PRNG key.
        inputs: Features of the queries' inputs, at least 1.
        outputs: Features of y, at least 1.
        only: Which projections to make.
        heads: N, a divisor of qkv_features.
        kv_heads: K, a divisor of N: each key head serves N / K query heads (grouped-query
            attention; 1 is multi-query). N by default.
        qkv_features: N H, the width of all query heads together; `inputs` by default.
        kv_inputs: Features of the keys' and values' inputs; `inputs` by default.
        use_bias: Whether the projections have a bias.
        normalize_qk: Whether each head's queries and keys are normalised, before they are rotated.
            True: to length 1, without parameters. Or a layer that is called with H, such as
            `RMSNorm` or `LayerNorm`, one model for the queries and one for the keys.
        projection: What makes the projections: a layer, called as
            `projection(key, inputs, outputs, use_bias=..., dtype=...)`. `YatDense` is one;
            `functools.partial(Linear, kernel_init=...)` will do.
        dropout: In training, the probability of dropping a weight, from 0 to below 1. A weight is
            set to 0 or divided by 1 - dropout after it was normalised, independently for every
            entry of (*B, N, T, S). The weights are then formed, which the call without dropout may
            avoid, for 128 queries at a time, and formed again in the reverse pass: 128 N S numbers
            per batch entry.
        dtype: The dtype of the parameters.
    """
    wide = inputs if qkv_features is None else qkv_features
    kv_heads = heads if kv_heads is None else kv_heads
    kv_inputs = inputs if kv_inputs is None else kv_inputs
    check_sizes(layer, inputs=inputs, outputs=outputs, qkv_features=wide, kv_inputs=kv_inputs)
    check_heads(layer, wide, heads, kv_heads)
    check_flag(layer, use_bias=use_bias)
    check_numbers(layer, PART, static=True, dropout=dropout)
    size = wide // heads
    ends = (
        (inputs, wide),
        (kv_inputs, kv_heads * size),
        (kv_inputs, kv_heads * size),
        (wide, outputs),
    )
    names, keys = ("query", "key", "value", "output"), jax.random.split(key, 4)
    made = {
        name: projection(one, *sizes, use_bias=use_bias, dtype=dtype) if name in only else None
        for name, one, sizes in zip(names, keys, ends, strict=True)
    }
    norms = created_norms(layer, normalize_qk, size)
    return {**made, "query_norm": norms[0], "key_norm": norms[1]}, size


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


def _unit(x: jax.Array) -> jax.Array:
    """Vectors of length 1 along the last axis; 0 stays 0."""
    return unit(x, (-1,))


def created_norms(
    layer: str, normalize_qk: bool | Callable[[int], Model], size: int
) -> tuple[Model | None, Model | None]:
    """The models that normalise queries and keys, each over its head; None for none."""
    if normalize_qk is False:
        return None, None
    if normalize_qk is True:
        return sequential(_unit), sequential(_unit)
    if not callable(normalize_qk):
        raise TypeError(
            f"{layer}: normalize_qk must be True, False, or a function that makes a model of a "
            f"head's size, got {normalize_qk!r}"
        )
    return normalize_qk(size), normalize_qk(size)


# ----------------------------------------------------------------------------------- the call


@options_of()
def attended(
    kind: Kind,
    params: Any,
    inputs: tuple[Any, Any, Any],
    *,
    heads: Size,
    bias: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    is_causal: bool = False,
    rotary: str | None = None,
    rotary_base: ArrayLike = 10000.0,
    offset: ArrayLike = 0,
    positions: ArrayLike | None = None,
    dropout: float = 0.0,
    key: jax.Array | None = None,
    cache: AttentionCache | None = None,
    **options: Any,
) -> Any:
    """The common course: project, normalise, rotate, remember, attend, project back.

    Args:
        kind: Which attention.
        params: The parts, by the names of `attention_parts`.
        inputs: Those of queries, keys and values; the last two may be None.
        heads: N, as when the model was made.
        bias: Broadcasts to (*B, N, T, S) and is added to the scores. Where it is -inf, a query does
            not see a key.
        mask: Booleans that broadcast to (*B, N, T, S), True where a query sees a key. A query that
            sees none gets 0 for its heads. Tokens that are hidden from all may hold anything, NaN
            included.
        is_causal: Whether query t sees only keys s <= t.
        rotary: None, "half" or "interleaved": rotary positions, see the function `rotary`.
        rotary_base: The base of the angles, as for `rotary`.
        offset: The position of the first query and, in self attention, of the first key; keys of
            other inputs stand at 0 to S - 1.
        positions: The positions of the queries and, in self attention, of the keys, instead.
        dropout: In training, the probability of dropping a weight.
        key: A PRNG key, as it comes in training; without one nothing is dropped.
        cache: See `decode`, which is how to use it.
        **options: Those of the functions of the kind.

    Returns:
        y (*B, T, outputs); with a cache, y and the cache.
    """
    layer, alone = kind.layer, inputs[1] is None
    check_numbers(layer, PART, static=True, dropout=dropout)
    check_flag(layer, is_causal=is_causal)
    place = Positions(rotary, rotary_base, offset, positions)
    attend = partial(_attend, kind, dropout, key, options, (bias, mask))
    inputs = three(layer, *inputs)
    if cache is None:
        inputs = read(layer, inputs, heads, bias, mask, options)
    q, k, v = projected(params, inputs, heads)
    q, k = placed(layer, place, q, k, cache, alone)
    if cache is None:
        return _joined(params, attend(q, k, v, is_causal=is_causal, query_offset=-kind.before))
    check_cache(layer, cache, k, alone)
    after = extended(cache, k, v)
    first = cache.index - kind.before
    y = attend(q, after.key, after.value, is_causal=True, query_offset=first)
    y = y.astype(jnp.result_type(q, k, v))  # as without a cache, of another dtype
    return or_nan(_joined(params, y), after), after


def _attend(
    kind: Kind,
    dropout: float,
    rng: Any,
    options: dict[str, Any],
    limits: tuple[Any, Any],
    query: jax.Array,
    key: jax.Array,
    value: jax.Array,
    **order: Any,
) -> jax.Array:
    """The attention of queries, keys and values, its weights dropped or not, and shown if asked."""
    options = {**options, **order}
    _show(kind, query, key, *limits, **options)
    if rng is None or not dropout:
        return kind.attend(query, key, value, *limits, **options)
    check_key(kind.layer, rng)
    own, of_weights = divided(dropped_attention, options)
    of_weights.pop("sequence_axis", None)  # where weights are formed, no keys travel
    weigh = partial(kind.weigh, **of_weights)
    return dropped_attention(rng, dropout, weigh, query, key, value, *limits, **own)


def _show(
    kind: Kind, *arrays: Any, block_size: Any = None, sequence_axis: Any = None, **options: Any
) -> None:
    """Marks the weights for `capture`, before dropout; not where blocks were asked for."""
    if block_size is None:
        offer("attention_weights", partial(kind.weigh, *arrays, **options))


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


def read(
    layer: str, inputs: tuple[Any, Any, Any], heads: int, bias: Any, mask: Any, options: Any
) -> tuple[Any, Any, Any]:
    """The inputs with 0 for tokens that are hidden from all: what they hold reaches no gradient."""
    query, key, value = inputs
    lengths = options.get("query_seq_lengths"), options.get("key_value_seq_lengths")
    if all(limit is None for limit in (bias, mask, *lengths)):
        return inputs
    shape = (*np.shape(query)[:-2], heads, np.shape(query)[-2], np.shape(key)[-2])
    _, _, queries, keys = visible_parts(layer, shape, bias, mask, *lengths)
    return cleared(query, queries), cleared(key, keys), cleared(value, keys)


def projected(params: Any, inputs: tuple[Any, Any, Any], heads: int) -> tuple[Any, Any, Any]:
    """Queries, keys and values, head by head."""
    parts = params.query, params.key, params.value
    query, key, value = (_through(part, x) for part, x in zip(parts, inputs, strict=True))
    if query.shape[-1] % heads:
        raise ValueError(f"attention: {heads} heads do not divide {query.shape[-1]} features")
    query = _in_heads(query, heads)
    key = _in_heads(key, key.shape[-1] // query.shape[-1])
    value = _in_heads(value, key.shape[-2])
    return _through(params.query_norm, query), _through(params.key_norm, key), value


def _through(part: Model | None, x: jax.Array) -> jax.Array:
    """What a part makes of x; one that is absent changes nothing."""
    return x if part is None else part(x)


def _in_heads(x: jax.Array, heads: int) -> jax.Array:
    return x.reshape((*x.shape[:-1], heads, x.shape[-1] // heads))


def _joined(params: Any, y: jax.Array) -> jax.Array:
    return params.output(y.reshape((*y.shape[:-2], y.shape[-2] * y.shape[-1])))


def placed(layer: str, place: Positions, query: Any, key: Any, cache: Any, alone: bool) -> Any:
    """Queries and keys, rotated to their positions; keys of other inputs count from 0."""
    check_choice(layer, "rotary", place.rotary, tuple(ROTATIONS))
    if place.rotary is None:
        if place.positions is not None or not (
            isinstance(place.offset, Integral) and place.offset == 0
        ):
            raise ValueError(
                f"{layer}: positions and offset turn nothing without rotary; pass "
                'rotary="half" or rotary="interleaved" as well'
            )
        return query, key
    turn = {"base": place.base, "interleaved": ROTATIONS[place.rotary]}
    offset, positions = place.offset, place.positions
    if cache is not None and positions is None:
        offset = offset + cache.index
    here = {"positions": positions, "offset": offset}
    return turned(query, **here, **turn), turned(key, **(here if alone else {}), **turn)
