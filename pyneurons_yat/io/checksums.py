"""Checksums: the CRC-32 of each array, and of these the one of a whole file.

So arrays may be written in any order, be read in several processes, and each is looked at once.
"""

import zlib
from functools import cache

import numpy as np

POLYNOMIAL = 0xEDB88320  # that of zlib, whose highest bit stands for the lowest power


def checksum_of(array: np.ndarray) -> int:
    """The checksum of the bytes of an array."""
    return zlib.crc32(bytes_of(array))


def bytes_of(array: np.ndarray) -> memoryview:
    """The bytes of an array in the order of its last axis, without a copy where they lie so."""
    return np.ravel(array).view(np.uint8).data


def joined(first: int, second: int, length: int) -> int:
    """The checksum of bytes whose beginning has the first, and the `length` others the second.

    As polynomials over two elements, bytes that follow multiply what precedes by x^8 each.
    """
    for place in range(length.bit_length()):
        if length >> place & 1:
            first = _product(_power(place), first)
    return first ^ second


@cache
def _power(place: int) -> int:
    """x^8, squared so many times."""
    if not place:
        return 1 << (31 - 8)
    return _product(_power(place - 1), _power(place - 1))


def _product(one: int, other: int) -> int:
    """The product of two polynomials, modulo that of the checksum."""
    found = 0
    for place in range(31, -1, -1):
        if one >> place & 1:
            found ^= other
        other = other >> 1 ^ (POLYNOMIAL if other & 1 else 0)
    return found
