"""Initialisation made for Yat neurons.

Take a layer of I inputs with mean square a, and weights drawn from a normal distribution of mean 0
and variance s. Given x, the product x.w is normal with variance I a s, and |x - w|^2 is close to I
(a + s). With e = epsilon / I the output of a neuron is therefore

    y = alpha z a s / (a + s + e),    z chi-squared with one degree of freedom,

and since E[z] = 1 and E[z^2] = 3, its mean square, the a of the next layer, is

    f(a) = 3 alpha^2 (a s / (a + s + e))^2.

Unlike a linear layer's, this is not proportional to a. Layers multiply errors of log a by the slope

    d log f / d log a = 2 (s + e) / (a + s + e),

so a depth of layers settles where f(a) = a and s + e < a: weights must be shorter than inputs.
Where they are not, the scale runs away: down to 0, or up until s < a. We fix the ratio

    s = (a + e) / 3,    so that    f(a) = a at    a = (4 / (sqrt(3) alpha))^2.

The slope is then 1/2 for small e (it stays below 1 while e < a / 2), and any input whose mean
square is above a / 9 is drawn to the fixed point, half of the error in log a gone with each layer.
alpha = 4 / sqrt(3) puts it at a = 1: unit in, unit out. With alpha = 1 it is a = 16/3, and inputs
of unit variance are drawn to it.

The gradient of one layer, dy/dx = 2 alpha (x.w) w / |x - w|^2 to leading order, has a mean squared
gain of 4 alpha^2 a s^2 / (a + s + e)^2, which is 4/3 at every fixed point. Gradient norms grow by
sqrt(4/3) = 1.15 a layer, a factor of 18 over 20 layers. It would be 1 only for neurons biased away
from 0.
"""

import math
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike, DTypeLike

from ...ops.checks import FINITE, NOT_NEGATIVE, check_floating, check_numbers, check_real, told

Initializer = Callable[..., jax.Array]
"""`init(key, shape, dtype)`, an array of the shape."""

RATIO = 1 / 3
"""Variance of the weights over the mean square of the inputs, at the fixed point."""

ALPHA = (1 + RATIO) / (math.sqrt(3) * RATIO)
"""The alpha that puts the fixed point at a mean square of 1: 4 / sqrt(3)."""

one_program = partial(jax.jit, static_argnames=("shape", "dtype"))
"""An initializer as one program: eagerly, each of its operations would be compiled alone."""

zeros = jax.nn.initializers.zeros
balanced = jax.nn.initializers.constant(ALPHA)
lecun_normal = one_program(jax.nn.initializers.lecun_normal())


def drawn(
    layer: str,
    option: str,
    init: Initializer,
    key: jax.Array,
    shape: tuple[int, ...],
    dtype: DTypeLike,
) -> jax.Array:
    """What an initializer draws, which must be of the shape asked for, in the dtype asked for."""
    if not callable(init):
        raise TypeError(
            f"{layer}: {option} must be a function (key, shape, dtype) -> array, got {told(init)}; "
            "jax.nn.initializers has many"
        )
    array = init(key, shape, dtype)
    check_real(layer, **{f"the result of {option}": array})
    if jnp.shape(array) != tuple(shape):
        raise ValueError(
            f"{layer}: {option} must return shape {tuple(shape)}, got shape {jnp.shape(array)}"
        )
    return jnp.asarray(array, dtype)


def yat_normal(
    key: jax.Array,
    shape: tuple[int, ...],
    dtype: DTypeLike = jnp.float32,
    *,
    alpha: ArrayLike = 1.0,
    epsilon: ArrayLike = 0.0,
) -> jax.Array:
    """Draws the kernel of Yat neurons, such that a deep stack of layers keeps its scale.

        w ~ normal(0, s),    s = (a + epsilon / I) / 3,    a = (4 / (sqrt(3) alpha))^2

    The weights' variance does not fall with the number of inputs, as a linear layer's does, since a
    Yat neuron divides by |x - w|^2. `pyneurons_yat.neurons.dense.initializers` derives the formula.

    Letters: I inputs, the product of all axes but the last; a the mean square of activations that
    the layers settle at: 1 for alpha = 4 / sqrt(3), the initial alpha of `YatDense`, 16/3 for alpha
    = 1.

    Args:
        key: A PRNG key.
        shape: Kernel shape (I, O) or (window..., I, O).
        dtype: A floating dtype.
        alpha: The alpha of the neurons; of an array the root mean square counts, and 1 if it is 0.
        epsilon: The epsilon of the neurons, at least 0; of an array each is for its column.

    Returns:
        An array of the shape and dtype.

    Raises:
        TypeError: If dtype is not floating.
        ValueError: If the shape has fewer than two axes, or alpha or epsilon is not finite, or
            epsilon below 0.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> kernel = pn.yat_normal(jax.random.key(0), (256, 256), alpha=4 / 3**0.5)
        >>> round(float(kernel.var()), 2)
        0.33
    """
    if len(shape) < 2:
        raise ValueError(f"yat_normal: shape must be (inputs, outputs) or more, got {shape}")
    check_floating("yat_normal", dtype)
    check_numbers("yat_normal", FINITE, alpha=alpha)
    check_numbers("yat_normal", NOT_NEGATIVE, epsilon=epsilon)
    return _yat_normal(key, tuple(shape), dtype, alpha, epsilon)


@one_program
def _yat_normal(
    key: jax.Array, shape: tuple[int, ...], dtype: DTypeLike, alpha: ArrayLike, epsilon: ArrayLike
) -> jax.Array:
    mean_square = jnp.mean(jnp.square(jnp.asarray(alpha, dtype)))
    settled = ALPHA**2 / jnp.where(mean_square == 0, 1, mean_square)
    variance = RATIO * (settled + epsilon / max(math.prod(shape[:-1]), 1))
    return jax.random.normal(key, shape, dtype) * jnp.sqrt(variance).astype(dtype)
