"""Which classes are taken for which."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ops.checks import check_fit
from .axes import MAP, array_of, axes_of, colorbar, names_of


def confusion(counts: Any, *, labels: Sequence[str] | None = None, ax: Any = None) -> Any:
    r"""Draws a confusion matrix: the count in each cell, and the share of its row in percent.

    The shade is that share: how many of the examples of a class were taken for each class.
    Letters: C classes.

    Args:
        counts: (C, C), at least 0, rows are targets and columns predictions, as
            `confusion_matrix` gives them; weighted ones are written with three digits.
        labels: The names of the classes.
        ax: Matplotlib axes; None makes new ones.

    Returns:
        The axes. A class without examples has a row of zeros and no percent in it.

    Raises:
        TypeError: If counts are not real, labels are no sequence, or ax is no axes.
        ValueError: If a shape does not fit, or a count is negative.

    Example:
        >>> import jax.numpy as jnp
        >>> from matplotlib.figure import Figure
        >>> from pyneurons_yat import plot
        >>> ax = plot.confusion(jnp.array([[3, 1], [0, 4]]), ax=Figure().subplots())
        >>> [text.get_text() for text in ax.texts]
        ['3\n75%', '1\n25%', '0', '4\n100%']
    """
    name = "confusion"
    counts = array_of(name, "counts", counts, "CC", finite=True)
    check_fit(name, "counts", counts, (len(counts),) * 2, "have")
    if counts.min() < 0:
        raise ValueError(f"{name}: counts must be at least 0, got {counts.min()}")
    words = names_of(name, "labels", labels, len(counts))
    totals = counts.sum(1, keepdims=True)
    shares = counts / np.where(totals > 0, totals, 1)
    ax = axes_of(name, ax, (0.6 * len(counts) + 2.2, 0.5 * len(counts) + 1.4))
    drawn = ax.imshow(100 * shares, cmap=MAP, vmin=0, vmax=100)
    look: Any = {"ha": "center", "va": "center", "fontsize": 9 if len(counts) <= 5 else 7}
    for (row, column), share in np.ndenumerate(shares):
        shade = "black" if share > 0.45 else "white"
        faint = 1.0 if share else 0.5
        ax.text(column, row, _cell(counts[row, column], share), color=shade, alpha=faint, **look)
    marks = range(len(words))
    ax.set_xticks(marks, words, rotation=90 if max(map(len, words)) > 2 else 0)
    ax.set_yticks(marks, words)
    ax.set(xlabel="predicted class", ylabel="class")
    colorbar(ax, drawn, "share of the class, %")
    return ax


def _cell(count: float, share: float) -> str:
    number = f"{count:.0f}" if count == round(count) else f"{count:.3g}"
    return f"{number}\n{100 * share:.0f}%" if share else number
