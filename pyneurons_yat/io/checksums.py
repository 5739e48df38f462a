"""Checksums: the CRC-32 of each array, and of these the one of a whole file.

So arrays may be written in any order, be read in several processes, and each is looked at once.
"""

import zlib
from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from .entries import Entry, blocks

POLYNOMIAL = 0xEDB88320  # that of zlib, whose highest bit stands for the lowest power


def bytes_of(array: np.ndarray) -> memoryview:
    """The bytes of an array in the order of its last axis, without a copy where they lie so."""
    return np.ravel(array).view(np.uint8).data


def checksums_of(entries: Mapping[str, Entry]) -> dict[str, int]:
    """The checksum of each array, one after another."""
    return {name: _checksum(entry) for name, entry in entries.items()}


def _checksum(entry: Entry) -> int:
    checksum = 0
    for block in blocks(entry):
        checksum = zlib.crc32(bytes_of(block), checksum)
    return checksum


def joined(first: int, second: int, length: int) -> int:
    """The checksum of bytes whose beginning has the first, and the `length` others the second.

    As polynomials over two elements, bytes that follow multiply what precedes by x^8 each.
    """
    return _product(_power(length), first) ^ second


@lru_cache(4096)  # many arrays are of one size
def _power(length: int) -> int:
    """x^8, multiplied with itself so many times."""
    if length < 2:
        return 1 << (31 - 8 * length)
    half = _power(length // 2)
    return _product(_product(half, half), _power(length % 2))


def _product(one: int, other: int) -> int:
    """The product of two polynomials, modulo that of the checksum."""
    found = 0
    for place in range(31, -1, -1):
        if one >> place & 1:
            found ^= other
        other = other >> 1 ^ (POLYNOMIAL if other & 1 else 0)
    return found
