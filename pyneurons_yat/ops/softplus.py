"""The inverse of softplus, for parameters that must stay positive."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike


def inverse_softplus(y: ArrayLike) -> jax.Array:
    """The number whose softplus is y: a start value for a parameter that softplus keeps positive.

        inverse_softplus(y) = log(exp(y) - 1) = y + log(1 - exp(-y))

    The second form neither overflows for large y nor cancels for small.

    Args:
        y: Above 0, any shape. 0 gives -inf, a negative number NaN.

    Returns:
        An array of the shape of y.

    Gradient:
        1 / (1 - exp(-y)), by plain autodiff.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> round(float(jax.nn.softplus(pn.inverse_softplus(0.25))), 6)
        0.25
    """
    y = jnp.asarray(y)
    return y + jnp.log(-jnp.expm1(-y))
