"""Attention of its arguments as they are given, on the passes over blocks.

What the op on one device and the one around a ring of devices have in common.
"""

from typing import Any

import jax
import jax.numpy as jnp

from ..dtypes import accumulator, narrow
from .arguments import Bounds, Inputs
from .layout import Stride, lay_out, lay_out_bounds, lay_out_queries, restore, widen_all
from .masks import cleared, in_use, scores_shape, within, without_hidden
from .passes import Rows, backward, forward
from .rules import Found
from .scores import Options, all_outputs


def ready(inputs: Inputs, bounds: Bounds, dtype: Any) -> tuple[Inputs, Bounds]:
    """Arrays in their dtypes, and parameters in that of sums."""

    def cast(name, x):
        is_array = name in ("query", "key", "value", "bias")
        return None if x is None else jnp.asarray(x, dtype if is_array else accumulator(dtype))

    inputs = Inputs(**{name: cast(name, x) for name, x in inputs._asdict().items()})
    lengths = _int32(bounds.query_lengths), _int32(bounds.key_lengths)
    return inputs, bounds._replace(query_lengths=lengths[0], key_lengths=lengths[1])


def _int32(lengths: Any) -> Any:
    return None if lengths is None else jnp.asarray(lengths, jnp.int32)


def read(inputs: Inputs, bounds: Bounds) -> Inputs:
    """The inputs in the dtype of sums, with zeros for what is not read."""
    shape = scores_shape(inputs.query, inputs.key)
    _, mask = without_hidden(inputs.bias, bounds.mask, shape)
    queries, keys = in_use(mask, *within((bounds.query_lengths, bounds.key_lengths), shape))
    query = cleared(inputs.query, queries)
    key, value = (cleared(x, keys) for x in (inputs.key, inputs.value))
    return widen_all(inputs._replace(query=query, key=key, value=value))


def plain(options: Options, inputs: Inputs, bounds: Bounds) -> jax.Array:
    """The plain definition."""
    output = all_outputs(options, lay_out(read(inputs, bounds)), lay_out_bounds(inputs, bounds))
    return narrow(restore(output, inputs.query.shape), inputs.query.dtype)


def attend(options: Options, inputs: Inputs, bounds: Bounds) -> Found:
    """The result in blocks, and what the reverse pass wants to know."""
    stride = Stride(options.dilation, bounds.offset)
    arrays = lay_out(read(inputs, bounds), stride)
    limits = lay_out_bounds(inputs, bounds, stride)
    return results(inputs, forward(options._replace(dilation=1), arrays, limits), stride)


def results(inputs: Inputs, rows: Rows, stride: Stride) -> Found:
    """The result, in its dtype and in that of the accumulator, and two numbers per query."""
    wide = restore(rows.output, inputs.query.shape, stride)
    return narrow(wide, inputs.query.dtype), wide, rows.total, rows.maximum


def pull_back(options: Options, inputs: Inputs, bounds: Bounds, *found: jax.Array) -> Inputs:
    """The gradients of the inputs, given what `attend` found and the gradient of the result."""
    stride = Stride(options.dilation, bounds.offset)
    arrays, pull = jax.vjp(lambda x: lay_out(read(x, bounds), stride), widen_all(inputs))
    limits = lay_out_bounds(inputs, bounds, stride)
    known = known_rows(inputs, stride, *found)
    return narrowed(pull(backward(options._replace(dilation=1), arrays, limits, *known))[0], inputs)


def known_rows(
    inputs: Inputs,
    stride: Stride,
    wide: jax.Array,
    total: jax.Array,
    maximum: jax.Array,
    gradient: jax.Array,
) -> tuple[Rows, jax.Array]:
    """What the reverse pass wants of the results and of their gradient."""
    keys = inputs.key.shape[-2]
    output, pushed = (lay_out_queries(x, keys, stride) for x in (wide, gradient.astype(wide.dtype)))
    return Rows(output, total, maximum), pushed


def narrowed(gradients: Inputs, inputs: Inputs) -> Inputs:
    """The gradients in the dtypes of the inputs."""
    return jax.tree.map(lambda g, x: narrow(g, x.dtype), gradients, inputs)
