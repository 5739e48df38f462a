"""Linear: the affine layer."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from ...core import bind
from ...ops import linear
from ...ops.checks import check_sizes
from .initializers import Initializer

lecun_normal = jax.nn.initializers.lecun_normal()


class LinearParams(NamedTuple):
    """Kernel (inputs, outputs) and bias (outputs,) or None."""

    kernel: jax.Array
    bias: jax.Array | None


def create(
    key: jax.Array,
    inputs: int,
    outputs: int,
    *,
    use_bias: bool = True,
    kernel_init: Initializer = lecun_normal,
    bias_init: Initializer = jax.nn.initializers.zeros,
    dtype: DTypeLike = jnp.float32,
) -> LinearParams:
    """An affine layer: `y = x @ kernel + bias`.

    Args:
        key: A PRNG key.
        inputs: Features of x, at least 1.
        outputs: Features of y, at least 1.
        use_bias: Whether there is a bias; without, its field is None.
        kernel_init: `kernel_init(key, shape, dtype)`; LeCun's normal by default, which keeps the
            variance of unit-variance inputs.
        bias_init: `bias_init(key, shape, dtype)`; zeros by default.
        dtype: The dtype of the parameters. The result has the promoted dtype of x and parameters.

    The model takes x of shape (*B, inputs) and returns (*B, outputs). Option of the call:
    `precision`, as in `jax.lax.dot_general`.

    Returns:
        `LinearParams(kernel, bias)` of shapes (inputs, outputs) and (outputs,).

    Raises:
        TypeError: If a size is not an integer, or dtype not floating.
        ValueError: If a size is below 1.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.Linear(jax.random.key(0), 3, 2, bias_init=jax.nn.initializers.ones)
        >>> model(jnp.zeros((1, 3))).tolist()
        [[1.0, 1.0]]
    """
    check_sizes("Linear", inputs=inputs, outputs=outputs)
    check_floating("Linear", dtype)
    for_kernel, for_bias = jax.random.split(key)
    kernel = kernel_init(for_kernel, (inputs, outputs), dtype)
    return LinearParams(kernel, bias_init(for_bias, (outputs,), dtype) if use_bias else None)


def apply(params: LinearParams, x: jax.Array, *, precision: Any = None) -> jax.Array:
    """Applies `Linear` to x (*B, inputs)."""
    return linear(x, params.kernel, params.bias, precision=precision)


def check_floating(layer: str, dtype: DTypeLike) -> None:
    """Refuses a dtype of parameters that is not floating."""
    if not jnp.issubdtype(dtype, jnp.floating):
        raise TypeError(f"{layer}: dtype must be floating, such as float32, but {dtype!r} came")


Linear = bind("Linear", create, apply)
