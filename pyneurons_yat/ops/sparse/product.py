"""The product of rows with a sparse kernel, and its two derivatives, as primitives of JAX.

Letters: B rows, I inputs, O outputs, K non-zeros of each output. x is (B, I), g is (B, O); values
and indices are (K, O): output o has values[k, o] at input indices[k, o]. The sum

    sum_bko g[b, o] x[b, indices[k, o]] values[k, o]

is linear in each of its three factors, and each primitive is its derivative in one of them:

    gathered   in g        (B, O)
    scattered  in x        (B, I)
    sampled    in values   (K, O): nothing of size I O is made

So they are each other's derivatives, to any order and in both modes. They are primitives for the
sake of `jax.vmap`: rows that share a kernel become rows of one product, as those of a batch are;
kernels side by side become one kernel, with more outputs and as many non-zeros for each. JAX's own
rules would put the new axis first, where none of the loops below is fast.

The loops read and write B numbers that lie together, so x and g are transposed. They sum in float32
or float64.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from ..dtypes import accumulator
from ..sharding import varying_alike

UNROLL = 3  # non-zeros of each output in a step of the loop in `_gather`

Dims = Sequence[int | None]

gathered_p = Primitive("sparse_gathered")
scattered_p = Primitive("sparse_scattered")
sampled_p = Primitive("sparse_sampled")


def gathered(x: jax.Array, values: jax.Array, indices: jax.Array, dtype: Any) -> jax.Array:
    """`y[b, o] = sum_k x[b, indices[k, o]] values[k, o]`, in the dtype."""
    return gathered_p.bind(*varying_alike((x, values, indices)), dtype=jnp.dtype(dtype))


# ------------------------------------------------------------------------------------- values


def _wide(*arrays: jax.Array) -> tuple[jax.Array, ...]:
    """The arrays, transposed, in the dtype of sums."""
    dtype = accumulator(jnp.result_type(*arrays))
    return tuple(array.T.astype(dtype) for array in arrays)


def _taken(rows: jax.Array, places: jax.Array) -> jax.Array:
    return rows.at[places].get(mode="promise_in_bounds", wrap_negative_indices=False)


def _added(total: jax.Array, places: jax.Array, rows: jax.Array) -> jax.Array:
    return total.at[places].add(rows, mode="promise_in_bounds", wrap_negative_indices=False)


def _gather(x: jax.Array, values: jax.Array, indices: jax.Array, *, dtype: Any) -> jax.Array:
    rows, columns = _wide(x, values)

    def add(total, entry):
        weights, places = entry
        return total + weights[:, None] * _taken(rows, places), None

    none = jnp.zeros_like(rows, shape=(columns.shape[0], rows.shape[1]))
    total = jax.lax.scan(add, none, (columns.T, indices), unroll=UNROLL)[0]
    return _turned(total, dtype)


def _turned(rows: jax.Array, dtype: Any) -> jax.Array:
    """The transpose, as an array of its own: XLA would put it into whatever reads it, each time.

    It is copied in two parts, since of a loop over one there is nothing left. No part is of the
    last axis, which may lie on many devices.
    """
    number, half = rows.shape[0], -(-rows.shape[0] // 2)
    if number < 2:
        return rows.T.astype(dtype)

    def copy(i, columns):
        start = jnp.minimum(i * half, number - half)
        part = jax.lax.dynamic_slice_in_dim(rows, start, half).T.astype(dtype)
        return jax.lax.dynamic_update_slice_in_dim(columns, part, start, 1)

    return jax.lax.fori_loop(0, 2, copy, jnp.zeros_like(rows, dtype, shape=rows.shape[::-1]))


def _scatter(
    g: jax.Array, values: jax.Array, indices: jax.Array, *, inputs: int, dtype: Any
) -> jax.Array:
    rows, columns = _wide(g, values)
    none = jnp.zeros_like(rows, shape=(inputs, rows.shape[1]))
    add = partial(jax.lax.platform_dependent, cpu=by_outputs, default=by_entries)
    return _turned(add(none, rows, columns, indices), dtype)


def by_outputs(
    total: jax.Array, rows: jax.Array, columns: jax.Array, indices: jax.Array
) -> jax.Array:
    """The total (I, B) with the rows (O, B) added, output after output: a processor's way.

    The columns are the values (O, K).
    """

    def add(total, output):
        row, weights, places = output
        return _added(total, places, weights[:, None] * row[None]), None

    return jax.lax.scan(add, total, (rows, columns, indices.T))[0]


def by_entries(
    total: jax.Array, rows: jax.Array, columns: jax.Array, indices: jax.Array
) -> jax.Array:
    """The same, one non-zero of every output after another: few steps, as an accelerator wants."""

    def add(total, entry):
        weights, places = entry
        return _added(total, places, weights[:, None] * rows), None

    return jax.lax.scan(add, total, (columns.T, indices))[0]


def _sample(x: jax.Array, g: jax.Array, indices: jax.Array, *, dtype: Any) -> jax.Array:
    rows, others = _wide(x, g)
    ones = jnp.ones_like(rows, shape=rows.shape[1:])  # the product with them is a fast sum

    def sums(_, places):
        return None, jnp.matmul(_taken(rows, places) * others, ones, precision="highest")

    return jax.lax.scan(sums, None, indices)[1].astype(dtype)


# -------------------------------------------------------------------------------- derivatives


def _tangent(primitive: Primitive, primals: Any, tangents: Any, **options: Any) -> Any:
    """That of what is linear in its first argument and in its second."""
    one, two, indices = primals
    d_one, d_two, _ = tangents
    terms = []
    if type(d_one) is not ad.Zero:
        terms.append(primitive.bind(d_one, two, indices, **options))
    if type(d_two) is not ad.Zero:
        terms.append(primitive.bind(one, d_two, indices, **options))
    return primitive.bind(*primals, **options), terms[0] if len(terms) == 1 else sum(terms)


def _scattered_to(like: Any, g: jax.Array, values: jax.Array, indices: jax.Array) -> jax.Array:
    """The cotangent of x, of which `like` is the type."""
    return scattered_p.bind(g, values, indices, inputs=like.shape[1], dtype=like.dtype)


def _gathered_back(g: Any, x: Any, values: Any, indices: Any, *, dtype: Any) -> list[Any]:
    if ad.is_undefined_primal(x):
        return [_scattered_to(x.aval, g, values, indices), None, None]
    return [None, sampled_p.bind(x, g, indices, dtype=values.aval.dtype), None]


def _scattered_back(
    x: Any, g: Any, values: Any, indices: Any, *, inputs: int, dtype: Any
) -> list[Any]:
    if ad.is_undefined_primal(g):
        return [gathered_p.bind(x, values, indices, dtype=g.aval.dtype), None, None]
    return [None, sampled_p.bind(x, g, indices, dtype=values.aval.dtype), None]


def _sampled_back(values: Any, x: Any, g: Any, indices: Any, *, dtype: Any) -> list[Any]:
    if ad.is_undefined_primal(x):
        return [_scattered_to(x.aval, g, values, indices), None, None]
    return [None, gathered_p.bind(x, values, indices, dtype=g.aval.dtype), None]


# ---------------------------------------------------------------------------- mapped arguments


def _side_by_side(array: jax.Array, axis: int | None, size: int) -> jax.Array:
    """(R, size C), of arrays (R, C) along an axis, or of one that all share."""
    if axis is None:
        array, axis = jnp.broadcast_to(array, (size, *array.shape)), 0
    array = jnp.moveaxis(array, axis, 1)
    return array.reshape(array.shape[0], size * array.shape[2])


def _one_after_another(array: jax.Array, axis: Any) -> jax.Array:
    """(size R, C), of arrays (R, C) along an axis."""
    array = jnp.moveaxis(array, axis, 0)
    return array.reshape(array.shape[0] * array.shape[1], array.shape[2])


def _own(indices: jax.Array, size: int, inputs: int) -> jax.Array:
    """Indices side by side, moved to where each finds the inputs of its own."""
    first = inputs * jnp.repeat(jnp.arange(size, dtype=indices.dtype), indices.shape[1] // size)
    return indices + first[None]


def _apart(array: jax.Array, size: int) -> tuple[jax.Array, int]:
    return array.reshape(array.shape[0], size, array.shape[1] // size), 1


def _size(arrays: Sequence[jax.Array], axes: Dims) -> int:
    return next(a.shape[axis] for a, axis in zip(arrays, axes, strict=True) if axis is not None)


def _gathered_batch(arrays: Sequence[jax.Array], axes: Dims, *, dtype: Any) -> Any:
    (x, values, indices), size = arrays, _size(arrays, axes)
    if axes[1:] == (None, None):
        return _of_rows(gathered_p, arrays, axes, dtype=dtype)
    values, indices = (_side_by_side(a, d, size) for a, d in zip(arrays[1:], axes[1:], strict=True))
    if axes[0] is not None:
        x = _side_by_side(x, axes[0], size)
        indices = _own(indices, size, x.shape[1] // size)
    return _apart(gathered_p.bind(x, values, indices, dtype=dtype), size)


def _scattered_batch(arrays: Sequence[jax.Array], axes: Dims, *, inputs: int, dtype: Any) -> Any:
    if axes[1:] == (None, None):
        return _of_rows(scattered_p, arrays, axes, inputs=inputs, dtype=dtype)
    size = _size(arrays, axes)
    g, values, indices = (_side_by_side(a, d, size) for a, d in zip(arrays, axes, strict=True))
    indices = _own(indices, size, inputs)
    options = {"inputs": size * inputs, "dtype": dtype}
    return _apart(scattered_p.bind(g, values, indices, **options), size)


def _sampled_batch(arrays: Sequence[jax.Array], axes: Dims, *, dtype: Any) -> Any:
    (x, *_), size = arrays, _size(arrays, axes)
    g, indices = (_side_by_side(a, d, size) for a, d in zip(arrays[1:], axes[1:], strict=True))
    if axes[0] is not None:
        x = _side_by_side(x, axes[0], size)
        indices = _own(indices, size, x.shape[1] // size)
    return _apart(sampled_p.bind(x, g, indices, dtype=dtype), size)


def _of_rows(primitive: Primitive, arrays: Any, axes: Dims, **options: Any) -> Any:
    """One product of the rows of all that share a kernel."""
    rows, *kernel = arrays
    size = rows.shape[axes[0]]
    y = primitive.bind(_one_after_another(rows, axes[0]), *kernel, **options)
    return y.reshape(size, y.shape[0] // size if size else 0, y.shape[1]), 0


# ------------------------------------------------------------------------------- registration


def _register(
    primitive: Primitive, value: Any, shape: Any, back: Any, batch: Any, *options: str
) -> None:
    def abstract(*arrays, dtype, **options):
        return arrays[0].update(shape=shape(*arrays, **options), dtype=dtype, weak_type=False)

    primitive.def_impl(jax.jit(value, static_argnames=("dtype", *options)))
    primitive.def_abstract_eval(abstract)
    ad.primitive_jvps[primitive] = partial(_tangent, primitive)
    ad.primitive_transposes[primitive] = back
    batching.primitive_batchers[primitive] = batch
    mlir.register_lowering(primitive, mlir.lower_fun(value, multiple_results=False))


_register(
    gathered_p,
    _gather,
    lambda x, values, _: (x.shape[0], values.shape[1]),
    _gathered_back,
    _gathered_batch,
)
_register(
    scattered_p,
    _scatter,
    lambda g, values, _, *, inputs: (g.shape[0], inputs),
    _scattered_back,
    _scattered_batch,
    "inputs",
)
_register(sampled_p, _sample, lambda x, g, indices: indices.shape, _sampled_back, _sampled_batch)
