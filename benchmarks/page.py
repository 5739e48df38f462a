"""The report: all suites within some minutes, as a page of tables and pictures."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from pyneurons_yat.command_line.machine import machine

from . import correctness
from .end_to_end import time_to_loss
from .harness import Absent, Case, Contender, Result, measure, quartiles
from .report import PACKAGES, headline, plot, quantity, record, spread, verdict

FEW = 5
"""Rounds of a case once half of its suite's time is gone."""

LOST = 1.1
"""A contender loses to a peer where even the lower quartile of the ratios is above this."""

PEERS = ("nmn", "flax", "equinox", "haiku", "keras", "torch", "plain", "jax")
MINUTES = 18.0
WEIGHTS = {"end_to_end": 9.0, "floor": 3.0, "import": 0.5, "dispatch": 0.5}
CORRECTNESS = 0.1  # of the time


class Suite(NamedTuple):
    """What a suite came to.

    Attributes:
        name: As on the command line.
        about: The first line of its docstring.
        results: Of the cases that were measured.
        left_out: The names of those for which there was no time.
    """

    name: str
    about: str
    results: list[Result]
    left_out: list[str]


class Loss(NamedTuple):
    """A line that loses, and why."""

    case: str
    text: str
    why: str


def report(folder: Path, minutes: float, modules: dict[str, Callable[[], Any]]) -> list[Suite]:
    """Measure everything, and write the page, its pictures and the numbers into a folder."""
    end = time.monotonic() + 60 * minutes
    suites = []
    for name, share in shares(end, list(modules)):
        suites.append(within(name, modules[name](), share))
        print(f"{name}: {len(suites[-1].results)} cases", flush=True)
    left = max(end - time.monotonic(), 60 * minutes * CORRECTNESS)
    write(folder, suites, list(correctness.errors(left)))
    return suites


def shares(end: float, names: list[str]) -> Iterator[tuple[str, float]]:
    """Each suite with its part of the time that is left, when its turn comes."""
    for place, name in enumerate(names):
        rest = sum(WEIGHTS.get(other, 1.0) for other in names[place:])
        left = (end - time.monotonic()) * (1 - CORRECTNESS)
        yield name, max(left, 0.0) * WEIGHTS.get(name, 1.0) / rest


def within(name: str, module: Any, seconds: float) -> Suite:
    """A suite in its time: all rounds in the first half, then few, then none."""
    start, results, left_out = time.monotonic(), [], []
    for case in all_cases(name, module):
        gone = time.monotonic() - start
        if gone > seconds:
            left_out.append(case.name)
            continue
        rounds = min(module.ROUNDS, FEW) if gone > seconds / 2 else module.ROUNDS
        results.append(measure(case, rounds))
    if name == "end_to_end":
        results += [time_to_loss(*found) for found in module.pairs(results)]
    return Suite(name, (module.__doc__ or "").splitlines()[0], results, left_out)


def all_cases(name: str, module: Any) -> Iterator[Case]:
    """The cases of a suite; on an accelerator also those of narrow dtypes."""
    if name == "end_to_end":
        return module.cases(half=jax.default_backend() != "cpu")
    return module.cases()


def losses(result: Result) -> list[Loss]:
    """What misses a bound in a case, and what is slower there than a peer without a bound."""
    case = result.case
    found = [
        Loss(case.name, verdict(result, t), t.why or case.why)
        for t in case.targets
        if result.verdict(t) is False
    ]
    bound = {name for t in case.targets for name in (t.contender, t.against)}
    best = champion(result)
    for name in result.samples if best else ():
        low, middle, _ = quartiles(result.compare(best, name))
        if name not in bound and name.split()[0].rstrip(",") in PEERS and low > LOST:
            found.append(Loss(case.name, f"{best} / {name}: {middle:.2f}", case.why))
    return found


def champion(result: Result) -> str:
    """The best of this library's contenders; "" where none is measured in time or memory."""
    ours = [name for name in result.samples if "pyneurons_yat" in name]
    if result.case.unit not in ("s", "bytes", "seconds"):
        return ""
    return min(ours, key=lambda name: quartiles(result.samples[name])[1], default="")


def write(folder: Path, suites: Sequence[Suite], errors: Sequence[correctness.Error]) -> None:
    """The page `results.md`, a picture for each suite, and all numbers as `results.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    for suite in suites:
        if suite.results:
            plot(str(folder / f"{suite.name}.svg"), suite.results)
    (folder / "results.md").write_text("\n".join(page(suites, errors)) + "\n")
    content = {
        "machine": machine(PACKAGES),
        "suites": {s.name: [record(result) for result in s.results] for s in suites},
        "correctness": [error._asdict() for error in errors],
    }
    (folder / "results.json").write_text(json.dumps(content) + "\n")


def page(suites: Sequence[Suite], errors: Sequence[correctness.Error]) -> Iterator[str]:
    """The lines of the page."""
    packages = machine(PACKAGES)["packages"]
    yield f"Measured on {time.strftime('%Y-%m-%d')}: {headline()}."
    yield "Versions: " + ", ".join(f"{n} {v}" for n, v in packages.items() if v) + "."
    yield from ("", "### What loses, and why", "")
    lost = [loss for suite in suites for result in suite.results for loss in losses(result)]
    yield from grid(("case", "bound or peer", "reason"), (_row(loss) for loss in lost))
    for suite in suites:
        yield from section(suite)
    yield from checked(errors)


def _row(loss: Loss) -> tuple[str, str, str]:
    return loss.case, loss.text, loss.why or "**unexplained**"


def section(suite: Suite) -> Iterator[str]:
    """A suite: its picture and a table for each case."""
    yield from ("", f"### {suite.name}", "", suite.about, "")
    if suite.results:
        yield f"![Ratios of the suite {suite.name}]({suite.name}.svg)"
    for result in suite.results:
        case = result.case
        yield from ("", f"**{case.name}**", "")
        head = ("", "median", "quartiles", f"ratio to {case.baseline}")
        yield from grid(head, (cells(result, one) for one in case.contenders))
    if suite.left_out:
        yield from ("", "Left out for want of time: " + "; ".join(suite.left_out) + ".")


def cells(result: Result, contender: Contender | Absent) -> tuple[str, ...]:
    """A contender as cells of a table."""
    if isinstance(contender, Absent):
        return contender.name, f"absent: `{contender.cure}`", "", ""
    low, middle, high = quartiles(result.samples[contender.name])
    shown = [quantity(number, result.case.unit) for number in (middle, low, high)]
    ratio = spread(result.compare(contender.name, result.case.baseline))
    return contender.name, shown[0], f"{shown[1]} to {shown[2]}", ratio


def checked(errors: Sequence[correctness.Error]) -> Iterator[str]:
    """The correctness pass, worst first."""
    where = jax.devices()[0].device_kind
    yield from ("", f"### Every op against float64, on {where}", "")
    yield "Largest error in rounding units of the dtype, over the largest number of the result."
    yield ""
    worst = sorted(errors, key=lambda e: -max(e.value, e.gradient))
    rows = ((e.case, e.dtype, f"{e.value:.2g}", f"{e.gradient:.2g}") for e in worst)
    yield from grid(("op", "dtype", "value", "gradient"), rows)


def grid(head: Sequence[str], rows: Iterator[Sequence[str]]) -> Iterator[str]:
    """A Markdown table; a line that says so where it has no rows."""
    found = [*rows]
    if not found:
        yield "None."
        return
    for cells in (head, ["---"] * len(head), *found):
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
