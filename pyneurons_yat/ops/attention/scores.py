"""Scores of attention, their normalisation, and the plain definition.

Letters: B batch, K key heads, G query heads per key head, T queries, S keys, H and V sizes of a
head. Everything here works on a block of queries and keys as on all of them.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ..dense import direct_distance
from ..softermax import safe_log, scaled_power, softermax
from .masks import both

SOFTERMAX_EPSILON = 1e-12  # the default of ops.softermax


class Options(NamedTuple):
    """What is static in attention."""

    normalizer: str
    is_causal: bool
    window: Any  # steps to the left and to the right of a query, or None
    dilation: int  # places from one step to the next
    distance: str
    blocks: Any  # queries and keys of a block, or None to choose
    precision: Any


class Arrays(NamedTuple):
    """What attention is differentiable in, in float32 or float64. An absent one is None."""

    query: Any  # (B, K, G, T, H)
    key: Any  # (B, K, S, H)
    value: Any  # (B, K, S, V)
    bias: Any  # (B, K, G, T, S), each axis of full size or 1
    shift: Any  # (B, K, G, 1, 1), as the next three
    alpha: Any
    epsilon: Any
    power: Any  # None for 1


class Limits(NamedTuple):
    """Which keys a query sees, as far as it is traced. An absent one is None."""

    mask: jax.Array | None  # (B, K, G, T, S), each axis of full size or 1
    offset: jax.Array  # the place of query 0 among the keys
    query_lengths: jax.Array | None  # (B, 1, 1, 1, 1), as the next
    key_lengths: jax.Array | None


class Score(NamedTuple):
    """The scores of a block, and what their gradient needs. All are of one shape."""

    score: jax.Array
    square: jax.Array  # the Yat product without alpha
    ratio: jax.Array  # the numerator over the denominator
    distance: jax.Array


class Norms(NamedTuple):
    """The squared lengths |q|^2 and |k|^2."""

    queries: jax.Array  # (B, K, G, T, 1)
    keys: jax.Array  # (B, K, 1, 1, S)


def norms(query: jax.Array, columns: jax.Array) -> Norms:
    """The squared lengths of all queries and of the keys (B, K, H, S), given as columns."""
    keys = jnp.sum(jnp.square(columns), -2)
    return Norms(jnp.sum(jnp.square(query), -1, keepdims=True), keys[:, :, None, None])


def squared_distance(
    options: Options, rows: jax.Array, columns: jax.Array, squares: Norms, dot: jax.Array
) -> jax.Array:
    """|q - k|^2 of rows (B, K, ..., H) and columns (B, K, H, ...), in the shape of their products.

    One of the two are queries and the other keys.
    """
    if options.distance != "direct":
        return squares.queries + squares.keys - (dot + dot)
    rows = rows.reshape(*rows.shape[:2], -1, rows.shape[-1])
    columns = columns.reshape(*columns.shape[:3], -1)
    return direct_distance(rows, columns).reshape(dot.shape)


def yat_score(options: Options, arrays: Arrays, dot: jax.Array, distance: jax.Array) -> Score:
    """The scores, of products and squared distances. The parameters may be in any layout."""
    numerator = dot if arrays.shift is None else dot + arrays.shift
    tiny = float(jnp.finfo(dot.dtype).tiny)  # the distance is held just above 0
    ratio = numerator / (jnp.maximum(distance, tiny) + arrays.epsilon)
    square = numerator * ratio
    score = arrays.alpha * square
    score = score if arrays.bias is None else score + arrays.bias
    return Score(jnp.minimum(score, highest(options, arrays, dot)), square, ratio, distance)


def highest(options: Options, arrays: Arrays, like: jax.Array) -> float:
    """What a score is held at: the largest number, or where scores are summed one with room."""
    largest = float(jnp.finfo(like.dtype).max)
    return largest**0.75 if is_linear(options, arrays) else largest


def bounded(parts: Score) -> Score:
    """The parts with a ratio whose square is finite; where it is not, the score is held anyway.

    By `where`: for `jnp.clip`, XLA keeps one array of a block more on a CPU.
    """
    largest = float(jnp.finfo(parts.ratio.dtype).max)
    edge = largest**0.5 * jnp.sign(parts.ratio)
    ratio = jnp.where(jnp.abs(parts.ratio) > largest**0.5, edge, parts.ratio)
    return parts._replace(ratio=ratio, square=jnp.minimum(parts.square, largest))


def scores(options: Options, arrays: Arrays, columns: jax.Array, squares: Norms) -> Score:
    """The scores of the queries with the keys (B, K, H, S) that are given as columns."""
    dot = jnp.einsum("bkgth,bkhs->bkgts", arrays.query, columns, precision=options.precision)
    distance = squared_distance(options, arrays.query, columns, squares, dot)
    return yat_score(options, arrays, dot, distance)


def weighted(options: Options, weights: jax.Array, value: jax.Array) -> jax.Array:
    """The values (B, K, S, V), weighted by (B, K, G, T, S) and summed."""
    return jnp.einsum("bkgts,bksv->bkgtv", weights, value, precision=options.precision)


def is_linear(options: Options, arrays: Arrays) -> bool:
    """Whether the weights are the scores themselves over their sum."""
    return options.normalizer == "softermax" and arrays.power is None


def logits(options: Options, arrays: Arrays, score: jax.Array, seen: jax.Array | None) -> jax.Array:
    """What the exponential is taken of: the score, or the power times its logarithm."""
    if options.normalizer == "softermax":
        positive = jnp.maximum(score, 0)
        score = jnp.where(score > 0, arrays.power * safe_log(positive), -jnp.inf)
    return score if seen is None else jnp.where(seen, score, -jnp.inf)


def shares(
    options: Options, arrays: Arrays, score: jax.Array, seen: jax.Array | None, maximum: Any
) -> jax.Array:
    """The weights times the total of their row; exponentials are times exp(-maximum)."""
    if not is_linear(options, arrays):
        return jnp.exp(logits(options, arrays, score, seen) - maximum)
    score = jnp.maximum(score, 0)
    return score if seen is None else jnp.where(seen, score, 0)


def slopes(
    options: Options, arrays: Arrays, score: jax.Array, seen: jax.Array | None, maximum: Any
) -> jax.Array:
    """The derivatives of the shares by the scores."""
    if options.normalizer == "softmax":
        return shares(options, arrays, score, seen, maximum)
    if is_linear(options, arrays):
        slope = jnp.ones_like(score)
    else:
        power = scaled_power(jnp.maximum(score, 0), arrays.power - 1, maximum)
        slope = arrays.power * power
    used = score >= 0 if seen is None else (score >= 0) & seen
    return jnp.where(used, slope, 0)


def visible(
    options: Options, limits: Limits, queries: jax.Array, keys: jax.Array
) -> jax.Array | None:
    """Which of the keys (S,) each of the queries (T,) sees, None for all.

    Queries and keys are given by their places in their arrays.
    """
    row, column = queries.reshape(1, 1, 1, -1, 1), keys.reshape(1, 1, 1, 1, -1)
    place = row + limits.offset
    seen = [] if limits.mask is None else [limits.mask]
    if options.is_causal:
        seen.append(column <= place)
    if options.window is not None:
        left, right = (side * options.dilation for side in options.window)
        seen += [column >= place - left, column <= place + right]
    if options.dilation > 1:
        seen.append((place - column) % options.dilation == 0)
    if limits.query_lengths is not None:
        seen.append(row < limits.query_lengths)
    if limits.key_lengths is not None:
        seen.append(column < limits.key_lengths)
    return both(*seen)


def all_weights(options: Options, arrays: Arrays, limits: Limits) -> jax.Array:
    """The plain definition of the weights (B, K, G, T, S)."""
    columns = jnp.swapaxes(arrays.key, -1, -2)
    score = scores(options, arrays, columns, norms(arrays.query, columns)).score
    queries, keys = jnp.arange(score.shape[-2]), jnp.arange(score.shape[-1])
    seen = visible(options, limits, queries, keys)
    if options.normalizer == "softermax":
        seen = None if seen is None else jnp.broadcast_to(seen, score.shape)
        power = 1.0 if arrays.power is None else arrays.power
        return softermax(score, n=power, epsilon=SOFTERMAX_EPSILON, where=seen)
    row = logits(options, arrays, score, seen)
    largest = jnp.max(jax.lax.stop_gradient(row), -1, keepdims=True, initial=-jnp.inf)
    parts = jnp.exp(row - finite(largest))
    total = jnp.sum(parts, -1, keepdims=True)
    return parts / jnp.where(total == 0, 1, total)


def finite(maximum: jax.Array) -> jax.Array:
    """The maximum of a row, and 0 for a row that sees nothing."""
    return jnp.where(maximum == -jnp.inf, 0, maximum)


def all_outputs(options: Options, arrays: Arrays, limits: Limits) -> jax.Array:
    """The plain definition of attention (B, K, G, T, V)."""
    return weighted(options, all_weights(options, arrays, limits), arrays.value)
