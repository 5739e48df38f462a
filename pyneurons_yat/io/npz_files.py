"""npz files: a zip archive, written array by array, read as a whole."""

import json
import zipfile
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from .checksums import checksum_of
from .entries import Entry, Pieces


def write(
    file: BinaryIO, pieces: Pieces, metadata: Callable[[dict[str, int]], Any], *, small: bool
) -> None:
    """Writes arrays as they come, and what is told beside them, given their checksums."""
    kind = zipfile.ZIP_DEFLATED if small else zipfile.ZIP_STORED
    found: dict[str, int] = {}
    with zipfile.ZipFile(file, "w", kind) as archive:
        for name, array in pieces:
            found[name] = checksum_of(array)
            _add(archive, name, array)
        _add(archive, "__metadata__", np.array(json.dumps(metadata(found)).encode()))


def _add(archive: zipfile.ZipFile, name: str, array: np.ndarray) -> None:
    with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
        np.lib.format.write_array(entry, array, allow_pickle=False)


def read(file: BinaryIO) -> tuple[dict[str, Entry], Any]:
    """The entries of an open file by name, and what is told beside them."""
    if not zipfile.is_zipfile(file):
        raise ValueError("no zip archive")
    file.seek(0)
    with np.load(file, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    metadata = json.loads(arrays.pop("__metadata__", np.array("{}")).item())
    return {name: entry_of(array) for name, array in arrays.items()}, metadata


def entry_of(array: np.ndarray) -> Entry:
    """The entry of an array that is in memory."""
    return Entry(array.dtype, array.shape, lambda: array)
