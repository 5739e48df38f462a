"""What gated cells share: blocks of columns, one per gate, and the carries they begin with."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from ...ops.checks import check_product
from ...ops.dense import product
from ...ops.dtypes import accumulator, result_dtype
from ...ops.sharding import as_rows
from ..dense import Initializer, drawn, one_program

Function = Callable[[jax.Array], jax.Array]


@one_program
def orthogonal(key: jax.Array, shape: tuple[int, ...], dtype: DTypeLike) -> jax.Array:
    """An orthogonal matrix, computed in float32 where the dtype is narrower."""
    return jax.nn.initializers.orthogonal()(key, shape, accumulator(dtype)).astype(dtype)


def recurrent_kernel(
    layer: str, keys: jax.Array, outputs: int, init: Initializer, dtype: DTypeLike
) -> jax.Array:
    """The kernels of h (outputs, outputs) that `init` draws, one for each key, side by side."""
    shape = (outputs, outputs)
    return side_by_side([drawn(layer, "recurrent_init", init, key, shape, dtype) for key in keys])


@jax.jit
def side_by_side(gates: list[Any]) -> Any:
    """Trees of the parameters of one gate each as one tree, joined on the last axis."""
    return jax.tree.map(lambda *blocks: jnp.concatenate(blocks, -1), *gates)


def gates_of(array: jax.Array, gates: int) -> tuple[jax.Array, ...]:
    """The blocks of the last axis, one per gate: XLA computes their products side by side."""
    return tuple(jnp.split(array, gates, axis=-1))


def gate_count(kernel: jax.Array) -> int:
    """The number of gates that a recurrent kernel (outputs, G outputs) holds."""
    return kernel.shape[1] // kernel.shape[0]


def zeros(params: Any, batch_shape: tuple[int, ...], dtype: DTypeLike) -> jax.Array:
    """The first carry of a cell whose carry is its hidden state h."""
    return jnp.zeros((*batch_shape, params.recurrent_kernel.shape[0]), dtype)


def zero_pair(params: Any, batch_shape: tuple[int, ...], dtype: DTypeLike) -> Any:
    """The first carry (c, h) of a cell with a memory."""
    return zeros(params, batch_shape, dtype), zeros(params, batch_shape, dtype)


def input_products(name: str, params: Any, x: jax.Array, precision: Any) -> tuple[jax.Array, ...]:
    """The products of x with each gate's kernel, accumulated and kept in float32 at least."""
    check_product(name, x, params.kernel)
    dtype = result_dtype(name, x=x, kernel=params.kernel)
    rows = as_rows(jnp.asarray(x, dtype))
    kernels = gates_of(jnp.asarray(params.kernel, dtype), gate_count(params.recurrent_kernel))
    dots = (product(rows, kernel, precision, None) for kernel in kernels)
    return tuple(dot.reshape(*x.shape[:-1], dot.shape[-1]) for dot in dots)


def remember(
    carry: Any, i: jax.Array, f: jax.Array, g: jax.Array, o: jax.Array, activation: Function
) -> tuple[Any, jax.Array]:
    """The memory of an LSTM: c' = f c + i g and h' = o activation(c'), as (c', h') and h'."""
    c, h = carry
    memory = f * c + i * g
    new = (o * activation(memory)).astype(h.dtype)
    return (memory.astype(c.dtype), new), new
