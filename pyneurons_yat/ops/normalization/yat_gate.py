"""A Yat score as a gain: what is near a prototype is amplified."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..checks import check_mask, check_positive, check_shapes
from ..dtypes import narrow, result_dtype, widen
from ..gradients import checkpoint
from .standardize import shielded


def yat_gate(
    x: ArrayLike,
    prototype: ArrayLike,
    bias: ArrayLike | None = None,
    alpha: ArrayLike | None = None,
    *,
    epsilon: ArrayLike = 1.0,
    where: ArrayLike | None = None,
) -> jax.Array:
    """Multiplies each group of features by 1 plus its Yat score against a prototype.

        y_g = x_g (1 + alpha_g s_g),    s_g = (m(x_g p_g) + bias_g)^2 / (m((x_g - p_g)^2) + epsilon)

    m is the mean over the features of a group, so that the score does not grow with their number.
    It is at most r (1 + r / epsilon) for a prototype of mean square r, whatever x is.

    Letters: *B any batch axes, G groups, K features of a group.

    Args:
        x: (*B, G K).
        prototype: (G, K).
        bias: (G,) or one number, or None for 0; inside the square.
        alpha: (G,) or one number, or None for 1. With 0 the result is x.
        epsilon: a number above 0.
        where: booleans that broadcast to the shape of x. Where it is False, the feature does not
            count in the means; it is multiplied by the gain of the others, or is taken as 0 where
            it is NaN or infinite. The score of a group without features is bias_g^2 / epsilon.

    Returns:
        The shape of x, and the promoted dtype of the arrays.

    Gradient:
        Autodiff, in all of them. Only the arguments are kept for the reverse pass.

    Raises:
        ValueError: a shape does not fit, or epsilon is a number not above 0.
        TypeError: an argument is complex or not an array, or where is not boolean.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> x = jnp.array([1.0, 1.0, 1.0, -1.0])  # the first group is its prototype
        >>> pn.yat_gate(x, jnp.ones((2, 2))).tolist()
        [2.0, 2.0, 1.0, -1.0]
    """
    shape, wanted = np.shape(x), np.shape(prototype)
    if len(wanted) != 2 or not shape or shape[-1] != wanted[0] * wanted[1]:
        raise ValueError(
            f"yat_gate: x must have shape (*B, G K) and prototype (G, K), got {shape} and {wanted}"
        )
    check_shapes("yat_gate", wanted[:1], bias=bias, alpha=alpha)
    check_positive("yat_gate", epsilon=epsilon)
    check_shapes("yat_gate", (), epsilon=epsilon)
    check_mask("yat_gate", where, shape)
    dtype = result_dtype("yat_gate", x=x, prototype=prototype, alpha=alpha, bias=bias)
    return _gate(x, prototype, bias, alpha, epsilon, where, dtype=dtype)


@partial(jax.jit, static_argnames="dtype")
def _gate(x, prototype, bias, alpha, epsilon, where, *, dtype):
    return checkpoint(partial(_gated, dtype))(x, prototype, bias, alpha, epsilon, where)


def _gated(dtype, x, prototype, bias, alpha, epsilon, where):
    prototype = jnp.asarray(prototype)
    split = jnp.asarray(x, dtype).reshape(*np.shape(x)[:-1], *prototype.shape)
    wide, prototype = widen(split, dtype, 0), widen(prototype, dtype, split.ndim)
    rank = split.ndim - 1
    bias, alpha = (None if v is None else widen(v, dtype, rank) for v in (bias, alpha))
    epsilon = widen(epsilon, dtype, rank)
    seen, far, count = wide, wide - prototype, max(prototype.shape[-1], 1)
    if where is not None:
        where = jnp.broadcast_to(where, np.shape(x)).reshape(split.shape)
        wide = shielded(wide, where)
        seen, far = jnp.where(where, wide, 0), jnp.where(where, wide - prototype, 0)
        count = jnp.maximum(jnp.sum(where, -1), 1)
    dot = jnp.sum(seen * prototype, -1) / count
    dot = dot if bias is None else dot + bias
    score = dot * (dot / (jnp.sum(far**2, -1) / count + epsilon))
    gain = 1 + (score if alpha is None else alpha * score)
    return narrow((wide * gain[..., None]).reshape(np.shape(x)), dtype)
