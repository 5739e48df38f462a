"""Entries: what a file holds under a name, looked at some rows at a time.

So a large array is in memory once, whether it is on its way into a file or out of it.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

AT_ONCE = 1 << 26  # bytes in a block of rows, which has one at least

Rows = Callable[[int, int], np.ndarray]
"""`rows(first, last)`, some rows of an array; the one row of a scalar is itself."""
Pieces = Iterator[tuple[str, np.ndarray]]
"""The blocks of arrays, each with the name of its array."""


class Entry(NamedTuple):
    """An array of a file that is being written or read.

    Attributes:
        dtype: Of the numbers as the file holds them.
        shape: Its shape.
        open: `open()`, what gives its rows. Until it is dropped it may hold what was fetched.
    """

    dtype: np.dtype
    shape: tuple[int, ...]
    open: Callable[[], Rows]


def entry_of(array: np.ndarray) -> Entry:
    """The entry of an array that is in memory."""
    return Entry(array.dtype, array.shape, lambda: rows_of(array))


def rows_of(array: np.ndarray) -> Rows:
    """The rows of an array that is in memory, without a copy."""
    return lambda first, last: array[first:last] if array.ndim else array


def size_of(entry: Entry) -> int:
    """The number of bytes of an array."""
    return math.prod(entry.shape) * entry.dtype.itemsize


def blocks(entry: Entry) -> Iterator[np.ndarray]:
    """An array block by block; one that is empty is an empty block."""
    rows = entry.open()
    length = entry.shape[0] if entry.shape else 1
    yield from (rows(*place) for place in _places(entry, 0, length))


def _places(entry: Entry, first: int, last: int) -> list[tuple[int, int]]:
    """Where the blocks begin and end that lie between two rows."""
    row = size_of(entry) // max(1, entry.shape[0] if entry.shape else 1)
    step = max(1, AT_ONCE // max(1, row))
    return [(begin, min(begin + step, last)) for begin in range(first, max(last, 1), step)]


def pieces_of(entries: Mapping[str, Entry], names: list[str]) -> Pieces:
    """The blocks of arrays, each fetched when its turn in the file has come."""
    return ((name, block) for name in names for block in blocks(entries[name]))


def taken(entry: Entry, index: Any = ...) -> np.ndarray:
    """A part of an array, by slices along its axes, in memory of its own."""
    rows, shape = entry.open(), entry.shape
    if not shape:
        return np.array(rows(0, 1))
    ranges = [range(n)[one] for n, one in zip(shape, _slices(index, len(shape)), strict=True)]
    found = np.empty([*map(len, ranges)], entry.dtype)
    others = tuple(slice(one.start, one.stop) for one in ranges[1:])
    begin = ranges[0].start
    for first, last in _places(entry, begin, ranges[0].stop):
        found[first - begin : last - begin] = rows(first, last)[:, *others]
    return found


def _slices(index: Any, axes: int) -> tuple[slice, ...]:
    return (slice(None),) * axes if index is ... else index
