"""Leaves of files: what the file holds of a leaf, and the leaf that comes of it again."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer


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


def plain(place: str, leaf: Any) -> tuple[str, np.ndarray]:
    """The dtype of a leaf in words, and the leaf as a NumPy array."""
    _check_at_hand(place, leaf)
    if is_key(leaf):
        return f"key {jax.random.key_impl(leaf)}", np.asarray(jax.random.key_data(leaf))
    dtype = dtype_of(leaf)
    if not is_numeric(leaf):
        raise TypeError(
            f"save: {place} must be an array of numbers, got a {type(leaf).__name__} of dtype "
            f"{dtype}"
        )
    return dtype.name, np.asarray(leaf, np.dtype(dtype.name), order="C")


def _check_at_hand(place: str, leaf: Any) -> None:
    """Refuses an array of which other processes have a part that this one does not have."""
    if isinstance(leaf, Tracer) or not isinstance(leaf, jax.Array):
        return
    if not leaf.is_fully_addressable and not leaf.is_fully_replicated:
        raise ValueError(
            f"save: {place} must be on the devices of this process, got an array that spans "
            "processes; gather it first (jax.experimental.multihost_utils.process_allgather), or "
            "save with Orbax"
        )


def restored(array: np.ndarray, dtype: str) -> Any:
    """Undoes `plain`, and the change of dtype that the kind of file may have asked for."""
    if dtype.startswith("key "):
        return jax.random.wrap_key_data(jnp.asarray(array), impl=dtype.removeprefix("key "))
    return array.view(dtype) if array.dtype.name != dtype else array


def described(leaf: Any) -> str:
    """The dtype and shape of a leaf, such as `float32[3,2]`."""
    return f"{dtype_of(leaf).name}[{','.join(map(str, np.shape(leaf)))}]"


def placed(array: Any, like: Any) -> jax.Array:
    """A JAX array where a leaf lies; of an array in shards each device receives its own alone."""
    sharding = _sharding(like)
    if sharding is None:
        return jnp.asarray(array)
    if is_key(array):
        return jax.device_put(array, sharding)
    return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])


def _sharding(like: Any) -> Any:
    """The sharding that a leaf asks for: a shape by naming it, an array by being put somewhere."""
    if isinstance(like, jax.Array) and not isinstance(like, Tracer):
        return like.sharding if like.committed or len(like.sharding.device_set) > 1 else None
    return like.sharding if isinstance(like, jax.ShapeDtypeStruct) else None
