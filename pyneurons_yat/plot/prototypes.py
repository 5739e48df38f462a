"""Kernels as images."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ops.checks import check_fit, check_sizes, integers
from .axes import MAP, array_of, axes_of, colorbar, names_of


def prototypes(
    kernel: Any,
    shape: Sequence[int],
    *,
    votes: Any = None,
    labels: Sequence[str] | None = None,
    columns: int = 12,
    ax: Any = None,
) -> Any:
    """Draws the columns of a kernel as images: what each neuron is nearest to.

    Without votes the columns stand one after another, row by row. With votes there is a row per
    class, and in it the neurons that vote most for that class, the strongest first.
    Letters: I inputs, O neurons, C classes.

    Args:
        kernel: (I, O), each column a prototype.
        shape: Height and width of an image, whose product is I.
        votes: (O, C), the weight of each neuron for each class, such as the kernel of the layer
            above; None for all neurons in their order.
        labels: The names of the classes, for the rows; only with votes.
        columns: Prototypes per row, at most O of them.
        ax: Matplotlib axes; None makes new ones.

    Returns:
        The axes. Their image has a pixel per weight, and a frame of NaN around each prototype.

    Raises:
        TypeError: If an argument is not real, shape or columns are not integers, or ax no axes.
        ValueError: If a shape does not fit, or labels are given without votes.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> from matplotlib.figure import Figure
        >>> from pyneurons_yat import plot
        >>> layer = pn.YatDense(jax.random.key(0), 64, 10)
        >>> ax = plot.prototypes(layer.kernel, (8, 8), columns=5, ax=Figure().subplots())
        >>> ax.images[0].get_array().shape
        (20, 50)
    """
    name = "prototypes"
    kernel = array_of(name, "kernel", kernel, "IO")
    height, width = integers(name, "shape", shape, 2, 1)
    check_fit(name, "kernel", kernel, (height * width, kernel.shape[1]), "have")
    check_sizes(name, columns=columns)
    order = _order(name, votes, kernel.shape[1], columns)
    if labels is not None and votes is None:
        raise ValueError(f"{name}: labels must be None without votes, got {len(labels)} of them")
    words = [] if votes is None else names_of(name, "labels", labels, len(order))
    tiles = [_tile(kernel, index, height, width) for index in order.ravel()]
    rows = [np.hstack(tiles[i : i + order.shape[1]]) for i in range(0, len(tiles), order.shape[1])]
    picture = np.vstack(rows)
    wide = min(max(0.05 * picture.shape[1], 4), 10)
    ax = axes_of(name, ax, (wide + 1.5, wide * picture.shape[0] / picture.shape[1] + 0.8))
    limit = float(np.nanmax(np.abs(kernel))) or 1.0
    drawn = ax.imshow(picture, cmap=MAP, vmin=-limit, vmax=limit)
    colorbar(ax, drawn, "weight")
    centres = np.arange(len(words)) * (height + 2) + (height + 1) / 2
    ax.set(yticks=centres, yticklabels=words, xticks=[], ylabel="class" if words else "")
    ax.set_xlabel("prototypes, the strongest first" if words else "prototypes")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax


def _order(name: str, votes: Any, neurons: int, columns: int) -> np.ndarray:
    """The neurons to draw, a row of the picture per row; -1 for none."""
    columns = min(columns, neurons)
    if votes is None:
        rows = -(-neurons // columns)
        padding = rows * columns - neurons
        return np.pad(np.arange(neurons), (0, padding), constant_values=-1).reshape(rows, columns)
    votes = array_of(name, "votes", votes, "OC")
    check_fit(name, "votes", votes, (neurons, votes.shape[1]), "have")
    return np.argsort(-votes, axis=0, kind="stable")[:columns].T


def _tile(kernel: np.ndarray, index: int, height: int, width: int) -> np.ndarray:
    """One prototype with a frame of nothing around it."""
    image = np.full((height, width), np.nan) if index < 0 else kernel[:, index]
    return np.pad(image.reshape(height, width), 1, constant_values=np.nan)
