"""What the readers of files share: a path that leads to a file, numbers as networks take them."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

PathLike = str | os.PathLike[str]


def file_at(function: str, path: PathLike, fits: Callable[[Path], bool] = Path.is_file) -> Path:
    """The path as one that leads to a file, or to a folder if that is what fits."""
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"{function}: path must be a path, got a {type(path).__name__}")
    place = Path(path)
    if not fits(place):
        what = "a folder" if fits is Path.is_dir else "a file"
        came = f"{str(path)!r}, which is {'something else' if place.exists() else 'not there'}"
        raise FileNotFoundError(f"{function}: path must lead to {what}, got {came}")
    return place


def numbers(function: str, name: str, array: Any, *, scale: bool = False) -> np.ndarray:
    """Real numbers as float32 or int32; bytes, if they are scaled, as float32 from 0 to 1."""
    array = np.asarray(array)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{function}: {name} must be real numbers, got dtype {array.dtype}")
    if array.ndim < 1:
        raise ValueError(f"{function}: {name} must have the examples along its first axis, got ()")
    if scale and array.dtype == np.uint8:
        return array.astype(np.float32) / 255
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    limits = np.iinfo(np.int32)
    if array.size and not limits.min <= int(array.min()) <= int(array.max()) <= limits.max:
        raise ValueError(f"{function}: {name} must fit 32 bits, got integers beyond {limits.max}")
    return array.astype(np.int32)
