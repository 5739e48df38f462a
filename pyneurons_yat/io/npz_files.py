"""npz files: a zip archive, written block by block, read as a whole."""

import json
import zipfile
import zlib
from collections.abc import Callable, Mapping
from itertools import groupby
from typing import Any, BinaryIO

import numpy as np

from .checksums import bytes_of
from .entries import Entry, Pieces, entry_of


def write(
    file: BinaryIO,
    entries: Mapping[str, Entry],
    pieces: Pieces,
    metadata: Callable[[dict[str, int]], Any],
    *,
    small: bool,
) -> None:
    """Writes arrays as their blocks come, and what is told beside them, given their checksums."""
    kind = zipfile.ZIP_DEFLATED if small else zipfile.ZIP_STORED
    found = dict.fromkeys(entries, 0)
    with zipfile.ZipFile(file, "w", kind) as archive:
        for name, of_one in groupby(pieces, lambda piece: piece[0]):
            with _opened(archive, name) as place:
                _begin(place, entries[name])
                for _, block in of_one:
                    found[name] = zlib.crc32(bytes_of(block), found[name])
                    place.write(bytes_of(block))
        with _opened(archive, "__metadata__") as place:
            told = np.array(json.dumps(metadata(found)).encode())
            np.lib.format.write_array(place, told, allow_pickle=False)


def _opened(archive: zipfile.ZipFile, name: str) -> Any:
    return archive.open(f"{name}.npy", "w", force_zip64=True)


def _begin(place: Any, entry: Entry) -> None:
    """Writes what stands before the numbers of an array."""
    told = {
        "descr": np.lib.format.dtype_to_descr(entry.dtype),
        "fortran_order": False,
        "shape": entry.shape,
    }
    np.lib.format.write_array_header_1_0(place, told)


def read(file: BinaryIO) -> tuple[dict[str, Entry], Any]:
    """The entries of an open file by name, and what is told beside them."""
    if not zipfile.is_zipfile(file):
        raise ValueError("no zip archive")
    file.seek(0)
    with np.load(file, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    metadata = json.loads(arrays.pop("__metadata__", np.array("{}")).item())
    return {name: entry_of(array) for name, array in arrays.items()}, metadata
