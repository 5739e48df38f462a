"""History: what a training run reports, epoch by epoch."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

SHOWN = 20
COLORS = ("#0072B2", "#E69F00", "#000000", "#D55E00", "#56B4E9", "#CC79A7")
"""Colors of Okabe and Ito, which colour-blind readers tell apart; neighbours differ in grey."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
"""What tells two runs or classes apart where the color does not."""


@dataclass(frozen=True, repr=False)
class History(Mapping[str, list[float]]):
    """The losses and metrics of a training run: a mapping from a name to one number per epoch.

    Names are `loss`, those of the metrics, the same with `validation_` before them, and `seconds`.
    Printed, it is a table; `plot` draws it. The sum of two is that of one run after the other.

    Attributes:
        columns: The numbers.
        stopped: Why training ended before its last epoch: `"callback"`, `"patience"` or
            `"interrupted"`; else None.
        best: The index of the epoch whose monitored value is the best, if there is one.

    Example:
        >>> import pyneurons_yat as pn
        >>> history = pn.History({"loss": [0.5, 0.25], "validation_loss": [0.6, 0.4]})
        >>> history
        epoch    loss  validation_loss
            1  0.5000           0.6000
            2  0.2500           0.4000
        >>> history["loss"]
        [0.5, 0.25]
    """

    columns: dict[str, list[float]] = field(default_factory=dict)
    stopped: str | None = None
    best: int | None = None

    def __getitem__(self, name: str) -> list[float]:
        """The numbers of one name, an entry per epoch."""
        return self.columns[name]

    def __iter__(self) -> Iterator[str]:
        """Yields the names."""
        return iter(self.columns)

    def __len__(self) -> int:
        """The number of names."""
        return len(self.columns)

    def __add__(self, later: "History") -> "History":
        """The history of this run and of one that went on from its end."""
        if self.columns.keys() != later.columns.keys() and self.columns and later.columns:
            raise ValueError(
                f"History: both must have the same names, got {', '.join(self)} and "
                f"{', '.join(later)}"
            )
        names = self.columns or later.columns
        joined = {
            name: [*self.columns.get(name, ()), *later.columns.get(name, ())] for name in names
        }
        best = self.best if later.best is None else self.epochs + later.best
        return History(joined, later.stopped, best)

    @property
    def epochs(self) -> int:
        """The number of epochs."""
        return max(map(len, self.columns.values()), default=0)

    def __repr__(self) -> str:
        """A table with a line per epoch, of which a long run shows the first and the last."""
        head = ["epoch", *self.columns]
        lines = [[str(epoch + 1), *self._numbers(epoch)] for epoch in range(self.epochs)]
        widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
        text = [
            "  ".join(cell.rjust(w) for cell, w in zip(line, widths, strict=True))
            for line in [head, *lines]
        ]
        if self.epochs > SHOWN:
            text[1 + SHOWN // 2 : -SHOWN // 2] = ["..."]
        return "\n".join(text)

    def _numbers(self, epoch: int) -> list[str]:
        return [f"{values[epoch]:#.4g}" for values in self.columns.values()]

    def plot(self, axes: Any = None) -> Any:
        """Draws the learning curves: one picture per quantity, training and validation in it.

        Args:
            axes: Matplotlib axes, one per quantity; by default a new figure.

        Returns:
            The figure.

        Raises:
            ImportError: If matplotlib is absent; the extra `demo` brings it.
            ValueError: If there is nothing to draw, or the axes are not one per quantity.
        """
        import matplotlib.pyplot as plt

        names = [n for n in self.columns if n != "seconds" and not n.startswith("validation_")]
        if not names:
            raise ValueError("History: there is nothing to plot; fit makes a history")
        if axes is not None and np.size(axes) != len(names):
            raise ValueError(
                f"History: axes must be one per quantity ({', '.join(names)}), got {np.size(axes)}"
            )
        if axes is None:
            _, axes = plt.subplots(
                1, len(names), figsize=(4.5 * len(names), 3.2), layout="constrained"
            )
        axes = np.ravel(axes)
        for axis, name in zip(axes, names, strict=True):
            draw_curves(axis, {"": self}, name)
        return axes[0].figure


def draw_curves(ax: Any, runs: Mapping[str, "History"], name: str) -> None:
    """Draws a quantity of several runs into Matplotlib axes: training dashed, validation solid.

    Each run has a color and a marker of its own. A single run may be called `""`.
    """
    for number, (run, history) in enumerate(runs.items()):
        epochs = range(1, history.epochs + 1)
        look = {"color": COLORS[number % len(COLORS)], "markersize": 4}
        look |= {"marker": MARKERS[number % len(MARKERS)], "markevery": -(-len(epochs) // 10) or 1}
        validation = history.get(f"validation_{name}")
        label = f"{run}, " * bool(run)
        ax.plot(epochs, history[name], linestyle="--", markerfacecolor="white", **look,
                label=f"{label}training")  # fmt: skip
        if validation is not None:
            ax.plot(epochs, validation, **look, label=f"{label}validation")
    ax.set(xlabel="epoch", ylabel=name)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend(fontsize="small")
