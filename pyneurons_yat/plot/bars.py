"""Ratios of several contenders, with their spread."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from ..core.checks import check_kind
from ..ops.checks import check_flag
from .axes import COLORS, array_of, axes_of

WIDE = 8
"""From which largest median on, or its inverse, bars are logarithmic by themselves."""


def digits(value: float) -> str:
    """Two decimals, or two significant digits of a small number."""
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.2g}"


def bars(
    ratios: Mapping[str, Any],
    *,
    label: str = "ratio",
    highlight: Collection[str] = (),
    log: bool | None = None,
    ax: Any = None,
) -> Any:
    """Draws a bar per contender: the median of its ratios, and their quartiles as an error bar.

    A line stands at 1, where both are equal. What is highlighted is dark and hatched.

    Args:
        ratios: By the name of the contender the ratios measured, (N,), above 0: one for each round.
        label: What the ratios are, with their unit.
        highlight: Names of contenders that stand out.
        log: Whether the ratios have a logarithmic axis; None for one where the largest median is
            above 8, or the least below 1/8.
        ax: Matplotlib axes; None makes new ones.

    Returns:
        The axes. The first contender stands on top.

    Raises:
        TypeError: If ratios are no mapping or not real, log is no flag, or ax no axes.
        ValueError: If there is no ratio, one is not above 0, or what is highlighted is not there.

    Example:
        >>> import numpy as np
        >>> from matplotlib.figure import Figure
        >>> from pyneurons_yat import plot
        >>> measured = {"ours": np.array([0.5, 0.6, 0.7]), "theirs": np.array([1.0, 1.0, 1.0])}
        >>> ax = plot.bars(measured, label="time, ratio to theirs", ax=Figure().subplots())
        >>> [text.get_text() for text in ax.texts]
        ['0.60', '1.00']
    """
    middles, errors = _spread(ratios)
    for name in highlight:
        if name not in ratios:
            raise ValueError(f"bars: highlight must name what is in ratios, got {name!r}")
    if log is None:
        log = max(max(middles), 1 / min(middles)) > WIDE
    check_flag("bars", log=log)
    ax = axes_of("bars", ax, (5.5, 0.35 * len(ratios) + 1.0))
    drawn = ax.barh(list(ratios), middles, xerr=errors, color="0.8", edgecolor="black", capsize=3)
    for name, bar in zip(ratios, drawn, strict=True):
        if name in highlight:
            bar.set(facecolor=COLORS[0], hatch="//", edgecolor="white")
    ax.axvline(1, color="black", linewidth=0.8, linestyle="--")
    for index, (middle, error) in enumerate(zip(middles, errors[1], strict=True)):
        place = {"xytext": (4, 0), "textcoords": "offset points", "va": "center"}
        place |= {"bbox": {"facecolor": "white", "edgecolor": "none", "pad": 0.5}}
        ax.annotate(digits(middle), (middle + error, index), fontsize="small", **place)
    if log:
        ax.set_xscale("log")
    ax.margins(x=0.2)
    ax.invert_yaxis()
    ax.set_xlabel(label)
    return ax


def _spread(ratios: Mapping[str, Any]) -> tuple[list[float], np.ndarray]:
    """The medians, and how far below and above them the quartiles lie, (2, contenders)."""
    check_kind("bars", "ratios", ratios, Mapping)
    if not ratios:
        raise ValueError("bars: ratios must hold at least one contender, got none")
    found = []
    for name, values in ratios.items():
        values = array_of("bars", f"ratios[{name!r}]", values, "N", finite=True)
        if values.min() <= 0:
            raise ValueError(f"bars: ratios[{name!r}] must be above 0, got {values.min()}")
        found.append(np.quantile(values, (0.25, 0.5, 0.75)))
    low, middle, high = np.stack(found, 1)
    return middle.tolist(), np.stack([middle - low, high - middle])
