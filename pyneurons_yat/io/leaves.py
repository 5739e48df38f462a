"""Leaves of files: what the file holds of a leaf, and the leaf that comes of it again."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .entries import Entry, Rows, rows_of, taken
from .processes import rows_of_processes


def dtype_of(leaf: Any) -> Any:
    """The dtype of an array, or the one that JAX gives to a number, if it can hold it."""
    if type(leaf) in (bool, int, float, complex):
        exact, usual = np.asarray(leaf), np.dtype(jnp.result_type(leaf))
        return usual if _holds(usual, exact) else exact.dtype
    return getattr(leaf, "dtype", np.dtype(object))


def _holds(dtype: np.dtype, number: np.ndarray) -> bool:
    """Whether a dtype, of the kind of a number, is wide enough for it; rounding is no matter."""
    if number.dtype == object:
        return False
    with np.errstate(over="ignore"):
        held = number.astype(dtype)
    integer = dtype.kind in "iub"
    return bool(held == number if integer else np.isfinite(held) or not np.isfinite(number))


def is_key(leaf: Any) -> bool:
    """Whether a leaf is a PRNG key, or several, of the new kind."""
    return jnp.issubdtype(dtype_of(leaf), jax.dtypes.prng_key)


def is_numeric(leaf: Any) -> bool:
    """Whether a leaf is a number, a boolean or an array of such."""
    dtype = dtype_of(leaf)
    return jnp.issubdtype(dtype, np.number) or jnp.issubdtype(dtype, np.bool_)


def entry_of(place: str, leaf: Any) -> tuple[str, Entry]:
    """The dtype of a leaf in words, and the array that a file holds of it."""
    if is_key(leaf):
        data = jax.random.key_data(leaf)
        return f"key {jax.random.key_impl(leaf)}", _fetched_later(data, data.dtype)
    dtype = dtype_of(leaf)
    if not is_numeric(leaf):
        raise TypeError(
            f"save: {place} must be an array of numbers, got a {type(leaf).__name__} of dtype "
            f"{dtype}"
        )
    return dtype.name, _fetched_later(leaf, np.dtype(dtype.name))


def as_stored(entry: Entry, dtype: np.dtype) -> Entry:
    """The entry with its bits in another dtype of the same size."""

    def opened() -> Rows:
        rows = entry.open()
        return lambda first, last: rows(first, last).view(dtype)

    return entry if dtype == entry.dtype else Entry(dtype, entry.shape, opened)


def _fetched_later(leaf: Any, dtype: np.dtype) -> Entry:
    def opened() -> Rows:
        if isinstance(leaf, jax.Array) and not isinstance(leaf, Tracer):
            return _rows_of_devices(leaf)
        return rows_of(np.asarray(leaf, dtype, order="C"))

    return Entry(dtype, np.shape(leaf), opened)


def _rows_of_devices(array: jax.Array) -> Rows:
    """The rows of an array in shards, put together where they are asked for.

    The array keeps no copy of them on the host. `np.asarray` would leave one with every array
    whose values are not in one piece there, so that a tree of such arrays would be there twice.
    """
    if not array.is_fully_addressable and not array.is_fully_replicated:
        return partial(rows_of_processes, array)
    shards = [*{str(shard.index): shard for shard in array.addressable_shards}.values()]
    if not shards:
        raise ValueError("save: an array must lie on a device of this process, got one elsewhere")
    parts = [(shard.index, np.asarray(_apart(shard.data))) for shard in shards]
    if len(parts) == 1:
        return rows_of(parts[0][1])

    def rows(first: int, last: int) -> np.ndarray:
        found = np.empty((last - first, *array.shape[1:]), array.dtype)
        for (along, *others), part in parts:
            here = range(array.shape[0])[along]
            begin, end = max(first, here.start), min(last, here.stop)
            if begin < end:
                place = slice(begin - first, end - first), *others
                found[place] = part[begin - here.start : end - here.start]
        return found

    return rows


def _apart(array: jax.Array) -> jax.Array:
    """An array of its own around the same memory of a device."""
    return jax.make_array_from_single_device_arrays(array.shape, array.sharding, [array])


class Found(NamedTuple):
    """A leaf that a file holds.

    Attributes:
        dtype: Its dtype.
        shape: Its shape.
        part: `part(index)`, the values at an index as an array in memory.
    """

    dtype: Any
    shape: tuple[int, ...]
    part: Callable[[Any], Any]

    def whole(self) -> Any:
        """All of its values."""
        return self.part(...)


def found(entry: Entry, dtype: str) -> Found:
    """Undoes `entry_of`, and the change of dtype that the kind of file may have asked for."""
    if dtype.startswith("key "):
        data = jnp.asarray(taken(entry))
        return in_memory(jax.random.wrap_key_data(data, impl=dtype.removeprefix("key ")))
    wanted = np.dtype(dtype)
    if wanted.itemsize != entry.dtype.itemsize:
        raise ValueError(f"{entry.dtype.name} has other bits than {dtype}")

    return Found(wanted, entry.shape, lambda index: taken(entry, index).view(wanted))


def in_memory(array: Any) -> Found:
    """A leaf whose values are there."""
    return Found(array.dtype, array.shape, lambda index: array[index])


def described(leaf: Any) -> str:
    """The dtype and shape of a leaf, such as `float32[3,2]`."""
    return f"{dtype_of(leaf).name}[{','.join(map(str, np.shape(leaf)))}]"


def placed(leaf: Found, like: Any) -> jax.Array:
    """A JAX array where a leaf lies; of an array in shards each device receives its own alone."""
    sharding = _sharding(like)
    if sharding is None:
        return jnp.asarray(leaf.whole())
    if not is_key(leaf):
        return _in_shards(leaf, sharding)
    if sharding.is_fully_addressable:
        return jax.device_put(leaf.whole(), sharding)
    impl = jax.random.key_impl(leaf.whole())
    data = np.asarray(jax.random.key_data(leaf.whole()))
    wrap = partial(jax.random.wrap_key_data, impl=impl)
    return jax.jit(wrap, out_shardings=sharding)(data)


def _in_shards(leaf: Found, sharding: jax.sharding.Sharding) -> jax.Array:
    """An array of which one shard after another is read and put on its device."""
    places = sharding.addressable_devices_indices_map(leaf.shape)
    whole = leaf.whole() if sharding.is_fully_replicated else None
    shards = []
    for device, index in places.items():
        place = jax.sharding.SingleDeviceSharding(device, memory_kind=sharding.memory_kind)
        part = leaf.part(index) if whole is None else whole
        shards.append(jax.device_put(part, place).block_until_ready())
    return jax.make_array_from_single_device_arrays(leaf.shape, sharding, shards, dtype=leaf.dtype)


def _sharding(like: Any) -> Any:
    """The sharding that a leaf asks for: a shape by naming it, an array by being put somewhere."""
    if isinstance(like, jax.Array) and not isinstance(like, Tracer):
        return like.sharding if like.committed or len(like.sharding.device_set) > 1 else None
    return like.sharding if isinstance(like, jax.ShapeDtypeStruct) else None
