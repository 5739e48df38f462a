"""Several processes: arrays of which each has a part, and what all must know of one another.

All processes call these functions in the same order, but for `spans`, `alone` and `share_of`.
"""

import math
import zlib
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import numpy as np
from jax.core import Tracer
from jax.experimental import multihost_utils

from .entries import AT_ONCE

Value = TypeVar("Value")
LONGEST = 400
"""So many bytes of a text reach the other processes."""


def spans(tree: Any) -> bool:
    """Whether a leaf lies, or is to lie, on devices of other processes too."""
    places = [leaf.sharding for leaf in jax.tree.leaves(tree) if _has_place(leaf)]
    return any(place is not None and not place.is_fully_addressable for place in places)


def _has_place(leaf: Any) -> bool:
    concrete = isinstance(leaf, jax.Array) and not isinstance(leaf, Tracer)
    return concrete or isinstance(leaf, jax.ShapeDtypeStruct)


def rows_of_processes(array: jax.Array, first: int, last: int) -> np.ndarray:
    """Some rows of an array of which each process has a part.

    As many come at a time as find room in a block, when each device here has received them.
    """
    row = math.prod(array.shape[1:]) * array.dtype.itemsize * jax.local_device_count()
    step = max(1, AT_ONCE // max(1, row))
    places = [(begin, min(step, last - begin)) for begin in range(first, max(last, 1), step)]
    parts = [_gathered(array, begin, size) for begin, size in places]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _gathered(array: jax.Array, begin: int, size: int) -> np.ndarray:
    if size < array.shape[0]:
        array = jax.lax.dynamic_slice_in_dim(array, begin, size)
    return multihost_utils.process_allgather(array, tiled=True)


def everywhere(text: str) -> list[str]:
    """What each process says, in their order; all wait for one another."""
    said = np.zeros(LONGEST, np.uint8)
    encoded = np.frombuffer(text.encode()[:LONGEST], np.uint8)
    said[: len(encoded)] = encoded
    table = multihost_utils.process_allgather(said).reshape(-1, LONGEST)
    return [row.tobytes().rstrip(b"\0").decode(errors="replace") for row in table]


def agree(function: str, error: Exception | None) -> None:
    """Raises the error of this process, or tells of that of another: all go on, or none does."""
    told = "" if error is None else f"{type(error).__name__}: {error}"
    failed = [(process, text) for process, text in enumerate(everywhere(told)) if text]
    if error is not None:
        raise error
    if failed:
        process, text = failed[0]
        raise OSError(f"{function}: process {process} failed with {text}")


def in_all(function: str, action: Callable[[], Value]) -> Value:
    """What an action returns, if it goes well in all processes."""
    value, failed = None, None
    try:
        value = action()
    except Exception as error:
        failed = error
    agree(function, failed)
    return value  # type: ignore[return-value]


def alone(_: str, action: Callable[[], Value]) -> Value:
    """What an action returns, in this process."""
    return action()


def share_of(names: list[str]) -> list[str]:
    """The names that fall to this process, so that each falls to one."""
    return names[jax.process_index() :: jax.process_count()]


def put_together(file: str, told: str, names: list[str], found: dict[str, int]) -> dict[str, int]:
    """The numbers that all processes have found, each for its share of the names.

    Args:
        file: What they are reading.
        told: What is the same for all of them, if that is one file.
        names: All names, in one order.
        found: The numbers of this process.
    """
    if len({*everywhere(str(zlib.crc32(told.encode())))}) > 1:
        raise ValueError(f"load: {file} must be the same file for all processes, got several")
    mine = np.array([found.get(name, 0) for name in names], np.uint32)
    table = multihost_utils.process_allgather(mine).reshape(-1, len(names))
    return dict(zip(names, map(int, table.max(0)), strict=True))
