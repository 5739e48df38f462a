"""Normalisation: of rows, of groups of channels, of channels over a batch."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..checks import (
    check_axes,
    check_mask,
    check_positive,
    check_real,
    check_shapes,
    check_sizes,
    spatial_axes,
)
from ..dtypes import narrow, result_dtype, widen
from ..gradients import checkpoint
from .standardize import Options, centred, mean, mean_square, normalise


def layer_norm(
    x: ArrayLike,
    scale: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    *,
    axis: int | Sequence[int] = -1,
    epsilon: ArrayLike = 1e-5,
    where: ArrayLike | None = None,
) -> jax.Array:
    """Normalises each row to mean 0 and variance 1.

        y = (x - mean) / sqrt(variance + epsilon) * scale + bias

    Mean and variance are those of the numbers along `axis`; the variance divides by their count.
    The sum of the squares must be finite, as for every norm here: n numbers of up to
    1.8e19 / sqrt(n) in float32 and bfloat16, 1.3e154 / sqrt(n) in float64. Rows of larger ones
    come out as 0.

    Letters: F the sizes of the axes that are normalised.

    Args:
        x: any shape with at least one axis.
        scale: F or one number, or None for 1.
        bias: F or one number, or None for 0.
        axis: the axis, or several.
        epsilon: a number above 0.
        where: booleans that broadcast to the shape of x. Where it is False, the number does not
            count in mean and variance; it is normalised by those of the others, or is taken as 0
            where it is NaN or infinite.

    Returns:
        The shape of x and the promoted dtype of x, scale and bias. Sums of bfloat16 and float16
        are accumulated in float32.

    Gradient:
        In x, scale, bias and epsilon. With h = (x - mean) / sqrt(variance + epsilon) and g the
        gradient of y times scale, dx = (g - mean(g) - h mean(g h)) / sqrt(variance + epsilon).
        Only the arguments are kept for the reverse pass.

    Raises:
        ValueError: a shape or an axis does not fit, or epsilon is a number not above 0.
        TypeError: an argument is complex or not an array, or where is not boolean.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> y = pn.layer_norm(jnp.array([1e4, 1e4 + 1, 1e4 + 2]))
        >>> [round(float(v), 3) for v in y]
        [-1.225, 0.0, 1.225]

    Source:
        Ba, Kiros, Hinton, "Layer Normalization", arXiv:1607.06450.
    """
    axes = check_axes("layer_norm", axis, np.ndim(x))
    return _normalised("layer_norm", x, scale, bias, epsilon, where, axes, axes)


def rms_norm(
    x: ArrayLike,
    scale: ArrayLike | None = None,
    *,
    axis: int | Sequence[int] = -1,
    epsilon: ArrayLike = 1e-6,
    where: ArrayLike | None = None,
) -> jax.Array:
    """Normalises each row to a root mean square of 1, without shifting it.

        y = x / sqrt(mean(x^2) + epsilon) * scale

    The sum of the squares must be finite, as for `layer_norm`.

    Letters: F the sizes of the axes that are normalised.

    Args:
        x: any shape with at least one axis.
        scale: F or one number, or None for 1.
        axis: the axis, or several.
        epsilon: a number above 0.
        where: booleans that broadcast to the shape of x. Where it is False, the number does not
            count in the mean; where it is NaN or infinite it is taken as 0.

    Returns:
        The shape of x and the promoted dtype of x and scale.

    Gradient:
        In x, scale and epsilon, as for `layer_norm` without its mean(g). Only the arguments are
        kept for the reverse pass.

    Raises:
        ValueError: a shape or an axis does not fit, or epsilon is a number not above 0.
        TypeError: an argument is complex or not an array, or where is not boolean.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> [round(float(v), 3) for v in pn.rms_norm(jnp.array([3.0, 4.0]))]
        [0.849, 1.131]

    Source:
        Zhang, Sennrich, "Root Mean Square Layer Normalization", arXiv:1910.07467.
    """
    axes = check_axes("rms_norm", axis, np.ndim(x))
    return _normalised("rms_norm", x, scale, None, epsilon, where, axes, axes, centre=False)


def group_norm(
    x: ArrayLike,
    groups: int,
    scale: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    *,
    axis: int | Sequence[int] | None = None,
    epsilon: ArrayLike = 1e-5,
    where: ArrayLike | None = None,
) -> jax.Array:
    """Normalises groups of channels, each over its channels and the spatial axes.

    `groups=1` is a layer norm of whole images; `groups=C` is instance norm. The sum of
    the squares must be finite, as for `layer_norm`.

    Letters: C channels, the last axis.

    Args:
        x: at least two axes, or one with `axis=()`.
        groups: how many groups of C / groups neighbouring channels there are.
        scale: (C,) or one number, or None for 1.
        bias: (C,) or one number, or None for 0.
        axis: the spatial axes; by default all between the first and the last.
        epsilon: a number above 0.
        where: booleans that broadcast to the shape of x, as for `layer_norm`.

    Returns:
        The shape of x and the promoted dtype of x, scale and bias.

    Gradient:
        As for `layer_norm`.

    Raises:
        ValueError: a shape or an axis does not fit, groups does not divide C, or epsilon is a
            number not above 0.
        TypeError: an argument is complex or not an array, or where is not boolean.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> pn.group_norm(jnp.array([[1.0, 3.0, 10.0, 30.0]]), 2).round(3).tolist()
        [[-1.0, 1.0, -1.0, 1.0]]

    Source:
        Wu, He, "Group Normalization", arXiv:1803.08494.
    """
    shape = np.shape(x)
    axes = spatial_axes("group_norm", axis, shape)
    check_sizes("group_norm", groups=groups)
    if shape[-1] % groups:
        raise ValueError(f"group_norm: groups must divide the {shape[-1]} channels, got {groups}")
    last = (len(shape) - 1,)
    return _normalised("group_norm", x, scale, bias, epsilon, where, axes, last, groups=groups)


def batch_norm(
    x: ArrayLike,
    scale: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    *,
    mean: ArrayLike | None = None,
    variance: ArrayLike | None = None,
    epsilon: ArrayLike = 1e-5,
    axis_name: str | tuple[str, ...] | None = None,
    where: ArrayLike | None = None,
) -> jax.Array:
    """Normalises each channel, over everything else or by the statistics given.

        y = (x - mean) / sqrt(variance + epsilon) * scale + bias

    The sum of the squares must be finite, as for `layer_norm`.

    Letters: C channels, the last axis.

    Args:
        x: (..., C).
        scale: (C,) or one number, or None for 1.
        bias: (C,) or one number, or None for 0.
        mean: (C,), together with variance; or both None for those of x itself, see `moments`.
        variance: (C,).
        epsilon: a number above 0.
        axis_name: the name, or names, of mapped axes (`jax.vmap`, `jax.shard_map`) over which the
            statistics of x are taken too.
        where: booleans that broadcast to the shape of x, as for `layer_norm`.

    Returns:
        The shape of x and the promoted dtype of x, scale and bias.

    Gradient:
        As for `layer_norm`, through the statistics where they are those of x; and in mean and
        variance where they are given.

    Raises:
        ValueError: a shape does not fit, epsilon is a number not above 0, or only one of mean
            and variance came.
        TypeError: an argument is complex or not an array, or where is not boolean.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> pn.batch_norm(jnp.array([[1.0, 10.0], [3.0, 30.0]])).round(3).tolist()
        [[-1.0, -1.0], [1.0, 1.0]]

    Source:
        Ioffe, Szegedy, "Batch Normalization", arXiv:1502.03167.
    """
    last = check_axes("batch_norm", -1, np.ndim(x))
    if (mean is None) != (variance is None):
        raise ValueError("batch_norm: mean and variance must come together, or neither")
    if mean is None or variance is None:
        axes = tuple(range(np.ndim(x) - 1))
        return _normalised("batch_norm", x, scale, bias, epsilon, where, axes, last, axis_name)
    if where is not None or axis_name is not None:
        raise ValueError(
            "batch_norm: where and axis_name are for the statistics of x; leave them out where "
            "mean and variance are given"
        )
    check_positive("batch_norm", epsilon=epsilon)
    check_shapes("batch_norm", (), epsilon=epsilon)
    check_real("batch_norm", mean=mean, variance=variance)
    each = {"scale": scale, "bias": bias, "mean": mean, "variance": variance}
    check_shapes("batch_norm", np.shape(x)[-1:], **each)
    dtype = result_dtype("batch_norm", x=x, scale=scale, bias=bias)
    return _given(x, mean, variance, scale, bias, epsilon, dtype=dtype)


def moments(
    x: ArrayLike,
    *,
    axis_name: str | tuple[str, ...] | None = None,
    where: ArrayLike | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Mean and variance of each channel, as batch normalisation uses them.

    The sum of the squares must be finite, as for `layer_norm`.

    Letters: C channels, the last axis.

    Args:
        x: (..., C).
        axis_name: mapped axes over which the statistics are taken too.
        where: booleans that broadcast to the shape of x; where it is False the number does not
            count. A channel that is masked everywhere has mean and variance 0.

    Returns:
        Mean and variance, both (C,), in float32, or float64 for float64. The variance divides by
        the count.

    Gradient:
        Plain autodiff.

    Raises:
        ValueError: a shape does not fit.
        TypeError: x is complex or not an array, or where is not boolean.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> mean, variance = pn.moments(jnp.array([[1.0], [3.0]]))
        >>> mean.tolist(), variance.tolist()
        ([2.0], [1.0])
    """
    check_axes("moments", -1, np.ndim(x))
    dtype = result_dtype("moments", x=x)
    check_mask("moments", where, np.shape(x))
    return _channel_moments(x, where, axis_name=axis_name, dtype=dtype)


