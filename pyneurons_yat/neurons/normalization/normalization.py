"""Normalisation layers. Nothing is drawn, so they are made without a key: `LayerNorm(64)`."""

import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike, DTypeLike

from ...core import Size, bind, options_of
from ...ops import batch_norm, group_norm, layer_norm, moments, rms_norm
from ...ops.checks import (
    check_flag,
    check_floating,
    check_mask,
    check_positive,
    check_shapes,
    check_share,
    check_sizes,
    is_known,
)


class NormParams(NamedTuple):
    """Scale and bias (features,), each None if not used."""

    scale: jax.Array | None
    bias: jax.Array | None


class BatchNormParams(NamedTuple):
    """Scale and bias (features,) or None; running mean and variance (features,)."""

    scale: jax.Array | None
    bias: jax.Array | None
    mean: jax.Array
    variance: jax.Array


def scale_and_bias(
    layer: str,
    features: int,
    *,
    use_scale: bool = True,
    use_bias: bool = True,
    dtype: DTypeLike = jnp.float32,
) -> NormParams:
    """What a layer that normalizes learns.

    Args:
        layer: Its name, for errors.
        features: The size of the last axis.
        use_scale: Whether there is a scale per feature, at first 1.
        use_bias: Whether there is a bias per feature, at first 0.
        dtype: The dtype of the parameters.
    """
    check_sizes(layer, features=features)
    check_flag(layer, use_scale=use_scale, use_bias=use_bias)
    check_floating(layer, dtype)
    return NormParams(
        jnp.ones(features, dtype) if use_scale else None,
        jnp.zeros(features, dtype) if use_bias else None,
    )


@options_of(scale_and_bias)
def create_layer_norm(features: int, **options: Any) -> NormParams:
    """Normalises each row to mean 0 and variance 1, then scales and shifts its features.

    Args:
        features: The size of the last axis.

    The model takes x of shape (*B, features) and returns the same shape.

    Returns:
        `NormParams(scale, bias)`.

    Gradient:
        As for the function `layer_norm`.

    Raises:
        TypeError: If features is not an integer, or dtype not floating.
        ValueError: If features is below 1.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.LayerNorm(2)
        >>> model(jnp.array([[1.0, 3.0], [10.0, 30.0]])).round(3).tolist()
        [[-1.0, 1.0], [-1.0, 1.0]]

    Source:
        Ba, Kiros, Hinton, "Layer Normalization", arXiv:1607.06450.
    """
    return scale_and_bias("LayerNorm", features, **options)


@options_of(layer_norm)
def apply_layer_norm(params: NormParams, x: jax.Array, **options: Any) -> jax.Array:
    """Applies `LayerNorm` to x (*B, features)."""
    return layer_norm(x, *params, **options)


@options_of(scale_and_bias, without=["use_bias"])
def create_rms_norm(features: int, **options: Any) -> NormParams:
    """Normalises each row to a root mean square of 1, then scales its features.

    Args:
        features: The size of the last axis.

    The model takes x of shape (*B, features) and returns the same shape.

    Returns:
        `NormParams(scale, None)`.

    Gradient:
        As for the function `rms_norm`.

    Raises:
        TypeError: If features is not an integer, or dtype not floating.
        ValueError: If features is below 1.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> pn.RMSNorm(2)(jnp.array([1.0, -1.0])).round(3).tolist()
        [1.0, -1.0]

    Source:
        Zhang, Sennrich, "Root Mean Square Layer Normalization", arXiv:1910.07467.
    """
    return scale_and_bias("RMSNorm", features, use_bias=False, **options)


@options_of(rms_norm)
def apply_rms_norm(params: NormParams, x: jax.Array, **options: Any) -> jax.Array:
    """Applies `RMSNorm` to x (*B, features)."""
    return rms_norm(x, params.scale, **options)


