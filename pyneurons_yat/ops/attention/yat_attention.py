"""Attention with Yat scores, in blocks."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ..checks import is_known
from ..dtypes import accumulator, narrow
from ..gradients import custom_gradient, reverse_only
from ..sharding import on_automatic_axes
from .arguments import Bounds, Inputs, check_attention, check_options
from .layout import Stride, join_heads, lay_out, lay_out_bounds, lay_out_queries, restore, widen_all
from .masks import cleared, in_use, scores_shape, within, without_hidden
from .passes import Rows, backward, forward
from .scores import Options, all_outputs, all_weights


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
    inputs, *ready = _check("yat_attention", inputs, bounds, options)
    return _attention(reverse_only("yat_attention", inputs), *ready)


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
    ready = _check("yat_attention_weights", inputs, bounds, Options(*choices, None, precision))
    return _weights(*ready)


def _check(function, inputs, bounds, options):
    """What is checked alike: the arguments of the two functions below."""
    dtype = check_attention(function, inputs, bounds)
    if isinstance(inputs.power, int | float) and inputs.power == 1:
        inputs = inputs._replace(power=None)  # then a weight is its score over the sum of scores
    return inputs, bounds, check_options(function, options, inputs.power is not None), dtype


def _ready(inputs, bounds, dtype):
    """Arrays in their dtypes, and parameters in that of sums."""

    def cast(name, x):
        is_array = name in ("query", "key", "value", "bias")
        return None if x is None else jnp.asarray(x, dtype if is_array else accumulator(dtype))

    inputs = Inputs(**{name: cast(name, x) for name, x in inputs._asdict().items()})
    lengths = _int32(bounds.query_lengths), _int32(bounds.key_lengths)
    return inputs, bounds._replace(query_lengths=lengths[0], key_lengths=lengths[1])


def _read(inputs, bounds):
    """The inputs in the dtype of sums, with zeros for what is not read."""
    shape = scores_shape(inputs.query, inputs.key)
    _, mask = without_hidden(inputs.bias, bounds.mask, shape)
    queries, keys = in_use(mask, *within((bounds.query_lengths, bounds.key_lengths), shape))
    query = cleared(inputs.query, queries)
    key, value = (cleared(x, keys) for x in (inputs.key, inputs.value))
    return widen_all(inputs._replace(query=query, key=key, value=value))


def _int32(lengths):
    return None if lengths is None else jnp.asarray(lengths, jnp.int32)


@partial(jax.jit, static_argnums=(2, 3))
def _attention(inputs, bounds, options, dtype):
    inputs, bounds = _ready(inputs, bounds, dtype)
    shapes = inputs.query.shape, inputs.value.shape
    empty = any(0 in shape for shape in shapes)
    countable = all(is_known(shape[-3]) for shape in shapes)  # blocks need lengths that are numbers
    attend = partial(_in_blocks if countable and not empty else _plain, options)
    return on_automatic_axes(attend, inputs.query, range(inputs.query.ndim - 1))(inputs, bounds)


@partial(jax.jit, static_argnums=(2, 3))
def _weights(inputs, bounds, options, dtype):
    @jax.checkpoint  # the reverse pass computes them again: nothing else of size T S is kept
    def weigh(inputs, bounds):
        arrays, limits = lay_out(_read(inputs, bounds)), lay_out_bounds(inputs, bounds)
        found = all_weights(options, arrays, limits)
        return narrow(join_heads(found, inputs.query.shape[:-3]), dtype)

    inputs, bounds = _ready(inputs, bounds, dtype)
    *batch, length, heads, _ = range(inputs.query.ndim)
    return on_automatic_axes(weigh, inputs.query, (*batch, heads, length))(inputs, bounds)


def _plain(options, inputs, bounds):
    """The plain definition."""
    output = all_outputs(options, lay_out(_read(inputs, bounds)), lay_out_bounds(inputs, bounds))
    return narrow(restore(output, inputs.query.shape), inputs.query.dtype)


def _keep(options, inputs, bounds):
    """The result, and what the reverse pass needs: the arguments, the result and two numbers."""
    y, *rows = _run(options, *reverse_only("yat_attention", (inputs, bounds)))
    return y, (inputs, bounds, *rows)


def _compute(options, inputs, bounds):
    """The result, in its dtype and in that of the accumulator, and two numbers per query.

    It has a rule of its own for the sake of second derivatives, which go through `_keep`: JAX
    cannot reverse its loops.
    """
    stride = Stride(options.dilation, bounds.offset)
    limits = lay_out_bounds(inputs, bounds, stride)
    rows = forward(options._replace(dilation=1), lay_out(_read(inputs, bounds), stride), limits)
    wide = restore(rows.output, inputs.query.shape, stride)
    return narrow(wide, inputs.query.dtype), wide, rows.total, rows.maximum


def _gradients(options, inputs, bounds, wide, total, maximum, gradient):
    """The gradients of the inputs."""
    stride = Stride(options.dilation, bounds.offset)
    arrays, pull = jax.vjp(lambda x: lay_out(_read(x, bounds), stride), widen_all(inputs))
    keys = inputs.key.shape[-2]
    output, pushed = (lay_out_queries(x, keys, stride) for x in (wide, gradient.astype(wide.dtype)))
    limits, known = lay_out_bounds(inputs, bounds, stride), Rows(output, total, maximum)
    found = backward(options._replace(dilation=1), arrays, limits, known, pushed)
    return jax.tree.map(lambda g, x: narrow(g, x.dtype), pull(found)[0], inputs)


def _gradients_backward(options, residuals, gradient):
    """Second derivatives, of the plain definition, in which result and rows follow the inputs."""
    inputs, bounds, _, _, _, pushed = residuals

    def plain_gradients(inputs, pushed):
        return jax.vjp(lambda x: _plain(options, x, bounds), inputs)[1](pushed)[0]

    _, pull = jax.vjp(plain_gradients, inputs, pushed)
    by_inputs, by_pushed = pull(gradient)
    return by_inputs, None, None, None, None, by_pushed  # none in what follows from the inputs


_pull = custom_gradient(_gradients_backward, static=(0,))(_gradients)


def _backward(options, residuals, gradient):
    return _pull(options, *residuals, gradient), None


_run: Any = jax.custom_vjp(_compute, nondiff_argnums=(0,))


def _run_forward(options, inputs, bounds):
    found = _run(options, inputs, bounds)
    return found, (inputs, bounds, *found[1:])


def _run_backward(options, residuals, gradients):
    return _backward(options, residuals, gradients[0])


_run.defvjp(_run_forward, _run_backward)
_in_blocks = custom_gradient(_backward, _keep, static=(0,))(_plain)