def _normalised(
    function, x, scale, bias, epsilon, where, axes, kept, axis_name=None, *, groups=1, centre=True
):
    """Checks what all have in common. `kept` are the axes along which scale and bias vary."""
    shape = np.shape(x)
    dtype = result_dtype(function, x=x, scale=scale, bias=bias)
    check_positive(function, epsilon=epsilon)
    check_shapes(function, tuple(shape[a] for a in kept), scale=scale, bias=bias)
    check_shapes(function, (), epsilon=epsilon)
    check_mask(function, where, shape)
    options = Options(axes, centre, axis_name)
    statics = {"options": options, "kept": kept, "groups": groups, "dtype": dtype}
    if function == "group_norm":
        return _grouped(x, scale, bias, epsilon, where, **statics)
    return _whole(x, scale, bias, epsilon, where, **statics)


def _along(value, kept, like):
    """Scale or bias in the accumulator's dtype, with the rank of x."""
    if value is None:
        return None
    value = widen(value, like.dtype, 0)
    shape = [like.shape[a] if a in kept and value.ndim else 1 for a in range(like.ndim)]
    return value.reshape(shape)


@partial(jax.jit, static_argnames=("options", "kept", "groups", "dtype"))
def _whole(x, scale, bias, epsilon, where, *, options, kept, groups, dtype):
    x = jnp.asarray(x, dtype)
    where = None if where is None else jnp.broadcast_to(where, x.shape)
    scale, bias = _along(scale, kept, x), _along(bias, kept, x)
    return normalise(options, x, scale, bias, widen(epsilon, dtype, x.ndim), where)


