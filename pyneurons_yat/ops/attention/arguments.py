"""The arguments of attention, and what is checked in them."""

from typing import Any, NamedTuple

import numpy as np

from ..checks import (
    FINITE,
    check_choice,
    check_flag,
    check_numbers,
    check_positive,
    check_sizes,
    check_spread,
    check_whole,
    integers,
)
from ..dense import DISTANCES
from ..dtypes import result_dtype
from .masks import check_lengths, check_scores
from .scores import Options

Shape = tuple[int, ...]

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


def check_attention(
    function: str, inputs: Inputs, bounds: Bounds, options: Options, devices: int = 1
) -> tuple[Inputs, Bounds, Options, np.dtype]:
    """Refuses what does not fit together. Returns all as it is used, and the dtype of the result.

    `devices` hold as many keys each; bias and mask are of all of them.
    """
    dtype = _check_arrays(function, inputs, bounds, devices)
    if isinstance(inputs.power, int | float) and inputs.power == 1:
        inputs = inputs._replace(power=None)  # then a weight is its score over the sum of scores
    return inputs, bounds, check_options(function, options, inputs.power is not None), dtype


def _check_arrays(function: str, inputs: Inputs, bounds: Bounds, devices: int) -> np.dtype:
    check_inputs(function, *inputs[:3])
    batch, (length, heads, _) = np.shape(inputs.query)[:-3], np.shape(inputs.query)[-3:]
    scores = (*batch, heads, length, devices * np.shape(inputs.key)[-3])
    check_scores(function, scores, inputs.bias, bounds.mask)
    check_lengths(function, batch, bounds.query_lengths, bounds.key_lengths)
    check_whole(function, "query_offset", bounds.offset, ())
    signed = _given(shift=inputs.shift, alpha=inputs.alpha)
    positive = {"epsilon": inputs.epsilon, **_given(power=inputs.power, scale=inputs.scale)}
    check_spread(function, (heads,), **signed, **positive)
    check_numbers(function, FINITE, **signed)
    check_positive(function, **positive)
    return result_dtype(function, **inputs._replace(epsilon=None)._asdict())


def _given(**arguments: Any) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if value is not None}


def check_inputs(function: str, *arrays: Any) -> None:
    """Refuses query, key and maybe value that do not fit each other."""
    query, key, *rest = map(np.shape, arrays)
    value = rest[0] if rest else key
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


def check_options(function: str, options: Options, has_power: bool) -> Options:
    """Refuses a choice that is none, and makes pairs of the window and the block size."""
    check_choice(function, "normalizer", options.normalizer, NORMALIZERS)
    check_choice(function, "distance", options.distance, tuple(DISTANCES))
    if options.normalizer == "softmax" and has_power:
        raise ValueError(f"{function}: softmax has no power; pass normalizer='softermax'")
    dilation, window = options.dilation, pair_of(function, "local_window_size", options.window, 0)
    check_sizes(function, dilation=dilation)
    check_flag(function, is_causal=options.is_causal)
    widest = FARTHEST // int(dilation)
    return options._replace(
        is_causal=bool(options.is_causal),
        window=None if window is None else (min(window[0], widest), min(window[1], widest)),
        dilation=int(dilation),
        blocks=pair_of(function, "block_size", options.blocks, 1),
    )


def pair_of(function: str, name: str, value: Any, least: int) -> Shape | None:
    """A pair of integers from a pair or from one for both; None stays None."""
    return None if value is None else integers(function, name, value, 2, least)
