"""Feature maps with matrices drawn once: layers whose leaves do not train (role "buffers").

The kernel is k(q, k) = (q.k + shift)^2 / (|q - k|^2 + epsilon). The outputs phi(x) go to
`linear_attention`. One model maps queries and keys: two models have nothing to do with each other.

====================  =================================  ==============  ======================
layer                 phi(q).phi(k)                      signs           vectors
====================  =================================  ==============  ======================
`YatFeatures`         unbiased but for the quadrature    mostly exact    any
`MaclaurinFeatures`   unbiased but for powers over 40    random          of length 1
`RadialFeatures`      unbiased but for the quadrature    random          of length 1
`AnchorFeatures`      biased, for shift 0 only           positive        of length 1
====================  =================================  ==============  ======================
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from ...core import bind, options_of
from ...ops import yat_features
from ...ops.checks import (
    NOT_NEGATIVE,
    POSITIVE,
    check_choice,
    check_flag,
    check_numbers,
    check_sizes,
)
from ...ops.linear_attention import draws, quadrature

TAILS = ("cosine", "positive", "none")


def kernel_of(
    layer: str,
    inputs: int,
    features: int,
    *,
    shift: float = 0.0,
    epsilon: float = 1e-5,
    distance: float | None = None,
    normalize: bool = False,
) -> quadrature.Kernel:
    """The kernel of a layer's options, which are checked.

    Args:
        layer: What errors call it.
        inputs: Features of x, at least 1.
        features: How many features to make, at least 1.
        shift: Not negative; stands inside the square.
        epsilon: Above 0.
        distance: The typical squared distance of a query and a key, above 0; by default 2 with
            `normalize`, else 2 `inputs`, as of vectors of unit mean square.
        normalize: Whether x is divided by its length first. All nodes share their exact features
            then, which hold for unit vectors only: False at the call is for x that are such.
    """
    check_sizes(layer, inputs=inputs, features=features)
    if distance is None:
        distance = 2.0 if normalize else 2.0 * inputs
    check_flag(layer, normalize=normalize)
    check_numbers(layer, NOT_NEGATIVE, static=True, shift=shift)
    check_numbers(layer, POSITIVE, static=True, epsilon=epsilon, distance=distance)
    if normalize and distance != 2:
        raise ValueError(f"{layer}: distance must be 2 for unit vectors, got {distance}")
    return quadrature.Kernel(inputs, float(shift), float(epsilon), float(distance), normalize)


def cast(arrays: tuple[jax.Array | None, ...], dtype: DTypeLike) -> Any:
    """What a map draws, in the dtype of a layer; integers stay."""
    whole = jnp.integer
    return jax.tree.map(lambda a: a if jnp.issubdtype(a.dtype, whole) else a.astype(dtype), arrays)


class YatFeaturesParams(NamedTuple):
    """What `yat_features` takes: (R, K), (R,), (P, M, I), (M, I), (M,), (M,), (M,) or None."""

    amplitudes: jax.Array
    rates: jax.Array
    directions: jax.Array
    tilts: jax.Array
    decays: jax.Array
    scales: jax.Array
    phases: jax.Array | None


@options_of(kernel_of)
def create_yat(
    key: jax.Array,
    inputs: int,
    features: int = 256,
    *,
    nodes: int | None = None,
    degree: int | None = None,
    tail: str = "cosine",
    dtype: DTypeLike = jnp.float32,
    **options: Any,
) -> YatFeaturesParams:
    """Features of the Yat kernel: low powers of q.k exactly, the rest by random features.

        E[phi(q).phi(k)] = (q.k + shift)^2 sum_i (w_i / c) exp(x_i (distance - |q - k|^2) / c)

    with c = distance + epsilon and x_i, w_i the Gauss-Laguerre nodes and weights. The sum is a
    quadrature of the Laplace integral of 1 / (|q - k|^2 + epsilon): never above it, exact to
    order 2 R - 1 in |q - k|^2 around `distance`, and equal to it in the limit of many nodes R.

    Why not always many nodes: M unbiased random features of a kernel whose value at q = k is T
    have a mean square of at least T^2 / M, and with R, of unit vectors, T approaches
    (1 + shift)^2 / epsilon. Where few features are to be had, a smooth kernel is nearer to
    the true one than a noisy one. By default nodes and degree are those of the least expected
    squared error over vectors evenly spread on the sphere; they rise with `features`.

    Args:
        key: A PRNG key.
        inputs: Features of x, at least 1.
        features: How many features to make, at least 1; without a tail the most to make.
        nodes: R, the number of Laplace nodes; by default planned.
        degree: The highest power of q.k held exactly, at least 1; by default planned.
        tail: what stands for the powers above `degree`: "cosine" or "positive", the two random
            features of `yat_features`, or "none", which drops them. Then there is no variance, but
            a bias that only a higher degree makes smaller: better where queries and keys are
            spread out, worse where they come close.
        dtype: The dtype of the parameters. The result has the promoted dtype of x and parameters.

    The model takes x of shape (*B, inputs) and returns (*B, features). Option of the call:
    `normalize`. The directions are orthogonal in blocks of `inputs`, the exponents stratified.

    Returns:
        `YatFeaturesParams(amplitudes, rates, directions, tilts, decays, scales, phases)`.

    Gradient:
        In x, as for `yat_features`; the parameters have the role "buffers" and do not train.

    Raises:
        TypeError: If a size is not an integer.
        ValueError: If a number is out of range, or the options need more features.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> keys = jax.random.split(jax.random.key(0), 3)
        >>> phi = pn.YatFeatures(keys[0], 16, 256, shift=1.0, epsilon=0.5, normalize=True)
        >>> q, k = jax.random.normal(keys[1], (2, 512, 1, 16))  # 512 of each, one head
        >>> v = jax.random.normal(keys[2], (512, 1, 16))
        >>> y = pn.linear_attention(phi(q), phi(k), v)[:, 0]
        >>> unit = lambda x: x / jnp.linalg.norm(x, axis=-1, keepdims=True)
        >>> weights = pn.yat_scores(unit(q[:, 0]), unit(k[:, 0]), 1.0, epsilon=0.5)
        >>> exact = weights / weights.sum(1, keepdims=True) @ v[:, 0]
        >>> bool((unit(y) * unit(exact)).sum(1).mean() > 0.97)  # plain averaging of v: 0.78
        True

    Source:
        See `yat_features`. The published map for unit vectors is `AnchorFeatures`.
    """
    kernel = kernel_of("YatFeatures", inputs, features, **options)
    plan = quadrature.make_plan(kernel, features, *_check_plan(nodes, degree, tail))
    return YatFeaturesParams(*cast(draws.yat_draws(key, kernel, plan, tail), dtype))


def apply_yat(params: YatFeaturesParams, x: jax.Array, *, normalize: bool = False) -> jax.Array:
    """Applies `YatFeatures` to x (*B, inputs)."""
    return yat_features(x, *params, normalize=normalize)


def _check_plan(nodes, degree, tail):
    chosen = {"nodes": nodes, "degree": degree}
    check_sizes("YatFeatures", **{name: n for name, n in chosen.items() if n is not None})
    check_choice("YatFeatures", "tail", tail, TAILS)
    if tail == "none" and degree == 1:
        raise ValueError("YatFeatures: degree must be at least 2 without a tail, got 1")
    return nodes, degree, tail != "none"


def share(layer, features, **parts):
    """How many features are left to each of the parts, which must divide them."""
    check_sizes(layer, **parts)
    size = math.prod(parts.values())
    if features % size:
        told = " times ".join(f"{name} = {n}" for name, n in parts.items())
        raise ValueError(f"{layer}: features must be a multiple of {told}, got {features}")
    return features // size


def buffers(params):
    """The roles of leaves that do not train."""
    return dict.fromkeys(params._fields, "buffers")


YatFeatures = bind("YatFeatures", create_yat, apply_yat, roles=buffers(YatFeaturesParams))
