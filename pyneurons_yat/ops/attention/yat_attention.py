"""Attention with Yat scores, in blocks."""

from functools import partial
from typing import Any

import jax
from jax.typing import ArrayLike

from ..checks import is_known
from ..dtypes import narrow
from ..gradients import reverse_only
from ..sharding import check_axis_name, on_automatic_axes, varying_alike
from .arguments import Bounds, Inputs, check_attention
from .given import attend, plain, pull_back, read, ready
from .layout import join_heads, lay_out, lay_out_bounds, per_head
from .ring import over_mesh, route_on_mesh
from .rules import with_rules
from .scores import Options, all_weights


def yat_attention(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    bias: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    *,
    shift: ArrayLike | None = None,
    alpha: ArrayLike | None = None,
    epsilon: ArrayLike = 1e-5,
    scale: ArrayLike | None = None,
    is_causal: bool = False,
    normalizer: str = "softmax",
    power: ArrayLike = 1.0,
    query_seq_lengths: ArrayLike | None = None,
    key_value_seq_lengths: ArrayLike | None = None,
    query_offset: ArrayLike = 0,
    local_window_size: int | tuple[int, int] | None = None,
    dilation: int = 1,
    distance: str = "expanded",
    block_size: int | tuple[int, int] | None = None,
    precision: Any = None,
    sequence_axis: str | None = "sequence",
) -> jax.Array:
    """Attention whose scores are Yat products: large where a key is along the query and near it.

        score_ts = alpha scale (q_t . k_s + shift)^2 / (|q_t - k_s|^2 + epsilon) + bias_ts
        y_t = sum_s weight_ts v_s

    The weights are the softmax, or the softermax, of the scores of the keys that t sees. Nothing of
    size T S is held in memory, forward or in reverse: scores are computed in blocks of queries and
    keys, and computed again for the gradient. Blocks that no query sees, above the diagonal,
    outside the window or beyond the longest of `key_value_seq_lengths`, are not read, so a window
    costs time linear in the length.

    Letters: *B any batch axes, T queries, S keys, N heads, K heads of keys and values, H and V
    sizes of a head.

    Args:
        query: (*B, T, N, H).
        key: (*B, S, K, H), where K divides N: query head n reads key head n // (N / K).
        value: (*B, S, K, V).
        bias: broadcasts to (*B, N, T, S), or None for 0. Where it is -inf, t does not see s.
        mask: booleans that broadcast to (*B, N, T, S), True where t sees s, or None for all.
        shift: one number or (N,), added inside the square, or None for 0.
        alpha: one number or (N,), or None for 1.
        epsilon: one number or (N,), above 0.
        scale: one number or (N,), above 0, or None for 1 / sqrt(H).
        is_causal: whether t sees only keys at its place and before.
        normalizer: "softmax", exp(score) over its sum, or "softermax", score^power over its sum
            plus 1e-12, in which negative scores count as 0.
        power: the power of softermax, one number or (N,), above 0. Softmax knows none.
        query_seq_lengths: (*B,), the number of queries in use; the others give 0.
        key_value_seq_lengths: (*B,), the number of keys in use.
        query_offset: the place of query 0 among the keys, a whole number; it may be traced.
        local_window_size: how many keys t sees before its place and after, a pair or one number
            for both, or None for all.
        dilation: t sees only keys a multiple of this many places away. A window counts in these
            steps: of (3, 0) and a dilation of 4, t sees t, t - 4, t - 8 and t - 12.
        distance: "expanded" or "direct", as in `yat`. Direct is several times slower.
        block_size: queries and keys of a block, a pair or one number for both, or None to choose.
        precision: as in `jax.lax.dot_general`.
        sequence_axis: the axis of the mesh over which lengths lie. Where `jax.set_mesh` has set a
            mesh with this axis, and its devices divide T and S, keys and values travel around them
            as in `ring_attention`, and no device holds all. None for nothing of the kind.

    Returns:
        (*B, T, N, V), in the promoted dtype of the arrays; Python numbers and epsilon do not
        promote. Products and sums of bfloat16 and float16 are accumulated in float32. A query that
        sees no key gives 0. An infinite score counts as the largest finite number, and for
        softermax of power 1 as that number to the power 0.75, which leaves room for sums.

        A key that no query sees by mask, bias or lengths, and a query that sees no key, may hold
        anything: NaN there reaches nothing. Where some queries see a key, it must be finite.

    Accuracy:
        As for `yat`, the expanded distance loses what is small beside |q|^2 + |k|^2. One key near a
        query outweighs the rest all the same; where several do, "direct" is needed to weigh them
        against each other. Squares must be finite: |q|, |k| and |q - k| below 1e19 in float32, and
        bfloat16, 1e154 in float64.

    Gradient:
        In query, key, value, bias, shift, alpha, epsilon, scale and power. With p the weights, g
        the gradient of y, n = q . k + shift, r = n / (|q - k|^2 + epsilon), a = alpha scale, and
        for softmax e = p (g . v - g . y), the gradient of the score:

            dq_t = sum_s 2 e a (r k + r^2 (k - q)),   dk_s = sum_t 2 e a (r q + r^2 (q - k))
            dv_s = sum_t p g_t,   dbias = e,   dalpha = sum scale n r e,   dshift = sum 2 e a r
            depsilon = -sum e a r^2

        For softermax, e is power score^(power - 1) (g . v - g . y) / total, with the choices of
        `softermax` at 0. Where the expanded distance came out as 0 or less, no gradient flows
        through it, and none through a score that is held at the largest. A query that sees no key
        has gradient 0. Kept for the reverse pass: the
        arguments, the result, and the maximum and the total of each row. Second derivatives are
        those of the plain definition and do hold (T, S).

    Raises:
        ValueError: a shape does not fit, or a number or a choice is out of its range.
        TypeError: an argument is complex or not an array, the mask is not boolean, or a length or
            the offset is not whole.

    Example:
        >>> import jax.numpy as jnp
        >>> from pyneurons_yat.ops import yat_attention
        >>> query = jnp.array([[[1.0, 0.0]]])  # one query, one head
        >>> key = jnp.array([[[1.0, 0.0]], [[0.0, 1.0]], [[1.0, 1.0]]])
        >>> value = jnp.array([[[1.0]], [[2.0]], [[3.0]]])
        >>> y = yat_attention(query, key, value, epsilon=1.0, normalizer="softermax")
        >>> round(float(y[0, 0, 0]), 4)  # scores 1 / 1, 0 and 1 / 2: (1 + 3 / 2) / (3 / 2)
        1.6667

    Source:
        Bouhsine, "Deep Learning 2.0: Artificial Neurons That Matter", arXiv:2411.08085. The
        blocks: Dao et al., "FlashAttention", arXiv:2205.14135.
    """
    inputs = Inputs(query, key, value, bias, shift, alpha, epsilon, power, scale)
    bounds = Bounds(mask, query_offset, query_seq_lengths, key_value_seq_lengths)
    choices = normalizer, is_causal, local_window_size, dilation, distance
    options = Options(*choices, block_size, precision)
    name = "yat_attention"
    inputs, bounds, options, dtype = check_attention(name, inputs, bounds, options)
    check_axis_name(name, "sequence_axis", sequence_axis)
    route = route_on_mesh(sequence_axis, options, inputs, query_offset)
    return _attention(reverse_only(name, inputs), bounds, options, dtype, route)


