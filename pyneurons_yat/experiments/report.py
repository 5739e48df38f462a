"""A study as a table on the screen, and as JSON, Markdown and a picture in a folder."""

import json
import math
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax

from ..command_line.machine import machine
from .study import Row, Study

HEADS = ("what", "unit", "mean ± deviation", "range", "runs", "published")
PACKAGES = ("pyneurons_yat", "jax", "jaxlib", "optax", "numpy")


def measured(row: Row) -> str:
    """Mean and standard deviation of the runs that did not diverge; of one run its number."""
    finite = [value for value in row.values if math.isfinite(value)]
    if not finite:
        return "all diverged"
    mean = statistics.fmean(finite)
    if len(finite) == 1:
        return _number(mean, 0.0)
    spread = statistics.stdev(finite)
    return f"{_number(mean, spread)} ± {_number(spread, spread)}"


def runs(row: Row) -> str:
    """How many runs there are, and how many of them diverged."""
    lost = sum(not math.isfinite(value) for value in row.values)
    return f"{len(row.values)}" + f", {lost} diverged" * bool(lost)


def cells(row: Row) -> tuple[str, ...]:
    """What a table says of a row, in the order of `HEADS`."""
    finite = [value for value in row.values if math.isfinite(value)]
    ends = [min(finite), max(finite)] if len(finite) > 1 else []
    spread = statistics.stdev(finite) if len(finite) > 1 else 0.0
    between = " to ".join(_number(value, spread) for value in ends)
    published = "" if row.published is None else f"{row.published:g} ({row.source})"
    return row.label, row.unit, measured(row), between, runs(row), published


def _number(value: float, spread: float) -> str:
    """A number to the second digit of its spread; to four digits where there is no spread."""
    size = spread / 10 if spread else abs(value) / 1000
    decimals = 0 if not size else min(8, max(0, -math.floor(math.log10(size))))
    return f"{value:,.{decimals}f}"


def table(study: Study) -> str:
    """The rows of a study as aligned text."""
    lines = [HEADS, *map(cells, study.rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def markdown(study: Study, command: str) -> str:
    """The rows of a study as a Markdown table, with what a reader needs to run it again."""
    lines = [HEADS, ["---"] * len(HEADS), *map(cells, study.rows)]
    rows = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    notes = "\n".join(f"- {note}" for note in study.notes)
    where = machine(PACKAGES)
    seconds = f"{study.seconds:,.0f} s on {where['processor']} ({where['cores']} cores)"
    versions = f"Python {where['python']}, JAX {where['packages']['jax']}, {where['device']}"
    return f"{rows}\n\n`{command}`: {seconds}, {versions}.\n" + f"\n{notes}\n" * bool(notes)


def as_json(study: Study, command: str) -> dict[str, Any]:
    """Everything that a study holds, but the picture; a run that diverged has null for a value."""
    rows = [
        {**vars(row), "values": [v if math.isfinite(v) else None for v in row.values]}
        for row in study.rows
    ]
    told = {"name": study.name, "question": study.question, "command": command, "rows": rows}
    told |= {"settings": dict(study.settings), "notes": list(study.notes)}
    return {**told, "seconds": round(study.seconds, 1), "machine": machine(PACKAGES)}


def write(study: Study, folder: Path, command: str) -> list[Path]:
    """Writes NAME.json, NAME.md and, if there is a picture, NAME.svg; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / study.name
    text = json.dumps(as_json(study, command), indent=1, ensure_ascii=False, allow_nan=False)
    files = [stem.with_suffix(".json"), stem.with_suffix(".md")]
    files[0].write_text(text + "\n", encoding="utf-8")
    files[1].write_text(markdown(study, command), encoding="utf-8")
    if study.picture is not None:
        files.append(draw(study.picture, stem.with_suffix(".svg")))
    return files


def draw(picture: Callable[[Any], None], path: Path) -> Path:
    """Writes a picture; the same study gives the same file."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": path.stem}):
        figure = Figure(layout="constrained")
        picture(figure)
        vector = path.suffix == ".svg"
        figure.savefig(path, dpi=120, metadata={"Date": None} if vector else None)
    return path


def percent(shares: Sequence[float] | jax.Array) -> tuple[float, ...]:
    """Shares from 0 to 1 as percentages."""
    return tuple(100 * float(share) for share in shares)
