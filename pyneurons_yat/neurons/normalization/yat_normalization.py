"""Yat normalisation: normalised features, amplified where they are near a learned prototype.

Normalising takes the scale out of a row; what is left is its direction. A Yat score against a
prototype says how much that direction is the one looked for. Here the score is a gain, not the
output: the output keeps the sign, the size and the order of magnitude of the normalised features,
so that it can stand wherever a LayerNorm or BatchNorm stands, in front of any layer and inside a
residual stream. Scores in place of the features would be a dense Yat layer of few outputs, none of
them negative.

One prototype may stand for all features or for each group of them. The gain is 1 + alpha s with s
bounded (see `yat_gate`), and alpha is 0 at first: an untrained layer is a LayerNorm or a BatchNorm,
exactly, and training decides how far it departs from it.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike, DTypeLike

from ...core import Model, bind, observe
from ...ops import yat_gate
from ...ops.checks import check_sizes
from .normalization import BatchNorm, LayerNorm


class YatNormParams(NamedTuple):
    """The normalisation, a model; prototype (groups, features / groups); alpha, bias (groups,)."""

    norm: Model
    prototype: jax.Array | None
    alpha: jax.Array | None
    bias: jax.Array | None


def _create(
    layer: str,
    norm: Model,
    key: jax.Array,
    features: int,
    groups: int,
    use_yat: bool,
    dtype: DTypeLike,
) -> YatNormParams:
    check_sizes(layer, groups=groups)
    if features % groups:
        raise ValueError(f"{layer}: groups must divide the {features} features, but {groups} came")
    if not use_yat:
        return YatNormParams(norm, None, None, None)
    prototype = jax.random.normal(key, (groups, features // groups), dtype)
    return YatNormParams(norm, prototype, jnp.zeros(groups, dtype), jnp.zeros(groups, dtype))


def create_layer_norm(
    key: jax.Array,
    features: int,
    *,
    groups: int = 1,
    use_yat: bool = True,
    use_scale: bool = True,
    use_bias: bool = True,
    dtype: DTypeLike = jnp.float32,
) -> YatNormParams:
    """LayerNorm whose output is amplified where it is near a learned prototype.

        h = LayerNorm(x),    y_g = h_g (1 + alpha_g yat(h_g; p_g))

    The Yat score takes means over the features of a group; the function `yat_gate` gives it in
    full. alpha is 0 at first, so an untrained layer is a LayerNorm. Why the score is a gain and
    not the output: `pyneurons_yat.neurons.normalization.yat_normalization`.

    Args:
        key: A PRNG key, for the prototype.
        features: The size of the last axis.
        groups: How many groups of neighbouring features have a prototype each.
        use_yat: Whether there is a gain; without, the layer is LayerNorm.
        use_scale: As for `LayerNorm`.
        use_bias: As for `LayerNorm`.
        dtype: The dtype of the parameters.

    The model takes x of shape (*B, features) and returns the same shape. Options of the call:
    `epsilon` of the Yat score (1.0), and `where`, of the norm and of the score. The epsilon of the
    normalisation is 1e-5.

    Returns:
        `YatNormParams(norm, prototype, alpha, bias)`.

    Gradient:
        As for the functions `layer_norm` and `yat_gate`.

    Raises:
        TypeError: If a size is not an integer, or dtype not floating.
        ValueError: If a size is below 1, or groups does not divide features.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> x = jax.random.normal(jax.random.key(0), (4, 6))
        >>> model = pn.YatLayerNorm(jax.random.key(1), 6, groups=2)
        >>> bool(jnp.allclose(model(x), pn.LayerNorm(6)(x)))
        True

        A trained gain tells a row that is its prototype from one that is its opposite:

        >>> model = pn.replace(model, "alpha", jnp.ones(2))
        >>> rows = jnp.stack([model.prototype.ravel(), -model.prototype.ravel()])
        >>> near, far = jnp.linalg.norm(model(rows), axis=-1)
        >>> bool(near > far)
        True
    """
    norm = LayerNorm(features, use_scale=use_scale, use_bias=use_bias, dtype=dtype)
    return _create("YatLayerNorm", norm, key, features, groups, use_yat, dtype)


def create_batch_norm(
    key: jax.Array,
    features: int,
    *,
    groups: int = 1,
    use_yat: bool = True,
    use_scale: bool = True,
    use_bias: bool = True,
    momentum: float = 0.9,
    axis_name: str | tuple[str, ...] | None = None,
    dtype: DTypeLike = jnp.float32,
) -> YatNormParams:
    """BatchNorm whose output is amplified where it is near a learned prototype.

        h = BatchNorm(x),    y_g = h_g (1 + alpha_g yat(h_g; p_g))

    As `YatLayerNorm`, around a `BatchNorm`: `observe` normalises by the batch and moves the running
    statistics.

    Args:
        key: A PRNG key, for the prototype.
        features: Channels, the size of the last axis.
        groups: How many groups of neighbouring channels have a prototype each.
        use_yat: Whether there is a gain; without, the layer is BatchNorm.
        use_scale: As for `BatchNorm`.
        use_bias: As for `BatchNorm`.
        momentum: As for `BatchNorm`.
        axis_name: As for `BatchNorm`.
        dtype: The dtype of the parameters.

    The model takes x of shape (..., features) and returns the same shape. Option of the call:
    `epsilon` of the Yat score (1.0). Of `observe` also `where`, of the norm and of the score.

    Returns:
        `YatNormParams(norm, prototype, alpha, bias)`.

    Gradient:
        As for the functions `batch_norm` and `yat_gate`.

    Raises:
        TypeError: If a size is not an integer, or dtype not floating.
        ValueError: If a size is below 1, or groups does not divide features.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> x = 3 * jax.random.normal(jax.random.key(0), (64, 6)) + 1
        >>> model = pn.YatBatchNorm(jax.random.key(1), 6, momentum=0.0)
        >>> y, model = pn.observe(model, x)
        >>> bool(jnp.allclose(model.norm.mean, x.mean(0), atol=1e-5))
        True
    """
    norm = BatchNorm(
        features,
        use_scale=use_scale,
        use_bias=use_bias,
        momentum=momentum,
        axis_name=axis_name,
        dtype=dtype,
    )
    return _create("YatBatchNorm", norm, key, features, groups, use_yat, dtype)


def apply_layer_norm(
    params: YatNormParams,
    x: jax.Array,
    *,
    epsilon: ArrayLike = 1.0,
    where: ArrayLike | None = None,
) -> jax.Array:
    """Applies `YatLayerNorm` to x (*B, features)."""
    return _gated(params, params.norm(x, where=where), epsilon, where)


def apply_batch_norm(params: YatNormParams, x: jax.Array, *, epsilon: ArrayLike = 1.0) -> jax.Array:
    """Applies `YatBatchNorm` to x (..., features), by the running statistics."""
    return _gated(params, params.norm(x), epsilon)


def observe_batch_norm(
    params: YatNormParams,
    x: jax.Array,
    *,
    epsilon: ArrayLike = 1.0,
    where: ArrayLike | None = None,
) -> tuple[jax.Array, YatNormParams]:
    """Applies `YatBatchNorm` by the statistics of x, and moves the running ones."""
    normal, norm = observe(params.norm, x, where=where)
    return _gated(params, normal, epsilon, where), params._replace(norm=norm)


def _gated(
    params: YatNormParams, x: jax.Array, epsilon: ArrayLike, where: ArrayLike | None = None
) -> jax.Array:
    _, prototype, alpha, bias = params
    if prototype is None:
        return x
    return yat_gate(x, prototype, bias, alpha, epsilon=epsilon, where=where)


YatLayerNorm = bind("YatLayerNorm", create_layer_norm, apply_layer_norm)
YatBatchNorm = bind("YatBatchNorm", create_batch_norm, apply_batch_norm, observe_batch_norm)
