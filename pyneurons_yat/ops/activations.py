"""Activations that JAX has not: piecewise linear functions with slopes and thresholds of their own.

Their numbers may be learned: `pn.SReLU` and `pn.PReLU` are layers that do. All others are in
`jax.nn`, the gated linear unit `jax.nn.glu` too.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from .checks import check_spread
from .dtypes import narrow, result_dtype, widen
from .gradients import checkpoint


def srelu(
    x: ArrayLike,
    al: ArrayLike = 0.0,
    tl: ArrayLike = 0.0,
    ar: ArrayLike = 0.0,
    tr: ArrayLike = 1.0,
) -> jax.Array:
    """The S-shaped rectifier: x between two thresholds, a slope of its own beyond each.

        srelu(x) = tl + al (x - tl)   if x <= tl
                   x                  if tl < x < tr
                   tr + ar (x - tr)   otherwise

    With the defaults it is min(max(x, 0), 1); with tr infinite the usual ReLU.

    Letters: F entries on the last axis.

    Args:
        x: Any shape, any real dtype.
        al: The slope on the left; one number, or one per entry of the last axis (F,).
        tl: The threshold on the left, likewise.
        ar: The slope on the right, likewise.
        tr: The threshold on the right, likewise; where it is below tl, the left side goes first.

    Returns:
        An array of the shape of x and the promoted dtype of all (integers: the default float).

    Gradient:
        In x: al up to tl and at it, 1 between, ar from tr on. In al and tl: x - tl and 1 - al
        where x <= tl, else 0. In ar and tr: x - tr and 1 - ar from tr on, else 0.

    Raises:
        TypeError: An argument is complex or not an array.
        ValueError: The shape of a slope or threshold does not fit.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> pn.srelu(jnp.array([-2.0, 0.5, 3.0]), al=0.1, ar=0.5).tolist()
        [-0.2, 0.5, 2.0]

    Source:
        Jin et al., "Deep Learning with S-shaped Rectified Linear Activation Units",
        arXiv:1512.07030.
    """
    return _piecewise("srelu", _srelu, x, al=al, tl=tl, ar=ar, tr=tr)


def all_relu(x: ArrayLike, alpha: ArrayLike) -> jax.Array:
    """The rectifier with a slope on the left.

        all_relu(x) = alpha x if x < 0, else x

    "Alternated left ReLU" takes alpha and -alpha in turn, from one hidden layer to the next; the
    sign is the caller's.

    Args:
        x: Any shape, any real dtype.
        alpha: The slope on the left; one number, or one per entry of the last axis.

    Returns:
        An array of the shape of x and the promoted dtype of both (integers: the default float).

    Gradient:
        In x: alpha below 0, 1 at 0 and above. In alpha: x below 0, else 0.

    Raises:
        TypeError: An argument is complex or not an array.
        ValueError: The shape of alpha does not fit.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> pn.all_relu(jnp.array([-2.0, 3.0]), -0.5).tolist()
        [1.0, 3.0]

    Source:
        Curci, Mocanu, Pechenizkiy, "Truly Sparse Neural Networks at Scale", arXiv:2102.01732.
    """
    return _piecewise("all_relu", _all_relu, x, alpha=alpha)


def prelu(x: ArrayLike, alpha: ArrayLike) -> jax.Array:
    """The rectifier whose slope on the left is a parameter: `pn.PReLU` learns it.

        prelu(x) = x if x > 0, else alpha x

    It is `all_relu` but for the gradient at 0, which here is torch's, alpha.

    Args:
        x: Any shape, any real dtype.
        alpha: The slope on the left; one number, or one per entry of the last axis.

    Returns:
        An array of the shape of x and the promoted dtype of both (integers: the default float).

    Gradient:
        In x: 1 above 0, alpha at 0 and below. In alpha: x up to 0, else 0.

    Raises:
        TypeError: An argument is complex or not an array.
        ValueError: The shape of alpha does not fit.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> pn.prelu(jnp.array([-2.0, 3.0]), 0.25).tolist()
        [-0.5, 3.0]

    Source:
        He et al., "Delving Deep into Rectifiers", arXiv:1502.01852.
    """
    return _piecewise("prelu", _prelu, x, alpha=alpha)


def trelu(x: ArrayLike, epsilon: ArrayLike) -> jax.Array:
    """The trimmed rectifier: what is below a threshold becomes 0.

        trelu(x) = 0 if x < epsilon, else x

    Args:
        x: Any shape, any real dtype.
        epsilon: The threshold; one number, or one per entry of the last axis.

    Returns:
        An array of the shape of x and the promoted dtype of both (integers: the default float).

    Gradient:
        In x: 0 below epsilon, 1 at it and above. In epsilon: 0.

    Raises:
        TypeError: An argument is complex or not an array.
        ValueError: The shape of epsilon does not fit.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> pn.trelu(jnp.array([-2.0, 0.05, 3.0]), 0.1).tolist()
        [0.0, 0.0, 3.0]

    Source:
        The nerva libraries, where it is called trimmed ReLU.
    """
    return _piecewise("trelu", _trelu, x, epsilon=epsilon)


def _piecewise(
    name: str, function: Callable[..., jax.Array], x: ArrayLike, **numbers: ArrayLike
) -> jax.Array:
    dtype = result_dtype(name, x=x, **numbers)
    check_spread(name, np.shape(x), **numbers)
    return _computed(x, *numbers.values(), function=function, dtype=dtype)


@partial(jax.jit, static_argnames=("function", "dtype"))
def _computed(x, *numbers, function, dtype):
    """In the accumulator's dtype, so that the gradient of a number is summed in it."""
    rank = jnp.ndim(x)
    wide = (widen(value, dtype, rank) for value in (x, *numbers))
    return narrow(checkpoint(function)(*wide), dtype)


def _srelu(x, al, tl, ar, tr):
    left, middle = x <= tl, (x > tl) & (x < tr)
    below = jnp.where(left, x - tl, 0)
    above = jnp.where(left | middle, 0, x - tr)
    return jnp.where(left, tl + al * below, jnp.where(middle, x, tr + ar * above))


def _all_relu(x, alpha):
    return jnp.where(x < 0, alpha * jnp.where(x < 0, x, 0), x)


def _prelu(x, alpha):
    return jnp.where(x > 0, x, alpha * jnp.where(x > 0, 0, x))


def _trelu(x, epsilon):
    return jnp.where(x < epsilon, 0, x)
