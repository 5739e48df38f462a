"""Yat attention over a sequence that lies on several devices."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..gradients import reverse_only
from ..sharding import devices_along, varying_alike
from .arguments import Bounds, Inputs, check_attention
from .around import Ring, around, columns, gather, home, meeting, places, put_columns, spread
from .given import known_rows, narrowed, plain, ready, results
from .layout import Stride, lay_out, lay_out_bounds, per_head, widen_all
from .masks import cleared, in_rank, in_use, scores_shape, within, without_hidden
from .passes import backward, forward, unseen
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
    are is_causal, window, dilation, offset and lengths to be read. Scores that no query sees are
    not computed. With is_causal and as many queries as keys, the devices exchange halves of their
    parts beforehand, so that each has an early and a late one: then all have the same work. That is
    left out where a part is of odd length, with a window or dilation, and where bias or mask have
    rows. Where a window ends at the query, keys only visit the devices that it reaches.

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
        >>> import functools, jax, numpy as np, pyneurons_yat as pn
        >>> attend = functools.partial(pn.ring_attention, axis_name="sequence", is_causal=True)
        >>> part, devices = jax.P(None, "sequence"), jax.device_count()
        >>> x = jax.random.normal(jax.random.key(0), (4, 8 * devices, 2, 16))
        >>> with jax.set_mesh(jax.make_mesh((devices,), ("sequence",))):
        ...     around = jax.jit(jax.shard_map(attend, in_specs=part, out_specs=part))
        ...     y = around(*jax.device_put((x, x, x), part))
        >>> np.allclose(y, pn.yat_attention(x, x, x, is_causal=True), atol=1e-5)
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
    ring = _ring(axis_name, devices, options, inputs, bounds, query_offset)
    return _attention(reverse_only(NAME, inputs), bounds, ring, options, dtype)


def _devices(axis_name: Any) -> int:
    try:
        return jax.lax.axis_size(axis_name)
    except NameError:
        raise ValueError(
            f"{NAME}: axis_name must be an axis of a jax.shard_map around it, got {axis_name!r}; "
            "outside of one, call yat_attention"
        ) from None


def _ring(
    axis: Any, devices: int, options: Options, inputs: Inputs, bounds: Bounds, offset: Any
) -> Ring:
    """How the devices along an axis go over their parts, with the offset as it was given."""
    length, keys = inputs.query.shape[-3], inputs.key.shape[-3]
    even = length % 2 == keys % 2 == 0 and devices > 1
    limits = (np.shape(x) for x in (inputs.bias, bounds.mask) if x is not None)
    rows = any(len(shape) > 1 and shape[-2] > 1 for shape in limits)
    halved = even and options.dilation == 1 and not rows
    dealt = halved and options.is_causal and options.window is None and length == keys
    visits = _visits(devices, options, length, keys, offset)
    return Ring(axis, devices, 2 if halved else 1, dealt, visits)


def _visits(devices: int, options: Options, length: int, keys: int, offset: Any) -> int:
    """How many devices keys have to visit: few where queries only see what is close behind them."""
    behind = options.is_causal or (options.window is not None and options.window[1] == 0)
    known = isinstance(offset, int) and offset <= 0
    if options.window is None or not behind or not known or length != keys:
        return devices
    farthest = options.window[0] * options.dilation - offset
    return min(devices, -(-farthest // keys) + 1)


class Route(NamedTuple):
    """How keys travel on a mesh. All is static."""

    axis: str
    devices: int
    offset: Any  # the place of query 0, None for one that is only known as the program runs


def route_on_mesh(axis: str | None, options: Options, inputs: Inputs, offset: Any) -> Route | None:
    """How keys travel along an axis of the mesh that is set, None where they do not."""
    lengths = np.shape(inputs.query)[-3], np.shape(inputs.key)[-3]
    devices = devices_along(axis, *lengths)
    if axis is None or devices == 1 or lengths[1] // devices % options.dilation:
        return None
    matters = options.window is not None and isinstance(offset, int)
    return Route(axis, devices, offset if matters else None)


def over_mesh(
    route: Route, options: Options, dtype: Any, inputs: Inputs, bounds: Bounds
) -> jax.Array:
    """Attention of whole arrays, whose lengths are divided among the devices along an axis."""
    axis, devices, offset = route
    rank = inputs.query.ndim
    rows = jax.P(*[None] * (rank - 3), axis)

    def scores(x):  # the rows of a bias or mask are divided as queries are
        return None if x is None else jax.P(*[None] * (rank - 2), axis if x.shape[-2] > 1 else None)

    shape = scores_shape(inputs.query, inputs.key)
    inputs = inputs._replace(bias=in_rank(inputs.bias, shape))
    bounds = bounds._replace(mask=in_rank(bounds.mask, shape))
    whole, limits = jax.tree.map(lambda _: jax.P(), (inputs, bounds))
    specs = (
        whole._replace(query=rows, key=rows, value=rows, bias=scores(inputs.bias)),
        limits._replace(mask=scores(bounds.mask)),
    )

    def attend(inputs, bounds):
        ring = _ring(axis, devices, options, inputs, bounds, offset)
        return _attention(inputs, bounds, ring, options, dtype)

    mapped = jax.shard_map(attend, in_specs=specs, out_specs=rows, axis_names={axis})
    return mapped(inputs, bounds)


class Here(NamedTuple):
    """What bounds the queries of a device."""

    bounds: Bounds  # places and lengths are those of the whole sequence
    device: jax.Array  # its number along the axis


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
    bounds = _of_part(here, inputs.query.shape[-3])
    return spread(ring, here.device, plain(options, inputs, bounds))


def _of_part(here, length):
    """The bounds of the queries of a device, among all keys."""
    mask, offset, lengths, keys = here.bounds
    first = here.device * length
    return Bounds(mask, offset + first, None if lengths is None else lengths - first, keys)


def _laid_out(options, inputs, here):
    """A function of the inputs that lays them out as the passes want them; and their limits."""
    ring, options = options
    length = inputs.query.shape[-3]
    bounds = here.bounds if ring.pieces == 2 else _of_part(here, length)
    stride = Stride(options.dilation, bounds.offset)
    limits = lay_out_bounds(inputs, bounds, stride, ring.devices)
    return (lambda x: lay_out(_read(ring, x, here), stride)), limits, stride


def _read(ring, inputs, here):
    """The inputs with zeros for what no query of any device reads, and for who reads nothing."""
    *batch, length, heads, _ = inputs.query.shape
    keys, bounds = inputs.key.shape[-3], here.bounds
    shape = (*batch, heads, length, ring.devices * keys)
    _, mask = without_hidden(inputs.bias, bounds.mask, shape)
    rows = places(ring, here.device, length)
    limits = within((bounds.query_lengths, bounds.key_lengths), shape, rows)
    queries, seen = in_use(mask, *limits)
    if seen is not None:
        if mask is not None:  # a query of another device may see what none of this one sees
            seen = jax.lax.pmax(seen.astype(jnp.int32), ring.axis) > 0
        seen = jnp.broadcast_to(seen, (*seen.shape[:-1], shape[-1]))
        seen = seen[..., places(ring, here.device, keys)]
    key, value = (cleared(x, seen) for x in (inputs.key, inputs.value))
    return inputs._replace(query=cleared(inputs.query, queries), key=key, value=value)


def _compute(options, inputs, here):
    lay, limits, stride = _laid_out(options, inputs, here)
    ring, options = options[0], options[1]._replace(dilation=1)
    arrays = lay(inputs)

    def meet(source, pieces, rows, visitors):
        met = meeting(ring, (arrays, limits), here.device, visitors, source, pieces)
        return forward(options, met.arrays, met.limits, rows, met.span), visitors

    rows = unseen(options, widen_all(arrays))
    rows, _ = around(ring, here.device, meet, rows, (arrays.key, arrays.value))
    return results(inputs, rows, stride)


def _gradients(options, inputs, here, *found):
    lay, limits, stride = _laid_out(options, inputs, here)
    ring, options = options[0], options[1]._replace(dilation=1)
    arrays, known = lay(inputs), known_rows(inputs, stride, *found)
    zeros, pull = jax.vjp(lay, widen_all(inputs))
    zeros = jax.tree.map(jnp.zeros_like, zeros)

    def meet(source, pieces, sums, travelers):
        visitors, (key, value) = travelers
        met = meeting(ring, (arrays, limits), here.device, visitors, source, pieces)
        bias = columns(sums.bias, met.first, met.span.keys[1])
        before = sums._replace(key=key, value=value, bias=bias)
        new = backward(options, met.arrays, met.limits, *known, before, met.span)
        bias = put_columns(sums.bias, new.bias, met.first)
        return new._replace(key=None, value=None, bias=bias), (visitors, (new.key, new.value))

    travelers = (arrays.key, arrays.value), (zeros.key, zeros.value)
    own = zeros._replace(key=None, value=None)
    own, (_, gradients) = around(ring, here.device, meet, own, travelers)
    key, value = home(ring, gradients)
    return narrowed(pull(own._replace(key=key, value=value))[0], inputs)


_in_steps = with_rules(NAME, _plain, _compute, _gradients)
