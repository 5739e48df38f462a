"""Transforms of parameters, for `reparam`, that have parameters or state of their own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ...core import (
    Filter,
    Layer,
    Model,
    Parametrise,
    bind,
    leaves_by_path,
    matching,
    parametrise,
    where,
)
from ...ops.checks import SHARE, check_numbers
from ...ops.dtypes import accumulator
from ...ops.lengths import extent, lengths, unit


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


def weight_norm(pattern: Filter = "*kernel") -> Parametrise:
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
    """An array as a matrix, all axes but the last as one, in the accumulator's dtype.

    It is divided by its extent, so that neither a square nor its inverse leaves the range.
    """
    matrix = array.reshape(-1, array.shape[-1]).astype(accumulator(array.dtype))
    return matrix / extent(matrix, (0, 1))


def _spectral(array: jax.Array) -> Spectral:
    left, _, right = jnp.linalg.svd(_flat(array), full_matrices=False)
    return Spectral(array, left[:, 0], right[0])


def _from_spectral(params: Spectral) -> jax.Array:
    matrix = _flat(params.matrix)
    value = params.left @ matrix @ params.right
    small = jnp.abs(value) < jnp.finfo(value.dtype).tiny
    normed = matrix / jnp.where(small, 1, value)
    return normed.reshape(params.matrix.shape).astype(params.matrix.dtype)


def _iterated(params: Spectral) -> tuple[jax.Array, Spectral]:
    matrix = jax.lax.stop_gradient(_flat(params.matrix))
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


def spectral_norm(pattern: Filter = "*kernel") -> Parametrise:
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

    keep: float | Callable[..., Any]

    def __call__(self, array: jax.Array) -> Masked:
        """The array, and the mask that `keep` makes of it."""
        if callable(self.keep):
            return _masked("what keep returns", array, self.keep(array))
        return Masked(array, jnp.abs(array) >= jnp.quantile(jnp.abs(array), 1 - self.keep))


def _masked(what: str, array: jax.Array, keep: Any) -> Masked:
    keep = jnp.asarray(keep)
    if keep.shape != array.shape or keep.dtype != jnp.bool_:
        kind = TypeError if keep.shape == array.shape else ValueError
        raise kind(
            f"mask: {what} must be booleans of shape {array.shape}, got {keep.dtype} of shape "
            f"{keep.shape}"
        )
    return Masked(array, keep)


def _from_masked(params: Masked) -> jax.Array:
    return jnp.where(params.keep, params.value, 0)


@dataclass(frozen=True)
class Given(Parametrise):
    """What `mask` returns for masks that are given: they go to the leaves of the model."""

    masks: tuple[tuple[Filter, Any], ...]

    def prepared(self, params: Any) -> Any:
        """The parameters with the masks beside the arrays that they are for."""
        leaves, structure = jax.tree.flatten(params)
        for one, keep in self.masks:
            for i in matching(one, params):
                if isinstance(leaves[i], Model):
                    raise ValueError(
                        f"mask: keep must hold one mask for an array, got two by {one!r}"
                    )
                leaves[i] = Model(self.layer, _masked(f"the mask of {one!r}", leaves[i], keep))
        return jax.tree.unflatten(structure, leaves)

    def settled(self) -> Parametrise:
        """The transform without the masks. In a model that is made anew it keeps everything."""
        return Parametrise(self.layer, where(*(one for one, _ in self.masks)))


def mask(keep: Any, pattern: Filter | None = None) -> Parametrise:
    """Weights of which some are 0 and stay so: pruning, and connections that are not there.

    Args:
        keep: The share of each array to keep, those of largest magnitude; or a function from an
            array to booleans of its shape; or the masks themselves, for a model: booleans, as a
            mapping from paths and patterns such as `"hidden.kernel"` to masks, or a tree of the
            structure of the model, with holes or `None` where nothing is masked.
        pattern: Which arrays, as for `cast`, where `keep` does not say it; by default `"*kernel"`.

    Returns:
        A transform for `reparam`. In the place of an array stand `value` and `keep`; the latter is
        boolean, so it is not trained.

    Gradient:
        0 where the mask is False.

    Raises:
        TypeError: If `keep` is none of these, a mask is not boolean, or a pattern comes with masks
            that say themselves what they are for.
        ValueError: If the share is not between 0 and 1, or a mask has another shape than its array.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.Linear(jax.random.key(0), 10, 10, use_bias=False)
        >>> pruned = pn.reparam(model, pn.mask(0.2))
        >>> int((pruned(jnp.eye(10)) != 0).sum())
        20
        >>> triangular = pn.reparam(model, pn.mask({"kernel": jnp.tri(10, dtype=bool)}))
        >>> int((triangular(jnp.eye(10)) != 0).sum())
        55
    """
    one: Filter = "*kernel" if pattern is None else pattern
    if callable(keep) and not isinstance(keep, Model):
        return _by(Mask(keep), one)
    if isinstance(keep, Real) and not isinstance(keep, bool):
        check_numbers("mask", SHARE, static=True, keep=keep)
        return _by(Mask(float(keep)), one)
    masks = _by_filter("", keep)
    if not masks or not all(hasattr(leaf, "dtype") for _, leaf in masks):
        raise TypeError(
            f"mask: keep must be a share, a function or masks, got a {type(keep).__name__}"
        )
    if pattern is not None and masks[0][0]:
        raise TypeError("mask: pattern must be left out where masks say what they are for")
    named = tuple((path or one, leaf) for path, leaf in masks)
    return Given(_by(Mask(1.0), one).layer, one, named)


def _by(create: Mask, pattern: Filter) -> Parametrise:
    return parametrise(bind("Mask", create, _from_masked), pattern)


def _by_filter(path: str, masks: Any) -> list[tuple[str, Any]]:
    """The masks of a mapping, of a tree, or of a mapping of trees, each with what it is for."""
    if not isinstance(masks, Mapping) or not all(isinstance(key, str) for key in masks):
        return [(path + below, leaf) for below, leaf in leaves_by_path(masks)]
    dots = {key: "." if path and key[:1] not in ".[" else "" for key in masks}
    pairs = [(path + dots[key] + key, inner) for key, inner in masks.items()]
    return [found for place, inner in pairs for found in _by_filter(place, inner)]
