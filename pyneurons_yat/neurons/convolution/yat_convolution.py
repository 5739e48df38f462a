"""YatConv and YatConvTranspose: Yat neurons that slide over the spatial axes.

What is no option is one line that says it, as for `YatDense`, whose docstring has the list: those
lines work here, with `axis=(0, 1, 2)` instead of `axis=0` for the length of a filter of a 2-D
window. A masked kernel too is a map of the parameters:

    >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
    >>> cross = jnp.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]])[:, :, None, None]
    >>> def masked(params):
    ...     return params._replace(kernel=params.kernel * cross)
    >>> model = pn.reparam(pn.YatConv(jax.random.key(0), 2, 4, (3, 3)), masked)
    >>> gradient = jax.grad(lambda model: model(jnp.ones((1, 5, 5, 2))).sum())(model)
    >>> [leaf.shape for leaf in jax.tree.leaves(gradient) if leaf.ndim == 4]
    [(3, 3, 2, 4)]
    >>> bool((jax.tree.leaves(gradient)[0] == 0).all(axis=(2, 3))[0, 0])  # a corner learns nothing
    True
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike, DTypeLike

from ...core import bind
from ...ops import yat_conv, yat_conv_transpose
from ...ops.checks import check_sizes
from ..dense import Initializer, balanced, draw, learned_epsilon
from .convolution import Size, kernel_shape, turned


class YatConvParams(NamedTuple):
    """Kernel (window..., inputs / groups, outputs); the others each (outputs,) or None."""

    kernel: jax.Array
    bias: jax.Array | None
    alpha: jax.Array | None
    epsilon: jax.Array | None


def create(
    key: jax.Array,
    inputs: int,
    outputs: int,
    kernel_size: Size,
    *,
    feature_group_count: int = 1,
    use_bias: bool = True,
    use_alpha: bool = True,
    learnable_epsilon: bool = False,
    epsilon: float = 1e-5,
    kernel_init: Initializer | None = None,
    bias_init: Initializer = jax.nn.initializers.zeros,
    alpha_init: Initializer = balanced,
    dtype: DTypeLike = jnp.float32,
) -> YatConvParams:
    """Yat neurons that slide over 1, 2 or 3 spatial axes.

        y_o = alpha_o (patch . w_o + bias_o)^2 / (|patch - w_o|^2 + epsilon_o)

    A neuron answers where a patch is along its filter and near it; it needs no activation function.

    Args:
        key: A PRNG key.
        inputs: Channels of x, at least 1.
        outputs: Channels of y, at least 1.
        kernel_size: The window: an integer for 1 spatial axis, else an integer for each.
        feature_group_count: Groups of channels that do not see each other; it divides inputs and
            outputs. As many groups as inputs is a depthwise convolution.
        use_bias: Whether there is a bias, inside the square.
        use_alpha: Whether there is a factor per neuron.
        learnable_epsilon: Whether epsilon is learned, one per neuron, as in `YatDense`.
        epsilon: Above 0; what bounds y where patch = w. It can be given at the call too.
        kernel_init: `kernel_init(key, shape, dtype)`; by default `yat_normal` for the alpha and
            epsilon of this layer.
        bias_init: `bias_init(key, shape, dtype)`; zeros by default.
        alpha_init: `alpha_init(key, shape, dtype)`; 4 / sqrt(3) by default, as in `YatDense`.
        dtype: The dtype of the parameters. The result has the promoted dtype of x and parameters.

    The model takes x of shape (*B, spatial..., inputs) and returns (*B, spatial'..., outputs).
    Options of the call, which can be given here too: `strides`, `padding`, `input_dilation`,
    `kernel_dilation`, `epsilon`, `distance`, `precision`, as for `yat_conv`.

    Returns:
        `YatConvParams(kernel, bias, alpha, epsilon)`; what is not used is None.

    Gradient:
        As for `yat_conv`.

    Raises:
        TypeError: If a size is not an integer, or dtype not floating.
        ValueError: If a size is below 1, groups do not divide the channels, or epsilon is not above
            0.

    Example:
        >>> import jax, jax.numpy as jnp, optax, pyneurons_yat as pn
        >>> for_x, for_place, one, two = jax.random.split(jax.random.key(0), 4)
        >>> upright = jnp.arange(128) % 2  # noisy images of one bar, upright or not
        >>> place = jax.nn.one_hot(jax.random.randint(for_place, (128,), 0, 8), 8)
        >>> bar = jnp.where(upright[:, None, None], place[:, None], place[:, :, None])
        >>> x = (bar + 0.2 * jax.random.normal(for_x, (128, 8, 8)))[..., None]
        >>> def peak(y):
        ...     return y.max((-3, -2))
        >>> conv = pn.YatConv(one, 1, 8, (3, 3), epsilon=0.1)
        >>> conv
        YatConv(epsilon=0.1)  88 parameters
          .kernel  float32[3,3,1,8]
          .bias    float32[8]
          .alpha   float32[8]
        >>> model = pn.sequential(conv, peak, pn.Linear(two, 8, 2))
        >>> options = dict(loss=pn.cross_entropy, epochs=30, progress=False)
        >>> model, _ = pn.fit(optax.adam(3e-2), model, x[:96], upright[:96], **options)
        >>> bool(pn.accuracy(model(x[96:]), upright[96:]) > 0.9)
        True
    """
    check_sizes("YatConv", inputs=inputs, outputs=outputs)
    parameters = draw(
        "YatConv",
        key,
        kernel_shape("YatConv", kernel_size, inputs, outputs, feature_group_count),
        outputs,
        use_bias=use_bias,
        use_alpha=use_alpha,
        learnable_epsilon=learnable_epsilon,
        epsilon=epsilon,
        kernel_init=kernel_init,
        bias_init=bias_init,
        alpha_init=alpha_init,
        dtype=dtype,
    )
    return YatConvParams(*parameters)


def apply(
    params: YatConvParams,
    x: jax.Array,
    *,
    strides: Size = 1,
    padding: Any = "SAME",
    input_dilation: Size = 1,
    kernel_dilation: Size = 1,
    feature_group_count: int = 1,
    epsilon: ArrayLike = 1e-5,
    distance: str = "expanded",
    precision: Any = None,
) -> jax.Array:
    """Applies `YatConv` to x (*B, spatial..., inputs)."""
    kernel, bias, alpha, shift = params
    return yat_conv(
        x,
        kernel,
        bias,
        alpha,
        strides=strides,
        padding=padding,
        input_dilation=input_dilation,
        kernel_dilation=kernel_dilation,
        feature_group_count=feature_group_count,
        epsilon=learned_epsilon("YatConv", epsilon, shift),
        distance=distance,
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
    use_alpha: bool = True,
    learnable_epsilon: bool = False,
    epsilon: float = 1e-5,
    kernel_init: Initializer | None = None,
    bias_init: Initializer = jax.nn.initializers.zeros,
    alpha_init: Initializer = balanced,
    dtype: DTypeLike = jnp.float32,
) -> YatConvParams:
    """Yat neurons on windows of x with zeros between its entries, which makes it larger.

    The zeros count: with many of them patches are shorter than filters, and answers small; alpha
    makes up for that, or a kernel_init of smaller weights.

    Args:
        key: A PRNG key.
        inputs: Channels of x, at least 1.
        outputs: Channels of y, at least 1.
        kernel_size: The window: an integer for 1 spatial axis, else an integer for each.
        feature_group_count: Groups of channels that do not see each other; it divides inputs and
            outputs.
        transpose_kernel: Whether the kernel is (window..., outputs / groups, inputs), with its
            spatial axes reversed, as in `ConvTranspose`, which tells more.
        use_bias: Whether there is a bias, inside the square.
        use_alpha: Whether there is a factor per neuron.
        learnable_epsilon: Whether epsilon is learned, one per neuron, as in `YatDense`.
        epsilon: Above 0; what bounds y where patch = w. It can be given at the call too.
        kernel_init: `kernel_init(key, shape, dtype)`; `yat_normal` by default.
        bias_init: `bias_init(key, shape, dtype)`; zeros by default.
        alpha_init: `alpha_init(key, shape, dtype)`; 4 / sqrt(3) by default, as in `YatDense`.
        dtype: The dtype of the parameters. The result has the promoted dtype of x and parameters.

    The model takes x of shape (*B, spatial..., inputs) and returns (*B, spatial'..., outputs).
    Options of the call, which can be given here too: `strides`, `padding`, `output_padding`,
    `kernel_dilation`, `epsilon`, `distance`, `precision`, as for `yat_conv_transpose`.

    Returns:
        `YatConvParams(kernel, bias, alpha, epsilon)`; what is not used is None.

    Gradient:
        As for `yat_conv_transpose`.

    Raises:
        TypeError: If a size is not an integer, or dtype not floating.
        ValueError: If a size is below 1, groups do not divide the channels, or epsilon is not above
            0.

    Example:
        >>> import jax, jax.numpy as jnp, optax, pyneurons_yat as pn
        >>> x = jax.random.bernoulli(jax.random.key(0), 0.3, (16, 8, 1)).astype(float)
        >>> echo = jnp.kron(x, jnp.array([[1.0], [0.0], [0.5]]))  # what a 1 is to become
        >>> model = pn.YatConvTranspose(jax.random.key(1), 1, 1, 3, strides=3, epsilon=0.1)
        >>> model, _ = pn.fit(optax.adam(0.03), model, x, echo, epochs=200, progress=False)
        >>> [round(abs(float(y)), 1) for y in model(jnp.array([[1.0], [0.0]]))[:, 0]]
        [1.0, 0.0, 0.5, 0.0, 0.0, 0.0]
    """
    check_sizes("YatConvTranspose", inputs=inputs, outputs=outputs)
    shape = kernel_shape("YatConvTranspose", kernel_size, inputs, outputs, feature_group_count)
    parameters = draw(
        "YatConvTranspose",
        key,
        shape,
        outputs,
        use_bias=use_bias,
        use_alpha=use_alpha,
        learnable_epsilon=learnable_epsilon,
        epsilon=epsilon,
        kernel_init=kernel_init,
        bias_init=bias_init,
        alpha_init=alpha_init,
        dtype=dtype,
    )
    drawn = YatConvParams(*parameters)
    return turned("YatConvTranspose", drawn, feature_group_count, transpose_kernel)


def apply_transpose(
    params: YatConvParams,
    x: jax.Array,
    *,
    strides: Size = 1,
    padding: Any = "SAME",
    output_padding: Size = 0,
    kernel_dilation: Size = 1,
    feature_group_count: int = 1,
    transpose_kernel: bool = False,
    epsilon: ArrayLike = 1e-5,
    distance: str = "expanded",
    precision: Any = None,
) -> jax.Array:
    """Applies `YatConvTranspose` to x (*B, spatial..., inputs)."""
    kernel, bias, alpha, shift = params
    return yat_conv_transpose(
        x,
        kernel,
        bias,
        alpha,
        strides=strides,
        padding=padding,
        output_padding=output_padding,
        kernel_dilation=kernel_dilation,
        feature_group_count=feature_group_count,
        transpose_kernel=transpose_kernel,
        epsilon=learned_epsilon("YatConvTranspose", epsilon, shift),
        distance=distance,
        precision=precision,
    )


YatConv = bind("YatConv", create, apply)
YatConvTranspose = bind("YatConvTranspose", create_transpose, apply_transpose)
