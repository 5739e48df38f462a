"""Linear: the affine layer."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from ...core import bind, options_of
from ...ops import linear
from ...ops.checks import check_flag, check_floating, check_sizes
from .initializers import Initializer, drawn, lecun_normal, zeros


class LinearParams(NamedTuple):
    """Kernel (..., outputs), for `Einsum` any shape, and bias (outputs,) or None."""

    kernel: jax.Array
    bias: jax.Array | None


def draw_linear(
    layer: str,
    key: jax.Array,
    shape: tuple[int, ...],
    bias_shape: tuple[int, ...] | None = None,
    *,
    use_bias: bool = True,
    kernel_init: Initializer = lecun_normal,
    bias_init: Initializer = zeros,
    dtype: DTypeLike = jnp.float32,
) -> LinearParams:
    """What a layer of affine neurons learns, whatever the neurons look at.

    Args:
        layer: Its name, for errors.
        key: A PRNG key.
        shape: The shape of the kernel (..., outputs).
        bias_shape: The shape of the bias, if it is not (outputs,).
        use_bias: Whether there is a bias; without, its field is None.
        kernel_init: `kernel_init(key, shape, dtype)`; LeCun's normal by default, which keeps the
            variance of unit-variance inputs.
        bias_init: `bias_init(key, shape, dtype)`; zeros by default.
        dtype: The dtype of the parameters. The result has the promoted dtype of x and parameters.
    """
    check_flag(layer, use_bias=use_bias)
    check_floating(layer, dtype)
    for_kernel, for_bias = jax.random.split(key)
    bias_shape = shape[-1:] if bias_shape is None else bias_shape
    return LinearParams(
        drawn(layer, "kernel_init", kernel_init, for_kernel, shape, dtype),
        drawn(layer, "bias_init", bias_init, for_bias, bias_shape, dtype) if use_bias else None,
    )


@options_of(draw_linear)
def create(key: jax.Array, inputs: int, outputs: int, **options: Any) -> LinearParams:
    """An affine layer: `y = x @ kernel + bias`.

    Args:
        key: A PRNG key.
        inputs: Features of x, at least 1.
        outputs: Features of y, at least 1.

    The model takes x of shape (*B, inputs) and returns (*B, outputs).

    Returns:
        `LinearParams(kernel, bias)` of shapes (inputs, outputs) and (outputs,).

    Raises:
        TypeError: If a size is not an integer, or dtype not floating.
        ValueError: If a size is below 1, or an initializer returns another shape.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.Linear(jax.random.key(0), 3, 2, bias_init=jax.nn.initializers.ones)
        >>> model(jnp.zeros((1, 3))).tolist()
        [[1.0, 1.0]]
    """
    check_sizes("Linear", inputs=inputs, outputs=outputs)
    return draw_linear("Linear", key, (inputs, outputs), **options)


@options_of(linear)
def apply(params: LinearParams, x: jax.Array, **options: Any) -> jax.Array:
    """Applies `Linear` to x (*B, inputs)."""
    return linear(x, *params, **options)


Linear = bind("Linear", create, apply)
