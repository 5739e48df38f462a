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

from typing import Any

import jax

from ...core import Form, bind, options_of
from ...ops import yat_conv, yat_conv_transpose
from ..dense import YatParams, answer, draw
from .convolution import Size, draw_filters, draw_transposed


@options_of(draw_filters, draw, without=["options"])
def create(
    key: jax.Array, inputs: int, outputs: int, kernel_size: Size, **options: Any
) -> YatParams:
    """Yat neurons over 1, 2 or 3 spatial axes: 1 for `kernel_size=3`, 2 for `(3, 3)`.

        y_o = alpha_o (patch . w_o + bias_o)^2 / (|patch - w_o|^2 + epsilon_o)

    A neuron answers where a patch is along its filter and near it; it needs no activation function.

    The model takes x of shape (*B, spatial..., inputs) and returns (*B, spatial'..., outputs).

    Returns:
        `YatParams(kernel, bias, alpha, epsilon)`; what is not used is None.

    Gradient:
        As for `yat_conv`.

    Raises:
        TypeError: If a size is not an integer, or dtype not floating.
        ValueError: If a size is below 1, groups do not divide the channels, epsilon is not above
            0, or an initializer returns another shape.

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
    return draw_filters("YatConv", draw, key, inputs, outputs, kernel_size, **options)


@options_of(yat_conv)
def apply(params: YatParams, x: jax.Array, **options: Any) -> jax.Array:
    """Applies `YatConv` to x (*B, spatial..., inputs)."""
    return answer("YatConv", yat_conv, x, params, **options)


@options_of(draw_filters, draw_transposed, draw, without=["options"])
def create_transpose(
    key: jax.Array, inputs: int, outputs: int, kernel_size: Size, **options: Any
) -> YatParams:
    """Yat neurons on windows of x with zeros between its entries, which makes it larger.

    Over 1, 2 or 3 spatial axes, 2 for `kernel_size=(3, 3)`. The zeros count: with many of them
    patches are shorter than filters, and answers small; alpha makes up for that, or a kernel_init
    of smaller weights.

    The model takes x of shape (*B, spatial..., inputs) and returns (*B, spatial'..., outputs).

    Returns:
        `YatParams(kernel, bias, alpha, epsilon)`; what is not used is None.

    Gradient:
        As for `yat_conv_transpose`.

    Raises:
        TypeError: If a size is not an integer, or dtype not floating.
        ValueError: If a size is below 1, groups do not divide the channels, epsilon is not above
            0, or an initializer returns another shape.

    Example:
        >>> import jax, jax.numpy as jnp, optax, pyneurons_yat as pn
        >>> x = jax.random.bernoulli(jax.random.key(0), 0.3, (16, 8, 1)).astype(float)
        >>> echo = jnp.kron(x, jnp.array([[1.0], [0.0], [0.5]]))  # what a 1 is to become
        >>> model = pn.YatConvTranspose(jax.random.key(1), 1, 1, 3, strides=3, epsilon=0.1)
        >>> model, _ = pn.fit(optax.adam(0.03), model, x, echo, epochs=200, progress=False)
        >>> [round(abs(float(y)), 1) for y in model(jnp.array([[1.0], [0.0]]))[:, 0]]
        [1.0, 0.0, 0.5, 0.0, 0.0, 0.0]
    """
    args = (key, inputs, outputs, kernel_size)
    return draw_transposed("YatConvTranspose", draw, *args, **options)


@options_of(yat_conv_transpose)
def apply_transpose(
    params: YatParams, x: jax.Array, *, transpose_kernel: Form = False, **options: Any
) -> jax.Array:
    """Applies `YatConvTranspose` to x (*B, spatial..., inputs)."""
    options["transpose_kernel"] = transpose_kernel
    return answer("YatConvTranspose", yat_conv_transpose, x, params, **options)


YatConv = bind("YatConv", create, apply)
YatConvTranspose = bind("YatConvTranspose", create_transpose, apply_transpose)
