"""A sequence on a ring of devices: where its parts lie, and how they travel around.

Device d of D holds the part d of the sequence. It goes over it in two pieces, which takes less
memory. Where queries see no key behind them, the last device would have D times the work of the
first. So there the pieces are dealt out anew: device d gets the pieces d and 2 D - 1 - d of the 2
D, an early one and a late one, and all have the same work.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from .passes import Span
from .scores import Arrays, Limits


class Ring(NamedTuple):
    """The devices, and the pieces of the sequence that each holds. All is static."""

    axis: Any  # the name of the mesh axis, or the names of several
    devices: int
    pieces: int  # on each device, 1 or 2
    dealt: bool  # whether these are an early and a late one
    visits: int  # how many devices a key visits, its own included, until nobody farther sees it


def start(ring: Ring, device: Any, piece: Any, size: int) -> Any:
    """The place in the sequence of a device's piece of `size` tokens."""
    if not ring.dealt:
        return (device * ring.pieces + piece) * size
    return jnp.where(piece == 0, device, 2 * ring.devices - 1 - device) * size


def places(ring: Ring, device: jax.Array, length: int) -> jax.Array:
    """The places in the sequence of the tokens that a device holds."""
    size = length // ring.pieces
    firsts = (start(ring, device, piece, size) for piece in range(ring.pieces))
    return jnp.concatenate([first + jnp.arange(size, dtype=jnp.int32) for first in firsts])


def columns(x: Any, first: Any, size: int) -> Any:
    """The columns of some keys in a bias or a mask of all; one column is for all. x may be None."""
    if x is None or x.shape[-1] == 1:
        return x
    return jax.lax.dynamic_slice_in_dim(x, first, size, -1)


def put_columns(x: Any, part: Any, first: Any) -> Any:
    """Replace the part of x that `columns` reads."""
    if x is None or part.shape == x.shape:
        return part
    return jax.lax.dynamic_update_slice_in_dim(x, part, first, -1)


class Meeting(NamedTuple):
    """Some queries of a device, and some keys that have traveled to it."""

    arrays: Arrays
    limits: Limits
    span: Span
    first: Any  # the place of the first key in the sequence


def meeting(
    ring: Ring,
    own: tuple[Arrays, Limits],
    device: jax.Array,
    visitors: tuple[jax.Array, jax.Array],
    source: jax.Array,
    pieces: tuple[Any, Any],
) -> Meeting:
    """What meets: a piece of the queries of the device, and one of the keys of the source."""
    arrays, limits = own
    queries, keys = arrays.query.shape[3] // ring.pieces, visitors[0].shape[2] // ring.pieces
    place = 0 if ring.pieces == 1 else start(ring, device, pieces[0], queries)
    first = start(ring, source, pieces[1], keys)
    bias, mask = (columns(x, first, keys) for x in (arrays.bias, limits.mask))
    lengths = (limits.query_lengths, place), (limits.key_lengths, first)
    lengths = (None if length is None else length - before for length, before in lengths)
    limits = Limits(mask, limits.offset + place - first, *lengths)
    span = Span((pieces[0] * queries, queries), (pieces[1] * keys, keys))
    arrays = arrays._replace(key=visitors[0], value=visitors[1], bias=bias)
    return Meeting(arrays, limits, span, first)


def around(
    ring: Ring, device: jax.Array, meet: Callable[..., tuple[Any, Any]], carry: Any, travelers: Any
) -> tuple[Any, Any]:
    """Carry something through all meetings, while the travelers visit device after device.

    They end on the device behind the last that they visit: at home if they visit all.

    `meet(source, pieces, carry, travelers)` is told whose travelers they are, and which piece of
    the queries meets which of the keys.
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

    return jax.lax.fori_loop(0, ring.visits, visit, (carry, travelers))


def home(ring: Ring, travelers: Any) -> Any:
    """The travelers, where they set out from."""
    if ring.visits == ring.devices:
        return travelers
    back = [(one, (one - ring.visits) % ring.devices) for one in range(ring.devices)]
    return jax.lax.ppermute(travelers, ring.axis, back)


# --------------------------------------------------------------------------- early and late


def _routes(ring: Ring) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """To which device the first half of each part goes, and to which the second."""
    numbers = range(ring.devices)

    def holder(piece: int) -> int:
        return min(piece, 2 * ring.devices - 1 - piece)

    return [(d, holder(2 * d)) for d in numbers], [(d, holder(2 * d + 1)) for d in numbers]


def spread(ring: Ring, device: jax.Array, x: jax.Array) -> jax.Array:
    """The part (*B, T, ...) of each device, exchanged for an early and a late piece."""
    if not ring.dealt:
        return x
    halves = zip(jnp.split(x, 2, -3), _routes(ring), strict=True)
    even, odd = (jax.lax.ppermute(half, ring.axis, route) for half, route in halves)
    early_is_even = device % 2 == 0
    early = jnp.where(early_is_even, even, odd)
    return jnp.concatenate([early, jnp.where(early_is_even, odd, even)], -3)


def gather(ring: Ring, device: jax.Array, x: jax.Array) -> jax.Array:
    """The inverse of `spread`."""
    if not ring.dealt:
        return x
    early, late = jnp.split(x, 2, -3)
    early_is_even = device % 2 == 0
    even = jnp.where(early_is_even, early, late)
    odd = jnp.where(early_is_even, late, early)
    backs = [[(there, here) for here, there in route] for route in _routes(ring)]
    halves = zip((even, odd), backs, strict=True)
    return jnp.concatenate([jax.lax.ppermute(x, ring.axis, back) for x, back in halves], -3)
