"""Conv and ConvTranspose: filters that slide over the spatial axes."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax

from ...core import Form, bind, options_of
from ...ops import conv, conv_transpose
from ...ops.checks import check_flag, check_sizes, is_several, told
from ...ops.convolution import exchanged
from ..dense import LinearParams, draw_linear

Size = int | Sequence[int]
Params = TypeVar("Params", bound=tuple)


def draw_filters(
    layer: str,
    draw: Callable[..., Params],
    key: jax.Array,
    inputs: int,
    outputs: int,
    kernel_size: Size,
    *,
    feature_group_count: int = 1,
    **options: Any,
) -> Params:
    """What filters learn: `draw(layer, key, shape, **options)`, for the shape of their kernel.

    Args:
        layer: Its name, for errors.
        draw: The function that draws.
        key: A PRNG key.
        inputs: Channels of x, at least 1.
        outputs: Channels of y, at least 1.
        kernel_size: The window, an integer for each spatial axis: `(3, 3)` slides over images. One
            integer, as `3`, is a window of 1 axis: it slides over sequences, and takes an image for
            a batch of rows.
        feature_group_count: Groups of channels that do not see each other; it divides inputs and
            outputs. As many groups as inputs is a depthwise convolution; with a 1x1 one behind it
            is a separable one: `sequential(Conv(one, 8, 8, (3, 3), feature_group_count=8),
            Conv(two, 8, 16, (1, 1)))`.
    """
    check_sizes(layer, inputs=inputs, outputs=outputs)
    size = tuple(kernel_size) if is_several(kernel_size) else (kernel_size,)
    if len(size) not in (1, 2, 3):
        raise ValueError(f"{layer}: kernel_size must have 1, 2 or 3 entries, got {told(size)}")
    entries: dict[str, Any] = {f"kernel_size[{axis}]": entry for axis, entry in enumerate(size)}
    check_sizes(layer, feature_group_count=feature_group_count, **entries)
    if inputs % feature_group_count or outputs % feature_group_count:
        raise ValueError(
            f"{layer}: feature_group_count must divide inputs and outputs, {inputs} and {outputs}, "
            f"got {feature_group_count}"
        )
    return draw(layer, key, (*size, inputs // feature_group_count, outputs), **options)


def draw_transposed(
    layer: str,
    draw: Callable[..., Any],
    key: jax.Array,
    inputs: int,
    *args: Any,
    transpose_kernel: bool = False,
    **options: Any,
) -> Any:
    """As `draw_filters`, with the kernel as `transpose_kernel` wants it.

    Args:
        transpose_kernel: Whether the kernel is that of the convolution from outputs to inputs whose
            gradient this is: (window..., outputs / groups, inputs), spatial axes reversed. Its last
            axis is that of the inputs, which `unit_norm()` and its like take for the outputs.
            kernel_init draws (window..., inputs / groups, outputs) then too, which is turned.
    """
    check_flag(layer, transpose_kernel=transpose_kernel)
    params = draw_filters(layer, draw, key, inputs, *args, **options)
    if not transpose_kernel:
        return params
    groups = inputs // params.kernel.shape[-2]
    return params._replace(kernel=exchanged(params.kernel, groups))


@options_of(draw_filters, draw_linear, without=["options"])
def create(
    key: jax.Array, inputs: int, outputs: int, kernel_size: Size, **options: Any
) -> LinearParams:
    """Filters over 1, 2 or 3 spatial axes: 1 for `kernel_size=3`, 2 for `(3, 3)`.

        y_o = patch . w_o + bias_o

    The model takes x of shape (*B, spatial..., inputs) and returns (*B, spatial'..., outputs).

    Returns:
        `LinearParams(kernel, bias)`.

    Raises:
        TypeError: If a size is not an integer, or dtype not floating.
        ValueError: If a size is below 1, groups do not divide the channels, or an initializer
            returns another shape.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> x = jax.random.normal(jax.random.key(0), (4, 16, 1))
        >>> slope = (x[:, 2:] - x[:, :-2]) / 2  # a filter to be found
        >>> model = pn.Conv(jax.random.key(1), 1, 1, 3, padding="VALID")
        >>> gradient = jax.jit(jax.grad(lambda m: pn.mse(m(x), slope)))
        >>> for _ in range(100):
        ...     model = jax.tree.map(lambda w, g: w - 0.3 * g, model, gradient(model))
        >>> [round(float(w), 2) + 0.0 for w in model.kernel[:, 0, 0]]
        [-0.5, 0.0, 0.5]
    """
    return draw_filters("Conv", draw_linear, key, inputs, outputs, kernel_size, **options)


@options_of(conv)
def apply(params: LinearParams, x: jax.Array, **options: Any) -> jax.Array:
    """Applies `Conv` to x (*B, spatial..., inputs)."""
    return conv(x, *params, **options)


@options_of(draw_filters, draw_transposed, draw_linear, without=["options"])
def create_transpose(
    key: jax.Array, inputs: int, outputs: int, kernel_size: Size, **options: Any
) -> LinearParams:
    """Filters that slide over x with zeros between its entries, which makes it larger.

    Over 1, 2 or 3 spatial axes, 2 for `kernel_size=(3, 3)`.

    The model takes x of shape (*B, spatial..., inputs) and returns (*B, spatial'..., outputs).

    Returns:
        `LinearParams(kernel, bias)`.

    Raises:
        TypeError: If a size is not an integer, or dtype not floating.
        ValueError: If a size is below 1, groups do not divide the channels, or an initializer
            returns another shape.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> x = jax.random.normal(jax.random.key(0), (4, 8, 1))
        >>> twice = jnp.repeat(x, 2, axis=1)  # what is to be learned: every entry twice
        >>> model = pn.ConvTranspose(jax.random.key(1), 1, 1, 2, strides=2)
        >>> gradient = jax.jit(jax.grad(lambda m: pn.mse(m(x), twice)))
        >>> for _ in range(100):
        ...     model = jax.tree.map(lambda w, g: w - 0.3 * g, model, gradient(model))
        >>> [round(float(w), 2) for w in model.kernel[:, 0, 0]]
        [1.0, 1.0]
    """
    args = (key, inputs, outputs, kernel_size)
    return draw_transposed("ConvTranspose", draw_linear, *args, **options)


@options_of(conv_transpose)
def apply_transpose(
    params: LinearParams, x: jax.Array, *, transpose_kernel: Form = False, **options: Any
) -> jax.Array:
    """Applies `ConvTranspose` to x (*B, spatial..., inputs)."""
    return conv_transpose(x, *params, transpose_kernel=transpose_kernel, **options)


Conv = bind("Conv", create, apply)
ConvTranspose = bind("ConvTranspose", create_transpose, apply_transpose)
