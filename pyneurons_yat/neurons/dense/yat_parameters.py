"""The parameters of a layer of Yat neurons, drawn and read alike whatever the neurons look at."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike, DTypeLike

from ...ops import inverse_softplus
from ...ops.checks import check_positive, check_real
from ...ops.dtypes import accumulator
from .initializers import ALPHA, Initializer, yat_normal
from .linear import check_floating

balanced = jax.nn.initializers.constant(ALPHA)


def draw(
    layer: str,
    key: jax.Array,
    shape: tuple[int, ...],
    outputs: int,
    *,
    use_bias: bool,
    use_alpha: bool,
    learnable_epsilon: bool,
    epsilon: float,
    kernel_init: Initializer | None,
    bias_init: Initializer,
    alpha_init: Initializer,
    dtype: DTypeLike,
) -> tuple[jax.Array, jax.Array | None, jax.Array | None, jax.Array | None]:
    """A kernel of the shape; bias, alpha and the shift of epsilon, each (outputs,) or None."""
    check_floating(layer, dtype)
    check_epsilon(layer, epsilon)
    for_kernel, for_bias, for_alpha = jax.random.split(key, 3)
    alpha = alpha_init(for_alpha, (outputs,), dtype) if use_alpha else None
    if kernel_init is None:
        scale = 1.0 if alpha is None else alpha
        kernel = yat_normal(for_kernel, shape, dtype, alpha=scale, epsilon=epsilon)
    else:
        kernel = kernel_init(for_kernel, shape, dtype)
    bias = bias_init(for_bias, (outputs,), dtype) if use_bias else None
    return kernel, bias, alpha, jnp.zeros(outputs, dtype) if learnable_epsilon else None


def check_epsilon(layer: str, epsilon: float) -> None:
    """Refuses an epsilon that is not above 0."""
    check_real(layer, epsilon=epsilon)
    if not epsilon > 0:
        raise ValueError(f"{layer}: epsilon must be above 0, but {epsilon} came")


def learned_epsilon(layer: str, epsilon: ArrayLike, shift: jax.Array | None) -> ArrayLike:
    """The epsilon of a layer: softplus(inverse_softplus(epsilon) + shift) where it is learned.

    It is in the accumulator's dtype, since float16 has neither 1e-8 nor 1e5.
    """
    check_positive(layer, epsilon=epsilon)
    if shift is None:
        return epsilon
    wide = accumulator(jnp.result_type(shift))
    return jax.nn.softplus(inverse_softplus(jnp.asarray(epsilon, wide)) + jnp.asarray(shift, wide))
