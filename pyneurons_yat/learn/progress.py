"""What is seen of training while it runs: a bar, or lines in a log."""

import os
import stat
import sys
import time
from collections.abc import Sequence
from typing import IO, Any

from .metrics import told

SECONDS = 1.0  # at least between two lines of a log

Watched = bool | os.PathLike[str] | IO[str]


class Bar:
    """A tqdm bar where somebody sees it, lines where a file takes them, or nothing.

    Args:
        wanted: True, False, a path of a log file or an open text file.
        epochs: How many epochs there will be.
        steps: How many steps each has, if that is known.
    """

    def __init__(self, wanted: Watched, epochs: int, steps: int | None) -> None:
        self.epochs, self.steps, self.shown, self.line, self.time = epochs, 0, 0, "", -SECONDS
        self.bar = self.log = None
        self.opens = isinstance(wanted, os.PathLike)
        if isinstance(wanted, os.PathLike):
            self.log = open(wanted, "a", encoding="utf-8")  # noqa: SIM115
        elif not isinstance(wanted, bool):
            self.log = wanted
        elif wanted and _seen():
            self.bar = _tqdm(None if steps is None else epochs * steps)
        elif wanted and _is_file(sys.stderr):
            self.log = sys.stderr

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_: Any) -> None:
        if self.bar is not None:
            self.bar.close()
        if self.log is not None:
            self._write()
            if self.opens:
                self.log.close()

    def show(self, steps: int, epochs: int, reports: Sequence[dict[str, float]]) -> None:
        """Shows how many steps were taken and the numbers of the last epoch that ended."""
        new = epochs > self.shown
        numbers = {n: f"{v:.4g}" for n, v in reports[-1].items() if n != "seconds"} if new else {}
        if self.bar is not None:
            if new:
                self.bar.set_postfix(numbers, refresh=False)
            self.bar.update(steps - self.steps)
        if self.log is not None and new:
            told = "  ".join(f"{name} {number}" for name, number in numbers.items())
            self.line = f"epoch {epochs}/{self.epochs}  {told}"
            if time.monotonic() - self.time >= SECONDS:
                self._write()
        self.steps, self.shown = steps, epochs

    def _write(self) -> None:
        """Writes the newest line that was not written yet."""
        if self.line:
            print(self.line, file=self.log, flush=True)
            self.line, self.time = "", time.monotonic()


def check_progress(function: str, wanted: Any) -> None:
    """Refuses what is no flag and no place for lines."""
    if not isinstance(wanted, bool | os.PathLike) and not hasattr(wanted, "write"):
        raise TypeError(
            f"{function}: progress must be True, False, a path of a log file or an open text file, "
            f"got {told(wanted)}"
        )


def _tqdm(total: int | None) -> Any:
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    return tqdm(total=total, unit="step")


def _seen() -> bool:
    """Whether standard error is a terminal, or this is a notebook's kernel."""
    terminal = sys.stderr is not None and sys.stderr.isatty()
    return terminal or "ipykernel" in sys.modules


def _is_file(stream: Any) -> bool:
    """Whether a stream goes to a file on disk, as a log does."""
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (AttributeError, OSError, ValueError):  # closed, or no file at all
        return False