def yat_attention_weights(
    query: ArrayLike,
    key: ArrayLike,
    bias: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    *,
    shift: ArrayLike | None = None,
    alpha: ArrayLike | None = None,
    epsilon: ArrayLike = 1e-5,
    scale: ArrayLike | None = None,
    is_causal: bool = False,
    normalizer: str = "softmax",
    power: ArrayLike = 1.0,
    query_seq_lengths: ArrayLike | None = None,
    key_value_seq_lengths: ArrayLike | None = None,
    query_offset: ArrayLike = 0,
    local_window_size: int | tuple[int, int] | None = None,
    dilation: int = 1,
    distance: str = "expanded",
    precision: Any = None,
) -> jax.Array:
    """The weights of `yat_attention`, in an array of size T S.

        y_t = sum_s weight_ts v_s

    For looking at them, and for what acts on weights, such as dropout. This is the plain definition
    that `yat_attention` follows in blocks, and which it is in forward mode.

    Letters: as for `yat_attention`.

    Args:
        query: (*B, T, N, H).
        key: (*B, S, K, H), where K divides N.
        bias: as for `yat_attention`, and so is everything that follows.
        mask: booleans that broadcast to (*B, N, T, S), True where t sees s.
        shift: one number or (N,).
        alpha: one number or (N,).
        epsilon: one number or (N,), above 0.
        scale: one number or (N,), above 0, or None for 1 / sqrt(H).
        is_causal: whether t sees only keys at its place and before.
        normalizer: "softmax" or "softermax".
        power: the power of softermax, one number or (N,), above 0.
        query_seq_lengths: (*B,).
        key_value_seq_lengths: (*B,).
        query_offset: the place of query 0 among the keys.
        local_window_size: how many keys t sees before its place and after.
        dilation: t sees only keys a multiple of this many places away.
        distance: "expanded" or "direct".
        precision: as in `jax.lax.dot_general`.

    Returns:
        (*B, N, T, S), in the promoted dtype of the arrays. A row that sees no key is 0; the others
        sum to 1, up to the 1e-12 of softermax.

    Gradient:
        Plain autodiff, in all that is not static.

    Raises:
        ValueError: a shape does not fit, or a number or a choice is out of its range.
        TypeError: an argument is complex or not an array, the mask is not boolean, or a length or
            the offset is not whole.

    Example:
        >>> import jax.numpy as jnp
        >>> from pyneurons_yat.ops import yat_attention_weights
        >>> query = jnp.array([[[1.0, 0.0]]])
        >>> key = jnp.array([[[1.0, 0.0]], [[0.0, 1.0]], [[1.0, 1.0]]])
        >>> weights = yat_attention_weights(query, key, epsilon=1.0, normalizer="softermax")
        >>> [round(float(w), 4) for w in weights[0, 0]]
        [0.6667, 0.0, 0.3333]

    Source:
        Bouhsine, "Deep Learning 2.0: Artificial Neurons That Matter", arXiv:2411.08085.
    """
    inputs = Inputs(query, key, key, bias, shift, alpha, epsilon, power, scale)
    bounds = Bounds(mask, query_offset, query_seq_lengths, key_value_seq_lengths)
    choices = normalizer, is_causal, local_window_size, dilation, distance
    options = Options(*choices, None, precision)
    return _weights(*check_attention("yat_attention_weights", inputs, bounds, options))


