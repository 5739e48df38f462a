"""Blocks of queries and keys: how large they are, and in which order attention reads them.

A length that is no multiple of the block ends in a block that overlaps the one before, in which
what was done before is left out: so no array is padded, a bias least of all.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ..checks import is_known
from ..sharding import may_be_divided
from .masks import both
from .scores import Limits, Options, visible

BLOCK_QUERIES = 512  # half as many where a window cuts blocks
BLOCK_KEYS = 256
STEP_SCORES = 2**19  # of all heads of a step together, so that a few such arrays stay in the cache
STEP_HEADS = 4  # blocks are not made smaller for the sake of more heads in a step


def fit_blocks(
    options: Options, shape: tuple[int, int, int], queries: int, keys: int
) -> tuple[int, int]:
    """The numbers of queries and of keys in a block: those asked for, or else good ones.

    The shape is that of the heads: entries, key heads, and groups of each.
    """
    if options.blocks is not None:
        return min(options.blocks[0], queries), min(options.blocks[1], keys)
    heads = math.prod(size for size in shape if is_known(size))
    if few_at_a_time():
        heads = min(heads, max(STEP_HEADS, shape[-1]))
    most = BLOCK_QUERIES if options.window is None else BLOCK_QUERIES // 2
    rows = min(max(STEP_SCORES // (BLOCK_KEYS * heads), 64), most, queries)
    columns = max(STEP_SCORES // (rows * heads), BLOCK_KEYS // 2)
    if options.window is not None:
        columns = min(columns, rows + sum(options.window))
    elif options.is_causal:
        columns = min(columns, BLOCK_KEYS)
    return rows, min(columns, keys)


def few_at_a_time() -> bool:
    """Whether heads are done a few at a time, with larger blocks, and not all together.

    XLA's CPU backend wants it: it does a product of many small matrices, one for each head, on a
    single core. Elsewhere small products are slow. On a mesh heads or entries may lie on several
    devices, and the compiler would bring them together for the sake of a few.
    """
    return jax.default_backend() == "cpu" and not may_be_divided()


Side = tuple[int, Any, int]  # an axis that is cut, where its part begins, and how large that is


class Heads(NamedTuple):
    """Some entries of a batch, and some key heads with all their groups."""

    first: tuple[Any, Any]  # the first entry, the first key head
    sizes: tuple[int, int]


def over_heads(
    shape: tuple[int, int], scores: int, step: Callable[[Heads, Any], Any], carry: Any
) -> Any:
    """Carry something through all entries and key heads, maybe a few of them at a time.

    Args:
        shape: how many entries and key heads there are.
        scores: how many scores a block of one key head has.
        step: is given the heads and the carry.
        carry: what is carried.
    """
    batch, keys = shape
    fitting = max(STEP_SCORES // scores, 1)
    if not few_at_a_time() or not is_known(batch) or batch * keys <= fitting:
        return step(Heads((0, 0), shape), carry)
    entries = -(-batch // -(-batch // max(fitting // keys, 1)))  # in steps that are nearly equal
    heads = max(d for d in range(1, keys + 1) if keys % d == 0 and d <= fitting)
    splits = keys // heads  # more than 1 for a single entry only

    def body(index, carry):
        first = index // splits * entries, index % splits * heads
        return step(Heads(first, (entries, heads)), carry)

    carry = jax.lax.fori_loop(0, batch // entries * splits, body, carry)
    if rest := batch % entries:
        carry = step(Heads((batch - rest, 0), (rest, keys)), carry)
    return carry


def cut_heads(x: jax.Array, heads: Heads, *sides: Side) -> jax.Array:
    """The part of x, (B, K, ...), of some heads, cut along other axes too if there are more sides.

    An axis of size 1 belongs to all heads, and a scalar too.
    """
    return _read(x, _head_corner(x, heads, sides))


def put_heads(x: jax.Array, part: jax.Array, heads: Heads, *sides: Side) -> jax.Array:
    """Replace the part of x that `cut_heads` reads."""
    return _write(x, part, _head_corner(x, heads, sides))


def _head_corner(x, heads, sides):
    of_heads = zip(range(x.ndim), heads.first, heads.sizes, strict=False)  # x may be a scalar
    return _corner(x, [*of_heads, *sides])


def _corner(x, sides):
    """Where a part of x starts and how large it is, of (axis, first, size) for what is cut."""
    starts, sizes = [jnp.int32(0)] * x.ndim, list(x.shape)
    for axis, first, size in sides:
        if x.shape[axis] > size:
            starts[axis], sizes[axis] = jnp.asarray(first, jnp.int32), size
    return starts, tuple(sizes)


def _read(x, corner):
    starts, sizes = corner
    return x if sizes == x.shape else jax.lax.dynamic_slice(x, starts, sizes)


def _write(x, part, corner):
    starts, sizes = corner
    return part if sizes == x.shape else jax.lax.dynamic_update_slice(x, part, starts)


class Block(NamedTuple):
    """`size` places of an axis from `first` on. Those below `new` belong to the block before."""

    first: Any
    size: int
    new: Any  # None where blocks do not overlap

    @property
    def places(self) -> jax.Array:
        """All places, as an array."""
        return self.first + jnp.arange(self.size, dtype=jnp.int32)

    @property
    def is_new(self) -> jax.Array | None:
        """Which places are in no block before, (1, 1, 1, 1, size); None for all."""
        return None if self.new is None else (self.places >= self.new)[None, None, None, None]


def cut(x: Any, rows: Block | None = None, columns: Block | None = None) -> Any:
    """The part of x that lies in a block of its last axis but one, and of its last.

    An axis of size 1 belongs to all blocks. x may be None.
    """
    return None if x is None else _read(x, _block_corner(x, rows, columns))


def put(x: jax.Array, part: jax.Array, rows: Block | None = None) -> jax.Array:
    """Replace the part of x that `cut` reads."""
    return _write(x, part, _block_corner(x, rows, None))


def add(x: Any, part: Any, rows: Block | None = None, columns: Block | None = None) -> jax.Array:
    """Add to the part of x that `cut` reads."""
    return _write(x, cut(x, rows, columns) + part, _block_corner(x, rows, columns))


def _block_corner(x, rows, columns):
    sides = ((x.ndim - 2, rows), (x.ndim - 1, columns))
    return _corner(
        x, [(axis, block.first, block.size) for axis, block in sides if block is not None]
    )


def over_blocks(
    first: Any, last: Any, size: int, length: int, step: Callable[[Block, Any], Any], carry: Any
) -> Any:
    """Carry something through the blocks that cover the places first, ..., last - 1."""
    fixed = isinstance(first, int) and isinstance(last, int)
    overlap = not (isinstance(first, int) and length % size == 0)

    def body(index, carry):
        new = jnp.asarray(first + index * size, jnp.int32)
        start = jnp.minimum(new, length - size) if overlap else new
        return step(Block(start, size, new if overlap else None), carry)

    count = -(-(last - first) // size)
    if fixed and count == 1:  # no loop, which XLA would not see through
        return body(0, carry)
    return jax.lax.fori_loop(0, count, body, carry)


def key_range(options: Options, limits: Limits, rows: Block, length: int) -> tuple[Any, Any]:
    """The first key that one of the queries may see, and one more than the last."""
    place = rows.first + limits.offset
    left, right = options.window or (None, None)
    right = 0 if options.is_causal else right
    first = 0 if left is None else jnp.clip(place - left, 0, length)
    last = length if right is None else jnp.clip(place + rows.size + right, 0, length)
    if limits.key_lengths is not None:
        last = jnp.minimum(last, jnp.max(limits.key_lengths))
    return first, last


@jax.custom_batching.custom_vmap
def any_of(seen: jax.Array) -> jax.Array:
    """Whether anything is seen in a block; under `jax.vmap` in one of all entries.

    So it stays one number, and a `cond` of it one branch; of several, both would be computed.
    """
    return jnp.any(seen)


@any_of.def_vmap
def _any_of_all(size: int, batched: list[bool], seen: jax.Array) -> tuple[jax.Array, bool]:
    return any_of(seen), False


def over_keys(
    options: Options, limits: Limits, rows: Block, length: int, step: Callable, carry: Any
) -> Any:
    """Carry something through the blocks of keys that a block of queries sees.

    A block that a mask hides is left out, where that was measured to pay: on a CPU. Elsewhere a
    branch waits for the device at each block.

    step(keys, seen, carry) is given a block, and which of its keys each query sees.
    """

    def see_and_step(keys, carry):
        part = limits._replace(mask=cut(limits.mask, rows, keys))
        seen = both(visible(options, part, rows.places, keys.places), keys.is_new)
        if limits.mask is None or not few_at_a_time():
            return step(keys, seen, carry)
        return jax.lax.cond(any_of(seen), lambda c: step(keys, seen, c), lambda c: c, carry)

    first, last = key_range(options, limits, rows, length)
    return over_blocks(first, last, options.blocks[1], length, see_and_step, carry)
