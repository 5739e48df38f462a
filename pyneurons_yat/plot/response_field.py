"""What a neuron answers at each point of the plane."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..ops.checks import check_fit, check_flag, check_sizes, told
from .axes import MAP, Limits, array_of, axes_of, colorbar, plane

DECADES = 4
"""How far below its largest value a response is still shown on a logarithmic scale."""


def response_field(
    f: Callable[[Any], Any],
    w: Any = None,
    *,
    limits: Limits | None = None,
    levels: int = 8,
    log: bool = False,
    resolution: int = 200,
    ax: Any = None,
) -> Any:
    """Draws the response of a neuron of two inputs, with contours, and its weight as a point.

    Letters: N points.

    Args:
        f: A function of points, float32 (N, 2), to responses, (N,) or (N, 1). A model of two inputs
            and one output is one.
        w: The weight, (2,) or as a kernel (2, 1); None draws none.
        limits: ((left, right), (bottom, top)); by default the square around the origin that reaches
            twice as far as w.
        levels: Contours, at most; at least 1.
        log: Whether shades and contours follow the logarithm, down to a ten-thousandth of the
            largest response: a Yat neuron of small epsilon is a peak and little else without it.
        resolution: Points along each side of the grid, at least 2.
        ax: Matplotlib axes; None makes new ones.

    Returns:
        The axes.

    Raises:
        TypeError: If f is no function, w is not real, log no flag, or ax no axes.
        ValueError: If a shape does not fit, neither w nor limits say which part of the plane, or
            nothing is above 0 with `log`.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> from matplotlib.figure import Figure
        >>> from pyneurons_yat import plot
        >>> w = jnp.array([[1.0], [0.5]])
        >>> ax = plot.response_field(lambda x: pn.yat(x, w, epsilon=0.5), w, ax=Figure().subplots())
        >>> [float(x) for x in ax.get_xlim()]
        [-2.0, 2.0]
    """
    name = "response_field"
    if not callable(f):
        raise TypeError(f"{name}: f must be a function of points (N, 2), got {told(f)}")
    check_sizes(name, levels=levels)
    check_sizes(name, least=2, resolution=resolution)
    check_flag(name, log=log)
    if w is not None:
        w = array_of(name, "w", w, "2" if np.ndim(w) == 1 else "21", finite=True)
        check_fit(name, "w", w, (2, 1)[: w.ndim], "have")
    elif limits is None:
        raise ValueError(f"{name}: limits must be given where w is not, got None")
    reach = 1.0 if w is None else 2 * float(np.abs(w).max()) or 1.0
    box = ((-reach, reach),) * 2 if limits is None else limits
    across, up, points = plane(name, box, resolution)
    field = _responses(name, f(points), len(points)).reshape(resolution, resolution)
    if log and not np.nanmax(field) > 0:
        raise ValueError(f"{name}: f must be above 0 somewhere with log, got {field.max()} at most")
    ax = axes_of(name, ax, (4.8, 3.6))
    _draw_field(ax, (across, up, field), levels, log)
    if w is not None:
        _draw_weight(ax, w.ravel())
    ax.set(xlabel="$x_1$", ylabel="$x_2$", xlim=across[[0, -1]], ylim=up[[0, -1]], aspect="equal")
    return ax


def _responses(name: str, answers: Any, count: int) -> np.ndarray:
    answers = np.asarray(answers, np.float64)
    if answers.shape not in ((count,), (count, 1)):
        raise ValueError(
            f"{name}: f must return shape ({count},) or ({count}, 1) for {count} points, "
            f"got shape {answers.shape}; draw one neuron at a time"
        )
    return answers


def _draw_field(ax: Any, grid: tuple[Any, Any, Any], levels: int, log: bool) -> None:
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import LogLocator, MaxNLocator

    scale, marks = None, MaxNLocator(levels)
    if log:
        largest = float(np.nanmax(grid[2]))
        scale, marks = LogNorm(largest / 10**DECADES, largest, clip=True), LogLocator(10, (1, 3))
    drawn = ax.pcolormesh(*grid, cmap=MAP, norm=scale, rasterized=True)
    if np.ptp(grid[2]) > 0:
        places = marks.tick_values(*drawn.get_clim())
        shades = ["white" if drawn.norm(place) < 0.6 else "black" for place in places]
        lines = ax.contour(*grid, places, colors=shades, linewidths=0.8)
        ax.clabel(lines, fontsize="x-small", fmt="%.3g")
    colorbar(ax, drawn, "response")


def _draw_weight(ax: Any, w: np.ndarray) -> None:
    from matplotlib.patheffects import withStroke

    ax.plot(0, 0, "+", color="white", label="origin")
    ax.plot(*w, "*", color="white", markeredgecolor="black", markersize=12, label="w")
    rim = [withStroke(linewidth=1.5, foreground="black")]
    ax.annotate("w", w, (7, -11), textcoords="offset points", color="white", path_effects=rim)
