"""A progress bar where somebody sees it."""

import sys
from typing import Any


class Bar:
    """A tqdm bar over the steps of all epochs, or nothing where nobody would see one."""

    def __init__(self, wanted: bool, epochs: int, steps: int) -> None:
        self.steps = steps
        self.bar = _tqdm(epochs * steps) if wanted and _watched() else None

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_: Any) -> None:
        if self.bar is not None:
            self.bar.close()

    def advance(self, report: dict[str, float]) -> None:
        """Moves on by one epoch and shows its numbers."""
        if self.bar is not None:
            shown = {name: f"{value:.4g}" for name, value in report.items() if name != "seconds"}
            self.bar.set_postfix(shown, refresh=False)
            self.bar.update(self.steps)


def _tqdm(total: int) -> Any:
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    return tqdm(total=total, unit="step")


def _watched() -> bool:
    """Whether standard error is a terminal, or this is a notebook's kernel."""
    terminal = sys.stderr is not None and sys.stderr.isatty()
    return terminal or "ipykernel" in sys.modules
