"""What is printed, written and drawn."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pyneurons_yat.command_line.machine import machine
from pyneurons_yat.plot import bars
from pyneurons_yat.plot.bars import digits

from .harness import Absent, Contender, Result, Target, quartiles

PACKAGES = ("jax", "jaxlib", "optax", "pyneurons_yat", "equinox", "flax", "nmn", "torch")


def headline() -> str:
    """The machine in one line."""
    here = machine(PACKAGES)
    return (
        f"{here['processor']}, {here['cores']} cores, device {here['device']}, "
        f"jax {here['packages']['jax']}, python {here['python']}"
    )


def quantity(value: float, unit: str) -> str:
    """A number of seconds or bytes in the prefix that suits it, accuracies in percent."""
    if unit == "accuracy":
        return f"{100 * value:.1f} %"
    if unit == "bytes":
        power = 30 if abs(value) >= 2**30 else 20 if abs(value) >= 2**20 else 10
        return f"{value / 2**power:.3g} {'KMG'[power // 10 - 1]}iB"
    if unit != "s":
        return f"{value:.4g} {unit}"
    for factor, prefix in ((1, ""), (1e3, "m"), (1e6, "u"), (1e9, "n")):
        if abs(value) * factor >= 1:
            return f"{digits(value * factor)} {prefix}s"
    return "0 s"


def table(result: Result) -> str:
    """One case: a row per contender, what each computes, and a line per target."""
    case = result.case
    width = max(len(contender.name) for contender in case.contenders)
    header = f"  {'':{width}}  {'median':>9}  {'quartiles':>19}  ratio to {case.baseline}"
    rows = [row(result, contender, width) for contender in case.contenders]
    bounds = [f"  target {verdict(result, target)}" for target in case.targets]
    return "\n".join([case.name, header, *rows, *legend(result), *bounds])


def row(result: Result, contender: Contender | Absent, width: int) -> str:
    """One contender: its time, its ratio and, where the case has a name for it, its rate."""
    if isinstance(contender, Absent):
        return f"  {contender.name:{width}}  absent: {contender.cure}"
    numbers = quartiles(result.samples[contender.name])
    low, middle, high = (quantity(number, result.case.unit) for number in numbers)
    ratio = spread(result.compare(contender.name, result.case.baseline))
    rate = f"  {1 / numbers[1]:>8,.0f} {result.case.rate}" if result.case.rate else ""
    return (
        f"  {contender.name:{width}}  {middle:>9}  {low:>9} {high:>9}  {ratio:<20}{rate}".rstrip()
    )


def legend(result: Result) -> list[str]:
    """What is computed, and by whom."""
    groups: dict[str, list[str]] = {}
    for contender in result.case.contenders:
        if isinstance(contender, Contender) and contender.computes:
            groups.setdefault(contender.computes, []).append(contender.name)
    if len(groups) == 1:
        return [f"  all compute {text}" for text in groups]
    return [f"  computing {text}: {', '.join(names)}" for text, names in groups.items()]


def spread(values: Sequence[float]) -> str:
    """Median and quartiles of ratios."""
    low, middle, high = (digits(value) for value in quartiles(values))
    return f"{middle} [{low}, {high}]"


def verdict(result: Result, target: Target) -> str:
    """One target: the bound, the number, and whether it keeps to it."""
    divide, unit = ("-", result.case.unit) if target.quantity == "difference" else ("/", "")
    limit = quantity(target.limit, unit) if unit else f"{target.limit:.2f}"
    noise = " within noise" if target.noise else ""
    bound = f"{target.contender} {divide} {target.against} {target.sign} {limit}{noise}"
    met = result.verdict(target)
    if met is None:
        return f"{bound}: not measured"
    values = result.compare(target.contender, target.against, target.quantity)
    shown = [quantity(v, unit) if unit else digits(v) for v in quartiles(values)]
    return f"{bound}: {shown[1]} [{shown[0]}, {shown[2]}] {'ok' if met else 'MISSED'}"


def record(result: Result) -> dict[str, Any]:
    """A result as plain data: the raw samples, what was computed, and the targets."""
    case = result.case
    return {
        "case": case.name,
        "unit": case.unit,
        "baseline": case.baseline,
        "contenders": [entry(result, contender) for contender in case.contenders],
        "targets": [{"text": verdict(result, t), "met": result.verdict(t)} for t in case.targets],
    }


def entry(result: Result, contender: Contender | Absent) -> dict[str, Any]:
    """One contender as plain data."""
    if isinstance(contender, Absent):
        return {"name": contender.name, "absent": contender.cure}
    samples = result.samples[contender.name]
    return {
        "name": contender.name,
        "computes": contender.computes,
        "quartiles": list(quartiles(samples)),
        "ratio_quartiles": list(quartiles(result.compare(contender.name, result.case.baseline))),
        "samples": samples,
    }


def write_json(path: str, results: Sequence[Result]) -> None:
    """Write the machine and all raw numbers."""
    content = {"machine": machine(PACKAGES), "results": [record(result) for result in results]}
    Path(path).write_text(json.dumps(content, indent=1) + "\n")


def plot(path: str, results: Sequence[Result]) -> None:
    """Draw the ratios of every case as bars with the quartiles as error bars."""
    from matplotlib.figure import Figure

    columns = min(3, len(results))
    rows = math.ceil(len(results) / columns)
    figure = Figure(figsize=(6.0 * columns, 0.6 + 2.9 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, result in zip(grid, results, strict=False):
        case = result.case
        ratios = {name: np.array(result.compare(name, case.baseline)) for name in result.samples}
        bars(
            ratios,
            label=f"ratio to {case.baseline}",
            highlight=[name for name in ratios if "pyneurons_yat" in name],
            ax=axes,
        )
        axes.set_title(case.name, fontsize=10)
    for axes in grid[len(results) :]:
        axes.set_visible(False)
    figure.suptitle(headline(), fontsize=9)
    figure.savefig(path, dpi=120)
