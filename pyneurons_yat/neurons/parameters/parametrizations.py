"""Transforms of parameters, for `reparam`, that have parameters or state of their own."""

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ...core import Layer, Parametrise, Pattern, bind, parametrise
from ...ops.dtypes import accumulator
from .transforms import extent, lengths, unit


class Normed(NamedTuple):
    """Weights as a length per output and a direction."""

    scale: jax.Array
    direction: jax.Array


def _normed(array: jax.Array) -> Normed:
    return Normed(lengths(array).reshape(array.shape[-1:]), array)


def _from_normed(params: Normed) -> jax.Array:
    scale = jnp.expand_dims(params.scale, tuple(range(params.direction.ndim - 1)))
    return unit(params.direction) * scale


WEIGHT_NORM = bind("WeightNorm", _normed, _from_normed)


def weight_norm(pattern: Pattern = "*kernel") -> Parametrise:
    """Weights as a length and a direction per output, each trained by itself: w = g v / |v|.

    Args:
        pattern: Which arrays, as for `cast`.

    Returns:
        A transform for `reparam`. In the place of an array stand `scale`, g, of the size of the
        last axis, and `direction`, v. At first the weights are what they were.

    Gradient:
        In g and v. That in v is orthogonal to v.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.Linear(jax.random.key(0), 3, 2)
        >>> pn.reparam(model, pn.weight_norm())
        Linear  10 parameters
          .kernel            WeightNorm
          .kernel.scale      float32[2]
          .kernel.direction  float32[3,2]
          .bias              float32[2]

    Source:
        Salimans, Kingma, "Weight Normalization", arXiv:1602.07868.
    """
    return parametrise(WEIGHT_NORM, pattern)


class Spectral(NamedTuple):
    """A matrix and the singular vectors that belong to its largest singular value."""

    matrix: jax.Array
    left: jax.Array
    right: jax.Array


def _flat(array: jax.Array) -> jax.Array:
    """An array as a matrix, all axes but the last as one, in the accumulator's dtype."""
    return array.reshape(-1, array.shape[-1]).astype(accumulator(array.dtype))


def _spectral(array: jax.Array) -> Spectral:
    matrix = _flat(array)
    left, _, right = jnp.linalg.svd(matrix / extent(matrix), full_matrices=False)
    return Spectral(array, left[:, 0], right[0])


def _from_spectral(params: Spectral) -> jax.Array:
    matrix = _flat(params.matrix)
    matrix = matrix / extent(matrix)  # so that neither a square nor its inverse leaves the range
    value = params.left @ matrix @ params.right
    small = jnp.abs(value) < jnp.finfo(value.dtype).tiny
    normed = matrix / jnp.where(small, 1, value)
    return normed.reshape(params.matrix.shape).astype(params.matrix.dtype)


def _iterated(params: Spectral) -> tuple[jax.Array, Spectral]:
    matrix = jax.lax.stop_gradient(_flat(params.matrix))
    matrix = matrix / extent(matrix)
    right = _direction(params.left @ matrix, params.right)
    left = _direction(matrix @ right, params.left)
    params = Spectral(params.matrix, left, right)
    return _from_spectral(params), params


def _direction(vector: jax.Array, before: jax.Array) -> jax.Array:
    """A vector of length 1; what it was before where it is 0, as for a matrix of zeros."""
    length = jnp.linalg.norm(vector)
    vector = vector / jnp.where(length == 0, 1, length)
    return jnp.where(length == 0, before, vector.astype(before.dtype))


SPECTRAL_NORM: Layer = bind(
    "SpectralNorm",
    _spectral,
    _from_spectral,
    _iterated,
    roles={"left": "spectral_stats", "right": "spectral_stats"},
)


def spectral_norm(pattern: Pattern = "*kernel") -> Parametrise:
    """Divides a weight matrix by its largest singular value.

    The singular vectors are kept beside it. Every training-time call moves them by one step of the
    power iteration, which follows a matrix that changes slowly; they start exact.

    Args:
        pattern: Which arrays, as for `cast`. All axes but the last count as one.

    Returns:
        A transform for `reparam`. In the place of an array stand `matrix`, and `left` and `right`
        of the role "spectral_stats", which are not trained and at least float32. Weights that are
        all 0 stay so.

    Gradient:
        That of w / (u.w v) with the vectors held fixed.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.Linear(jax.random.key(0), 5, 4, use_bias=False)
        >>> model = pn.reparam(model, pn.spectral_norm())
        >>> round(float(jnp.linalg.norm(model(jnp.eye(5)), 2)), 4)
        1.0

    Source:
        Miyato et al., "Spectral Normalization for Generative Adversarial Networks",
        arXiv:1802.05957.
    """
    return parametrise(SPECTRAL_NORM, pattern)


class Masked(NamedTuple):
    """An array and where it is kept."""

    value: jax.Array
    keep: jax.Array


@dataclass(frozen=True)
class Mask:
    """Creates `Masked`."""

    keep: float | Callable[[jax.Array], jax.Array]

    def __call__(self, array: jax.Array) -> Masked:
        """The array, and the mask that `keep` makes of it."""
        if callable(self.keep):
            keep = jnp.asarray(self.keep(array))
        else:
            keep = jnp.abs(array) >= jnp.quantile(jnp.abs(array), 1 - self.keep)
        if keep.shape != array.shape or keep.dtype != jnp.bool_:
            raise ValueError(
                f"mask: keep must give booleans of shape {array.shape}, got {keep.dtype} of shape "
                f"{keep.shape}"
            )
        return Masked(array, keep)


def _from_masked(params: Masked) -> jax.Array:
    return jnp.where(params.keep, params.value, 0)


def mask(
    keep: float | Callable[[jax.Array], jax.Array], pattern: Pattern = "*kernel"
) -> Parametrise:
    """Weights of which some are 0 and stay so: pruning, and connections that are not there.

    Args:
        keep: The share of each array to keep, those of largest magnitude; or a function from an
            array to booleans of its shape.
        pattern: Which arrays, as for `cast`.

    Returns:
        A transform for `reparam`. In the place of an array stand `value` and `keep`; the latter is
        boolean, so it is not trained.

    Gradient:
        0 where the mask is False.

    Raises:
        ValueError: If the share is not between 0 and 1, or the function gives something else.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.Linear(jax.random.key(0), 10, 10, use_bias=False)
        >>> pruned = pn.reparam(model, pn.mask(0.2))
        >>> int((pruned(jnp.eye(10)) != 0).sum())
        20
    """
    if not callable(keep) and not (isinstance(keep, Real) and 0 <= keep <= 1):
        raise ValueError(f"mask: keep must be between 0 and 1 or a function, got {keep!r}")
    return parametrise(bind("Mask", Mask(keep), _from_masked), pattern)
