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

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike, DTypeLike

from ...core import Layer, Model, bind, options_of
from ...ops import yat_gate
from ...ops.checks import check_flag
from .normalization import (
    BatchNorm,
    LayerNorm,
    check_groups,
    create_batch_norm,
    observe_batch_norm,
    scale_and_bias,
)


class YatNormParams(NamedTuple):
    """The normalisation, a model; prototype (groups, features / groups); alpha, bias (groups,)."""

    norm: Model
    prototype: jax.Array | None
    alpha: jax.Array | None
    bias: jax.Array | None


def gated_norm(
    layer: str,
    norm: Layer,
    key: jax.Array,
    features: int,
    *,
    groups: int = 1,
    use_yat: bool = True,
    dtype: DTypeLike = jnp.float32,
    **options: Any,
) -> YatNormParams:
    """A norm and what the gain behind it learns.

    Args:
        layer: The name of the whole, for errors.
        norm: The layer that normalizes.
        key: A PRNG key, for the prototype.
        features: The size of the last axis.
        groups: How many groups of neighbouring features have a prototype each.
        use_yat: Whether there is a gain; without, the layer is the norm alone.
        dtype: The dtype of the parameters.
        **options: Of the norm.
    """
    check_groups(layer, features, groups)
    check_flag(layer, use_yat=use_yat)
    inner = norm(features, dtype=dtype, **options)
    if not use_yat:
        return YatNormParams(inner, None, None, None)
    prototype = jax.random.normal(key, (groups, features // groups), dtype)
    return YatNormParams(inner, prototype, jnp.zeros(groups, dtype), jnp.zeros(groups, dtype))


@options_of(gated_norm, scale_and_bias, without=["options"])
def create_yat_layer_norm(key: jax.Array, features: int, **options: Any) -> YatNormParams:
    """LayerNorm whose output is amplified where it is near a learned prototype.

        h = LayerNorm(x),    y_g = h_g (1 + alpha_g yat(h_g; p_g))

    The Yat score takes means over the features of a group; the function `yat_gate` gives it in
    full. alpha is 0 at first, so an untrained layer is a LayerNorm. Why the score is a gain and
    not the output: `pyneurons_yat.neurons.normalization.yat_normalization`.

    Args:
        key: A PRNG key, for the prototype.
        features: The size of the last axis.

    The model takes x of shape (*B, features) and returns the same shape. The epsilon of the
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
    return gated_norm("YatLayerNorm", LayerNorm, key, features, **options)


@options_of(
    gated_norm, create_batch_norm, observe_batch_norm, without=["epsilon", "where", "options"]
)
def create_yat_batch_norm(key: jax.Array, features: int, **options: Any) -> YatNormParams:
    """BatchNorm whose output is amplified where it is near a learned prototype.

        h = BatchNorm(x),    y_g = h_g (1 + alpha_g yat(h_g; p_g))

    As `YatLayerNorm`, around a `BatchNorm`: training normalises by the batch and moves the running
    statistics.

    Args:
        key: A PRNG key, for the prototype.
        features: Channels, the size of the last axis.

    The model takes x of shape (..., features) and returns the same shape. The epsilon of the
    normalisation is 1e-5.

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
    return gated_norm("YatBatchNorm", BatchNorm, key, features, **options)


def apply(
    params: YatNormParams,
    x: jax.Array,
    *,
    epsilon: ArrayLike = 1.0,
    where: ArrayLike | None = None,
) -> jax.Array:
    """Applies `YatLayerNorm` or `YatBatchNorm` to x (*B, features).

    Args:
        epsilon: That of the Yat score, above 0.
        where: Booleans that broadcast to the shape of x, of the norm and of the score; False for
            what does not count.
    """
    norm, prototype, alpha, bias = params
    y = norm(x, where=where)
    if prototype is None:
        return y
    return yat_gate(y, prototype, bias, alpha, epsilon=epsilon, where=where)


YatLayerNorm = bind("YatLayerNorm", create_yat_layer_norm, apply)
YatBatchNorm = bind("YatBatchNorm", create_yat_batch_norm, apply)
