"""The published feature maps of the Yat kernel, for unit vectors; see `YatFeatures` for ours."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from ...core import bind, options_of
from ...ops import anchor_features, maclaurin_features, radial_features
from ...ops.checks import check_sizes
from ...ops.linear_attention import draws
from .yat_features import buffers, cast, kernel_of, share


class AnchorFeaturesParams(NamedTuple):
    """What `anchor_features` takes: (A, I), (R, M, I), (R,), (R,)."""

    anchors: jax.Array
    directions: jax.Array
    rates: jax.Array
    amplitudes: jax.Array


@options_of(kernel_of, without=["shift", "distance", "normalize"])
def create_anchor(
    key: jax.Array,
    inputs: int,
    features: int = 256,
    *,
    nodes: int = 1,
    anchors: int = 32,
    dtype: DTypeLike = jnp.float32,
    **options: Any,
) -> AnchorFeaturesParams:
    """The published anchor features of the Yat kernel without shift, on unit vectors.

    All features are positive, and so are the denominators of `linear_attention`. The kernel is
    met only roughly, however many features there are: see `anchor_features`.

    Args:
        key: A PRNG key.
        inputs: Features of x, at least 1.
        features: How many features to make, a multiple of `nodes` times `anchors`.
        nodes: Laplace nodes.
        anchors: Random unit vectors whose squared products with x stand for (q.k)^2.
        dtype: The dtype of the parameters.

    The model takes x of shape (*B, inputs), divides it by its length and returns (*B, features).

    Returns:
        `AnchorFeaturesParams(anchors, directions, rates, amplitudes)`.

    Raises:
        TypeError: If a size is not an integer.
        ValueError: If a number is out of range, or features no such multiple.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> phi = pn.AnchorFeatures(jax.random.key(0), 4, 16384, epsilon=0.5, anchors=64)
        >>> q, near, across = jnp.eye(4)[0], jnp.array([1.0, 0.5, 0, 0]), jnp.eye(4)[1]
        >>> bool(phi(q) @ phi(near) > phi(q) @ phi(across) > 0.01)  # the last should be 0
        True
    """
    kernel = kernel_of("AnchorFeatures", inputs, features, normalize=True, **options)
    count = share("AnchorFeatures", features, nodes=nodes, anchors=anchors)
    drawn = draws.anchor_draws(key, kernel, nodes, anchors, count)
    return AnchorFeaturesParams(*cast(drawn, dtype))


def apply_anchor(params: AnchorFeaturesParams, x: jax.Array) -> jax.Array:
    """Applies `AnchorFeatures` to x (*B, inputs)."""
    return anchor_features(x, *params)


class MaclaurinFeaturesParams(NamedTuple):
    """What `maclaurin_features` takes: (L, M, I), (M,), (M,)."""

    signs: jax.Array
    scales: jax.Array
    degrees: jax.Array


@options_of(kernel_of, without=["distance", "normalize"])
def create_maclaurin(
    key: jax.Array,
    inputs: int,
    features: int = 256,
    *,
    highest: int = 40,
    dtype: DTypeLike = jnp.float32,
    **options: Any,
) -> MaclaurinFeaturesParams:
    """The published random Maclaurin features of the Yat kernel on unit vectors.

    Unbiased for the powers of q.k up to the highest: see `maclaurin_features`.

    Args:
        key: A PRNG key.
        inputs: Features of x, at least 1.
        features: How many features to make, at least 1.
        epsilon: Above 0. The smaller it is, the more powers matter.
        highest: The highest power of q.k, at least 2.
        dtype: The dtype of the parameters.

    The model takes x of shape (*B, inputs), divides it by its length and returns (*B, features).

    Returns:
        `MaclaurinFeaturesParams(signs, scales, degrees)`; the degrees are integers.

    Raises:
        TypeError: If a size is not an integer.
        ValueError: If a number is out of range.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> phi = pn.MaclaurinFeatures(jax.random.key(0), 2, 4096, shift=1.0, epsilon=2.0)
        >>> q, k = jnp.array([1.0, 0.0]), jnp.array([0.6, 0.8])
        >>> bool(abs(phi(q) @ phi(k) - 1.6**2 / (0.8 + 2)) < 0.1)
        True
    """
    kernel = kernel_of("MaclaurinFeatures", inputs, features, normalize=True, **options)
    check_sizes("MaclaurinFeatures", least=2, highest=highest)
    drawn = draws.maclaurin_draws(key, kernel, features, highest)
    return MaclaurinFeaturesParams(*cast(drawn, dtype))


def apply_maclaurin(params: MaclaurinFeaturesParams, x: jax.Array) -> jax.Array:
    """Applies `MaclaurinFeatures` to x (*B, inputs)."""
    return maclaurin_features(x, params.signs, params.scales, degrees=params.degrees)


class RadialFeaturesParams(NamedTuple):
    """What `radial_features` takes: (M, I), (M, I), (2, M), (R, J, I), (R, J), (R,)."""

    left: jax.Array
    right: jax.Array
    offsets: jax.Array
    frequencies: jax.Array
    phases: jax.Array
    amplitudes: jax.Array


@options_of(kernel_of, without=["distance", "normalize"])
def create_radial(
    key: jax.Array,
    inputs: int,
    features: int = 256,
    *,
    nodes: int = 2,
    products: int = 32,
    dtype: DTypeLike = jnp.float32,
    **options: Any,
) -> RadialFeaturesParams:
    """The published radial features of the Yat kernel on unit vectors: products times cosines.

    Unbiased but for the quadrature, whose nodes stand at x_i / epsilon as published: a small
    epsilon puts them where only vectors nearly equal are seen. See `radial_features`.

    Args:
        key: A PRNG key.
        inputs: Features of x, at least 1.
        features: How many features to make, a multiple of `nodes` times `products`.
        nodes: Laplace nodes.
        products: Random products that stand for (q.k + shift)^2.
        dtype: The dtype of the parameters.

    The model takes x of shape (*B, inputs), divides it by its length and returns (*B, features).

    Returns:
        `RadialFeaturesParams(left, right, offsets, frequencies, phases, amplitudes)`.

    Raises:
        TypeError: If a size is not an integer.
        ValueError: If a number is out of range, or features no such multiple.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> key = jax.random.key(0)
        >>> phi = pn.RadialFeatures(key, 2, 2**14, shift=1.0, epsilon=2.0, products=64)
        >>> q, k = jnp.array([1.0, 0.0]), jnp.array([0.6, 0.8])
        >>> bool(abs(phi(q) @ phi(k) - 1.6**2 / (0.8 + 2)) < 0.2)
        True
    """
    kernel = kernel_of("RadialFeatures", inputs, features, normalize=True, **options)
    count = share("RadialFeatures", features, nodes=nodes, products=products)
    drawn = draws.radial_draws(key, kernel, nodes, products, count)
    return RadialFeaturesParams(*cast(drawn, dtype))


def apply_radial(params: RadialFeaturesParams, x: jax.Array) -> jax.Array:
    """Applies `RadialFeatures` to x (*B, inputs)."""
    return radial_features(x, *params)


AnchorFeatures = bind(
    "AnchorFeatures", create_anchor, apply_anchor, roles=buffers(AnchorFeaturesParams)
)
MaclaurinFeatures = bind(
    "MaclaurinFeatures", create_maclaurin, apply_maclaurin, roles=buffers(MaclaurinFeaturesParams)
)
RadialFeatures = bind(
    "RadialFeatures", create_radial, apply_radial, roles=buffers(RadialFeaturesParams)
)
