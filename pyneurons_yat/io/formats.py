"""Formats: what stands in a safetensors or an npz file, and how it is written and read."""

import json
import math
import zipfile
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

FORMATS = ("pyneurons_yat 1", "pyneurons_yat 2")
"""The second tells of the structure too, and may hold weights as multiples of a step."""
SUFFIXES = (".safetensors", ".npz")
IN_STEPS = " in steps"
"""What follows the dtype of weights that stand there as integers."""
STEP = "step of "
"""What precedes their path in the name of the steps."""
WITHOUT_NUMPY = {
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2": "float8_e5m2",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "F8_E8M0": "float8_e8m0fnu",
}
"""The dtypes of safetensors that NumPy itself does not have, and their names in JAX."""


class OtherFormatError(ValueError):
    """A sound file that this version does not read."""


class Contents(NamedTuple):
    """What a file holds: arrays by path, the dtype of each in words, the structure as JSON."""

    arrays: dict[str, np.ndarray]
    dtypes: dict[str, str]
    structure: str | None = None

    def metadata(self) -> dict[str, str]:
        """What stands beside the arrays; the checksum tells whether any bit was changed."""
        dtypes = json.dumps(self.dtypes, sort_keys=True)
        checksum = zlib.crc32(dtypes.encode())
        for name in sorted(self.arrays):
            array = self.arrays[name]
            checksum = zlib.crc32(f"{name} {array.dtype} {array.shape}".encode(), checksum)
            checksum = zlib.crc32(np.ravel(array).view(np.uint8).data, checksum)
        if self.structure is None:
            return {"format": FORMATS[0], "dtypes": dtypes, "checksum": str(checksum)}
        checksum = str(zlib.crc32(self.structure.encode(), checksum))
        told = {"format": FORMATS[1], "dtypes": dtypes, "structure": self.structure}
        return {**told, "checksum": checksum}


def stored(suffix: str, array: np.ndarray) -> np.ndarray:
    """An array as a kind of file holds it: the bits as integers if it does not know the dtype."""
    if array.dtype.kind != "V" or (suffix == ".safetensors" and _has_dtype(array.dtype)):
        return array
    return array.view(f"u{array.itemsize}")


def _has_dtype(dtype: np.dtype) -> bool:
    from safetensors import SafetensorError
    from safetensors.numpy import save as serialise

    try:
        serialise({"": np.empty(0, dtype)})
    except SafetensorError:
        return False
    return dtype.name in WITHOUT_NUMPY.values()


def write(file: Any, suffix: str, contents: Contents) -> None:
    """Writes the contents to an open file."""
    arrays, metadata = contents.arrays, contents.metadata()
    if suffix == ".npz":
        entries: dict[str, Any] = {
            **arrays,
            "__metadata__": np.array(json.dumps(metadata).encode()),
        }
        small = any(dtype.endswith(IN_STEPS) for dtype in contents.dtypes.values())
        (np.savez_compressed if small else np.savez)(file, **entries)
        return
    from safetensors import SafetensorError
    from safetensors.numpy import save as serialise

    try:
        written = serialise(arrays, metadata=metadata)
    except SafetensorError as error:
        raise TypeError(f"save: {error}; a .npz file can hold it") from error
    for part in _in_order(written):
        file.write(part)


def _in_order(written: bytes) -> tuple[bytes, memoryview]:
    """The header of a safetensors file with its metadata sorted, and the numbers behind it.

    The library writes metadata in an order that differs from call to call, so that the same tree
    would give other bytes.
    """
    begin = 8 + int.from_bytes(written[:8], "little")
    entries = json.loads(written[8:begin])
    entries["__metadata__"] = dict(sorted(entries["__metadata__"].items()))
    header = json.dumps(entries, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header, memoryview(written)[begin:]


def read(path: Path) -> Contents:
    """The contents of a file that `write` wrote; an error tells what is wrong with another."""
    arrays, metadata = read_arrays(path)
    found = metadata.get("format")
    if found not in FORMATS:
        ours = str(found).startswith("pyneurons_yat ")
        cure = "update pyneurons_yat" if ours else "from_state_dict reads files of other programs"
        raise OtherFormatError(f"must have the format {' or '.join(FORMATS)}, got {found}; {cure}")
    structure = metadata["structure"] if found == FORMATS[1] else None
    contents = Contents(arrays, json.loads(metadata["dtypes"]), structure)
    if contents.metadata() != metadata:
        raise ValueError("its checksum is wrong")
    return contents


def read_arrays(path: Path) -> tuple[dict[str, np.ndarray], Any]:
    """The arrays of any file of these kinds by name, and what stands beside them."""
    return _read_npz(path) if path.suffix == ".npz" else _read_safetensors(path)


def _read_npz(path: Path) -> tuple[dict[str, np.ndarray], Any]:
    if not zipfile.is_zipfile(path):
        raise ValueError("no zip archive")
    with path.open("rb") as file, np.load(file, allow_pickle=False) as entries:
        arrays = {name: entries[name] for name in entries.files}
    return arrays, json.loads(arrays.pop("__metadata__", np.array("{}")).item())


def _read_safetensors(path: Path) -> tuple[dict[str, np.ndarray], Any]:
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:  # it looks the header over
        metadata, names = file.metadata() or {}, list(file.keys())
        entries = _header(path)
        known = [name for name in names if entries[name]["dtype"] not in WITHOUT_NUMPY]
        arrays = {name: file.get_tensor(name) for name in known}
    others = {name: _bits(path, entries[name]) for name in names if name not in arrays}
    return arrays | others, metadata


def _header(path: Path) -> dict[str, Any]:
    """The entries of a safetensors file by name, each with the place where its bytes begin."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        entries = json.loads(file.read(length))
    entries.pop("__metadata__", None)
    return {
        name: {**entry, "begin": 8 + length + entry["data_offsets"][0]}
        for name, entry in entries.items()
    }


def _bits(path: Path, entry: dict[str, Any]) -> np.ndarray:
    """An array of a dtype that NumPy does not have."""
    dtype, shape = np.dtype(WITHOUT_NUMPY[entry["dtype"]]), tuple(entry["shape"])
    kind = f"u{dtype.itemsize}"
    flat = np.fromfile(path, f"<{kind}", count=math.prod(shape), offset=entry["begin"])
    return flat.astype(kind).view(dtype).reshape(shape)
