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


def comparison(
    path: Path, histories: Mapping[str, History], kernel: jax.Array, votes: jax.Array
) -> Path:
    """Writes the picture of the main job: learning curves beside the learned prototypes.

    Args:
        path: Where to write it; the ending says the format.
        histories: The runs by name, with loss and accuracy, and both for validation.
        kernel: (64, hidden), the prototypes of the digits.
        votes: (hidden, 10), their weights for the digits.

    Returns:
        The path.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 6), layout="constrained")
    halves: Any = figure.subfigures(1, 2, width_ratios=(2, 3))
    top, bottom = halves[0].subplots(2, 1, sharex=True)
    learning_curves(top, histories, "loss")
    top.set(yscale="log", xlabel="")
    learning_curves(bottom, histories, "accuracy")
    bottom.set(ylim=(0.85, 1.005))
    axis = halves[1].subplots()
    prototypes(axis, kernel, votes, (8, 8))
    axis.set_title("Learned prototypes: the Yat neurons that vote most for each digit")
    figure.savefig(path, dpi=120)
    return path
