"""How `fit` keeps its state in a file: by a function of the room that knows files."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from ..ops.checks import check_sizes

PathLike = str | os.PathLike[str]
Save = Callable[[PathLike, Any], Any]

_given: list[Save] = []


def save_with(save: Save) -> None:
    """Gives this room `save(path, tree)`, which it does not import: rooms do not know each other.

    Args:
        save: Writes the leaves of a tree to a file.
    """
    _given[:] = [save]


def save_to(path: PathLike, tree: Any) -> None:
    """Writes the leaves of a tree to a file."""
    _given[0](path, tree)


class Keep(NamedTuple):
    """Where `fit` keeps its state, and after how many steps it does so before the end."""

    path: PathLike | None
    every: int | None

    def __call__(self, state: Any) -> None:
        """Writes a state to the file, if there is to be one."""
        if self.path is not None:
            save_to(self.path, state)


def keep_of(path: PathLike | None, every: int | None) -> Keep:
    """What a caller gave, checked; a path that could not be written to, before any work is done."""
    if every is not None:
        check_sizes("fit", every=every)
        if path is None:
            raise ValueError(f"fit: every must come with a path, got {every} without one; add path")
    if path is not None:
        path = Path(path)
        probe = path.with_name(f"probe-{path.name}")
        save_to(probe, {"probe": 0})
        probe.unlink(missing_ok=True)  # another process may have tried the same place
    return Keep(path, every)
