"""Conv and ConvTranspose: filters that slide over the spatial axes."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from ...core import bind
from ...ops import conv, conv_transpose
from ...ops.checks import check_flag, check_sizes
from ...ops.convolution import exchanged
from ..dense import check_floating, lecun_normal

Initializer = Callable[..., jax.Array]
Size = int | Sequence[int]


class ConvParams(NamedTuple):
    """Kernel (window..., inputs / groups, outputs) and bias (outputs,) or None."""

    kernel: jax.Array
    bias: jax.Array | None


def create(
    key: jax.Array,
    inputs: int,
    outputs: int,
    kernel_size: Size,
    *,
    feature_group_count: int = 1,
    use_bias: bool = True,
    kernel_init: Initializer = lecun_normal,
    bias_init: Initializer = jax.nn.initializers.zeros,
    dtype: DTypeLike = jnp.float32,
) -> ConvParams:
    """Filters that slide over 1, 2 or 3 spatial axes: `y_o = patch . w_o + bias_o`.

    Args:
        key: A PRNG key.
        inputs: Channels of x, at least 1.
        outputs: Channels of y, at least 1.
        kernel_size: The window: an integer for 1 spatial axis, else an integer for each.
        feature_group_count: Groups of channels that do not see each other; it divides inputs and
            outputs. As many groups as inputs is a depthwise convolution.
        use_bias: Whether there is a bias; without, its field is None.
        kernel_init: `kernel_init(key, shape, dtype)`; LeCun's normal by default.
        bias_init: `bias_init(key, shape, dtype)`; zeros by default.
        dtype: The dtype of the parameters. The result has the promoted dtype of x and parameters.

    The model takes x of shape (*B, spatial..., inputs) and returns (*B, spatial'..., outputs).
    Options of the call, which can be given here too: `strides`, `padding`, `input_dilation`,
    `kernel_dilation`, `precision`, as for `conv`.

    Returns:
        `ConvParams(kernel, bias)`.

    Raises:
        TypeError: If a size is not an integer, or dtype not floating.
        ValueError: If a size is below 1, or groups do not divide the channels.

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
    check_sizes("Conv", inputs=inputs, outputs=outputs)
    check_floating("Conv", dtype)
    shape = kernel_shape("Conv", kernel_size, inputs, outputs, feature_group_count)
    return _draw(key, shape, outputs, use_bias, kernel_init, bias_init, dtype)


def apply(
    params: ConvParams,
    x: jax.Array,
    *,
    strides: Size = 1,
    padding: Any = "SAME",
    input_dilation: Size = 1,
    kernel_dilation: Size = 1,
    feature_group_count: int = 1,
    precision: Any = None,
) -> jax.Array:
    """Applies `Conv` to x (*B, spatial..., inputs)."""
    return conv(
        x,
        params.kernel,
        params.bias,
        strides=strides,
        padding=padding,
        input_dilation=input_dilation,
        kernel_dilation=kernel_dilation,
        feature_group_count=feature_group_count,
        precision=precision,
    )


def create_transpose(
    key: jax.Array,
    inputs: int,
    outputs: int,
    kernel_size: Size,
    *,
    feature_group_count: int = 1,
    transpose_kernel: bool = False,
    use_bias: bool = True,
    kernel_init: Initializer = lecun_normal,
    bias_init: Initializer = jax.nn.initializers.zeros,
    dtype: DTypeLike = jnp.float32,
) -> ConvParams:
    """Filters that slide over x with zeros between its entries, which makes it larger.

    Args:
        key: A PRNG key.
        inputs: Channels of x, at least 1.
        outputs: Channels of y, at least 1.
        kernel_size: The window: an integer for 1 spatial axis, else an integer for each.
        feature_group_count: Groups of channels that do not see each other; it divides inputs and
            outputs.
        transpose_kernel: Whether the kernel is that of the convolution from outputs to inputs whose
            gradient this is: (window..., outputs / groups, inputs), spatial axes reversed. Its last
            axis is that of the inputs, which `unit_norm()` and its like take for the outputs.
        use_bias: Whether there is a bias; without, its field is None.
        kernel_init: `kernel_init(key, shape, dtype)`; LeCun's normal by default. With
            `transpose_kernel` too it draws (window..., inputs / groups, outputs), which is turned.
        bias_init: `bias_init(key, shape, dtype)`; zeros by default.
        dtype: The dtype of the parameters. The result has the promoted dtype of x and parameters.

    The model takes x of shape (*B, spatial..., inputs) and returns (*B, spatial'..., outputs).
    Options of the call, which can be given here too: `strides`, `padding`, `output_padding`,
    `kernel_dilation`, `precision`, as for `conv_transpose`.

    Returns:
        `ConvParams(kernel, bias)`.

    Raises:
        TypeError: If a size is not an integer, or dtype not floating.
        ValueError: If a size is below 1, or groups do not divide the channels.

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
    check_sizes("ConvTranspose", inputs=inputs, outputs=outputs)
    check_floating("ConvTranspose", dtype)
    shape = kernel_shape("ConvTranspose", kernel_size, inputs, outputs, feature_group_count)
    drawn = _draw(key, shape, outputs, use_bias, kernel_init, bias_init, dtype)
    return turned("ConvTranspose", drawn, feature_group_count, transpose_kernel)


def apply_transpose(
    params: ConvParams,
    x: jax.Array,
    *,
    strides: Size = 1,
    padding: Any = "SAME",
    output_padding: Size = 0,
    kernel_dilation: Size = 1,
    feature_group_count: int = 1,
    transpose_kernel: bool = False,
    precision: Any = None,
) -> jax.Array:
    """Applies `ConvTranspose` to x (*B, spatial..., inputs)."""
    return conv_transpose(
        x,
        params.kernel,
        params.bias,
        strides=strides,
        padding=padding,
        output_padding=output_padding,
        kernel_dilation=kernel_dilation,
        feature_group_count=feature_group_count,
        transpose_kernel=transpose_kernel,
        precision=precision,
    )


def kernel_shape(
    layer: str, kernel_size: Size, inputs: int, outputs: int, groups: int
) -> tuple[int, ...]:
    """The shape (window..., inputs / groups, outputs) of a kernel, its sizes checked."""
    size = tuple(kernel_size) if isinstance(kernel_size, Sequence) else (kernel_size,)
    if len(size) not in (1, 2, 3):
        raise ValueError(f"{layer}: kernel_size must have 1, 2 or 3 entries, but {size} came")
    entries = {f"kernel_size[{axis}]": entry for axis, entry in enumerate(size)}
    check_sizes(layer, feature_group_count=groups, **entries)
    if inputs % groups or outputs % groups:
        raise ValueError(
            f"{layer}: feature_group_count must divide inputs and outputs, but {groups} came for "
            f"{inputs} and {outputs}"
        )
    return (*size, inputs // groups, outputs)


def turned(layer: str, params: Any, groups: int, transpose_kernel: bool) -> Any:
    """The parameters with the kernel as `transpose_kernel` wants it."""
    check_flag(layer, transpose_kernel=transpose_kernel)
    if not transpose_kernel:
        return params
    return params._replace(kernel=exchanged(params.kernel, groups))


def _draw(key, shape, outputs, use_bias, kernel_init, bias_init, dtype):
    for_kernel, for_bias = jax.random.split(key)
    kernel = kernel_init(for_kernel, shape, dtype)
    return ConvParams(kernel, bias_init(for_bias, (outputs,), dtype) if use_bias else None)


Conv = bind("Conv", create, apply)
ConvTranspose = bind("ConvTranspose", create_transpose, apply_transpose)
