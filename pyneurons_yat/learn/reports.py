"""The numbers of an epoch, of what was seen in its batches."""

import math
from typing import Any

import jax
import numpy as np
from numpy.typing import ArrayLike

from .metrics import Metric
from .objective import Sums
from .recipe import Recipe, names, results_of

Columns = dict[str, tuple[Any, np.ndarray | None]]
Report = dict[str, float]


def columns_of(seen: list[Sums]) -> Columns:
    """The numbers of the batches under each name, with their weights if they have any."""
    columns: Columns = {}
    for name in seen[0] if seen else ():
        totals, weights = zip(*(sums[name] for sums in seen), strict=True)
        totals = jax.tree.map(_joined, *totals)
        columns[name] = totals, None if weights[0] is None else _joined(*weights)
    return columns


def _joined(*values: Any) -> np.ndarray:
    """Arrays with numbers of batches, one after another, to compute with in float64."""
    return np.concatenate([np.asarray(value, np.float64) for value in values])


def values_of(column: tuple[np.ndarray, np.ndarray | None]) -> np.ndarray:
    """The number of each batch: where there are sums and weights, their quotients."""
    total, weight = column
    return total if weight is None else total / np.where(weight == 0, 1, weight)


def means(recipe: Recipe, columns: Columns, sizes: ArrayLike) -> Report:
    """The mean over the batches, by their weights, else by their sizes; or what their sums make."""
    report, results = {}, results_of(recipe)
    for name, (total, weight) in columns.items():
        if name in results:
            whole = jax.tree.map(lambda leaf: leaf.sum(axis=0), total)
            report[name] = float(results[name](whole))
        else:
            report[name] = _mean(total, weight, np.asarray(sizes))
    return report


def _mean(total: np.ndarray, weight: np.ndarray | None, sizes: np.ndarray) -> float:
    if weight is None:
        total, weight = total * sizes, sizes
    everything = weight.sum()
    return float(total.sum() / (1 if everything == 0 else everything))


def results(recipe: Recipe, kept: dict[str, Any]) -> Report:
    """What the metrics that are no functions make of what they have kept."""
    found = {m.name: m.result(kept[m.name]) for m in recipe.metrics if isinstance(m, Metric)}
    return {name: float(value) for name, value in found.items()}


def in_order(recipe: Recipe, report: Report) -> Report:
    """Loss first, then the metrics as they were given, then those of the loss."""
    wanted = dict.fromkeys([*names(recipe), *report])
    return {name: float(report.get(name, math.nan)) for name in wanted}
