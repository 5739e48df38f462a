"""Activations that learn: layers around the functions of `ops.activations`, made without a key."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from ..core import bind
from ..ops import prelu, srelu
from ..ops.checks import FINITE, check_floating, check_numbers, check_sizes

__all__ = ["PReLU", "SReLU"]


class PReLUParams(NamedTuple):
    """The slope on the left, (features,)."""

    alpha: jax.Array


class SReLUParams(NamedTuple):
    """Slope and threshold on the left, slope and threshold on the right, each (features,)."""

    al: jax.Array
    tl: jax.Array
    ar: jax.Array
    tr: jax.Array


def spread_out(
    layer: str, features: int, dtype: DTypeLike, **numbers: float
) -> tuple[jax.Array, ...]:
    """Numbers to begin with, each once per feature."""
    check_sizes(layer, features=features)
    check_floating(layer, dtype)
    check_numbers(layer, FINITE, static=True, **numbers)
    return tuple(jnp.full(features, number, dtype) for number in numbers.values())


def create_prelu(
    features: int = 1, *, alpha: float = 0.25, dtype: DTypeLike = jnp.float32
) -> PReLUParams:
    """The rectifier that learns its slope on the left: `x if x > 0, else alpha x`.

    Args:
        features: 1 for one slope, else one for each entry of the last axis.
        alpha: The slope to begin with; 0.25, as in the paper and in torch.
        dtype: The dtype of the parameters.

    The model takes x of any shape, whose last axis is `features` long if these are more than 1.

    Returns:
        `PReLUParams(alpha)` of shape (features,).

    Gradient:
        As for the function `prelu`.

    Raises:
        TypeError: If features is not an integer, alpha no number, or dtype not floating.
        ValueError: If features is below 1, alpha is not finite, or x has another last axis.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.PReLU()
        >>> model(jnp.array([-2.0, 3.0])).tolist()
        [-0.5, 3.0]

    Source:
        He et al., "Delving Deep into Rectifiers", arXiv:1502.01852.
    """
    return PReLUParams(*spread_out("PReLU", features, dtype, alpha=alpha))


def apply_prelu(params: PReLUParams, x: jax.Array) -> jax.Array:
    """Applies `PReLU` to x (..., features)."""
    return prelu(x, *params)


def create_srelu(
    features: int = 1,
    *,
    al: float = 0.0,
    tl: float = 0.0,
    ar: float = 0.0,
    tr: float = 1.0,
    dtype: DTypeLike = jnp.float32,
) -> SReLUParams:
    """The S-shaped rectifier that learns its two slopes and its two thresholds.

        y = tl + al (x - tl) if x <= tl;   x if tl < x < tr;   tr + ar (x - tr) otherwise

    Args:
        features: 1 for one rectifier, else one for each entry of the last axis.
        al: The slope on the left to begin with.
        tl: The threshold on the left to begin with.
        ar: The slope on the right to begin with.
        tr: The threshold on the right to begin with.
        dtype: The dtype of the parameters.

    The model takes x of any shape, whose last axis is `features` long if these are more than 1.

    Returns:
        `SReLUParams(al, tl, ar, tr)`, each of shape (features,).

    Gradient:
        As for the function `srelu`.

    Raises:
        TypeError: If features is not an integer, a number none, or dtype not floating.
        ValueError: If features is below 1, a number is not finite, or x has another last axis.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.SReLU(al=0.1)
        >>> model(jnp.array([-2.0, 0.5, 3.0])).round(3).tolist()
        [-0.2, 0.5, 1.0]

    Source:
        Jin et al., "Deep Learning with S-shaped Rectified Linear Activation Units",
        arXiv:1512.07030.
    """
    return SReLUParams(*spread_out("SReLU", features, dtype, al=al, tl=tl, ar=ar, tr=tr))


def apply_srelu(params: SReLUParams, x: jax.Array) -> jax.Array:
    """Applies `SReLU` to x (..., features)."""
    return srelu(x, *params)


PReLU = bind("PReLU", create_prelu, apply_prelu)
SReLU = bind("SReLU", create_srelu, apply_srelu)
