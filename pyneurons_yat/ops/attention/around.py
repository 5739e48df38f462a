"""A sequence on a ring of devices: where its parts lie, and how they travel around.

Device d of D holds the part d of the sequence. Where queries see no key behind them, the last device
would have D times the work of the first. So there each part is cut in two, and device d gets the
pieces d and 2 D - 1 - d of the 2 D: an early one and a late one, and all have the same work.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from .arguments import Bounds, Inputs


class Ring(NamedTuple):
    """The devices, and how many pieces of the sequence each holds. All is static."""

    axis: Any  # the name of the mesh axis, or the names of several
    devices: int
    pieces: int  # 1, or 2: an early and a late one


class Here(NamedTuple):
    """What bounds the queries of a device."""

    bounds: Bounds  # places and lengths are those of the whole sequence
    device: jax.Array  # its number along the axis


def start(ring: Ring, device: Any, piece: Any, size: int) -> Any:
    """The place in the sequence of a device's piece of `size` tokens."""
    if ring.pieces == 1:
        return device * size
    return jnp.where(piece == 0, device, 2 * ring.devices - 1 - device) * size


def cut(ring: Ring, x: jax.Array, piece: Any, axis: int) -> jax.Array:
    """A piece of x along the axis of tokens."""
    if ring.pieces == 1:
        return x
    size = x.shape[axis] // ring.pieces
    return jax.lax.dynamic_slice_in_dim(x, piece * size, size, axis)


def put(ring: Ring, x: jax.Array, part: jax.Array, piece: Any, axis: int) -> jax.Array:
    """Replace the part of x that `cut` reads."""
    if ring.pieces == 1:
        return part
    return jax.lax.dynamic_update_slice_in_dim(x, part, piece * part.shape[axis], axis)


def add(ring: Ring, x: jax.Array, part: jax.Array, piece: Any, axis: int) -> jax.Array:
    """Add to the part of x that `cut` reads."""
    return put(ring, x, cut(ring, x, piece, axis) + part, piece, axis)


def columns(x: Any, first: Any, size: int) -> Any:
    """The columns of some keys in a bias or a mask of all; one column is for all. x may be None."""
    if x is None or x.ndim == 0 or x.shape[-1] == 1:
        return x
    return jax.lax.dynamic_slice_in_dim(x, first, size, -1)


def add_columns(x: Any, part: Any, first: Any) -> Any:
    """Add to the part of x that `columns` reads."""
    if x is None or part.shape == x.shape:
        return None if x is None else x + part
    old = columns(x, first, part.shape[-1])
    return jax.lax.dynamic_update_slice_in_dim(x, old + part, first, -1)


class Meeting(NamedTuple):
    """Some queries of a device, and some keys that have traveled to it."""

    inputs: Inputs
    bounds: Bounds
    first: Any  # the place of the first key in the sequence


def meeting(
    ring: Ring,
    inputs: Inputs,
    here: Here,
    visitors: tuple[jax.Array, jax.Array],
    source: jax.Array,
    pieces: tuple[Any, Any],
) -> Meeting:
    """What meets: a piece of the queries, and one of the keys and values of the source."""
    query = cut(ring, inputs.query, pieces[0], -3)
    key, value = (cut(ring, x, pieces[1], -3) for x in visitors)
    place = start(ring, here.device, pieces[0], query.shape[-3])
    first = start(ring, source, pieces[1], key.shape[-3])
    mask, offset, *lengths = here.bounds
    bias, mask = (columns(x, first, key.shape[-3]) for x in (inputs.bias, mask))
    queries, keys = (
        None if length is None else length - before
        for length, before in zip(lengths, (place, first), strict=True)
    )
    bounds = Bounds(mask, offset + place - first, queries, keys)
    return Meeting(inputs._replace(query=query, key=key, value=value, bias=bias), bounds, first)


def around(
    ring: Ring, device: jax.Array, meet: Callable[..., tuple[Any, Any]], carry: Any, travelers: Any
) -> tuple[Any, Any]:
    """Carry something through all meetings, while the travelers visit all devices and come home.

    `meet(source, pieces, carry, travelers)` is told whose travelers they are, and which piece of the
    queries meets which of the keys.
    """
    forwards = [(one, (one + 1) % ring.devices) for one in range(ring.devices)]

    def visit(step, both):
        source = (device - jnp.asarray(step, jnp.int32)) % ring.devices

        def each(index, both):
            return meet(source, (index // ring.pieces, index % ring.pieces), *both)

        if ring.pieces == 1:
            carry, travelers = each(0, both)
        else:
            carry, travelers = jax.lax.fori_loop(0, ring.pieces**2, each, both)
        return carry, jax.lax.ppermute(travelers, ring.axis, forwards)

    return jax.lax.fori_loop(0, ring.devices, visit, (carry, travelers))


# --------------------------------------------------------------------------- early and late


def _routes(ring: Ring) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """To which device the first half of each part goes, and to which the second."""
    numbers = range(ring.devices)

    def holder(piece: int) -> int:
        return min(piece, 2 * ring.devices - 1 - piece)

    return [(d, holder(2 * d)) for d in numbers], [(d, holder(2 * d + 1)) for d in numbers]


def spread(ring: Ring, device: jax.Array, x: jax.Array) -> jax.Array:
    """The part (*B, T, ...) of each device, exchanged for an early and a late piece."""
    if ring.pieces == 1:
        return x
    halves = zip(jnp.split(x, 2, -3), _routes(ring), strict=True)
    even, odd = (jax.lax.ppermute(half, ring.axis, route) for half, route in halves)
    early_is_even = device % 2 == 0
    early = jnp.where(early_is_even, even, odd)
    return jnp.concatenate([early, jnp.where(early_is_even, odd, even)], -3)


def gather(ring: Ring, device: jax.Array, x: jax.Array) -> jax.Array:
    """The inverse of `spread`."""
    if ring.pieces == 1:
        return x
    early, late = jnp.split(x, 2, -3)
    early_is_even = device % 2 == 0
    even = jnp.where(early_is_even, early, late)
    odd = jnp.where(early_is_even, late, early)
    backs = [[(there, here) for here, there in route] for route in _routes(ring)]
    halves = zip((even, odd), backs, strict=True)
    return jnp.concatenate([jax.lax.ppermute(x, ring.axis, back) for x, back in halves], -3)
