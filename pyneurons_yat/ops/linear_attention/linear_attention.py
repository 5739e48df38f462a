"""Attention as a quotient of feature sums: time and memory linear in the lengths."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..checks import PART, check_flag, check_mask, check_numbers, check_sizes, check_whole
from ..dtypes import accumulator, narrow, result_dtype
from ..gradients import custom_gradient, reverse_only
from ..sharding import (
    check_axis_name,
    devices_along,
    on_automatic_axes,
    sum_of_earlier,
    varying_alike,
)
from .sums import Options, add, backward, by_token, causal_pass, forward, nothing, split_heads


class LinearState(NamedTuple):
    """All that linear attention remembers of the keys and values before: its size is fixed.

    Letters: *B batch axes, N heads, F features, V values.

    Attributes:
        sums: (*B, N, F, V + 1), the sum of phi(k) (v, 1); in its last column the keys alone.
        lengths: (*B, N), the sum of |phi(k)|.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> state = pn.linear_state(jnp.zeros((0, 4, 64)), jnp.zeros((0, 4, 16)))  # no token yet
        >>> state.sums.shape, state.lengths.shape
        ((4, 64, 17), (4,))
    """

    sums: jax.Array
    lengths: jax.Array


def linear_attention(
    query_features: ArrayLike,
    key_features: ArrayLike,
    value: ArrayLike,
    *,
    is_causal: bool = False,
    key_mask: ArrayLike | None = None,
    key_value_seq_lengths: ArrayLike | None = None,
    guard: float = 1e-3,
    chunk_size: int = 128,
    sequence_axis: str | None = "sequence",
) -> jax.Array:
    """Attention whose weights are dot products of features, never formed.

        y_t = sum_s (phi(q_t).phi(k_s)) v_s / sum_s phi(q_t).phi(k_s)
            = phi(q_t).(sum_s phi(k_s) v_s) / phi(q_t).(sum_s phi(k_s))

    over all keys, or those up to s = t. The causal sums run over chunks: within a chunk the weights
    are formed, (chunk, chunk) at a time, and one sum (F, V) is carried from chunk to chunk. Time
    and memory grow linearly with the length.

    The guard: on average the denominators are sums of a kernel, above 0. Features with signs can
    miss that by chance. Let b_t = |phi(q_t)| sum_s |phi(k_s)|, which no denominator exceeds. One
    below guard b_t counts as guard b_t, so that an output is at most 1 / guard times the largest
    |v|; with guard 0 such an output is 0. With positive features (`anchor_features`) no
    denominator is below 0. Other ways out are more features, or `YatFeatures` with fewer nodes
    or without a tail.

    Letters: *B batch axes, T queries, S keys, N heads, F features, V values.

    Args:
        query_features: (*B, T, N, F).
        key_features: (*B, S, N, F), of the same map.
        value: (*B, S, N, V).
        is_causal: whether query t sees the keys s <= t alone; T and S are then the same.
        key_mask: (*B, S), booleans, or None. Where False, key and value take no part, whatever
            they are.
        key_value_seq_lengths: (*B,), integers, or None: only the first so many keys take part.
        guard: from 0 to below 1, static.
        chunk_size: queries of a causal chunk, at least 1, static. The length need be no multiple.
        sequence_axis: the axis of the mesh over which lengths lie. Where `jax.set_mesh` has set a
            mesh with this axis, and its devices divide T, causal sums run on from device to device,
            and none holds more than its part. None for nothing of the kind. The sums over all keys
            need no such help.

    Returns:
        (*B, T, N, V), in the promoted dtype of the arrays. Sums are float32 at least. A query
        that sees no key gets 0.

    Gradient:
        In the three arrays. Only they are kept for the reverse pass, which forms the sums again,
        forwards for the queries and backwards for the keys. A denominator held by the guard gets
        no gradient. A query that sees no key, and a key that no query sees, get 0.

    Raises:
        ValueError: a shape does not fit, or guard or chunk_size is out of range.
        TypeError: an argument is complex or not an array, key_mask is not boolean, or
            key_value_seq_lengths not of integers.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> q, k = jnp.ones((2, 1, 1)), jnp.array([[[1.0]], [[3.0]]])
        >>> v = jnp.array([[[4.0]], [[8.0]]])
        >>> pn.linear_attention(q, k, v).ravel().tolist()  # (1 4 + 3 8) / (1 + 3)
        [7.0, 7.0]
        >>> pn.linear_attention(q, k, v, is_causal=True).ravel().tolist()
        [4.0, 7.0]

    Source:
        Katharopoulos et al., "Transformers are RNNs", arXiv:2006.16236.
    """
    name = "linear_attention"
    dtype = _check(name, query_features, key_features, value, guard, chunk_size)
    queries, keys = np.shape(query_features), np.shape(key_features)
    check_flag(name, is_causal=is_causal)
    if is_causal and queries[-3] != keys[-3]:
        raise ValueError(
            f"{name}: causal attention must have as many queries as keys, got {queries[-3]} and "
            f"{keys[-3]}; use linear_attention_step to go on after earlier keys"
        )
    mask = _mask(name, keys, key_mask, key_value_seq_lengths)
    options = Options(bool(is_causal), float(guard), int(chunk_size))
    check_axis_name(name, "sequence_axis", sequence_axis)
    axis = sequence_axis if is_causal else None
    arrays = reverse_only(name, (query_features, key_features, value))
    return _attend(*arrays, mask, options=options, dtype=dtype, axis=axis)


def linear_state(
    key_features: ArrayLike, value: ArrayLike, *, key_mask: ArrayLike | None = None
) -> LinearState:
    """What linear attention remembers of keys and values, to decode from.

    Letters: *B batch axes, S keys (none for an empty state), N heads, F features, V values.

    Args:
        key_features: (*B, S, N, F).
        value: (*B, S, N, V).
        key_mask: (*B, S), booleans, or None; where False a key takes no part.

    Returns:
        `LinearState(sums, lengths)`, in float32 at least.

    Gradient:
        Plain autodiff.

    Raises:
        ValueError: a shape does not fit.
        TypeError: an argument is complex or not an array, or key_mask is not boolean.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> state = pn.linear_state(jnp.array([[[1.0]], [[3.0]]]), jnp.array([[[4.0]], [[8.0]]]))
        >>> state.sums.tolist()  # 1 4 + 3 8 and 1 + 3
        [[[28.0, 4.0]]]
    """
    dtype = _check("linear_state", key_features, key_features, value)
    mask = _mask("linear_state", np.shape(key_features), key_mask, None)
    return _remember(key_features, value, mask, dtype=dtype)


def linear_attention_step(
    state: LinearState,
    query_features: ArrayLike,
    key_features: ArrayLike,
    value: ArrayLike,
    *,
    key_mask: ArrayLike | None = None,
    guard: float = 1e-3,
    chunk_size: int = 128,
) -> tuple[jax.Array, LinearState]:
    """The next tokens of causal linear attention: one or many, after those in the state.

    Step after step, the outputs are those of `linear_attention(..., is_causal=True)` over all
    tokens. The state never grows.

    Letters: *B batch axes, T new tokens, N heads, F features, V values.

    Args:
        state: from `linear_state` or a step before.
        query_features: (*B, T, N, F).
        key_features: (*B, T, N, F).
        value: (*B, T, N, V).
        key_mask: (*B, T), booleans, or None; where False a key takes no part, now or later.
        guard: as for `linear_attention`.
        chunk_size: as for `linear_attention`.

    Returns:
        (*B, T, N, V), in the promoted dtype of the arrays, and the new state.

    Gradient:
        Plain autodiff, through state and arrays.

    Raises:
        ValueError: a shape does not fit, or guard or chunk_size is out of range.
        TypeError: an argument is complex or not an array, or key_mask is not boolean.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> state = pn.linear_state(jnp.zeros((0, 1, 1)), jnp.zeros((0, 1, 1)))
        >>> for k, v in [(1.0, 4.0), (3.0, 8.0)]:
        ...     one = jnp.ones((1, 1, 1))
        ...     y, state = pn.linear_attention_step(state, one, k * one, v * one)
        ...     print(y.item())
        4.0
        7.0
    """
    name = "linear_attention_step"
    dtype = _check(name, query_features, key_features, value, guard, chunk_size)
    keys, values = np.shape(key_features), np.shape(value)
    if np.shape(query_features) != keys:
        raise ValueError(
            f"{name}: query_features and key_features must have the same shape, got "
            f"{np.shape(query_features)} and {keys}"
        )
    held = (*keys[:-3], keys[-2], keys[-1], values[-1] + 1)
    if np.shape(state[0]) != held or np.shape(state[1]) != held[:-2]:
        raise ValueError(
            f"{name}: state must hold arrays of shapes {held} and {held[:-2]}, got "
            f"{np.shape(state[0])} and {np.shape(state[1])}"
        )
    mask = _mask(name, keys, key_mask, None)
    options = Options(True, float(guard), int(chunk_size))
    return _step(state, query_features, key_features, value, mask, options=options, dtype=dtype)


def _check(function, query, key, value, guard=0.0, chunk_size=1):
    """What all functions check alike. Returns the dtype of the result."""
    dtype = result_dtype(function, query_features=query, key_features=key, value=value)
    q, k, v = np.shape(query), np.shape(key), np.shape(value)
    fits = len(q) == len(k) == len(v) >= 3 and k[:-1] == v[:-1]
    if not fits or q[:-3] != k[:-3] or q[-2:] != k[-2:]:
        raise ValueError(
            f"{function}: query_features must have shape (*B, T, N, F), key_features (*B, S, N, F) "
            f"and value (*B, S, N, V), got {q}, {k} and {v}"
        )
    check_numbers(function, PART, static=True, guard=guard)
    check_sizes(function, chunk_size=chunk_size)
    return dtype


def _mask(function, keys, key_mask, lengths):
    """Booleans (*B, S) or None, from both ways to name the keys that take part."""
    wanted = keys[:-2]
    check_mask(function, key_mask, wanted, name="key_mask", fit="have")
    if lengths is None:
        return key_mask
    check_whole(function, "key_value_seq_lengths", lengths, wanted[:-1])
    place = jax.lax.broadcasted_iota(jnp.int32, wanted, len(wanted) - 1)
    inside = place < jnp.expand_dims(jnp.asarray(lengths), -1)
    return inside if key_mask is None else inside & key_mask


@partial(jax.jit, static_argnames=("options", "dtype", "axis"))
def _attend(query, key, value, mask, *, options, dtype, axis):
    arrays = [jnp.asarray(a, dtype) for a in (query, key, value)]
    devices = devices_along(axis, query.shape[-3])
    attend = partial(_over_devices, axis, devices) if devices > 1 else _respond
    respond = on_automatic_axes(partial(attend, options), query, range(query.ndim - 1))
    return respond(*varying_alike((*arrays, mask)), None)


def _over_devices(axis, devices, options, query, key, value, mask, before):
    """Causal attention of whole arrays, whose lengths are divided among the devices of an axis."""

    def attend(query, key, value, mask):
        @jax.checkpoint  # nothing but the arguments is kept for the reverse pass
        def sums(key, value):
            _, k, v = split_heads(key, key, value, mask)
            return add(nothing(k, v), k, v)

        before = sum_of_earlier(sums(key, value), axis, devices)
        return _respond(options, query, key, value, mask, before)

    rank = query.ndim
    rows = jax.P(*[None] * (rank - 3), axis)
    mapped = jax.shard_map(attend, in_specs=(rows,) * 4, out_specs=rows, axis_names={axis})
    return mapped(query, key, value, mask)


@partial(jax.jit, static_argnames=("options", "dtype"))
def _step(state, query, key, value, mask, *, options, dtype):
    @jax.checkpoint  # nothing but the arguments is kept for the reverse pass
    def step(sums, lengths, query, key, value):
        rows = split_heads(query, key, value, mask)
        groups, wide = rows[0].shape[0], accumulator(dtype)
        sums, lengths = jnp.asarray(sums, wide), jnp.asarray(lengths, wide)
        carry = sums.reshape(groups, *sums.shape[-2:]), lengths.reshape(groups, 1, 1)
        carry, y = causal_pass(options, carry, *rows)
        after = LinearState(carry[0].reshape(sums.shape), carry[1].reshape(lengths.shape))
        return narrow(by_token(y, value.shape), dtype), after

    arrays = *state, *(jnp.asarray(a, dtype) for a in (query, key, value))
    arrays, mask = varying_alike((arrays, mask))
    return step(*arrays)


@partial(jax.jit, static_argnames="dtype")
def _remember(key, value, mask, *, dtype):
    key, value = jnp.asarray(key, dtype), jnp.asarray(value, dtype)
    _, k, v = split_heads(key, key, value, mask)
    sums, lengths = add(nothing(k, v), k, v)
    shape = (*key.shape[:-3], key.shape[-2])
    return LinearState(sums.reshape(*shape, *sums.shape[-2:]), lengths.reshape(shape))


@custom_gradient(backward, static=(0,))
def _respond(options, query, key, value, mask, before):
    return forward(options, query, key, value, mask, before)
