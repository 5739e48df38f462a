"""idx files, the format of MNIST and of data sets made after it."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from ..learn.batches import examples_of
from ..ops.checks import check_flag
from .files import PathLike, file_at, numbers
from .splits import Split

DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
FILES = {
    "train images": ("*train-images*",),
    "train labels": ("*train-labels*",),
    "test images": ("*t10k-images*", "*test-images*"),
    "test labels": ("*t10k-labels*", "*test-labels*"),
}


def read_idx(path: PathLike) -> np.ndarray:
    """The array in an idx file, which may be compressed by gzip.

    Args:
        path: The file.

    Returns:
        A NumPy array of the shape and dtype that the file tells.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no idx file, or is shorter or longer than it tells.

    Example:
        >>> import pathlib, tempfile
        >>> from pyneurons_yat.data import read_idx
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "labels-idx1-ubyte")
        ...     _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
        ...     read_idx(path).tolist()
        [7, 2, 1]

    Source:
        LeCun, Cortes, Burges, "The MNIST database of handwritten digits": the IDX file format.
    """
    place = file_at("read_idx", path)
    content = place.read_bytes()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(
                f"read_idx: {place} must be whole, got a broken gzip: {error}"
            ) from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in DTYPES:
        raise ValueError(
            f"read_idx: path must lead to an idx file, got {place}, which begins with "
            f"0x{content[:4].hex()}"
        )
    dtype, start = np.dtype(DTYPES[content[2]]), 4 + 4 * content[3]
    shape = tuple(np.frombuffer(content[4:start][: start // 4 * 4 - 4], ">u4").tolist())
    wanted = start + dtype.itemsize * math.prod(shape)
    if len(shape) != content[3] or len(content) != wanted:
        raise ValueError(
            f"read_idx: {place} must have {wanted} bytes for shape {shape} of {dtype.name}, got "
            f"{len(content)}"
        )
    return (
        np.frombuffer(content, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))
    )


def load_idx(folder: PathLike, *, scale: bool = True) -> tuple[Split, Split]:
    """MNIST, or a data set made after it, out of the folder with its four idx files.

    Args:
        folder: Where train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
            t10k-labels-idx1-ubyte lie, as they are or compressed (`.gz`). Test files may also be
            named test-images and test-labels, and something may stand before each name.
        scale: Whether bytes (uint8) become float32 from 0 to 1.

    Returns:
        The set to train with and the one to test with: images (N, height, width) and labels (N,)
        int32. For a convolution add the channel: `images[..., None]`.

    Raises:
        FileNotFoundError: If the folder or a file is missing, naming it.
        ValueError: If several files fit one name, a file is no idx file, or shapes do not fit.

    Example:
        >>> import pathlib, tempfile
        >>> from pyneurons_yat.data import load_idx
        >>> def write(folder, name, *content):
        ...     _ = pathlib.Path(folder, name).write_bytes(bytes(content))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for part in ("train", "t10k"):
        ...         write(folder, f"{part}-labels-idx1-ubyte", 0, 0, 8, 1, 0, 0, 0, 2, 7, 3)
        ...         sizes = (0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1)
        ...         write(folder, f"{part}-images-idx3-ubyte", 0, 0, 8, 3, *sizes, 0, 255)
        ...     train, test = load_idx(folder)
        >>> train.x.tolist(), test.y.tolist()
        ([[[0.0]], [[1.0]]], [7, 3])
    """
    check_flag("load_idx", scale=scale)
    place = file_at("load_idx", folder, Path.is_dir)
    images, labels, test_images, test_labels = (
        read_idx(_only(place, what, patterns)) for what, patterns in FILES.items()
    )
    for name, x, y in (("train", images, labels), ("test", test_images, test_labels)):
        if y.ndim != 1 or y.dtype.kind not in "iu":
            raise ValueError(
                f"load_idx: {name} labels must be integers (N,), got {y.dtype} {y.shape}"
            )
        examples_of("load_idx", f"{name} images and labels", x, y)
    if images.shape[1:] != test_images.shape[1:]:
        raise ValueError(
            "load_idx: images must have one shape in both sets, got "
            f"{images.shape} and {test_images.shape}"
        )
    train, test = (
        Split(numbers("load_idx", "images", x, scale=scale), y.astype(np.int32))
        for x, y in ((images, labels), (test_images, test_labels))
    )
    return train, test


def _only(folder: Path, what: str, patterns: tuple[str, ...]) -> Path:
    """The one file of a folder that fits a pattern; of a file and its compressed copy, the file."""
    found = sorted({p for pattern in patterns for p in folder.glob(pattern) if p.is_file()})
    found = [p for p in found if not (p.suffix == ".gz" and p.with_suffix("") in found)]
    if not found:
        raise FileNotFoundError(
            f"load_idx: {folder} must hold the {what}, as {patterns[0].strip('*')}-idx*-ubyte or "
            f"the same with .gz, got {_listed(folder)}"
        )
    if len(found) > 1:
        names = ", ".join(p.name for p in found)
        raise ValueError(f"load_idx: {folder} must hold one file of {what}, got {names}")
    return found[0]


def _listed(folder: Path) -> str:
    """The first few names in a folder."""
    names = sorted(p.name for p in folder.iterdir())
    return ", ".join(names[:8]) + ", ..." * (len(names) > 8) if names else "an empty folder"