@options_of(scale_and_bias)
def create_group_norm(features: int, *, groups: int = 32, **options: Any) -> NormParams:
    """Normalises groups of channels, each over its channels and the spatial axes.

    Args:
        features: Channels, the size of the last axis.
        groups: How many groups of neighbouring channels; it must divide features. With 1 whole
            images are normalised; with as many as features it is instance norm, which is written
            `GroupNorm(64, groups=64)`, torch's with `use_scale=False, use_bias=False`.

    The model takes x of shape (batch, spatial..., features) and returns the same shape.

    Returns:
        `NormParams(scale, bias)`.

    Gradient:
        As for the function `group_norm`.

    Raises:
        TypeError: If a size is not an integer, or dtype not floating.
        ValueError: If a size is below 1, or groups does not divide features.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> image = jax.random.normal(jax.random.key(0), (1, 8, 8, 6)) * 5 + 2
        >>> y = pn.GroupNorm(6, groups=3)(image)
        >>> round(float(y[..., :2].std()), 3)
        1.0

    Source:
        Wu, He, "Group Normalization", arXiv:1803.08494.
    """
    check_groups("GroupNorm", features, groups)
    return scale_and_bias("GroupNorm", features, **options)


def check_groups(layer: str, features: int, groups: int) -> None:
    """Refuses groups that do not divide the features."""
    check_sizes(layer, features=features, groups=groups)
    if features % groups:
        raise ValueError(f"{layer}: groups must divide the {features} features, got {groups}")


@options_of(group_norm)
def apply_group_norm(
    params: NormParams, x: jax.Array, *, groups: Size = 32, **options: Any
) -> jax.Array:
    """Applies `GroupNorm` to x (batch, spatial..., features)."""
    return group_norm(x, groups, *params, **options)


@options_of(scale_and_bias)
def create_batch_norm(
    features: int, *, momentum: float = 0.9, dtype: DTypeLike = jnp.float32, **options: Any
) -> BatchNormParams:
    """Normalises each channel: in training over the batch, in inference by running statistics.

    Training normalises by the batch's own mean and variance and moves the running ones,

        running = momentum * running + (1 - momentum) * batch,

    where the batch's variance divides by its count less 1. The running statistics have the role
    "batch_stats": they are not trained. With `where`, a channel that has no numbers keeps its mean,
    and one that has fewer than 2 its variance.

    Args:
        features: Channels, the size of the last axis.
        momentum: How much of the running statistics stays in a training step, between 0 and 1;
            PyTorch's is 1 less it.
        dtype: The dtype of scale and bias. The statistics are in float32, or float64 with it.

    The model takes x of shape (..., features) and returns the same shape.

    Returns:
        `BatchNormParams(scale, bias, mean, variance)`, with mean 0 and variance 1.

    Gradient:
        In training through the batch's statistics; see the function `batch_norm`.

    Raises:
        TypeError: If features is not an integer, or dtype not floating.
        ValueError: If features is below 1; in training, if x has fewer than 2 numbers per channel,
            masked or not, or momentum is a number outside of [0, 1].

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.BatchNorm(1, momentum=0.5)
        >>> x = jnp.array([[1.0], [3.0]])
        >>> y, model = pn.observe(model, x)
        >>> y.round(3).tolist(), model.mean.tolist(), model.variance.tolist()
        ([[-1.0], [1.0]], [1.0], [1.5])

    Source:
        Ioffe, Szegedy, "Batch Normalization", arXiv:1502.03167.
    """
    check_share("BatchNorm", momentum=momentum)
    scale, bias = scale_and_bias("BatchNorm", features, dtype=dtype, **options)
    kept = jnp.promote_types(jax.dtypes.canonicalize_dtype(dtype), jnp.float32)
    return BatchNormParams(scale, bias, jnp.zeros(features, kept), jnp.ones(features, kept))


