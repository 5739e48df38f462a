"""Threshold functions with straight-through gradients, as pyneurons defines them.

Each takes an array of any shape and returns one of the same shape and dtype. Integers and
booleans are made the default float first: `binary(3)` is a float.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from . import vjp
from .checks import POSITIVE, check_numbers


@vjp.identity
def binary(x: ArrayLike) -> jax.Array:
    """The unit step: 1 where x is at least 0, else 0.

        binary(x) = 1 if x >= 0 else 0

    Args:
        x: any shape, any real dtype.

    Returns:
        0s and 1s, of the shape and dtype of x (integers: the default float).

    Gradient:
        1 everywhere: the step's own gradient is 0 and would stop learning.

    Raises:
        TypeError: x is complex or not an array.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from pyneurons_yat.ops import binary
        >>> binary(jnp.array([-2.0, 0.0, 3.0])).tolist()
        [0.0, 1.0, 1.0]
        >>> float(jax.grad(binary)(-2.0))
        1.0
    """
    return jnp.where(jnp.isnan(x), x, jnp.heaviside(x, 1))  # heaviside(nan) is 1 on JAX 0.10.0


@vjp.identity
def relu(x: ArrayLike) -> jax.Array:
    """The positive part, with a gradient of 1 on both sides.

        relu(x) = max(x, 0)

    For the usual gradient, which is 0 for negative x, use `jax.nn.relu`.

    Args:
        x: any shape, any real dtype.

    Returns:
        An array of the shape and dtype of x (integers: the default float).

    Gradient:
        1 everywhere.

    Raises:
        TypeError: x is complex or not an array.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from pyneurons_yat.ops import relu
        >>> relu(jnp.array([-2.0, 0.0, 3.0])).tolist()
        [0.0, 0.0, 3.0]
        >>> float(jax.grad(relu)(-2.0))
        1.0
    """
    return jnp.maximum(x, 0)


@vjp.identity
def _capped(x: jax.Array, n: ArrayLike) -> jax.Array:
    return jnp.clip(x, 0, n)


@dataclasses.dataclass(frozen=True)
class relun:  # noqa: N801
    """The positive part, at most n, with a gradient of 1 everywhere.

        relun(n)(x) = min(max(x, 0), n)

    `relun(n)` is a value: two of the same n are equal, hash alike and can be pickled, so a
    jitted function that takes one as static is compiled once.

    Args:
        n: the cap, a Python number above 0.

    Returns:
        A function of x (any shape, any real dtype), which returns an array of the shape and
        dtype of x (integers: the default float).

    Gradient:
        1 for every entry of x.

    Raises:
        TypeError: n is not a Python number; when called, x is complex or not an array.
        ValueError: n is not above 0.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from pyneurons_yat.ops import relun
        >>> relun(6)(jnp.array([-1.0, 3.0, 9.0])).tolist()
        [0.0, 3.0, 6.0]
        >>> relun(6) == relun(6)
        True
    """

    n: float

    def __post_init__(self):
        """Checks n."""
        check_numbers("relun", POSITIVE, static=True, n=self.n)

    @property
    def shown_as(self) -> str:
        """What printed models call it."""
        return f"straight-through relun({self.n})"

    def __call__(self, x: ArrayLike) -> jax.Array:
        """Applies the function to x."""
        return _capped(x, self.n)


def relu1(x: ArrayLike) -> jax.Array:
    """The positive part, at most 1: `relun(1)`.

        relu1(x) = min(max(x, 0), 1)

    Args:
        x: any shape, any real dtype.

    Returns:
        Values in [0, 1], of the shape and dtype of x (integers: the default float).

    Gradient:
        1 everywhere.

    Raises:
        TypeError: x is complex or not an array.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from pyneurons_yat.ops import relu1
        >>> relu1(jnp.array([-2.0, 0.5, 3.0])).tolist()
        [0.0, 0.5, 1.0]
    """
    return _capped(x, 1)


@vjp.identity
def vector(x: ArrayLike) -> jax.Array:
    """The step plus the capped positive part: 0 below 0, from 1 to 2 between 0 and 1, then 2.

        vector(x) = binary(x) + relu1(x)

    Args:
        x: any shape, any real dtype.

    Returns:
        Values 0 or in [1, 2], of the shape and dtype of x (integers: the default float).

    Gradient:
        1 everywhere (not 2, although the sum has two terms).

    Raises:
        TypeError: x is complex or not an array.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from pyneurons_yat.ops import vector
        >>> vector(jnp.array([-2.0, 0.0, 0.5, 3.0])).tolist()
        [0.0, 1.0, 1.5, 2.0]
        >>> float(jax.grad(vector)(0.5))
        1.0
    """
    return binary(x) + relu1(x)


@vjp.sign
def abs(x: ArrayLike) -> jax.Array:
    """The absolute value.

        abs(x) = |x|

    Args:
        x: any shape, any real dtype.

    Returns:
        An array of the shape and dtype of x (integers: the default float).

    Gradient:
        sign(x), which is 0 at 0.

    Raises:
        TypeError: x is complex or not an array.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from pyneurons_yat import ops
        >>> ops.abs(jnp.array([-2.0, 0.0, 3.0])).tolist()
        [2.0, 0.0, 3.0]
        >>> float(jax.grad(ops.abs)(0.0))
        0.0
    """
    return jnp.abs(x)
