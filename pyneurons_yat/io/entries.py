"""Entries: what a file holds under a name, before it is read or written."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np


class Entry(NamedTuple):
    """An array of a file that is being written or read.

    Attributes:
        dtype: Of the numbers as the file holds them.
        shape: Its shape.
        array: `array()`, the array: on its way into a file fetched anew, out of one its pages.
    """

    dtype: np.dtype
    shape: tuple[int, ...]
    array: Callable[[], np.ndarray]


Pieces = Iterator[tuple[str, np.ndarray]]
"""Arrays by name, one at a time."""


def size_of(entry: Entry | np.ndarray) -> int:
    """The number of bytes of an array."""
    return math.prod(entry.shape) * entry.dtype.itemsize
