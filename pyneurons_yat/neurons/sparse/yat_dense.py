"""SparseYatDense: a layer of Yat neurons with a fixed number of non-zeros.

Take `yat_normal`'s derivation for I inputs of mean square a, with K of I weights there, drawn with
variance s. The product x.w has variance K a s, and |x - w|^2 is close to I a + K s. With the mean
square over all weights, t = s K / I, these are I a t and I (a + t), as for a dense layer whose
weights have the variance t = (a + epsilon / I) / 3. So s = (a I / K + epsilon / K) / 3: that of
`yat_normal` for K inputs, with a larger by I / K, as an alpha smaller by sqrt(K / I) makes it.

The product counts as normal, as a sum of many terms is. Where they are few, the mean square of a
deep stack settles above 1: measured, at 2.4 with 40 non-zeros of each output, at 9 with 10.
"""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from ...core import bind, options_of
from ...ops import sparse_yat
from ...ops.checks import check_sizes
from ...ops.sparse import fan_in
from ..dense import Initializer, YatParams, answer, draw, draw_factors, drawn, yat_normal
from .linear import ROLES, drawn_kernel


@options_of(draw)
def create(
    key: jax.Array,
    inputs: int,
    outputs: int,
    *,
    density: float,
    kernel_init: Initializer | None = None,
    epsilon: float = 1e-5,
    dtype: DTypeLike = jnp.float32,
    **options: Any,
) -> YatParams:
    """A layer of Yat neurons of which only some weights are there.

        y_o = alpha_o (x . w_o + bias_o)^2 / (|x - w_o|^2 + epsilon_o)

    Each neuron has K = round(density * inputs) non-zeros, at least one, at inputs drawn at random.
    Parameters, gradients, optimizer state and files hold these alone. `rewire` moves them between
    epochs; `erdos_renyi` shares the density of a network out over its layers.

    Args:
        key: A PRNG key.
        inputs: Features of x, at least 1.
        outputs: Features of y, at least 1.
        density: The share of weights that are there, above 0 and at most 1.

    The model takes x of shape (*B, inputs) and returns (*B, outputs).

    Returns:
        `YatParams(kernel, bias, alpha, epsilon)`, with a `SparseKernel` of values and indices
        (K, outputs). The indices have the role "indices" and are not trained. `kernel_init`
        draws the values, of that shape; by default so that a deep stack keeps its scale, as
        `yat_normal` does for `YatDense`: fewer weights are larger.

    Gradient:
        As for `sparse_yat`.

    Raises:
        TypeError: If a size is not an integer, density no number, or dtype not floating.
        ValueError: If a size is below 1, density not above 0 and at most 1, epsilon not above 0, or
            an initializer returns another shape.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.SparseYatDense(jax.random.key(0), 100, 4, density=0.05, epsilon=1e-3)
        >>> model
        SparseYatDense(epsilon=0.001)  28 parameters, 20 indices
          .kernel.values   float32[5,4]
          .kernel.indices  int32[5,4]    indices
          .bias            float32[4]
          .alpha           float32[4]
        >>> model(jnp.ones((2, 100))).shape
        (2, 4)

    Source:
        As for `YatDense` and `sparse_linear`.
    """
    check_sizes("SparseYatDense", inputs=inputs, outputs=outputs)
    count = fan_in("SparseYatDense", inputs, density)
    for_values, for_indices, *keys = jax.random.split(key, 4)
    factors = draw_factors("SparseYatDense", keys, outputs, epsilon=epsilon, dtype=dtype, **options)
    alpha = (1.0 if factors[1] is None else factors[1]) * math.sqrt(count / inputs)
    init = kernel_init or partial(yat_normal, alpha=alpha, epsilon=epsilon)
    shape = (count, outputs)
    values = drawn("SparseYatDense", "kernel_init", init, for_values, shape, dtype)
    return YatParams(drawn_kernel(for_indices, values, inputs), *factors)


@options_of(sparse_yat)
def apply(params: YatParams, x: jax.Array, **options: Any) -> jax.Array:
    """Applies `SparseYatDense` to x (*B, inputs)."""
    return answer("SparseYatDense", sparse_yat, x, params, **options)


SparseYatDense = bind("SparseYatDense", create, apply, roles=ROLES)
