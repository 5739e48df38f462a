"""Learning curves of one or several runs."""

from collections.abc import Mapping
from typing import Any

from ..core.checks import check_kind
from ..learn import History
from ..learn.history import draw_curves
from ..ops.checks import check_flag
from .axes import axes_of


def history(
    runs: History | Mapping[str, History], name: str = "loss", *, log: bool = False, ax: Any = None
) -> Any:
    """Draws one quantity of training runs, epoch by epoch: training dashed, validation solid.

    `History.plot` draws every quantity of one run, each with this picture.

    Args:
        runs: A history as `fit` returns it, or several by their names.
        name: The quantity, such as `"loss"`. Where a run has its `validation_`, both are drawn.
        log: Whether the quantity has a logarithmic axis.
        ax: Matplotlib axes; None makes new ones.

    Returns:
        The axes.

    Raises:
        TypeError: If runs hold what is no history, log is no flag, or ax no axes.
        ValueError: If there is no run, or a run lacks the quantity.

    Example:
        >>> import pyneurons_yat as pn
        >>> from matplotlib.figure import Figure
        >>> from pyneurons_yat import plot
        >>> run = pn.History({"loss": [0.5, 0.25], "validation_loss": [0.6, 0.4]})
        >>> ax = plot.history({"small": run}, ax=Figure().subplots())
        >>> [line.get_label() for line in ax.lines]
        ['small, training', 'small, validation']
    """
    several = {"": runs} if isinstance(runs, History) else runs
    check_kind("history", "runs", several, Mapping, "; fit returns a History")
    check_flag("history", log=log)
    if not several:
        raise ValueError("history: runs must hold at least one run, got none")
    for run, found in several.items():
        check_kind("history", f"run {run!r}", found, History, "; fit returns one")
        if name not in found:
            raise ValueError(
                f"history: name must be a quantity of run {run!r}, {' or '.join(found)}, "
                f"got {name!r}"
            )
    ax = axes_of("history", ax)
    draw_curves(ax, several, name)
    if log:
        ax.set_yscale("log")
    return ax
