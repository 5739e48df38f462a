"""Learning curves of several runs in one picture, and kernels as images."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ..learn import History


def learning_curves(axis: Any, histories: Mapping[str, History], name: str) -> None:
    """Draws one quantity of several runs: training dashed, validation solid.

    Args:
        axis: A matplotlib axis.
        histories: The runs by name.
        name: The quantity, such as `"loss"`.
    """
    for number, (run, history) in enumerate(histories.items()):
        epochs = np.arange(1, history.epochs + 1)
        axis.plot(epochs, history[name], color=f"C{number}", linestyle="--", alpha=0.6)
        axis.plot(epochs, history[f"validation_{name}"], color=f"C{number}", label=run)
    axis.set(xlabel="epoch", ylabel=name)
    axis.legend(title="solid: test, dashed: training", title_fontsize="small")


def prototypes(
    axis: Any, kernel: jax.Array, votes: jax.Array, shape: tuple[int, int], columns: int = 12
) -> None:
    """Draws the kernels that vote most for each class, a row per class.

    Args:
        axis: A matplotlib axis.
        kernel: (inputs, hidden), each column a prototype.
        votes: (hidden, classes), the weight of each prototype for each class.
        shape: Height and width of an image, whose product is inputs.
        columns: Prototypes per class.
    """
    strongest = np.argsort(-np.asarray(votes), axis=0)[:columns].T
    height, width = shape
    rows = []
    for chosen in strongest:
        images = np.asarray(kernel).T[chosen].reshape(-1, height, width)
        rows.append(np.hstack([np.pad(image, 1, constant_values=np.nan) for image in images]))
    limit = float(np.abs(np.asarray(kernel)).max())
    axis.imshow(np.vstack(rows), cmap="RdBu_r", vmin=-limit, vmax=limit)
    centres = np.arange(len(rows)) * (height + 2) + (height + 1) / 2
    axis.set(yticks=centres, yticklabels=range(len(rows)), xticks=[], ylabel="class")
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)


def training(
    path: Path,
    histories: Mapping[str, History],
    learned: tuple[jax.Array, jax.Array, tuple[int, int]] | None = None,
) -> Path:
    """Writes a picture of learning curves, and of the learned prototypes beside them.

    Args:
        path: Where to write it; the ending says the format.
        histories: The runs by name. Each quantity that all have for validation too is drawn.
        learned: Kernel, votes and shape, as `prototypes` takes them; None for curves alone.

    Returns:
        The path.
    """
    from matplotlib.figure import Figure

    drawn = [name for name in next(iter(histories.values())) if _is_drawn(histories, name)]
    widths = (2,) if learned is None else (2, 3)
    figure = Figure(figsize=(2.4 * sum(widths), 6), layout="constrained")
    halves: Any = figure.subfigures(1, len(widths), width_ratios=widths, squeeze=False)
    rows = halves[0, 0].subplots(len(drawn), 1, sharex=True, squeeze=False)
    for axis, name in zip(rows[:, 0], drawn, strict=True):
        learning_curves(axis, histories, name)
        axis.set(xlabel="epoch" if name == drawn[-1] else "")
        if name == "loss" and all(min(history[name]) > 0 for history in histories.values()):
            axis.set(yscale="log")
    if learned is not None:
        axis = halves[0, 1].subplots()
        prototypes(axis, *learned)
        axis.set_title("Learned prototypes: the neurons that vote most for each class")
    figure.savefig(path, dpi=120)
    return path


def _is_drawn(histories: Mapping[str, History], name: str) -> bool:
    return all(f"validation_{name}" in history for history in histories.values())
