"""SparseLinear: an affine layer with a fixed number of non-zeros."""

from typing import Any

import jax

from ...core import bind, options_of
from ...ops import sparse_linear
from ...ops.checks import check_sizes
from ...ops.sparse import Inputs, SparseKernel, draw_indices, fan_in
from ..dense import LinearParams, draw_linear

ROLES = {"kernel.indices": "indices"}


@options_of(draw_linear)
def create(
    key: jax.Array, inputs: int, outputs: int, *, density: float, **options: Any
) -> LinearParams:
    """An affine layer of which only some weights are there: `y = x @ kernel + bias`.

    Each output has K = round(density * inputs) non-zeros, at least one, at inputs drawn at random.
    Parameters, gradients, optimizer state and files hold these alone. `rewire` moves them between
    epochs; `erdos_renyi` shares the density of a network out over its layers.

    Args:
        key: A PRNG key.
        inputs: Features of x, at least 1.
        outputs: Features of y, at least 1.
        density: The share of weights that are there, above 0 and at most 1.

    The model takes x of shape (*B, inputs) and returns (*B, outputs).

    Returns:
        `LinearParams(kernel, bias)`, with a `SparseKernel` of values and indices (K, outputs). The
        values are what `kernel_init` draws for that shape, so that a layer of K inputs and one of K
        non-zeros start alike. The indices have the role "indices" and are not trained.

    Raises:
        TypeError: If a size is not an integer, density no number, or dtype not floating.
        ValueError: If a size is below 1, density not above 0 and at most 1, or an initializer
            returns another shape.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.SparseLinear(jax.random.key(0), 100, 4, density=0.05)
        >>> model
        SparseLinear  24 parameters, 20 indices
          .kernel.values   float32[5,4]
          .kernel.indices  int32[5,4]    indices
          .bias            float32[4]
        >>> model(jnp.ones((2, 100))).shape
        (2, 4)

    Source:
        As for `sparse_linear`.
    """
    check_sizes("SparseLinear", inputs=inputs, outputs=outputs)
    shape = (fan_in("SparseLinear", inputs, density), outputs)
    for_values, for_indices = jax.random.split(key)
    values, bias = draw_linear("SparseLinear", for_values, shape, **options)
    return LinearParams(drawn_kernel(for_indices, values, inputs), bias)


def drawn_kernel(key: jax.Array, values: jax.Array, inputs: int) -> Any:
    """The sparse kernel of these values, at inputs drawn at random."""
    shape = values.shape[0], values.shape[1]
    return SparseKernel(values, draw_indices(key, inputs, shape), Inputs(inputs))


def apply(params: LinearParams, x: jax.Array) -> jax.Array:
    """Applies `SparseLinear` to x (*B, inputs)."""
    kernel: Any = params.kernel
    return sparse_linear(x, kernel, params.bias)


SparseLinear = bind("SparseLinear", create, apply, roles=ROLES)