def apply_batch_norm(
    params: BatchNormParams,
    x: jax.Array,
    *,
    epsilon: ArrayLike = 1e-5,
    where: ArrayLike | None = None,
) -> jax.Array:
    """Applies `BatchNorm` to x (..., features), by the running statistics.

    Args:
        epsilon: A number above 0.
        where: Booleans that broadcast to the shape of x, False for what does not count in the
            statistics of training. A number there that is NaN or infinite is taken as 0.
    """
    scale, bias, mean, variance = params
    if where is not None:
        check_mask("batch_norm", where, np.shape(x))
        x = jnp.where(jnp.broadcast_to(where, np.shape(x)) | jnp.isfinite(x), x, 0)
    return batch_norm(x, scale, bias, mean=mean, variance=variance, epsilon=epsilon)


def observe_batch_norm(
    params: BatchNormParams,
    x: jax.Array,
    *,
    epsilon: ArrayLike = 1e-5,
    momentum: ArrayLike = 0.9,
    axis_name: Any = None,
    where: ArrayLike | None = None,
) -> tuple[jax.Array, BatchNormParams]:
    """Applies `BatchNorm` by the statistics of x, and moves the running ones.

    Args:
        momentum: As when the layer was made.
        axis_name: Mapped axes of data-parallel training, over which the statistics are taken too.
    """
    scale, bias, old_mean, old_variance = params
    check_share("BatchNorm", momentum=momentum)
    check_positive("batch_norm", epsilon=epsilon)
    check_shapes("batch_norm", np.shape(x)[-1:], mean=old_mean, variance=old_variance)
    n = _numbers(np.shape(x), axis_name, where)
    y, (mean, variance) = _by_the_batch(x, scale, bias, epsilon, where, axis_name=axis_name)
    unbiased = variance * (n / jnp.maximum(n - 1, 1))

    def moved(old: jax.Array, new: jax.Array, enough: Any) -> jax.Array:
        step = jnp.asarray(1 - momentum, old.dtype) * (new.astype(old.dtype) - old)
        return old + jnp.where(enough, step, 0)

    mean, variance = moved(old_mean, mean, n > 0), moved(old_variance, unbiased, n > 1)
    return y, BatchNormParams(scale, bias, mean, variance)


@partial(jax.jit, static_argnames="axis_name")
def _by_the_batch(
    x: Any, scale: Any, bias: Any, epsilon: Any, where: Any, *, axis_name: Any
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    """The normalized batch and its moments. In one program, so that XLA computes these once."""
    y = batch_norm(x, scale, bias, epsilon=epsilon, axis_name=axis_name, where=where)
    return y, moments(x, axis_name=axis_name, where=where)


def _numbers(shape: tuple[int, ...], axis_name: Any, where: Any) -> Any:
    """How many numbers there are in each channel: one count, or with a mask (features,)."""
    n = math.prod(shape[:-1]) * (1 if axis_name is None else jax.lax.psum(1, axis_name))
    if is_known(n) and n < 2:
        raise ValueError(
            "BatchNorm: in training each channel must have at least 2 numbers, got x of shape "
            f"{shape}; use a larger batch, or inference: model(x)"
        )
    if where is None:
        return float(n) if is_known(n) else jnp.asarray(n, float)  # int32 may not hold it
    check_mask("batch_norm", where, shape)
    n = jnp.sum(jnp.broadcast_to(where, shape), tuple(range(len(shape) - 1)))
    return n if axis_name is None else jax.lax.psum(n, axis_name)


LayerNorm = bind("LayerNorm", create_layer_norm, apply_layer_norm)
RMSNorm = bind("RMSNorm", create_rms_norm, apply_rms_norm)
GroupNorm = bind("GroupNorm", create_group_norm, apply_group_norm)
BatchNorm = bind(
    "BatchNorm",
    create_batch_norm,
    apply_batch_norm,
    observe_batch_norm,
    roles={"mean": "batch_stats", "variance": "batch_stats"},
)
