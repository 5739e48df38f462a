"""replacing: a file that is written beside its place, and moved there when it is whole."""

import glob
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # on Windows an open file cannot be removed, which does as well
    fcntl = None


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """An open file that takes the place of `path` when the block ends, and goes if it breaks off.

    A writer holds a lock on its file, which ends with its process. So what was left beside the
    place by writers that were killed is told from what is being written, and removed.
    """
    file = _beside(path)
    temporary = Path(file.name)
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _clear(path)


def _beside(path: Path) -> BinaryIO:
    """A new, locked file beside a place."""
    while True:
        temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
        file = temporary.open("xb")
        if fcntl is not None:
            with suppress(OSError):  # where locks are not to be had, nothing is cleared either
                fcntl.flock(file, fcntl.LOCK_EX)
        if temporary.exists():  # nobody cleared it before it was locked
            return file
        file.close()


def _clear(path: Path) -> None:
    """Removes what is beside a place and locked by no one."""
    for part in path.parent.glob(f"{glob.escape(path.name)}.*.part"):
        with suppress(OSError), part.open("rb") as file:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink()
