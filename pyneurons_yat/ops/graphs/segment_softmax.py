"""Softmax and softermax over the segments of an array."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..checks import check_positive, check_shapes, check_spread
from ..dtypes import widen
from ..gradients import checkpoint
from ..softermax import ignored, nonnegative, safe_log, scaled_power
from .segments import (
    check_segments,
    of_entry,
    segment_max,
    segment_sum,
    softmax_shares,
    taking_part,
)


def segment_softmax(
    scores: ArrayLike,
    segment_ids: ArrayLike,
    num_segments: int,
    *,
    where: ArrayLike | None = None,
) -> jax.Array:
    """The softmax of the scores of each segment, as attention over a node's edges needs it.

        y_e = exp(x_e) / sum_{f in the segment of e} exp(x_f)

    Letters: E entries, S segments, F any further axes.

    Args:
        scores: (E, *F); each feature has a softmax of its own.
        segment_ids: integers (E,).
        num_segments: S, a Python integer.
        where: booleans (E,), or any leading part of the shape of scores. Where it is False, or the
            id is outside [0, S), the score takes no part and the result is 0.

    Returns:
        Values in [0, 1] of the shape and dtype of scores; those of a segment sum to 1, but are all
        0 where all its scores are -inf.

    Gradient:
        dx_e = y_e (g_e - sum_f g_f y_f). Only the result is kept for the reverse pass.

    Raises:
        ValueError: a shape does not fit.
        TypeError: scores are not real, ids are not integers, or where is not boolean.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> scores, ids = jnp.array([5.0, 0.0, 0.0]), jnp.array([0, 1, 1])
        >>> pn.segment_softmax(scores, ids, 2).tolist()
        [1.0, 0.5, 0.5]
    """
    ids, dtype = check_segments("segment_softmax", segment_ids, num_segments, where, scores=scores)
    return _call_softmax(scores, ids, where, size=num_segments, dtype=dtype)


def segment_softermax(
    scores: ArrayLike,
    segment_ids: ArrayLike,
    num_segments: int,
    *,
    n: ArrayLike = 1.0,
    epsilon: ArrayLike = 1e-12,
    where: ArrayLike | None = None,
) -> jax.Array:
    """Normalises the non-negative scores of each segment to a sum of 1, but for epsilon.

        y_e = x_e^n / (epsilon + sum_{f in the segment of e} x_f^n)

    It is `softermax` over segments, and like it computed through logarithms: no power overflows.
    Negative scores count as 0; a segment of zeros gives 0.

    Letters: E entries, S segments, F any further axes.

    Args:
        scores: (E, *F); each feature is normalised by itself.
        segment_ids: integers (E,).
        num_segments: S, a Python integer.
        n: the power, above 0; one number, or one per entry of the last axis of scores.
        epsilon: a number above 0, added to the sum.
        where: booleans (E,), or any leading part of the shape of scores. Where it is False, or the
            id is outside [0, S), the score takes no part and the result is 0.

    Returns:
        Values in [0, 1] of the shape of scores and the promoted dtype of scores, n and epsilon.

    Gradient:
        In scores, n and epsilon, as for `softermax`, whose choices at 0 hold here too. Only the
        arguments are kept for the reverse pass.

    Raises:
        ValueError: n or epsilon is a number not above 0, or a shape does not fit.
        TypeError: scores are not real, ids are not integers, or where is not boolean.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> scores, ids = jnp.array([2.0, 1.0, 3.0]), jnp.array([0, 1, 1])
        >>> pn.segment_softermax(scores, ids, 2).tolist()
        [1.0, 0.25, 0.75]

    Source:
        Bouhsine, "Deep Learning 2.0: Artificial Neurons That Matter", arXiv:2411.08085.
    """
    name = "segment_softermax"
    check_positive(name, n=n, epsilon=epsilon)
    ids, dtype = check_segments(
        name, segment_ids, num_segments, where, scores=scores, n=n, epsilon=epsilon
    )
    check_spread(name, np.shape(scores), n=n)
    check_shapes(name, (), epsilon=epsilon)
    return _call_softermax(scores, ids, n, epsilon, where, size=num_segments, dtype=dtype)


@partial(jax.jit, static_argnames=("size", "dtype"))
def _call_softmax(scores, segment_ids, where, *, size, dtype):
    scores = jnp.asarray(scores, dtype)
    where = taking_part(segment_ids, size, where, scores.ndim)
    return checkpoint(partial(_softmax, size))(scores, segment_ids, where)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _softmax(size, scores, segment_ids, where):
    return softmax_shares(size, scores, segment_ids, where).astype(scores.dtype)


@_softmax.defjvp
def _softmax_tangent(size, primals, tangents):
    """dy_e = y_e (dx_e - sum_f y_f dx_f). It needs the result alone."""
    _, segment_ids, where = primals
    y = _softmax(size, *primals)
    wide = widen(y, y.dtype, 0)
    push = wide * widen(tangents[0], y.dtype, 0)
    mean = of_entry(segment_sum(push, segment_ids, size), segment_ids)
    return y, jnp.where(where, push - wide * mean, 0).astype(y.dtype)


@partial(jax.jit, static_argnames=("size", "dtype"))
def _call_softermax(scores, segment_ids, n, epsilon, where, *, size, dtype):
    scores = jnp.asarray(scores, dtype)
    n, epsilon = widen(n, dtype, scores.ndim), widen(epsilon, dtype, scores.ndim)
    where = taking_part(segment_ids, size, where, scores.ndim)
    return checkpoint(partial(_softermax, size))(scores, segment_ids, n, epsilon, where)


def _segments(size, scores, segment_ids, n, epsilon, where):
    """Each segment's shift and, times exp(-shift), its powers, epsilon, and the sum of both."""
    score = nonnegative(scores, where)
    logits = jnp.where(score == 0, -jnp.inf, n * safe_log(score))
    largest = segment_max(logits, segment_ids, size)
    shift = jax.lax.stop_gradient(jnp.maximum(largest, jnp.log(epsilon)))
    powers = scaled_power(score, n, of_entry(shift, segment_ids))
    powers = jnp.where(where, powers, 0)
    rest = epsilon * jnp.exp(-shift)
    return shift, powers, rest, rest + segment_sum(powers, segment_ids, size)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _softermax(size, scores, segment_ids, n, epsilon, where):
    _, powers, _, total = _segments(size, scores, segment_ids, n, epsilon, where)
    return (powers / of_entry(total, segment_ids)).astype(scores.dtype)


@_softermax.defjvp
def _softermax_tangent(size, primals, tangents):
    """As that of `softermax`, with a segment for a row."""
    scores, segment_ids, n, _, where = primals
    d_scores, _, dn, d_epsilon, _ = tangents
    shift, powers, rest, total = _segments(size, *primals)
    each = partial(of_entry, segment_ids=segment_ids)
    share = powers / each(total)
    score = nonnegative(scores, where)
    slope = n * scaled_power(score, n - 1, each(shift))
    d_scores = jnp.where(ignored(scores, where), 0, slope * widen(d_scores, scores.dtype, 0))
    push = (d_scores + powers * safe_log(score) * dn) / each(total)
    added = segment_sum(push, segment_ids, size)
    push = jnp.where(where, push - share * each(added), 0)
    # Where one score dominates, its push now is a rounding error: this sum takes it away.
    lost = segment_sum(push, segment_ids, size) - rest / total * added
    dy = push - share * each(lost + d_epsilon * jnp.exp(-shift) / total)
    return share.astype(scores.dtype), jnp.where(where, dy, 0).astype(scores.dtype)
