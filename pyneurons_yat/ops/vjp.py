"""Decorators that override a gradient: `vjp.identity` and `vjp.sign`."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from .dtypes import result_dtype


def identity(function: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """Passes the gradient of the output unchanged to the input: a straight-through estimator.

        y = function(x),   dL/dx = dL/dy

    The rule is linear in the tangent. So forward mode, reverse mode and higher derivatives all
    work, with or without `forward_mode`; every derivative after the first is 0.

    Args:
        function: maps x (any shape) to an array of the same shape. It may take further
            positional arguments, which get no gradient.

    Returns:
        A function of the same arguments. Its result has the dtype of x; integers and booleans
        are made the default float first.

    Gradient:
        1 for every entry of x, whatever `function` does.

    Raises:
        ValueError: when called, if the result has another shape than x.
        TypeError: when called, if x is complex or not an array.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from pyneurons_yat.ops import vjp
        >>> @vjp.identity
        ... def rounded(x):
        ...     return jnp.round(x)
        >>> float(rounded(1.7)), float(jax.grad(rounded)(1.7))
        (2.0, 1.0)

    Source:
        Bengio, Leonard, Courville, "Estimating or Propagating Gradients Through Stochastic
        Neurons for Conditional Computation", 2013.
    """
    return _override(function, lambda x, tangent: tangent, "straight-through {}")


def sign(function: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """Passes the gradient of the output to the input, times the sign of the input.

        y = function(x),   dL/dx = sign(x) dL/dy,   sign(0) = 0

    Everything else is as for `identity`.

    Args:
        function: maps x (any shape) to an array of the same shape. It may take further
            positional arguments, which get no gradient.

    Returns:
        A function of the same arguments. Its result has the dtype of x; integers and booleans
        are made the default float first.

    Gradient:
        sign(x): -1, 0 or 1.

    Raises:
        ValueError: when called, if the result has another shape than x.
        TypeError: when called, if x is complex or not an array.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from pyneurons_yat.ops import vjp
        >>> distance = vjp.sign(jnp.abs)
        >>> float(distance(-3.0)), float(jax.grad(distance)(-3.0))
        (3.0, -1.0)
    """
    return _override(
        function, lambda x, tangent: tangent * jnp.sign(x), "{} with the gradient of sign"
    )


def _override(function: Callable, rule: Callable, shown_as: str) -> Callable:
    name = getattr(function, "__name__", type(function).__name__)

    @jax.custom_jvp
    def primal(x, *rest):
        y = jnp.asarray(function(x, *rest))
        if y.shape != x.shape:
            raise ValueError(
                f"{name}: a function with an overridden gradient must keep the shape of x, "
                f"{x.shape}, but returned {y.shape}"
            )
        return y.astype(x.dtype)

    @primal.defjvp
    def _tangent(primals, tangents):
        return primal(*primals), rule(primals[0], tangents[0])

    compiled = jax.jit(primal)

    @functools.wraps(function)
    def overridden(x: ArrayLike, *rest: ArrayLike) -> jax.Array:
        return compiled(jnp.asarray(x, result_dtype(name, x=x)), *rest)

    vars(overridden)["shown_as"] = shown_as.format(name)  # in printed models
    return overridden
