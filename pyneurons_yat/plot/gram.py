"""How alike a kernel finds examples."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ops.checks import check_fit, check_flag, check_index, check_whole
from .axes import MAP, array_of, axes_of, colorbar, names_of


def gram(
    matrix: Any,
    y: Any = None,
    *,
    labels: Sequence[str] | None = None,
    log: bool = False,
    ax: Any = None,
) -> Any:
    """Draws the Gram matrix of a kernel, examples ordered by class, with lines between classes.

    Letters: N examples, C classes.

    Args:
        matrix: (N, N), the kernel of each pair of examples, such as `yat(x, x.T)`.
        y: Classes, integers (N,) from 0; examples of a class keep their order. None for the order
            that the examples have.
        labels: The names of the classes, (C,); only with y.
        log: Whether the shade follows the logarithm; then no entry may be negative, and zeros have
            the shade of the least positive one.
        ax: Matplotlib axes; None makes new ones.

    Returns:
        The axes.

    Raises:
        TypeError: If matrix is not real, y not of integers, log no flag, or ax no axes.
        ValueError: If a shape does not fit, a label has no name, labels are given without y, or
            with `log` an entry is negative or none is above 0.

    Example:
        >>> import jax.numpy as jnp
        >>> from matplotlib.figure import Figure
        >>> from pyneurons_yat import plot
        >>> K = jnp.array([[3.0, 1.0, 2.0], [1.0, 4.0, 0.0], [2.0, 0.0, 5.0]])
        >>> ax = plot.gram(K, jnp.array([0, 1, 0]), ax=Figure().subplots())
        >>> ax.images[0].get_array().tolist()
        [[3.0, 2.0, 1.0], [2.0, 5.0, 0.0], [1.0, 0.0, 4.0]]
    """
    name = "gram"
    matrix = array_of(name, "matrix", matrix, "NN", finite=True)
    check_fit(name, "matrix", matrix, (len(matrix),) * 2, "have")
    check_flag(name, log=log)
    scale = _logarithmic(name, matrix) if log else None
    counts, words = np.empty(0, int), []
    if y is not None:
        check_whole(name, "y", y, (len(matrix),))
        y = np.asarray(y)
        words = names_of(name, "labels", labels, y.max() + 1 if labels is None else len(labels))
        check_index(name, "y", y, 0, len(words) - 1)
        order, counts = np.argsort(y, kind="stable"), np.bincount(y, minlength=len(words))
        matrix = matrix[order][:, order]
    elif labels is not None:
        raise ValueError(f"{name}: labels must be None without y, got {len(labels)} of them")
    ax = axes_of(name, ax)
    drawn = ax.imshow(matrix, cmap=MAP, norm=scale, interpolation="nearest")
    _mark(ax, counts, words)
    colorbar(ax, drawn, "kernel value")
    return ax


def _logarithmic(name: str, matrix: np.ndarray) -> Any:
    from matplotlib.colors import LogNorm

    if matrix.min() < 0 or matrix.max() == 0:
        wanted = "at least 0, and somewhere above, with log"
        raise ValueError(f"{name}: matrix must be {wanted}, got {matrix.min()} to {matrix.max()}")
    return LogNorm(matrix[matrix > 0].min(), matrix.max(), clip=True)


def _mark(ax: Any, counts: np.ndarray, words: list[str]) -> None:
    """Names each class at the middle of its examples, and draws a line where it ends."""
    ends = np.cumsum(counts)
    for end in ends[:-1]:
        ax.axhline(end - 0.5, color="white", linewidth=0.8)
        ax.axvline(end - 0.5, color="white", linewidth=0.8)
    here = counts > 0
    middles, names = (ends - counts / 2 - 0.5)[here], np.array(words)[here]
    if words:
        ax.set_xticks(middles, names, rotation=90 if max(map(len, words)) > 2 else 0)
        ax.set_yticks(middles, names)
    what = "examples, by class" if words else "example"
    ax.set(xlabel=what, ylabel=what)
