"""The arguments of attention, and what is checked in them."""

import numbers
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ..checks import check_choice, check_positive, dtype_of
from ..dense import DISTANCES
from ..dtypes import result_dtype
from .scores import Options

NORMALIZERS = ("softmax", "softermax")
FARTHEST = 2**30  # places from a query to a key; a wider window has no limit


class Inputs(NamedTuple):
    """What attention is differentiable in, as it is given."""

    query: Any  # (*B, T, N, H)
    key: Any  # (*B, S, K, H)
    value: Any  # (*B, S, K, V)
    bias: Any  # broadcasts to (*B, N, T, S)
    shift: Any  # () or (N,), as the next four
    alpha: Any
    epsilon: Any
    power: Any
    scale: Any


class Bounds(NamedTuple):
    """Which keys a query sees, as it is given."""

    mask: Any  # broadcasts to (*B, N, T, S)
    offset: Any  # ()
    query_lengths: Any  # (*B,)
    key_lengths: Any  # (*B,)


def check_attention(function: str, inputs: Inputs, bounds: Bounds) -> np.dtype:
    """Refuses what does not fit together. Returns the dtype of the result."""
    check_shapes(function, inputs)
    batch, (length, heads, _) = np.shape(inputs.query)[:-3], np.shape(inputs.query)[-3:]
    scores = (*batch, heads, length, np.shape(inputs.key)[-3])
    for name, value in (("bias", inputs.bias), ("mask", bounds.mask)):
        _check_broadcast(function, name, value, scores)
    if bounds.mask is not None and dtype_of(function, "mask", bounds.mask) != jnp.bool_:
        raise TypeError(
            f"{function}: mask must be boolean, got {jnp.result_type(bounds.mask)}; pass an "
            "additive mask as bias"
        )
    for name in ("shift", "alpha", "epsilon", "power", "scale"):
        _check_per_head(function, name, getattr(inputs, name), heads)
    given = {"power": inputs.power, "scale": inputs.scale}  # or else None
    given = {name: value for name, value in given.items() if value is not None}
    check_positive(function, epsilon=inputs.epsilon, **given)
    _check_whole(function, "query_offset", bounds.offset, ())
    for name, lengths in (
        ("query_seq_lengths", bounds.query_lengths),
        ("key_value_seq_lengths", bounds.key_lengths),
    ):
        if lengths is not None:
            _check_whole(function, name, lengths, batch)
    return result_dtype(function, **inputs._replace(epsilon=None)._asdict())


def check_shapes(function: str, inputs: Inputs) -> None:
    """Refuses query, key and value that do not fit each other."""
    query, key, value = (np.shape(x) for x in inputs[:3])
    same_rank = 3 <= len(query) == len(key) == len(value)
    if not same_rank or not query[:-3] == key[:-3] == value[:-3] or key[:-1] != value[:-1]:
        raise ValueError(
            f"{function}: query must have shape (*B, T, N, H), key (*B, S, K, H) and value "
            f"(*B, S, K, V), with the same batch axes, got {query}, {key} and {value}"
        )
    if query[-1] != key[-1]:
        raise ValueError(
            f"{function}: the last axis of query must match the last of key: query {query} has "
            f"{query[-1]} features, key {key} wants {key[-1]}"
        )
    if key[-2] == 0 or query[-2] % key[-2]:
        raise ValueError(
            f"{function}: the heads of query must be a multiple of the heads of key and value, "
            f"got {query[-2]} and {key[-2]}"
        )


def _check_broadcast(function, name, value, scores):
    shape = () if value is None else np.shape(value)
    tail = scores[max(len(scores) - len(shape), 0) :]
    fits = len(shape) <= len(scores) and all(
        size in (1, full) for size, full in zip(shape, tail, strict=True)
    )
    if not fits:
        raise ValueError(
            f"{function}: {name} must broadcast to (*B, N, T, S) = {scores}, got shape {shape}"
        )


def _check_per_head(function, name, value, heads):
    if value is not None and np.shape(value) not in ((), (1,), (heads,)):
        raise ValueError(
            f"{function}: {name} must have shape () or ({heads},), one per head, "
            f"got shape {np.shape(value)}"
        )


def _check_whole(function, name, value, shape):
    dtype = dtype_of(function, name, value)
    if not jnp.issubdtype(dtype, jnp.integer):
        raise TypeError(f"{function}: {name} must be of integers, got {dtype}")
    if np.shape(value) != shape:
        raise ValueError(f"{function}: {name} must have shape {shape}, got {np.shape(value)}")


def check_options(function: str, options: Options, has_power: bool) -> Options:
    """Refuses a choice that is none, and makes pairs of the window and the block size."""
    check_choice(function, "normalizer", options.normalizer, NORMALIZERS)
    check_choice(function, "distance", options.distance, tuple(DISTANCES))
    if options.normalizer == "softmax" and has_power:
        raise ValueError(f"{function}: softmax has no power; pass normalizer='softermax'")
    dilation, window = options.dilation, pair_of(function, "local_window_size", options.window, 0)
    if not _is_whole(dilation, 1):
        raise ValueError(f"{function}: dilation must be a whole number above 0, got {dilation!r}")
    if not isinstance(options.is_causal, bool | np.bool_):
        raise TypeError(
            f"{function}: is_causal must be True or False, got {options.is_causal!r}; what is "
            "known only under jit belongs in mask"
        )
    widest = FARTHEST // int(dilation)
    return options._replace(
        is_causal=bool(options.is_causal),
        window=None if window is None else (min(window[0], widest), min(window[1], widest)),
        dilation=int(dilation),
        blocks=pair_of(function, "block_size", options.blocks, 1),
    )


def pair_of(function: str, name: str, value: Any, least: int) -> tuple[int, int] | None:
    """A pair of whole numbers from a pair or from one number for both."""
    if value is None:
        return None
    pair = (value, value) if isinstance(value, numbers.Integral) else value
    if not (
        isinstance(pair, tuple | list) and len(pair) == 2 and all(_is_whole(v, least) for v in pair)
    ):
        raise ValueError(
            f"{function}: {name} must be a whole number of at least {least} or a pair of them, "
            f"got {value!r}"
        )
    return (int(pair[0]), int(pair[1]))


def _is_whole(value, least):
    return isinstance(value, numbers.Integral) and not isinstance(value, bool) and value >= least