@partial(jax.jit, static_argnums=(2, 3, 4))
def _attention(inputs, bounds, options, dtype, route):
    inputs, bounds = varying_alike(ready(inputs, bounds, dtype))
    shapes = inputs.query.shape, inputs.value.shape
    empty = any(0 in shape for shape in shapes)
    countable = all(is_known(shape[-3]) for shape in shapes)  # blocks need lengths that are numbers
    if countable and not empty and route is not None:
        respond = partial(over_mesh, route, options, dtype)
    else:
        respond = partial(_per_head, _in_blocks if countable and not empty else plain, options)
    return on_automatic_axes(respond, inputs.query, range(inputs.query.ndim - 1))(inputs, bounds)


@partial(jax.jit, static_argnums=(2, 3))
def _weights(inputs, bounds, options, dtype):
    @jax.checkpoint  # the reverse pass computes them again: nothing else of size T S is kept
    def weigh(inputs, bounds):
        inputs = per_head(inputs)
        arrays, limits = lay_out(read(inputs, bounds)), lay_out_bounds(inputs, bounds)
        found = all_weights(options, arrays, limits)
        return narrow(join_heads(found, inputs.query.shape[:-3]), dtype)

    inputs, bounds = ready(inputs, bounds, dtype)
    *batch, length, heads, _ = range(inputs.query.ndim)
    return on_automatic_axes(weigh, inputs.query, (*batch, heads, length))(inputs, bounds)


def _per_head(respond, options, inputs, bounds):
    return respond(options, per_head(inputs), bounds)


_in_blocks = with_rules("yat_attention", plain, attend, pull_back)
