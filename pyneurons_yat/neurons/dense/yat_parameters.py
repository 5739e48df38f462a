"""The parameters of a layer of Yat neurons, drawn and read alike whatever the neurons look at."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike, DTypeLike

from ...core import options_of
from ...ops import inverse_softplus
from ...ops.checks import POSITIVE, check_flag, check_floating, check_numbers, check_positive
from ...ops.dtypes import accumulator
from .initializers import Initializer, balanced, drawn, yat_normal, zeros


class YatParams(NamedTuple):
    """Kernel (..., outputs); bias, alpha and the shift of epsilon, each (outputs,) or None."""

    kernel: jax.Array
    bias: jax.Array | None
    alpha: jax.Array | None
    epsilon: jax.Array | None


Factors = tuple[jax.Array | None, jax.Array | None, jax.Array | None]


def draw_factors(
    layer: str,
    keys: jax.Array | Sequence[jax.Array],
    outputs: int,
    bias: str = "bias",
    *,
    use_bias: bool = True,
    use_alpha: bool = True,
    learnable_epsilon: bool = False,
    epsilon: float = 1e-5,
    bias_init: Initializer = zeros,
    alpha_init: Initializer = balanced,
    dtype: DTypeLike = jnp.float32,
) -> Factors:
    """What Yat neurons learn beside their weights: bias, alpha and the shift of epsilon.

    Args:
        layer: Its name, for errors.
        keys: Two PRNG keys.
        outputs: How many of each.
        bias: What the layer calls the number inside the square.
        use_bias: Whether each neuron has a bias, inside the square.
        use_alpha: Whether each neuron has a factor.
        learnable_epsilon: Whether epsilon is learned, one per neuron. Stored is a shift r, at first
            0; the epsilon in force is softplus(inverse_softplus(epsilon) + r), positive for every
            r.
        epsilon: Above 0; what bounds y where x = w. It can be given at the call too. With
            `learnable_epsilon` it is where the learned one starts.
        bias_init: `bias_init(key, shape, dtype)`; zeros by default.
        alpha_init: `alpha_init(key, shape, dtype)`; 4 / sqrt(3) by default, with which inputs of
            unit mean square give outputs of unit mean square.
        dtype: The dtype of the parameters. The result has the promoted dtype of x and parameters.
    """
    check_flag(layer, **{f"use_{bias}": use_bias}, use_alpha=use_alpha)
    check_flag(layer, learnable_epsilon=learnable_epsilon)
    check_floating(layer, dtype)
    check_numbers(layer, POSITIVE, epsilon=epsilon)
    for_bias, for_alpha = keys
    shape = (outputs,)
    return (
        drawn(layer, f"{bias}_init", bias_init, for_bias, shape, dtype) if use_bias else None,
        drawn(layer, "alpha_init", alpha_init, for_alpha, shape, dtype) if use_alpha else None,
        jnp.zeros(shape, dtype) if learnable_epsilon else None,
    )


@options_of(draw_factors)
def draw(
    layer: str,
    key: jax.Array,
    shape: tuple[int, ...],
    *,
    kernel_init: Initializer | None = None,
    epsilon: float = 1e-5,
    dtype: DTypeLike = jnp.float32,
    **options: Any,
) -> YatParams:
    """What a layer of Yat neurons learns, whatever the neurons look at.

    Args:
        layer: Its name, for errors.
        key: A PRNG key.
        shape: The shape of the kernel (..., outputs).
        kernel_init: `kernel_init(key, shape, dtype)`; by default `yat_normal` for the alpha and
            epsilon of this layer.
    """
    for_kernel, *keys = jax.random.split(key, 3)
    factors = draw_factors(layer, keys, shape[-1], epsilon=epsilon, dtype=dtype, **options)
    kernel_init = kernel_init or settling(factors[1], epsilon)
    return YatParams(drawn(layer, "kernel_init", kernel_init, for_kernel, shape, dtype), *factors)


def settling(alpha: jax.Array | None, epsilon: float) -> Initializer:
    """The initializer of kernels for Yat neurons of this alpha and epsilon: `yat_normal`."""
    return partial(yat_normal, alpha=1.0 if alpha is None else alpha, epsilon=epsilon)


def answer(
    layer: str,
    product: Callable[..., jax.Array],
    x: ArrayLike,
    params: YatParams,
    *,
    epsilon: ArrayLike = 1e-5,
    **options: Any,
) -> jax.Array:
    """What Yat neurons answer: a Yat product of x, with the epsilon of the layer."""
    kernel, bias, alpha, shift = params
    epsilon = learned_epsilon(layer, epsilon, shift)
    return product(x, kernel, bias, alpha, epsilon=epsilon, **options)


def learned_epsilon(layer: str, epsilon: ArrayLike, shift: jax.Array | None) -> ArrayLike:
    """The epsilon of a layer: softplus(inverse_softplus(epsilon) + shift) where it is learned.

    It is in the accumulator's dtype, since float16 has neither 1e-8 nor 1e5.
    """
    check_positive(layer, epsilon=epsilon)
    if shift is None:
        return epsilon
    wide = accumulator(jnp.result_type(shift))
    return jax.nn.softplus(inverse_softplus(jnp.asarray(epsilon, wide)) + jnp.asarray(shift, wide))
