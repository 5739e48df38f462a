"""Sums, extremes and normalisers over the segments of an array, as message passing needs them.

Entry e of an array belongs to segment segment_ids[e]; a segment need not be contiguous and may be
empty. An entry whose id is outside [0, S) belongs to none.

Letters: E entries, S segments, F any further axes.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..checks import check_choice, check_mask, check_sizes
from ..dtypes import as_index, narrow, result_dtype, widen
from ..sharding import looked_up, on_automatic_axes

REDUCTIONS = ("sum", "mean", "max", "min", "softmax")


def segment_reduce(
    data: ArrayLike,
    segment_ids: ArrayLike,
    num_segments: int,
    *,
    reduction: str = "sum",
    where: ArrayLike | None = None,
) -> jax.Array:
    """One value per segment: the sum, mean, maximum, minimum or softmax-weighted mean of its data.

        sum_s = sum_{e in s} x_e,    mean_s = sum_s / |s|,
        softmax_s = sum_{e in s} x_e exp(x_e) / sum_{e in s} exp(x_e)

    All are per feature. A segment without entries gives 0, whatever the reduction. In a softmax an
    entry of -inf has no share, so a segment of only such entries gives 0.

    Letters: E entries, S segments, F any further axes.

    Args:
        data: (E, *F).
        segment_ids: integers (E,). An entry whose id is outside [0, S) takes no part.
        num_segments: S, a Python integer.
        reduction: "sum", "mean", "max", "min" or "softmax".
        where: booleans (E,), or any leading part of the shape of data. Where it is False the entry
            takes no part, whatever it is.

    Returns:
        (S, *F) in the dtype of data; integers become the default float. Sums of bfloat16 and
        float16 are accumulated in float32.

    Gradient:
        Plain autodiff. Equal largest (or smallest) entries of a segment share the gradient
        equally. Nothing of the size of data is kept beside data.

    Raises:
        ValueError: a shape does not fit, or the reduction is none of the five.
        TypeError: data are not real, ids are not integers, or where is not boolean.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> data, ids = jnp.array([1.0, 2.0, 6.0]), jnp.array([0, 2, 2])
        >>> pn.segment_reduce(data, ids, 3).tolist()
        [1.0, 0.0, 8.0]
        >>> pn.segment_reduce(data, ids, 3, reduction="mean").tolist()
        [1.0, 0.0, 4.0]
    """
    check_choice("segment_reduce", "reduction", reduction, REDUCTIONS)
    ids, dtype = check_segments("segment_reduce", segment_ids, num_segments, where, data=data)
    return _reduce(data, ids, where, reduction=reduction, size=num_segments, dtype=dtype)


def check_segments(function, segment_ids, num_segments, where, **arrays):
    """What all functions of segments check; the first array is the data.

    Returns the ids as `as_index` makes them, and the dtype of the result.
    """
    name, data = next(iter(arrays.items()))
    shape = np.shape(data)
    if len(shape) < 1 or np.shape(segment_ids) != shape[:1]:
        raise ValueError(
            f"{function}: {name} must have shape (E, *F) and segment_ids (E,), got {shape} and "
            f"{np.shape(segment_ids)}"
        )
    segment_ids = as_index(function, "segment_ids", segment_ids)
    check_sizes(function, least=0, num_segments=num_segments)
    check_mask(function, where, shape, fit="have the first axes of")
    return segment_ids, result_dtype(function, **arrays)


def taking_part(segment_ids, size, where, rank):
    """The entries that take part, with 1s up to the rank of the data."""
    masks = [(segment_ids >= 0) & (segment_ids < size)] + ([] if where is None else [where])
    first, *rest = [jnp.expand_dims(mask, tuple(range(mask.ndim, rank))) for mask in masks]
    return first & rest[0] if rest else first


def segment_sum(values, segment_ids, size):
    """The sum of each segment; a value whose id is out of range is in none."""
    return _of_segments(jax.ops.segment_sum, values, segment_ids, size)


def segment_max(values, segment_ids, size):
    """The maximum of each segment."""
    return _of_segments(jax.ops.segment_max, values, segment_ids, size)


def _of_segments(reduce, values, segment_ids, size):
    """What a reduction makes of the entries, which may lie on many devices; segments do not."""
    axes = None, *range(1, values.ndim)
    return on_automatic_axes(partial(reduce, num_segments=size), values, axes)(values, segment_ids)


def of_entry(values, segment_ids):
    """The value of each entry's segment; that of an entry without one is of no account."""
    if 0 in values.shape:  # no segment, or no feature, to read from; 1 can be divided by
        return jnp.ones((segment_ids.shape[0], *values.shape[1:]), values.dtype)
    return looked_up(values, segment_ids, mode="clip")


@partial(jax.jit, static_argnames=("reduction", "size", "dtype"))
def _reduce(data, segment_ids, where, *, reduction, size, dtype):
    @jax.checkpoint  # keeps the data alone for the reverse pass
    def reduce(data, segment_ids, where):
        return _REDUCE[reduction](data, segment_ids, where, size)

    where = None if where is None else jnp.asarray(where)
    return reduce(jnp.asarray(data, dtype), segment_ids, where)


def _total(data, segment_ids, where, size):
    wide = widen(data, data.dtype, data.ndim)
    if where is not None:
        wide = jnp.where(taking_part(segment_ids, size, where, data.ndim), wide, 0)
    return narrow(segment_sum(wide, segment_ids, size), data.dtype)


def _mean(data, segment_ids, where, size):
    wide = widen(data, data.dtype, data.ndim)
    where = taking_part(segment_ids, size, where, data.ndim)
    count = segment_sum(where.astype(wide.dtype), segment_ids, size)
    total = segment_sum(jnp.where(where, wide, 0), segment_ids, size)
    return narrow(total / jnp.maximum(count, 1), data.dtype)


def _extreme(pick, data, segment_ids, where, size):
    where = taking_part(segment_ids, size, where, data.ndim)
    worst = -jnp.inf if pick is jax.ops.segment_max else jnp.inf
    found = _of_segments(pick, jnp.where(where, data, worst), segment_ids, size)
    empty = segment_max(where.astype(jnp.int32), segment_ids, size) <= 0
    return jnp.where(empty, 0, found)


def _softmax_mean(data, segment_ids, where, size):
    wide = widen(data, data.dtype, data.ndim)
    where = taking_part(segment_ids, size, where, data.ndim)
    share = softmax_shares(size, wide, segment_ids, where)
    weighted = share * jnp.where(share == 0, 0, wide)  # what has no share may be infinite
    return narrow(segment_sum(weighted, segment_ids, size), data.dtype)


_REDUCE = {
    "sum": _total,
    "mean": _mean,
    "max": partial(_extreme, jax.ops.segment_max),
    "min": partial(_extreme, jax.ops.segment_min),
    "softmax": _softmax_mean,
}


def softmax_shares(size, scores, segment_ids, where):
    """The softmax in the accumulator's dtype; 0 in a segment of which no power is above 0."""
    wide = jnp.where(where, widen(scores, scores.dtype, scores.ndim), -jnp.inf)
    largest = jax.lax.stop_gradient(segment_max(wide, segment_ids, size))
    shift = jnp.where(jnp.isfinite(largest), largest, 0)
    power = jnp.exp(wide - of_entry(shift, segment_ids))
    total = segment_sum(power, segment_ids, size)
    total = of_entry(jnp.where(total == 0, 1, total), segment_ids)
    return jnp.where(where, power / jnp.where(where, total, 1), 0)
