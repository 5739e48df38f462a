"""Losses of vectors: the angles and the distances between them."""

from typing import Unpack

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ...ops.checks import FINITE, NOT_NEGATIVE, check_flag, check_numbers, check_shapes
from ...ops.lengths import extent, unit
from ..measures import Errors, Reduction, Shared, of_vectors, per_vector, real, reducing, weighed


@per_vector()
def cosine_similarity(
    predictions: jax.Array, targets: jax.Array, **shared: Unpack[Shared]
) -> jax.Array:
    """Cosine of the angle between vectors: mean p.t / (|p| |t|). More is better.

    Letters: *B any batch axes, D entries of a vector.

    Args:
        predictions: Vectors, (*B, D), of any length. One of zeros has the similarity 0 to all.
        targets: The same shape.
        weight: One per vector, (*B,) or a leading part of it; as for `mae`.
        reduction: As for `mae`; `"none"` gives (*B,).

    Returns:
        A scalar in [-1, 1], or (*B,). The mean of no vector is 0.

    Gradient:
        (t / |t| - cosine * p / |p|) / |p|, divided by the number of vectors in the mean. At a p of
        zeros it is t / |t|.

    Raises:
        TypeError: If an argument is not real.
        ValueError: As for `mae`, or if there is no axis of vectors.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> float(pn.cosine_similarity(jnp.array([3.0, 0.0]), jnp.array([2.0, 2.0])))
        0.7071...
    """
    return _cosine(predictions, targets)


def _cosine(one: jax.Array, other: jax.Array) -> jax.Array:
    return jnp.sum(unit(one, (-1,)) * unit(other, (-1,)), axis=-1)


@per_vector()
def cosine_distance(
    predictions: jax.Array, targets: jax.Array, **shared: Unpack[Shared]
) -> jax.Array:
    """One minus the cosine of the angle between vectors: mean 1 - p.t / (|p| |t|).

    Letters: *B any batch axes, D entries of a vector.

    Args:
        predictions: As for `cosine_similarity`.
        targets: As for `cosine_similarity`.
        weight: As for `cosine_similarity`.
        reduction: As for `cosine_similarity`.

    Returns:
        A scalar in [0, 2], or (*B,). The mean of no vector is 0.

    Gradient:
        Minus that of `cosine_similarity`.

    Raises:
        TypeError: As for `cosine_similarity`.
        ValueError: As for `cosine_similarity`.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> float(pn.cosine_distance(jnp.array([3.0, 0.0]), jnp.array([0.0, 2.0])))
        1.0
    """
    return 1 - _cosine(predictions, targets)


@reducing
def cosine_embedding(
    predictions: ArrayLike,
    others: ArrayLike,
    targets: ArrayLike,
    *,
    margin: ArrayLike = 0.0,
    weight: ArrayLike | None = None,
    **shared: Unpack[Reduction],
) -> Errors:
    """Loss of pairs of vectors that should be alike or not, as `CosineEmbeddingLoss` of torch.

        mean  1 - cosine                where the target is 1
              max(0, cosine - margin)   where it is -1

    Letters: *B any batch axes, D entries of a vector.

    Args:
        predictions: Vectors, (*B, D).
        others: What to compare them with, the same shape.
        targets: 1 for those that should be alike, -1 for those that should not, (*B,).
        margin: From -1 to 1: how small the cosine of vectors that should not be alike must be.
        weight: As for `cosine_similarity`.
        reduction: As for `cosine_similarity`.

    Returns:
        A scalar, or (*B,). The mean of no pair is 0. NaN for a target that is neither 1 nor -1.

    Gradient:
        That of the cosine with its sign; 0 at the margin and below.

    Raises:
        TypeError: As for `cosine_similarity`, or if the margin is no number.
        ValueError: As for `cosine_similarity`, or if there is not one target per pair.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> one, other = jnp.array([[1.0, 0.0]] * 2), jnp.array([[1.0, 0.0], [0.0, 1.0]])
        >>> float(pn.cosine_embedding(one, other, jnp.array([1, -1])))
        0.0
        >>> float(pn.cosine_embedding(one, other, jnp.array([-1, 1])))
        1.0
    """
    name = "cosine_embedding"
    check_numbers(name, FINITE, margin=margin)
    check_shapes(name, (), margin=margin)
    vectors, dtype = of_vectors(name, predictions=predictions, others=others)
    signs = real(name, "targets", targets)
    if signs.shape != vectors[0].shape[:-1]:
        raise ValueError(
            f"{name}: targets must have one number per pair, shape {vectors[0].shape[:-1]}, got "
            f"{signs.shape}"
        )

    def error(one: jax.Array, other: jax.Array, signs: jax.Array) -> jax.Array:
        cosine = _cosine(one, other)
        losses = jnp.where(signs == 1, 1 - cosine, jax.nn.relu(cosine - margin))
        return jnp.where(jnp.abs(signs) == 1, losses, jnp.nan)

    arrays = [*vectors, signs]
    return weighed(name, error, arrays, dtype, weight=weight)


