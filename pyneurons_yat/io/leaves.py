"""Leaves of files: what the file holds of a leaf, and the leaf that comes of it again."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .entries import Entry
from .processes import gathered


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
    if dtype == entry.dtype:
        return entry
    return Entry(dtype, entry.shape, lambda: entry.array().view(dtype))


def _fetched_later(leaf: Any, dtype: np.dtype) -> Entry:
    return Entry(dtype, np.shape(leaf), lambda: np.asarray(on_host(leaf), dtype, order="C"))


def on_host(leaf: Any) -> Any:
    """The values of a leaf, of all processes. The array itself keeps no copy of them here.

    `np.asarray` would leave one with every array whose values are not on the host in one piece, so
    that a tree of which all leaves were asked for is there twice.
    """
    if isinstance(leaf, Tracer) or not isinstance(leaf, jax.Array):
        return leaf
    if not leaf.is_fully_addressable and not leaf.is_fully_replicated:
        return gathered(leaf)
    parts = [*{str(shard.index): shard for shard in leaf.addressable_shards}.values()]
    if len(parts) == 1:
        return np.asarray(_apart(parts[0].data))
    whole = np.empty(leaf.shape, leaf.dtype)
    for part in parts:
        whole[part.index] = np.asarray(_apart(part.data))
    return whole


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
        data = jnp.asarray(np.array(entry.array()))
        return in_memory(jax.random.wrap_key_data(data, impl=dtype.removeprefix("key ")))
    wanted = np.dtype(dtype)
    if wanted.itemsize != entry.dtype.itemsize:
        raise ValueError(f"{entry.dtype.name} has other bits than {dtype}")

    def part(index: Any) -> np.ndarray:
        return np.array(entry.array()[index], order="C").view(wanted)

    return Found(wanted, entry.shape, part)


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
        return jax.make_array_from_callback(leaf.shape, sharding, leaf.part)
    if sharding.is_fully_addressable:
        return jax.device_put(leaf.whole(), sharding)
    impl = jax.random.key_impl(leaf.whole())
    data = np.asarray(jax.random.key_data(leaf.whole()))
    wrap = partial(jax.random.wrap_key_data, impl=impl)
    return jax.jit(wrap, out_shardings=sharding)(data)


def _sharding(like: Any) -> Any:
    """The sharding that a leaf asks for: a shape by naming it, an array by being put somewhere."""
    if isinstance(like, jax.Array) and not isinstance(like, Tracer):
        return like.sharding if like.committed or len(like.sharding.device_set) > 1 else None
    return like.sharding if isinstance(like, jax.ShapeDtypeStruct) else None
