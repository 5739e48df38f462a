"""Pictures of what the model tells: lines that differ in dash and mark, readable in grey."""

from pathlib import Path
from typing import Any

from pyneurons_yat.plot.axes import COLORS, MARKERS

from .clock import Best
from .scaling import BEST

DASHES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))

Curve = dict[int, Best | None]
Panel = tuple[str, dict[str, Curve]]


def lines(path: Path, panels: list[Panel], *, label: str) -> None:
    """The use of the peak over chips, a panel for each network on each chip."""
    from matplotlib.figure import Figure

    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(4.6 * columns, 3.3 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for ax, (title, curves) in zip(grid, panels, strict=False):
        draw(ax, curves)
        ax.set_title(title, fontsize=10)
    for ax in grid[::columns]:
        ax.set_ylabel(label)
    for ax in grid[-columns:]:
        ax.set_xlabel("chips")
    handles, names = grid[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names), fontsize=9)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def draw(ax: Any, curves: dict[str, Curve]) -> None:
    """The curves of one panel; where nothing finds room there is no mark."""
    for place, (name, curve) in enumerate(curves.items()):
        known = {chips: one.seconds.use for chips, one in curve.items() if one is not None}
        if name == BEST:
            wide = {"color": "0.8", "linewidth": 7, "zorder": 1, "solid_capstyle": "round"}
            ax.plot(list(known), list(known.values()), label=name, **wide)
            continue
        ax.plot(
            list(known),
            list(known.values()),
            linestyle=DASHES[place % len(DASHES)],
            marker=MARKERS[place % len(MARKERS)],
            color=COLORS[place % len(COLORS)],
            markersize=4,
            label=name,
        )
    ax.set_xscale("log", base=2)
    ax.set_xticks([2**n for n in range(3, 13)], [str(2**n) for n in range(3, 13)], fontsize=8)
    ax.set_ylim(0, 0.8)
    ax.grid(alpha=0.3)
