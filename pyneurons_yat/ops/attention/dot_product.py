"""Dot-product attention, whose weights are formed.

Letters: *B batch axes, T queries, S keys, N heads, K key and value heads (a divisor of N), H head
size, V value size. Arguments are (*B, T, N, H), (*B, S, K, H) and (*B, S, K, V); bias and mask
broadcast to (*B, N, T, S), lengths are (*B,). Query t stands at position query_offset + t, key s at
position s. A key that no query sees, and a query that sees no key, may hold anything, NaN included.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ..checks import check_flag, check_positive, check_shapes, check_whole
from ..dtypes import narrow, result_dtype, widen
from .arguments import check_inputs, pair_of
from .masks import both, cleared, in_rank, scores_shape, visible_parts

Shape = tuple[int, ...]


class Course(NamedTuple):
    """Which keys a query sees by their places."""

    is_causal: bool
    offset: Any
    window: tuple[int, ...] | None

    @property
    def is_mask(self) -> bool:
        """Whether a mask has to say it: it is more than the plain causal order."""
        at_0 = isinstance(self.offset, int) and self.offset == 0
        return self.window is not None or (self.is_causal and not at_0)


def dot_product_attention(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    bias: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    *,
    scale: ArrayLike | None = None,
    is_causal: bool = False,
    query_offset: ArrayLike = 0,
    query_seq_lengths: ArrayLike | None = None,
    key_value_seq_lengths: ArrayLike | None = None,
    local_window_size: int | tuple[int, int] | None = None,
) -> jax.Array:
    """Attention whose scores are dot products.

        y_t = sum_s weight_ts v_s,    weight_t = softmax over s of (scale q_t . k_s + bias_ts)

    It is `jax.nn.dot_product_attention`, by which it is computed, for any batch axes and any V. But
    a query that sees no key gives 0, and in float64 the softmax is taken in float64 too.

    Letters: *B any batch axes, T queries, S keys, N heads, K heads of keys and values, H and V
    sizes of a head.

    Args:
        query: (*B, T, N, H).
        key: (*B, S, K, H), where K divides N: query head n reads key head n // (N / K).
        value: (*B, S, K, V).
        bias: broadcasts to (*B, N, T, S), or None for 0. Where it is -inf, t does not see s.
        mask: booleans that broadcast to (*B, N, T, S), True where t sees s, or None for all.
        scale: one number above 0, or None for 1 / sqrt(H).
        is_causal: whether t sees only keys at its place and before.
        query_offset: the place of query 0 among the keys, a whole number; it may be traced.
        query_seq_lengths: (*B,), the number of queries in use; the others give 0.
        key_value_seq_lengths: (*B,), the number of keys in use.
        local_window_size: how many keys t sees before its place and after, a pair or one number
            for both, or None for all. It is a mask here, and saves nothing.

    Returns:
        (*B, T, N, V), in the promoted dtype of query, key and value. A key that no query sees, and
        a query that sees no key, may hold anything: NaN there reaches nothing.

    Gradient:
        By autodiff, which keeps the weights (*B, N, T, S). In a query that sees no key it is 0.

    Raises:
        ValueError: a shape does not fit, or a number is out of its range.
        TypeError: an argument is complex or not an array, the mask is not boolean, or a length or
            the offset is not whole.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> query = jnp.array([[[1.0, 0.0]]])  # one query, one head
        >>> key, value = jnp.array([[[1.0, 0.0]], [[0.0, 1.0]]]), jnp.array([[[1.0]], [[2.0]]])
        >>> y = pn.dot_product_attention(query, key, value, scale=1.0)
        >>> round(float(y[0, 0, 0]), 4)  # weights of e / (e + 1) and 1 / (e + 1)
        1.2689

    Source:
        Vaswani et al., "Attention Is All You Need", arXiv:1706.03762, section 3.2.1.
    """
    name = "dot_product_attention"
    arrays = _arrays(name, query, key, value)
    course = _course(name, scale, is_causal, query_offset, local_window_size)
    limits = bias, mask, query_seq_lengths, key_value_seq_lengths
    return _attention(*read_alone(name, arrays, *limits), scale, course)


def _attention(
    arrays: tuple[jax.Array, ...], bias: Any, mask: Any, scale: Any, course: Course
) -> jax.Array:
    query, key, value = arrays
    dtype, shape = query.dtype, scores_shape(query, key)
    if dtype == jnp.float64 or value.shape[-1] != query.shape[-1]:  # which JAX's does not take
        weights = _weights(query, key, bias, mask, scale, course)
        value = heads_first(widen(value, dtype, 0), shape[-3])
        return narrow(jnp.swapaxes(jnp.matmul(weights, value), -3, -2), dtype)
    plain = mask is None and not course.is_mask
    mask = None if plain else _allowed(shape, mask, course)
    inside = jnp.float32 if dtype == jnp.float16 else dtype  # the CPU's refuses float16
    y = jax.nn.dot_product_attention(
        *(_flat(array.astype(inside), 3) for array in arrays),
        *(None if a is None else _flat(_batched(a, shape), 3) for a in (bias, mask)),
        scale=scale,
        is_causal=plain and course.is_causal,
    )
    y = y.reshape((*query.shape[:-1], value.shape[-1])).astype(dtype)
    if mask is None:
        return y
    return jnp.where(jnp.swapaxes(jnp.any(mask, -1), -1, -2)[..., None], y, 0)


def _arrays(
    function: str, query: ArrayLike, key: ArrayLike, *value: ArrayLike
) -> tuple[jax.Array, ...]:
    """Query, key and maybe value in their promoted dtype; what does not fit is refused."""
    given = dict(zip(("query", "key", "value"), (query, key, *value), strict=False))
    dtype = result_dtype(function, **given)
    check_inputs(function, query, key, *value)
    return tuple(jnp.asarray(array, dtype) for array in given.values())


def _course(function: str, scale: Any, is_causal: bool, offset: Any, window: Any) -> Course:
    """What a query sees by its place; a wrong option is refused."""
    if scale is not None:
        check_positive(function, scale=scale)
        check_shapes(function, (), scale=scale)
    check_flag(function, is_causal=is_causal)
    check_whole(function, "query_offset", offset, ())
    return Course(bool(is_causal), offset, pair_of(function, "local_window_size", window, 0))


def read_alone(
    function: str, arrays: tuple[jax.Array, ...], *limits: Any
) -> tuple[tuple[jax.Array, ...], Any, Any]:
    """Query, key and maybe value with 0 for what is not read; the bias; all that hides, as a mask.

    Bias and mask are in the rank of the scores.
    """
    bias, mask, queries, keys = visible_parts(function, scores_shape(*arrays[:2]), *limits)
    query, *rest = arrays
    return (cleared(query, queries), *(cleared(x, keys) for x in rest)), bias, mask


def _flat(array: jax.Array, kept: int) -> jax.Array:
    """The batch axes as one, the last `kept` as they are; (1, ...) where each has size 1."""
    return array.reshape((math.prod(array.shape[:-kept]), *array.shape[-kept:]))


def _batched(value: jax.Array, shape: Shape) -> jax.Array:
    """A bias or mask in the rank of the scores, with all batch axes or, if all are 1, none."""
    none = all(size == 1 for size in value.shape[:-3])
    return value if none else jnp.broadcast_to(value, (*shape[:-3], *value.shape[-3:]))


def _allowed(shape: Shape, mask: Any, course: Course) -> Any:
    """The mask, the causal order and the window in one, in the rank of the scores; or None."""
    if not course.is_causal and course.window is None:
        return mask
    queries, keys = shape[-2:]
    away = course.offset + jnp.arange(queries)[:, None] - jnp.arange(keys)[None, :]
    seen = [away >= 0] if course.is_causal else []
    if course.window is not None:
        before, after = course.window
        seen += [away <= before, away >= -after]
    return both(mask, in_rank(both(*seen), shape))


def dot_product_attention_weights(
    query: ArrayLike,
    key: ArrayLike,
    bias: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    *,
    scale: ArrayLike | None = None,
    is_causal: bool = False,
    query_offset: ArrayLike = 0,
    query_seq_lengths: ArrayLike | None = None,
    key_value_seq_lengths: ArrayLike | None = None,
    local_window_size: int | tuple[int, int] | None = None,
) -> jax.Array:
    """The weights of `dot_product_attention`.

        y_t = sum_s weight_ts v_s

    For looking at them, and for what acts on weights, such as dropout.

    Letters: as for `dot_product_attention`.

    Args:
        query: (*B, T, N, H).
        key: (*B, S, K, H), where K divides N.
        bias: as for `dot_product_attention`, and so is everything that follows.
        mask: booleans that broadcast to (*B, N, T, S), True where t sees s.
        scale: one number above 0, or None for 1 / sqrt(H).
        is_causal: whether t sees only keys at its place and before.
        query_offset: the place of query 0 among the keys.
        query_seq_lengths: (*B,).
        key_value_seq_lengths: (*B,).
        local_window_size: how many keys t sees before its place and after.

    Returns:
        (*B, N, T, S), in float32 for lower precision. A row that sees no key is 0, the others sum
        to 1.

    Gradient:
        Plain autodiff.

    Raises:
        ValueError: a shape does not fit, or a number is out of its range.
        TypeError: an argument is complex or not an array, the mask is not boolean, or a length or
            the offset is not whole.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> query = jnp.array([[[1.0, 0.0]]])
        >>> key = jnp.array([[[1.0, 0.0]], [[0.0, 1.0]]])
        >>> weights = pn.dot_product_attention_weights(query, key, scale=1.0)
        >>> [round(float(w), 4) for w in weights[0, 0]]
        [0.7311, 0.2689]

    Source:
        Vaswani et al., "Attention Is All You Need", arXiv:1706.03762, section 3.2.1.
    """
    name = "dot_product_attention_weights"
    arrays = _arrays(name, query, key)
    course = _course(name, scale, is_causal, query_offset, local_window_size)
    limits = bias, mask, query_seq_lengths, key_value_seq_lengths
    (q, k), bias, mask = read_alone(name, arrays, *limits)
    return _weights(q, k, bias, mask, scale, course)


def _weights(
    query: jax.Array, key: jax.Array, bias: Any, mask: Any, scale: Any, course: Course
) -> jax.Array:
    shape = scores_shape(query, key)
    mask = _allowed(shape, mask, course)
    query, key = (heads_first(widen(array, array.dtype, 0), shape[-3]) for array in (query, key))
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    scores = scale * jnp.matmul(query, jnp.swapaxes(key, -1, -2))
    scores = scores if bias is None else scores + bias
    if mask is None:
        return jax.nn.softmax(scores)
    scores = jnp.where(mask, scores, float(jnp.finfo(scores.dtype).min))
    return jnp.where(mask, jax.nn.softmax(scores), 0)


def heads_first(array: jax.Array, heads: int) -> jax.Array:
    """(*B, S, K, H) as (*B, N, S, H), each key head repeated for its group of query heads."""
    return jnp.swapaxes(jnp.repeat(array, heads // max(array.shape[-2], 1), axis=-2), -3, -2)