@reducing
def triplet(
    anchor: ArrayLike,
    positive: ArrayLike,
    negative: ArrayLike,
    *,
    margin: ArrayLike = 1.0,
    p: float = 2.0,
    swap: bool = False,
    epsilon: float = 1e-6,
    weight: ArrayLike | None = None,
    **shared: Unpack[Reduction],
) -> Errors:
    """Triplet loss: an anchor should be nearer to a positive than to a negative.

        mean max(0, d(anchor, positive) - d(anchor, negative) + margin)
        d(a, b) = (sum_i |a_i - b_i + epsilon|^p)^(1/p)

    It is `TripletMarginLoss` of torch.

    Letters: *B any batch axes, D entries of a vector.

    Args:
        anchor: Vectors, (*B, D).
        positive: Those that the anchors should be near to, the same shape.
        negative: Those that the anchors should be far from, the same shape.
        margin: At least 0: by how much farther.
        p: The degree of the norm, at least 1 and finite.
        swap: Whether the negative's distance to the positive counts, where it is the smaller one.
        epsilon: What is added to every difference, at least 0.
        weight: One per triplet, (*B,) or a leading part of it; as for `mae`.
        reduction: As for `mae`; `"none"` gives (*B,).

    Returns:
        A scalar, or (*B,). The mean of no triplet is 0.

    Gradient:
        That of the distances, 0 where a distance is 0, at the margin and beyond.

    Raises:
        TypeError: If an argument is not real, p and epsilon no numbers, or swap no flag.
        ValueError: As for `mae`, or if an option is out of range.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> anchor, near, far = jnp.zeros((1, 2)), jnp.array([[0.0, 1.0]]), jnp.array([[1.5, 0.0]])
        >>> round(float(pn.triplet(anchor, near, far)), 3), float(pn.triplet(anchor, near, 2 * far))
        (0.5, 0.0)

    Source:
        Balntas et al., "Learning shallow convolutional feature descriptors with triplet losses",
        2016.
    """
    name = "triplet"
    check_numbers(name, NOT_NEGATIVE, margin=margin)
    check_shapes(name, (), margin=margin)
    check_numbers(name, NOT_NEGATIVE, static=True, p=p, epsilon=epsilon)
    check_flag(name, swap=swap)
    if p < 1:
        raise ValueError(f"{name}: p must be at least 1 and finite, got {p}")

    def error(anchor: jax.Array, positive: jax.Array, negative: jax.Array) -> jax.Array:
        near, far = (_distance(anchor - other + epsilon, p) for other in (positive, negative))
        if swap:
            far = jnp.minimum(far, _distance(positive - negative + epsilon, p))
        return jax.nn.relu(near - far + margin)

    arrays, dtype = of_vectors(name, anchor=anchor, positive=positive, negative=negative)
    return weighed(name, error, arrays, dtype, weight=weight)


def _distance(difference: jax.Array, p: float) -> jax.Array:
    """The norm of each vector, of numbers whose powers may leave the range."""
    scale = extent(difference, (-1,))
    total = jnp.sum(jnp.abs(difference / scale) ** p, axis=-1)
    nowhere = total == 0
    root = jnp.where(nowhere, 1, total) ** (1 / p)
    return jnp.where(nowhere, 0, root) * jnp.squeeze(scale, -1)
