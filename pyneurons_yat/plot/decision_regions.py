"""Which class a function takes each point of the plane for."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..ops.checks import check_fit, check_index, check_sizes, check_whole, told
from .axes import MAP, MARKERS, Limits, around, array_of, axes_of, names_of, plane


def decision_regions(
    f: Callable[[Any], Any],
    x: Any = None,
    y: Any = None,
    *,
    labels: Sequence[str] | None = None,
    limits: Limits | None = None,
    resolution: int = 200,
    ax: Any = None,
) -> Any:
    """Draws the regions of the plane that a classifier gives to each class, and data over them.

    Classes differ by shade, darkest first, and by marker; black lines part the regions.
    Letters: N points, C classes.

    Args:
        f: A function of points, float32 (N, 2), to classes, integers (N,), or to scores: (N, C), of
            which the largest counts, or (N,) or (N, 1), above 0 for class 1. A model is one.
        x: Points to draw, (N, 2); None draws regions alone.
        y: Their classes, integers (N,) from 0; None draws them all alike.
        labels: The names of the classes, for the legend.
        limits: ((left, right), (bottom, top)); by default the data and a tenth around them.
        resolution: Points along each side of the grid, at least 2.
        ax: Matplotlib axes; None makes new ones.

    Returns:
        The axes.

    Raises:
        TypeError: If f is no function, x is not real, y not of integers, or ax no axes.
        ValueError: If a shape does not fit, or neither x nor limits say which part of the plane.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> from matplotlib.figure import Figure
        >>> from pyneurons_yat import plot
        >>> x, y = jax.random.normal(jax.random.key(0), (9, 2)), jax.numpy.arange(9) % 3
        >>> model = pn.YatDense(jax.random.key(1), 2, 3)
        >>> ax = plot.decision_regions(model, x, y, ax=Figure().subplots())
        >>> [text.get_text() for text in ax.get_legend().get_texts()]
        ['0', '1', '2']
    """
    name = "decision_regions"
    if not callable(f):
        raise TypeError(f"{name}: f must be a function of points (N, 2), got {told(f)}")
    check_sizes(name, least=2, resolution=resolution)
    x, y = _data(name, x, y)
    if limits is None:
        if x is None:
            raise ValueError(f"{name}: limits must be given where x is not, got None")
        limits = around(x, 0.1)
    across, up, points = plane(name, limits, resolution)
    found = _classes(name, f(points), len(points)).reshape(resolution, resolution)
    highest = max(found.max(), 1, *(() if y is None else (y.max(),)))
    words = names_of(name, "labels", labels, highest + 1 if labels is None else len(labels))
    check_index(name, "classes", np.array(highest), 0, len(words) - 1)
    ax = axes_of(name, ax)
    _draw_regions(ax, across, up, found, len(words))
    if x is not None:
        _draw_data(ax, x, y, words)
    ax.set(xlabel="$x_1$", ylabel="$x_2$", xlim=across[[0, -1]], ylim=up[[0, -1]])
    return ax


def _data(name: str, x: Any, y: Any) -> tuple[Any, Any]:
    """Points and classes as they are drawn."""
    if x is None:
        if y is not None:
            raise ValueError(f"{name}: x must be given where y is, got None")
        return None, None
    x = array_of(name, "x", x, "N2", finite=True)
    check_fit(name, "x", x, (len(x), 2), "have")
    if y is None:
        return x, None
    check_whole(name, "y", y, (len(x),))
    check_index(name, "y", y, 0, np.inf)
    return x, np.asarray(y)


def _classes(name: str, answers: Any, count: int) -> np.ndarray:
    """Classes (N,), from classes or scores."""
    answers = np.asarray(answers)
    if answers.ndim not in (1, 2) or len(answers) != count:
        raise ValueError(
            f"{name}: f must return shape ({count},) or ({count}, C) for {count} points, "
            f"got shape {answers.shape}"
        )
    if answers.ndim == 2 and answers.shape[1] > 1:
        return answers.argmax(1)
    whole = answers.ndim == 1 and answers.dtype.kind in "iub"
    classes = answers.astype(int) if whole else (answers.ravel() > 0).astype(int)
    check_index(name, "classes of f", classes, 0, np.inf)
    return classes


def _shades(count: int) -> np.ndarray:
    """A color per class, (count, 3), ever lighter."""
    from matplotlib import colormaps

    return colormaps[MAP](np.linspace(0, 1, count))[:, :3]


def _draw_regions(ax: Any, across: Any, up: Any, found: np.ndarray, classes: int) -> None:
    from matplotlib.colors import ListedColormap

    pale = ListedColormap(0.45 * _shades(classes) + 0.55)
    ax.pcolormesh(across, up, found, cmap=pale, vmin=-0.5, vmax=classes - 0.5, rasterized=True)
    for one in np.unique(found)[1:]:
        ax.contour(across, up, found >= one, [0.5], colors="black", linewidths=0.8)


def _draw_data(ax: Any, x: np.ndarray, y: Any, words: list[str]) -> None:
    if y is None:
        ax.plot(*x.T, "o", color="white", markeredgecolor="black", markersize=4)
        return
    for one, (word, shade) in enumerate(zip(words, _shades(len(words)), strict=True)):
        look = {"color": shade, "markeredgecolor": "black" if shade.mean() > 0.3 else "white"}
        ax.plot(
            *x[y == one].T,
            MARKERS[one % len(MARKERS)],
            label=word,
            markersize=5,
            markeredgewidth=0.6,
            **look,
        )
    ax.legend(title="class", fontsize="small", loc="best")
