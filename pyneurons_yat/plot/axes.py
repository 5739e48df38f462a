"""What the pictures share: the axes they draw into, the arrays they take, and their colors.

Every map is in `cividis`, whose lightness grows from one end to the other: it reads the same in
grey and to colour-blind readers.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..learn.history import COLORS, MARKERS
from ..ops.checks import check_fit, check_real, is_several, told

__all__ = ["COLORS", "MARKERS"]

MAP = "cividis"
Limits = tuple[tuple[float, float], tuple[float, float]]


def axes_of(function: str, ax: Any, size: tuple[float, float] = (4.5, 3.6)) -> Any:
    """The axes to draw into: those given, else those of a new figure of so many inches."""
    if ax is None:
        import matplotlib.pyplot as plt

        return plt.subplots(figsize=size, layout="constrained")[1]
    _check_axes(function, ax)
    return ax


def several_axes(function: str, ax: Any, count: int, size: tuple[float, float]) -> np.ndarray:
    """As `axes_of`, but `count` of them, in a row where they are new."""
    if ax is None:
        import matplotlib.pyplot as plt

        return np.ravel(plt.subplots(1, count, figsize=size, layout="constrained")[1])
    axes = np.ravel(np.asarray(ax, object))
    for one in axes:
        _check_axes(function, one)
    if len(axes) != count:
        raise ValueError(f"{function}: ax must be {count} axes, got {len(axes)}")
    return axes


def _check_axes(function: str, ax: Any) -> None:
    from matplotlib.axes import Axes

    if not isinstance(ax, Axes):
        raise TypeError(
            f"{function}: ax must be Matplotlib axes or None, got {told(ax)}; "
            "plt.subplots()[1] makes them"
        )


def array_of(function: str, name: str, value: Any, letters: str, *, finite: bool = False) -> Any:
    """An array of real numbers, float64, with as many axes as there are letters, none empty."""
    check_real(function, **{name: value})
    array = np.asarray(value, np.float64)
    if array.ndim != len(letters) or not array.size:
        wanted = f"({', '.join(letters)}{',' * (len(letters) == 1)})"
        raise ValueError(f"{function}: {name} must have shape {wanted}, got shape {array.shape}")
    if finite and not np.isfinite(array).all():
        raise ValueError(f"{function}: {name} must be finite, got {_odd(array)}")
    return array


def _odd(array: np.ndarray) -> float:
    return array[~np.isfinite(array)].flat[0]


def names_of(function: str, name: str, value: Any, count: int) -> list[str]:
    """So many words; by default the numbers from 0."""
    if value is None:
        return [str(i) for i in range(count)]
    if not isinstance(value, Sequence | np.ndarray):  # of letters, for a text
        raise TypeError(f"{function}: {name} must be a sequence of words, got {told(value)}")
    check_fit(function, name, np.empty(len(value)), (count,), "have")
    return [str(word) for word in value]


def plane(function: str, limits: Any, resolution: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The marks of a grid along both axes, and its points (resolution^2, 2), row by row."""
    box: Any = np.asarray(limits, np.float64) if is_several(limits) else np.empty(0)
    if box.shape != (2, 2) or not np.isfinite(box).all() or (box[:, 0] >= box[:, 1]).any():
        raise ValueError(
            f"{function}: limits must be ((left, right), (bottom, top)), each pair growing, "
            f"got {told(limits)}"
        )
    across, up = (np.linspace(low, high, resolution) for low, high in box)
    points = np.stack(np.meshgrid(across, up), -1).reshape(-1, 2)
    return across, up, points.astype(np.float32)


def around(points: np.ndarray, share: float) -> Limits:
    """Limits of the plane that hold the points, with a share of their width on each side."""
    low, high = points.min(0), points.max(0)
    room = np.where(high > low, share * (high - low), 1.0)
    left, bottom = map(float, low - room)
    right, top = map(float, high + room)
    return (left, right), (bottom, top)


def colorbar(ax: Any, drawn: Any, label: str) -> None:
    """Puts a color bar with a label beside the axes."""
    ax.figure.colorbar(drawn, ax=ax, label=label)
