"""Yat attention over a sequence that lies on several devices."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..dtypes import accumulator
from ..gradients import reverse_only
from ..sharding import devices_along, varying_alike
from .arguments import Bounds, Inputs, check_attention
from .around import Here, Ring, add, add_columns, around, cut, gather, meeting, put, spread, start
from .given import attend, known_rows, narrowed, nothing, plain, pull_back, ready, results
from .layout import per_head
from .masks import in_rank, scores_shape
from .rules import with_rules
from .scores import Options

NAME = "ring_attention"


def ring_attention(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    bias: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    *,
    axis_name: str | tuple[str, ...],
    shift: ArrayLike | None = None,
    alpha: ArrayLike | None = None,
    epsilon: ArrayLike = 1e-5,
    scale: ArrayLike | None = None,
    is_causal: bool = False,
    normalizer: str = "softmax",
    power: ArrayLike = 1.0,
    query_seq_lengths: ArrayLike | None = None,
    key_value_seq_lengths: ArrayLike | None = None,
    query_offset: ArrayLike = 0,
    local_window_size: int | tuple[int, int] | None = None,
    dilation: int = 1,
    distance: str = "expanded",
    block_size: int | tuple[int, int] | None = None,
    precision: Any = None,
) -> jax.Array:
    """`yat_attention` over a sequence that lies on several devices, inside of `jax.shard_map`.

    Each device holds a part of the queries, keys and values, the parts in the order of the devices
    along the axis. Keys and values travel around the ring of devices, one step after another, and
    each device adds what its queries see of them. In reverse they travel once more, and their
    gradients with them; scores are computed again. So no device ever holds more than its own part
    of the sequence and the part that visits it, and memory per device falls with their number.

    The result is that of `yat_attention` of the whole sequence. Places are those in the whole: so
    are is_causal, window, dilation, offset and lengths to be read. Scores that no query sees are not
    computed. With is_causal and as many queries as keys, the devices exchange halves of their parts
    beforehand, so that each has an early and a late one: then all have the same work. That is left
    out where a part is of odd length, with a window or dilation, and where bias or mask have rows.

    `yat_attention` itself does this on a mesh outside of `jax.shard_map`; see its `sequence_axis`.

    Letters: D devices, *B any batch axes, T queries and S keys of one device, N heads, K heads of
    keys and values, H and V sizes of a head.

    Args:
        query: (*B, T, N, H), the part of this device.
        key: (*B, S, K, H), where K divides N.
        value: (*B, S, K, V).
        bias: broadcasts to (*B, N, T, D S): the rows of this device, of all keys; or None.
        mask: booleans that broadcast to (*B, N, T, D S).
        axis_name: the mesh axis over which the lengths lie, or several, the slowest first.
        shift: as for `yat_attention`, and so are all others. One number or (N,).
        alpha: one number or (N,), or None for 1.
        epsilon: one number or (N,), above 0.
        scale: one number or (N,), above 0, or None for 1 / sqrt(H).
        is_causal: whether a query sees only keys at its place and before.
        normalizer: "softmax" or "softermax".
        power: the power of softermax, one number or (N,), above 0.
        query_seq_lengths: (*B,), the number of queries in use, of all devices.
        key_value_seq_lengths: (*B,), the number of keys in use, of all devices.
        query_offset: the place of the first query of all among the keys.
        local_window_size: how many keys a query sees before its place and after.
        dilation: a query sees only keys a multiple of this many places away; a divisor of S.
        distance: "expanded" or "direct".
        block_size: queries and keys of a block, or None to choose.
        precision: as in `jax.lax.dot_general`.

    Returns:
        (*B, T, N, V), the part of this device.

    Gradient:
        As for `yat_attention`. Kept for the reverse pass: what that keeps of the device's part.
        Second derivatives, and derivatives in forward mode, are those of the plain definition,
        for which each device gathers all keys and holds (T, D S).

    Raises:
        ValueError: there is no such axis around, dilation does not divide S, or as for
            `yat_attention`.
        TypeError: as for `yat_attention`.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> from functools import partial
        >>> mesh = jax.make_mesh((jax.device_count(),), ("sequence",))
        >>> x = jax.random.normal(jax.random.key(0), (4, 8 * mesh.size, 2, 16))
        >>> attend = partial(pn.ring_attention, axis_name="sequence", is_causal=True)
        >>> part = jax.P(None, "sequence")
        >>> y = jax.jit(jax.shard_map(attend, mesh=mesh, in_specs=part, out_specs=part))(x, x, x)
        >>> wanted = pn.yat_attention(x, x, x, is_causal=True)
        >>> bool(jnp.allclose(y, wanted, atol=1e-5))
        True

    Source:
        Liu et al., "Ring Attention with Blockwise Transformers", arXiv:2310.01889. Early and late
        parts: Brandon et al., "Striped Attention", arXiv:2311.09431, which deals out tokens
        instead.
    """
    devices = _devices(axis_name)
    inputs = Inputs(query, key, value, bias, shift, alpha, epsilon, power, scale)
    bounds = Bounds(mask, query_offset, query_seq_lengths, key_value_seq_lengths)
    choices = normalizer, is_causal, local_window_size, dilation, distance
    options = Options(*choices, block_size, precision)
    inputs, bounds, options, dtype = check_attention(NAME, inputs, bounds, options, devices)
    if inputs.key.shape[-3] % options.dilation:
        raise ValueError(
            f"{NAME}: dilation must divide the number of keys on a device, {inputs.key.shape[-3]}, "
            f"got {options.dilation}"
        )
    ring = Ring(axis_name, devices, _pieces(devices, options, inputs, bounds))
    return _attention(reverse_only(NAME, inputs), bounds, ring, options, dtype)


def _devices(axis_name: Any) -> int:
    try:
        return jax.lax.axis_size(axis_name)
    except NameError:
        raise ValueError(
            f"{NAME}: axis_name must be an axis of a jax.shard_map around it, got {axis_name!r}; "
            "outside of one, call yat_attention"
        ) from None


def _pieces(devices: int, options: Options, inputs: Inputs, bounds: Bounds) -> int:
    """2 where each device shall have an early and a late piece of the sequence, else 1."""
    length, keys = inputs.query.shape[-3], inputs.key.shape[-3]
    even = length == keys and length % 2 == 0 and devices > 1
    plain = options.is_causal and options.window is None and options.dilation == 1
    limits = (np.shape(x) for x in (inputs.bias, bounds.mask) if x is not None)
    rows = any(len(shape) > 1 and shape[-2] > 1 for shape in limits)
    return 2 if even and plain and not rows else 1


def on_mesh(axis: str | None, options: Options, inputs: Inputs) -> int:
    """Over how many devices along an axis of the mesh attention of such arrays goes."""
    count = devices_along(axis, inputs.query.shape[-3], inputs.key.shape[-3])
    return count if inputs.key.shape[-3] // count % options.dilation == 0 else 1


def over_mesh(
    axis: str, options: Options, dtype: Any, inputs: Inputs, bounds: Bounds
) -> jax.Array:
    """Attention of whole arrays, whose lengths are divided among the devices along an axis."""
    rank, devices = inputs.query.ndim, on_mesh(axis, options, inputs)
    rows = jax.P(*[None] * (rank - 3), axis)

    def scores(x):  # the rows of a bias or mask are divided as queries are
        return None if x is None else jax.P(*[None] * (rank - 2), axis if x.shape[-2] > 1 else None)

    shape = scores_shape(inputs.query, inputs.key)
    inputs = inputs._replace(bias=in_rank(inputs.bias, shape))
    bounds = bounds._replace(mask=in_rank(bounds.mask, shape))
    places = jax.tree.map(lambda _: jax.P(), (inputs, bounds))
    specs = (
        places[0]._replace(query=rows, key=rows, value=rows, bias=scores(inputs.bias)),
        places[1]._replace(mask=scores(bounds.mask)),
    )

    def attend(inputs, bounds):
        ring = Ring(axis, devices, _pieces(devices, options, inputs, bounds))
        return _attention(inputs, bounds, ring, options, dtype)

    mapped = jax.shard_map(attend, in_specs=specs, out_specs=rows, axis_names={axis})
    return mapped(inputs, bounds)


@partial(jax.jit, static_argnums=(2, 3, 4))
def _attention(inputs, bounds, ring, options, dtype):
    axes = ring.axis if isinstance(ring.axis, tuple) else (ring.axis,)
    here = Here(bounds, jax.lax.axis_index(ring.axis))
    inputs, bounds = ready(inputs, bounds, dtype)
    inputs, here = varying_alike((per_head(inputs), here._replace(bounds=bounds)), axes)
    arrays = (spread(ring, here.device, x) for x in inputs[:3])
    inputs = inputs._replace(**dict(zip(Inputs._fields, arrays, strict=False)))
    empty = any(0 in x.shape for x in (inputs.query, inputs.value))
    respond = _plain if empty else _in_steps
    return gather(ring, here.device, respond((ring, options), inputs, here))


def _plain(options, inputs, here):
    """The plain definition, for which each device gathers all keys and values."""
    ring, options = options
    query, key, value = (gather(ring, here.device, x) for x in inputs[:3])
    whole = partial(jax.lax.all_gather, axis_name=ring.axis, axis=key.ndim - 3, tiled=True)
    inputs = inputs._replace(query=query, key=whole(key), value=whole(value))
    return spread(ring, here.device, plain(options, inputs, _of_queries(ring, inputs, here)))


def _of_queries(ring, inputs, here):
    """The bounds of the queries of this device among all keys."""
    first = start(ring._replace(pieces=1), here.device, 0, inputs.query.shape[-3])
    mask, offset, lengths, keys = here.bounds
    return Bounds(mask, offset + first, None if lengths is None else lengths - first, keys)


def _compute(options, inputs, here):
    ring, options = options

    def meet(source, pieces, rows, visitors):
        met = meeting(ring, inputs, here, visitors, source, pieces)
        known = jax.tree.map(lambda x: cut(ring, x, pieces[0], 3), rows)
        found = attend(options, met.inputs, met.bounds, known)
        return jax.tree.map(lambda x, part: put(ring, x, part, pieces[0], 3), rows, found), visitors

    bounds = _of_queries(ring, inputs, here)
    rows = nothing(options, inputs, bounds)
    rows, _ = around(ring, here.device, meet, rows, (inputs.key, inputs.value))
    return results(options, inputs, bounds, rows)


def _gradients(options, inputs, here, *found):
    ring, options = options
    rows = known_rows(options, inputs, _of_queries(ring, inputs, here), *found)

    def meet(source, pieces, sums, travelers):
        key, value, *gradients = travelers
        met = meeting(ring, inputs, here, (key, value), source, pieces)
        known = jax.tree.map(lambda x: cut(ring, x, pieces[0], 3), rows)
        new = pull_back(options, met.inputs, met.bounds, *known)
        pairs = zip(gradients, (new.key, new.value), strict=True)
        gradients = (add(ring, x, part, pieces[1], -3) for x, part in pairs)
        return _add(ring, sums, new, pieces[0], met.first), (key, value, *gradients)

    sums = jax.tree.map(lambda x: jnp.zeros_like(x, accumulator(x.dtype)), inputs)
    travelers = (inputs.key, inputs.value, sums.key, sums.value)
    own = sums._replace(key=None, value=None)
    own, (_, _, key, value) = around(ring, here.device, meet, own, travelers)
    return narrowed(own._replace(key=key, value=value), inputs)


def _add(ring, sums, new, piece, first):
    """The sums of what stays on the device, with the gradients of a meeting."""
    small = jax.tree.map(jnp.add, sums._replace(query=None, bias=None), new._replace(**NOT_SMALL))
    query = add(ring, sums.query, new.query, piece, -3)
    return small._replace(query=query, bias=add_columns(sums.bias, new.bias, first))


NOT_SMALL = {"query": None, "key": None, "value": None, "bias": None}

_in_steps = with_rules(NAME, _plain, _compute, _gradients)
