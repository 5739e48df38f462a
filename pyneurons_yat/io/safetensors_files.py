"""safetensors files: a header of JSON and the bytes behind it, written and read block by block.

The library makes and checks the header. It would have all arrays in memory, and their bytes once
more.
"""

import json
import math
import zlib
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from .checksums import bytes_of
from .entries import Entry, Pieces, entry_of, size_of

DTYPES = {
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2": "float8_e5m2",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "F8_E8M0": "float8_e8m0fnu",
    "U16": "uint16",
    "I16": "int16",
    "F16": "float16",
    "BF16": "bfloat16",
    "U32": "uint32",
    "I32": "int32",
    "F32": "float32",
    "U64": "uint64",
    "I64": "int64",
    "F64": "float64",
    "C64": "complex64",
}
"""The dtypes of the format, and their names in NumPy and JAX."""
LARGEST = str(2**32 - 1)  # of checksums


@cache
def has_dtype(dtype: np.dtype) -> bool:
    """Whether the format and the library that is installed know a dtype."""
    from safetensors import SafetensorError

    try:
        _plan({"": entry_of(np.empty(0, dtype))})
    except SafetensorError:
        return False
    return dtype.name in DTYPES.values()


def in_order(entries: Mapping[str, Entry]) -> list[str]:
    """The names in the order in which the arrays stand in a file: wide dtypes first."""
    from safetensors import SafetensorError

    try:
        return list(_plan(entries))
    except SafetensorError as error:
        raise TypeError(f"save: {error}; a .npz file can hold it") from error


def _plan(entries: Mapping[str, Entry]) -> dict[str, Any]:
    """What the header says of each array, in the order of the library."""
    from safetensors.numpy import save as serialize

    header = serialize({name: np.empty(0, entry.dtype) for name, entry in entries.items()})
    found, end = json.loads(header[8:]), 0
    for name in found:
        begin, end = end, end + size_of(entries[name])
        found[name] |= {"shape": list(entries[name].shape), "data_offsets": [begin, end]}
    return found


def write(
    file: BinaryIO,
    entries: Mapping[str, Entry],
    pieces: Pieces,
    metadata: Callable[[dict[str, int]], dict[str, str]],
) -> None:
    """Writes blocks as they come, in the order of `in_order`, then the header with the checksum.

    There is room for the longest one. What is told is sorted, so that equal trees make equal bytes.
    """
    plan = _plan(entries)
    room = len(_header(plan, metadata(dict.fromkeys(plan, 0)) | {"checksum": LARGEST}))
    file.seek(8 + room)
    found = dict.fromkeys(plan, 0)
    for name, block in pieces:
        found[name] = zlib.crc32(bytes_of(block), found[name])
        file.write(bytes_of(block))
    file.seek(0)
    file.write(room.to_bytes(8, "little") + _header(plan, metadata(found)).ljust(room))


def _header(plan: dict[str, Any], metadata: dict[str, str]) -> bytes:
    told = {"__metadata__": dict(sorted(metadata.items())), **plan}
    header = json.dumps(told, separators=(",", ":")).encode()
    return header + b" " * (-len(header) % 8)


def read(file: BinaryIO, path: Path) -> tuple[dict[str, Entry], Any]:
    """The entries of an open file by name, and what is told beside them."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy"):  # it looks the header over
        length = int.from_bytes(file.read(8), "little")
        found = json.loads(file.read(length))
    metadata = found.pop("__metadata__", {})
    return {name: _entry(file, 8 + length, one) for name, one in found.items()}, metadata


def _entry(file: BinaryIO, start: int, told: dict[str, Any]) -> Entry:
    dtype, shape = np.dtype(DTYPES[told["dtype"]]), tuple(told["shape"])
    rows = partial(_pages, file, start + told["data_offsets"][0], dtype, shape)
    return Entry(dtype, shape, lambda: rows)


def _pages(
    file: BinaryIO, begin: int, dtype: np.dtype, shape: tuple[int, ...], first: int, last: int
) -> np.ndarray:
    """The pages of a file that hold some rows; the system reads those that are looked at."""
    wanted = (last - first, *shape[1:]) if shape else ()
    if 0 in wanted:
        return np.empty(wanted, dtype)
    row = math.prod(shape[1:]) * dtype.itemsize
    return np.memmap(file, dtype, "r", begin + first * row, wanted)
