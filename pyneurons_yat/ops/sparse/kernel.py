"""A kernel of which only the non-zeros are there, as many for each output.

Letters: I inputs, O outputs, K non-zeros of each output.
"""

import pickle
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from ..checks import check_fit, check_index, check_real, check_sizes, check_whole, told
from ..dtypes import as_index

AT_ONCE = 64  # outputs whose indices are drawn at a time


@jax.tree_util.register_static
@dataclass(frozen=True)
class Inputs:
    """The number of inputs: a node without leaves.

    Attributes:
        size: That number.
    """

    size: int


jax.export.register_pytree_node_serialization(
    Inputs,
    serialized_name="pyneurons_yat.Inputs",
    serialize_auxdata=pickle.dumps,
    deserialize_auxdata=pickle.loads,
)


class SparseKernel(NamedTuple):
    """The non-zeros of a kernel (I, O): the same number K for each output.

    `sparse_kernel` makes one of arrays, `SparseLinear` and `SparseYatDense` draw one.

    Attributes:
        values: (K, O), what is trained.
        indices: (K, O), integers: `kernel[indices[k, o], o] = values[k, o]`. No index is twice in a
            column.
        inputs: The number I, which no shape tells, as a node without leaves.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> model = pn.SparseLinear(jax.random.key(0), 100, 3, density=0.02)
        >>> model.kernel.values.shape, model.kernel.inputs.size
        ((2, 3), 100)
    """

    values: jax.Array
    indices: jax.Array
    inputs: Inputs


def sparse_kernel(values: ArrayLike, indices: ArrayLike, inputs: int) -> SparseKernel:
    """A sparse kernel (I, O) of its non-zeros.

    Args:
        values: (K, O): K numbers for each output.
        indices: (K, O), integers from 0 to I - 1: to which input each belongs. Different ones in
            each column, which is looked at where they are known.
        inputs: I, at least K.

    Returns:
        `SparseKernel(values, indices, inputs)`, of floating values.

    Raises:
        ValueError: a shape does not fit, an index is out of range or twice in a column.
        TypeError: values are not real, or indices no integers.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> kernel = pn.sparse_kernel([[2.0, 3.0]], [[1, 0]], 3)
        >>> pn.sparse_linear(jnp.array([[1.0, 10.0, 100.0]]), kernel).tolist()
        [[20.0, 3.0]]
    """
    values, indices = (np.asarray(a) if isinstance(a, list) else a for a in (values, indices))
    check_sizes("sparse_kernel", inputs=inputs)
    check_real("sparse_kernel", values=values)
    check_whole("sparse_kernel", "indices", indices)
    dtype = jnp.result_type(values)
    floating = dtype if jnp.issubdtype(dtype, jnp.floating) else jnp.result_type(dtype, float)
    places = as_index("sparse_kernel", "indices", indices)
    kernel = SparseKernel(jnp.asarray(values, floating), places, Inputs(int(inputs)))
    check_kernel("sparse_kernel", kernel)
    if not isinstance(indices, Tracer):
        in_order = np.sort(np.asarray(indices), axis=0)
        if (in_order[1:] == in_order[:-1]).any():
            raise ValueError(
                "sparse_kernel: indices must be different in each column, got one twice"
            )
    return kernel


def check_kernel(function: str, kernel: Any) -> tuple[int, int]:
    """Refuses what is no sparse kernel, or one whose parts do not fit; returns (I, O)."""
    if not isinstance(kernel, SparseKernel):
        raise TypeError(
            f"{function}: kernel must be a SparseKernel, got {told(kernel)}; sparse_kernel makes "
            "one of values and indices"
        )
    values, indices, inputs = kernel
    check_real(function, values=values)
    shape, size = np.shape(values), inputs.size
    if len(shape) != 2 or not 1 <= shape[0] <= size:
        raise ValueError(
            f"{function}: values must have shape (K, O), with K from 1 to the {size} inputs, got "
            f"{shape}; map over stacked kernels by jax.vmap"
        )
    check_fit(function, "indices", indices, shape, "have")
    check_whole(function, "indices", indices)
    check_index(function, "indices", indices, 0, size - 1)
    return size, shape[1]


def check_sparse_product(function: str, x: ArrayLike, kernel: Any) -> tuple[int, ...]:
    """Refuses x and a sparse kernel that do not fit; returns the shape of the product."""
    inputs, outputs = check_kernel(function, kernel)
    shape = np.shape(x)
    if shape[-1:] != (inputs,):
        raise ValueError(
            f"{function}: x must have shape (*B, {inputs}), as the kernel has {inputs} inputs, got "
            f"{shape}"
        )
    return (*shape[:-1], outputs)


# --------------------------------------------------------------------------------- conversion


@jax.jit
def densified(kernel: SparseKernel) -> jax.Array:
    """The kernel (..., I, O) with its zeros, of values (..., K, O)."""
    values, indices, inputs = kernel

    def one(values, indices):
        none = jnp.zeros((inputs.size, values.shape[1]), values.dtype)
        return none.at[indices, jnp.arange(values.shape[1])[None]].add(values)

    return _over_leading(one, values.ndim - 2)(values, indices)


@partial(jax.jit, static_argnames="count")
def sparsified(kernel: jax.Array, count: int) -> SparseKernel:
    """The largest entries of each column of a kernel (..., I, O), so many, by their magnitude."""
    columns = jnp.swapaxes(kernel, -1, -2)
    places = jnp.sort(jax.lax.top_k(abs(columns), count)[1].astype(jnp.int32), axis=-1)
    values = jnp.take_along_axis(columns, places, axis=-1)
    return SparseKernel(
        jnp.swapaxes(values, -1, -2), jnp.swapaxes(places, -1, -2), Inputs(kernel.shape[-2])
    )


def _over_leading(function: Any, axes: int) -> Any:
    for _ in range(axes):
        function = jax.vmap(function)
    return function


# ------------------------------------------------------------------------------------ drawing


@partial(jax.jit, static_argnames=("inputs", "shape"))
def draw_indices(key: jax.Array, inputs: int, shape: tuple[int, int]) -> jax.Array:
    """Indices (K, O), evenly drawn: K different ones of the inputs for each output, in order."""

    def column(key):
        return jnp.sort(_lowest(jax.random.bits(key, (inputs,)), shape[0]))

    keys = jax.random.split(key, shape[1])
    return jax.lax.map(column, keys, batch_size=AT_ONCE).T


def _lowest(ranks: jax.Array, count: int) -> jax.Array:
    """The places of the lowest ranks, so many."""
    return jnp.argsort(ranks)[:count].astype(jnp.int32)
