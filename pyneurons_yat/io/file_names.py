"""Places: the names of files that are read and written."""

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any


def checked_path(function: str, path: Any, suffixes: Collection[str], cure: str = "") -> Path:
    """A path that ends in one of some ways; what is no file name is refused."""
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"{function}: path must be a file name, got a {type(path).__name__}{cure}")
    path = Path(path)
    if path.suffix not in suffixes:
        raise ValueError(f"{function}: path must end in {' or '.join(suffixes)}, got {path.name!r}")
    return path