@partial(jax.jit, static_argnames=("options", "kept", "groups", "dtype"))
def _grouped(x, scale, bias, epsilon, where, *, options, kept, groups, dtype):
    x = jnp.asarray(x, dtype)
    where = None if where is None else jnp.broadcast_to(where, x.shape)
    scale, bias = _along(scale, kept, x), _along(bias, kept, x)
    options = options._replace(axes=(*options.axes, x.ndim))

    def split(value):  # the channels as (groups, channels of a group)
        if value is None or value.shape[-1] == 1 != x.shape[-1]:
            return value if value is None else value[..., None]
        return value.reshape(*value.shape[:-1], groups, value.shape[-1] // groups)

    @checkpoint
    def normalise_groups(*arrays):
        return normalise(options, *map(split, arrays)).reshape(x.shape)

    return normalise_groups(x, scale, bias, widen(epsilon, dtype, x.ndim), where)


@partial(jax.jit, static_argnames="dtype")
def _given(x, mean, variance, scale, bias, epsilon, *, dtype):
    x = jnp.asarray(x, dtype)
    mean, variance, epsilon = (widen(v, dtype, x.ndim) for v in (mean, variance, epsilon))
    scale, bias = (None if v is None else widen(v, dtype, x.ndim) for v in (scale, bias))

    @checkpoint
    def by_channel(x, mean, variance, scale, bias, epsilon):
        factor = jax.lax.rsqrt(variance + epsilon)
        y = (widen(x, dtype, 0) - mean) * (factor if scale is None else factor * scale)
        return narrow(y if bias is None else y + bias, dtype)

    return by_channel(x, mean, variance, scale, bias, epsilon)


@partial(jax.jit, static_argnames=("axis_name", "dtype"))
def _channel_moments(x, where, *, axis_name, dtype):
    x = jnp.asarray(x, dtype)
    where = None if where is None else jnp.broadcast_to(where, x.shape)
    options = Options(tuple(range(x.ndim - 1)), True, axis_name)

    @checkpoint
    def both(x, where):
        first, rest = centred(options, x, where)
        offset = mean(options, rest, where)
        variance = mean_square(options, rest - offset, where)
        return (first + offset).reshape(x.shape[-1:]), variance.reshape(x.shape[-1:])

    return both(x, where)
