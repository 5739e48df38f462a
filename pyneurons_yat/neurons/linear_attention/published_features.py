"""The published feature maps of the Yat kernel, for unit vectors; see `YatFeatures` for ours."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from ...core import bind
from ...ops import anchor_features, maclaurin_features, radial_features
from ...ops.checks import check_sizes
from ...ops.linear_attention import quadrature as plans
from .yat_features import buffers, check_kernel, share, turns


class AnchorFeaturesParams(NamedTuple):
    """What `anchor_features` takes: (A, I), (R, M, I), (R,), (R,)."""

    anchors: jax.Array
    directions: jax.Array
    rates: jax.Array
    amplitudes: jax.Array


def create_anchor(
    key: jax.Array,
    inputs: int,
    features: int = 256,
    *,
    epsilon: float = 1e-5,
    nodes: int = 1,
    anchors: int = 32,
    dtype: DTypeLike = jnp.float32,
) -> AnchorFeaturesParams:
    """The published anchor features of the Yat kernel without shift, on unit vectors.

    All features are positive, and so are the denominators of `linear_attention`. The kernel is
    met only roughly, however many features there are: see `anchor_features`.

    Args:
        key: A PRNG key.
        inputs: Features of x, at least 1.
        features: How many features to make, a multiple of `nodes` times `anchors`.
        epsilon: Above 0.
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
    kernel = check_kernel("AnchorFeatures", inputs, features, 0.0, epsilon, None, True)
    count = share("AnchorFeatures", features, nodes=nodes, anchors=anchors)
    for_anchors, for_directions = jax.random.split(key)
    drawn = jax.random.normal(for_anchors, (anchors, inputs))
    rates, weights = plans.laplace_nodes(kernel, nodes)
    amplitudes = np.sqrt(weights * np.exp(-rates) / (anchors * count))
    params = AnchorFeaturesParams(
        drawn / jnp.linalg.norm(drawn, axis=1, keepdims=True),
        jax.random.normal(for_directions, (nodes, count, inputs)),
        jnp.asarray(rates),
        jnp.asarray(amplitudes),
    )
    return jax.tree.map(lambda leaf: leaf.astype(dtype), params)


def apply_anchor(params: AnchorFeaturesParams, x: jax.Array) -> jax.Array:
    """Applies `AnchorFeatures` to x (*B, inputs)."""
    return anchor_features(x, *params)


class MaclaurinFeaturesParams(NamedTuple):
    """What `maclaurin_features` takes: (L, M, I), (M,), (M,)."""

    signs: jax.Array
    scales: jax.Array
    degrees: jax.Array


def create_maclaurin(
    key: jax.Array,
    inputs: int,
    features: int = 256,
    *,
    shift: float = 0.0,
    epsilon: float = 1e-5,
    highest: int = 40,
    dtype: DTypeLike = jnp.float32,
) -> MaclaurinFeaturesParams:
    """The published random Maclaurin features of the Yat kernel on unit vectors.

    Unbiased for the powers of q.k up to the highest: see `maclaurin_features`.

    Args:
        key: A PRNG key.
        inputs: Features of x, at least 1.
        features: How many features to make, at least 1.
        shift: Not negative.
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
    kernel = check_kernel("MaclaurinFeatures", inputs, features, shift, epsilon, None, True)
    check_sizes("MaclaurinFeatures", least=2, highest=highest)
    coefficients = np.zeros(highest + 1)
    for j, factor in enumerate(plans.shifted(kernel)):
        n = np.arange(j, highest + 1)
        coefficients[j:] += factor / (2 + epsilon) * (2 / (2 + epsilon)) ** (n - j)
    total = coefficients.sum()
    for_degrees, for_signs = jax.random.split(key)
    chances = jnp.asarray(coefficients / total, jnp.float32)
    degrees = jax.random.choice(for_degrees, highest + 1, (features,), p=chances)
    signs = jax.random.rademacher(for_signs, (highest, features, inputs), dtype)
    scales = jnp.full(features, math.sqrt(total / features), dtype)
    return MaclaurinFeaturesParams(signs, scales, degrees)


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


def create_radial(
    key: jax.Array,
    inputs: int,
    features: int = 256,
    *,
    shift: float = 0.0,
    epsilon: float = 1e-5,
    nodes: int = 2,
    products: int = 32,
    dtype: DTypeLike = jnp.float32,
) -> RadialFeaturesParams:
    """The published radial features of the Yat kernel on unit vectors: products times cosines.

    Unbiased but for the quadrature, whose nodes stand at x_i / epsilon as published: a small
    epsilon puts them where only vectors nearly equal are seen. See `radial_features`.

    Args:
        key: A PRNG key.
        inputs: Features of x, at least 1.
        features: How many features to make, a multiple of `nodes` times `products`.
        shift: Not negative.
        epsilon: Above 0.
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
    check_kernel("RadialFeatures", inputs, features, shift, epsilon, None, True)
    count = share("RadialFeatures", features, nodes=nodes, products=products)
    keys = jax.random.split(key, 5)
    x, w = np.polynomial.laguerre.laggauss(nodes)
    spread = jnp.asarray(np.sqrt(2 * x / epsilon))[:, None, None]
    params = RadialFeaturesParams(
        jax.random.normal(keys[0], (products, inputs)),
        jax.random.normal(keys[1], (products, inputs)),
        jax.random.normal(keys[2], (2, products)) * math.sqrt(shift),
        jax.random.normal(keys[3], (nodes, count, inputs)) * spread,
        turns(keys[4], nodes, count),
        jnp.asarray(np.sqrt(2 * w / epsilon / (count * products))),
    )
    return jax.tree.map(lambda leaf: leaf.astype(dtype), params)


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
