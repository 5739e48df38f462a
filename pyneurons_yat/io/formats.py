"""Formats: what stands in a safetensors or an npz file, and how it is written and read."""

import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from . import npz_files, safetensors_files
from .checksums import checksums_of, joined
from .entries import Entry, Pieces, size_of, taken

FORMATS = ("pyneurons_yat 1", "pyneurons_yat 2")
"""The second tells of the structure too, and may hold weights as multiples of a step."""
SUFFIXES = (".safetensors", ".npz")
IN_STEPS = " in steps"
"""What follows the dtype of weights that stand there as integers."""
STEP = "step of "
"""What precedes their path in the name of the steps."""


class OtherFormatError(ValueError):
    """A sound file that this version does not read."""


class Contents(NamedTuple):
    """What a file holds: arrays by path, the dtype of each in words, the structure as JSON."""

    entries: Mapping[str, Entry]
    dtypes: dict[str, str]
    structure: str | None = None

    def metadata(self, found: dict[str, int] | None = None) -> dict[str, str]:
        """What stands beside the arrays; the checksum tells whether any bit was changed.

        Args:
            found: The checksum of each array, where it is known.
        """
        found = checksums_of(self.entries) if found is None else found
        told = {"format": FORMATS[0], "dtypes": json.dumps(self.dtypes, sort_keys=True)}
        checksum = zlib.crc32(told["dtypes"].encode())
        for name in sorted(self.entries):
            entry = self.entries[name]
            checksum = zlib.crc32(f"{name} {entry.dtype} {entry.shape}".encode(), checksum)
            checksum = joined(checksum, found[name], size_of(entry))
        if self.structure is not None:
            told |= {"format": FORMATS[1], "structure": self.structure}
            checksum = zlib.crc32(self.structure.encode(), checksum)
        return {**told, "checksum": str(checksum)}


def stored(suffix: str, dtype: np.dtype) -> np.dtype:
    """The dtype as a kind of file holds it: integers of as many bits if it does not know it."""
    if dtype.kind != "V" or (suffix == ".safetensors" and safetensors_files.has_dtype(dtype)):
        return dtype
    return np.dtype(f"u{dtype.itemsize}")


def in_order(suffix: str, entries: Mapping[str, Entry]) -> list[str]:
    """The names of the arrays as they follow one another in a file."""
    return list(entries) if suffix == ".npz" else safetensors_files.in_order(entries)


def write(file: BinaryIO, suffix: str, contents: Contents, pieces: Pieces) -> None:
    """Writes the contents to an open file, block by block."""
    if suffix == ".npz":
        small = any(dtype.endswith(IN_STEPS) for dtype in contents.dtypes.values())
        npz_files.write(file, contents.entries, pieces, contents.metadata, small=small)
    else:
        safetensors_files.write(file, contents.entries, pieces, contents.metadata)


@contextmanager
def opened(path: Path) -> Iterator[tuple[dict[str, Entry], Any]]:
    """The entries of any file of these kinds by name, and what stands beside them."""
    with path.open("rb") as file:
        yield npz_files.read(file) if path.suffix == ".npz" else safetensors_files.read(file, path)


def contents_of(entries: dict[str, Entry], metadata: Any) -> Contents:
    """The contents that the metadata tell of; an error says what is wrong with other files."""
    found = metadata.get("format")
    if found not in FORMATS:
        ours = str(found).startswith("pyneurons_yat ")
        cure = "update pyneurons_yat" if ours else "from_state_dict reads files of other programs"
        raise OtherFormatError(f"must have the format {' or '.join(FORMATS)}, got {found}; {cure}")
    structure = metadata["structure"] if found == FORMATS[1] else None
    return Contents(entries, json.loads(metadata["dtypes"]), structure)


def check(contents: Contents, metadata: Any, found: dict[str, int]) -> None:
    """Refuses contents whose arrays have other checksums than were written."""
    if contents.metadata(found) != metadata:
        raise ValueError("its checksum is wrong")


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of any file of these kinds by name, in memory."""
    with opened(path) as (entries, _):
        return {name: taken(entry) for name, entry in entries.items()}
