"""From the layout of attention's arguments to that of its passes, and back.

The passes want heads before lengths, one batch axis, and no dilation: with a dilation of D, a query
sees only keys whose place leaves the same remainder by D. So queries and keys are dealt out to D
sequences, each D times shorter and further entries of the batch, in which a step is one place.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ..dtypes import accumulator, widen
from ..sharding import varying_alike
from .arguments import Bounds, Inputs
from .scores import Arrays, Limits


class Stride(NamedTuple):
    """How places are dealt out to sequences."""

    dilation: int = 1
    offset: Any = 0  # the place of query 0

    @property
    def skipped(self) -> Any:
        """The empty places before query 0, which make its sequence the right one."""
        return self.offset % self.dilation


UNDIVIDED = Stride()


def widen_all(arrays: Any) -> Any:
    """The arrays in the dtype that products are accumulated in."""
    return jax.tree.map(lambda x: widen(x, x.dtype, 0), arrays)


def per_head(inputs: Inputs) -> Inputs:
    """The inputs whose parameters, () or (N,), are (B, K, G, 1, 1), the scale within alpha.

    Each entry and head has its own: so their gradients are summed over entries and heads, and the
    devices that these may lie on, once, and not for each block.
    """
    *batch, _, heads, size = inputs.query.shape
    keys = inputs.key.shape[-2]
    shape = (math.prod(batch), keys, heads // keys, 1, 1)

    def spread(value):
        if value is None:
            return None
        value = jnp.asarray(value, accumulator(inputs.query.dtype))
        return jnp.broadcast_to(value.reshape(() if value.size == 1 else (1, *shape[1:])), shape)

    scale = max(size, 1) ** -0.5 if inputs.scale is None else inputs.scale
    alpha = scale if inputs.alpha is None else scale * inputs.alpha
    shift, alpha, *others = map(spread, (inputs.shift, alpha, inputs.epsilon, inputs.power))
    return Inputs(*inputs[:4], shift, alpha, *others, scale=None)


def lay_out(inputs: Inputs, stride: Stride = UNDIVIDED) -> Arrays:
    """The inputs, with parameters per head, as the passes want them."""
    *batch, _, heads, _ = inputs.query.shape
    keys = inputs.key.shape[-2]
    parameters = (
        x if x is None or stride.dilation == 1 else jnp.repeat(x, stride.dilation, 0)
        for x in (inputs.shift, inputs.alpha, inputs.epsilon, inputs.power)
    )
    arrays = Arrays(
        lay_out_queries(inputs.query, keys, stride),
        lay_out_keys(inputs.key, stride),
        lay_out_keys(inputs.value, stride),
        lay_out_scores(inputs.bias, tuple(batch), (keys, heads // keys), stride),
        *parameters,
    )
    return varying_alike(arrays)  # a constant too


def lay_out_queries(x: jax.Array, keys: int, stride: Stride) -> jax.Array:
    """(*B, T, N, H) as (B, K, G, T, H)."""
    if stride.dilation > 1:
        x = jnp.moveaxis(_deal(x, -3, stride, stride.skipped), -3, -4)
    *batch, length, heads, size = x.shape
    x = jnp.swapaxes(x.reshape(math.prod(batch), length, heads, size), 1, 2)
    return x.reshape(math.prod(batch), keys, heads // keys, length, size)


def lay_out_keys(x: jax.Array, stride: Stride) -> jax.Array:
    """(*B, S, K, H) as (B, K, S, H)."""
    if stride.dilation > 1:
        x = jnp.moveaxis(_deal(x, -3, stride), -3, -4)
    return jnp.swapaxes(x.reshape(math.prod(x.shape[:-3]), *x.shape[-3:]), 1, 2)


def lay_out_scores(
    x: Any, batch: tuple[int, ...], groups: tuple[int, int], stride: Stride
) -> jax.Array | None:
    """What broadcasts to (*B, N, T, S), as (B, K, G, T, S) with 1s where x has them."""
    if x is None:
        return None
    x = x.reshape((1,) * (len(batch) + 3 - x.ndim) + x.shape)
    if stride.dilation > 1:
        x = jnp.moveaxis(_deal_scores(x, stride), -1, -4)
        batch = (*batch, stride.dilation)
    lead, rest = x.shape[:-3], x.shape[-3:]
    if lead not in (batch, (1,) * len(batch)):
        x, lead = jnp.broadcast_to(x, (*batch, *rest)), batch
    split = groups if rest[0] > 1 else (1, 1)
    return x.reshape(math.prod(lead), *split, *rest[1:])


def _deal(x, axis, stride, skipped=None):
    """The axis, of length L, as two: places of a sequence, and sequences. What is added is 0."""
    length, dilation = x.shape[axis], stride.dilation
    spare = 0 if skipped is None else dilation - 1
    places = -(-(length + spare) // dilation)
    shape = list(x.shape)
    shape[axis] = places * dilation
    starts = [jnp.int32(0)] * x.ndim
    starts[axis] = jnp.int32(0 if skipped is None else skipped)
    x = jax.lax.dynamic_update_slice(jnp.zeros(shape, x.dtype), x, starts)
    end = x.ndim + axis
    return x.reshape(*shape[:end], places, dilation, *shape[end + 1 :])


def _deal_scores(x, stride):
    """(..., T, S) dealt out on both axes, with the sequences last. An axis of size 1 stays so."""
    rows, columns = x.shape[-2] > 1, x.shape[-1] > 1
    if columns:
        x = _deal(x, -1, stride)
    if rows:
        x = _deal(x, -3 if columns else -2, stride, stride.skipped)
    if rows and columns:
        return jnp.diagonal(x, axis1=-3, axis2=-1)
    return x if columns else jnp.moveaxis(x, -2, -1) if rows else x[..., None]


def lay_out_bounds(
    inputs: Inputs, bounds: Bounds, stride: Stride = UNDIVIDED, devices: int = 1
) -> Limits:
    """The bounds as the passes want them; of all keys, where several devices hold as many each."""
    batch, heads = inputs.query.shape[:-3], inputs.query.shape[-2]
    keys, dilation = inputs.key.shape[-2], stride.dilation
    mask = lay_out_scores(bounds.mask, batch, (keys, heads // keys), stride)
    offset = jnp.asarray(bounds.offset, jnp.int32) // dilation
    query_lengths, key_lengths = bounds.query_lengths, bounds.key_lengths
    if dilation > 1:
        # Beyond all keys, sequences may have places that are not there.
        length = devices * inputs.key.shape[-3]
        query_lengths = None if query_lengths is None else query_lengths + stride.skipped
        key_lengths = length if key_lengths is None else jnp.minimum(key_lengths, length)
    lengths = (_deal_lengths(each, batch, dilation) for each in (query_lengths, key_lengths))
    return Limits(mask, offset, *lengths)


def _deal_lengths(lengths, batch, dilation):
    """(*B,) as (B, 1, 1, 1, 1); with a dilation, the places in use of each sequence."""
    if lengths is None:
        return None
    whole = jnp.broadcast_to(jnp.asarray(lengths, jnp.int32), batch)[..., None]
    first = jnp.arange(dilation, dtype=jnp.int32).reshape((1,) * len(batch) + (-1,))
    return ((whole - first + dilation - 1) // dilation).reshape(-1, 1, 1, 1, 1)


def join_heads(x: jax.Array, batch: tuple[int, ...]) -> jax.Array:
    """(B, K, G, ...) as (*B, N, ...)."""
    _, keys, groups, *rest = x.shape
    return x.reshape(*batch, keys * groups, *rest)


def restore(x: jax.Array, shape: tuple[int, ...], stride: Stride = UNDIVIDED) -> jax.Array:
    """(B, K, G, T, V) as (*B, T, N, V), for queries of the shape (*B, T, N, H)."""
    *batch, length, heads, _ = shape
    if stride.dilation == 1:
        return jnp.swapaxes(join_heads(x, tuple(batch)), -3, -2)
    x = jnp.moveaxis(join_heads(x, (*batch, stride.dilation)), -2, -4)
    *_, places, dilation, _, size = x.shape
    x = x.reshape(*batch, places * dilation, heads, size)
    return jax.lax.dynamic_slice_in_dim(x, stride.skipped, length, len(batch))
