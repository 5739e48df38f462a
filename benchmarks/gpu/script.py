"""The parts one after another, and what is written of them."""

import json
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax

from pyneurons_yat.command_line.machine import machine

from .. import correctness
from ..harness import Case, measure
from ..page import cells, checked, grid
from ..report import PACKAGES, headline, quantity, record, verdict
from . import kernels, training
from .settings import DRY, FULL, Setting, card, has_gpu, in_time

RESULTS = Path(__file__).parents[1] / "results"
NONE = "No GPU is at hand: JAX runs on {}. `--dry` runs every part on it, with small sizes."


class Part(NamedTuple):
    """What a part came to.

    Attributes:
        name: Of the part.
        seconds: That it took.
        data: What is kept of it.
        lines: Of the page.
        error: What broke it off, if something did.
    """

    name: str
    seconds: float
    data: Any
    lines: list[str]
    error: str | None = None


def gpu(folder: Path | None, *, dry: bool = False) -> int:
    """Runs everything where there is a GPU, or small parts of it anywhere, and writes it down."""
    if not (has_gpu() or dry):
        print(NONE.format(jax.devices()[0].device_kind))
        return 0
    setting = DRY if dry else FULL
    setting = setting._replace(end=time.monotonic() + 60 * setting.minutes)
    found = []
    for name, part in PARTS.items():
        found.append(run(name, part, setting))
        print(f"{name}: {found[-1].error or 'done'}, {found[-1].seconds:.0f} s", flush=True)
    if folder is None and dry:
        print("\n".join(page(found)))
    else:
        print(write(folder or RESULTS, found))
    return int(any(one.error for one in found))


def run(name: str, part: Callable[[Setting], tuple[Any, Iterable[str]]], setting: Setting) -> Part:
    """One part; its error is kept, and does not end the others."""
    start = time.monotonic()
    try:
        data, lines = part(setting)
    except Exception as error:
        traceback.print_exc()
        told = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        return Part(name, time.monotonic() - start, None, [f"Failed: {told}"], told)
    return Part(name, time.monotonic() - start, data, list(lines))


def ops(setting: Setting) -> tuple[Any, Iterable[str]]:
    """Every op beside float64."""
    dtypes = (*correctness.DTYPES, "float16")
    found = list(correctness.errors(setting.correctness, dtypes, setting.ops))
    return [one._asdict() for one in found], checked(found)


def trained(setting: Setting) -> tuple[Any, Iterable[str]]:
    """The GPT in three dtypes."""
    found = list(training.trainings(setting))
    head = ("network", "dtype", "steps", "first loss", "last loss", "left out", "step", "tokens/s")
    memory = ("memory told", "memory then")
    return [one._asdict() for one in found], grid((*head, *memory), map(row, found))


def row(one: training.Trained) -> tuple[str, ...]:
    """A training as cells of a table."""
    losses = f"{one.first:.3f}", f"{one.last:.3f}", str(one.left_out)
    speed = quantity(one.seconds, "s"), f"{one.tokens:,.0f}"
    peak = "unknown" if one.peak is None else quantity(one.peak, "bytes")
    told = quantity(one.foretold, "bytes"), peak
    return one.network, one.dtype, str(one.steps), *losses, *speed, *told


def measured(
    make: Callable[[Setting], Iterator[Case]],
) -> Callable[[Setting], tuple[Any, Iterable[str]]]:
    """A part that measures cases."""

    def part(setting: Setting) -> tuple[Any, Iterable[str]]:
        cases = in_time(setting, make(setting))
        found = [measure(case, setting.rounds, seconds=setting.sample) for case in cases]
        lines = []
        for result in found:
            case = result.case
            head = ("", "median", "quartiles", f"ratio to {case.baseline}")
            lines += ["", f"**{case.name}**", ""]
            lines += grid(head, (cells(result, one) for one in case.contenders))
            lines += ["", *(f"Bound: {verdict(result, bound)}" for bound in case.targets)]
        return [record(result) for result in found], lines

    return part


PARTS: dict[str, Callable[[Setting], tuple[Any, Iterable[str]]]] = {
    "a Yat layer beside a product with GELU": measured(kernels.dense_cases),
    "Yat attention beside cuDNN's": measured(kernels.attention_cases),
    "temporary memory of attention": measured(kernels.temporaries),
    "training in three dtypes": trained,
    "every op beside float64": ops,
}


def page(found: list[Part]) -> Iterator[str]:
    """The lines of the page."""
    packages = machine(PACKAGES)["packages"]
    yield f"# {jax.devices()[0].device_kind}"
    yield ""
    yield f"`python -m benchmarks gpu`, {time.strftime('%Y-%m-%d')}: {headline()}."
    yield "Versions: " + ", ".join(f"{n} {v}" for n, v in packages.items() if v) + "."
    for one in found:
        yield from ("", f"## {one.name[0].upper()}{one.name[1:]}", "", f"{one.seconds:.0f} s.", "")
        yield from one.lines


def write(folder: Path, found: list[Part]) -> Path:
    """The page and all numbers, under the name of the card."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"machine": machine(PACKAGES), "parts": [one._asdict() for one in found]}
    (folder / f"{card()}.json").write_text(json.dumps(content, indent=1) + "\n")
    written = folder / f"{card()}.md"
    written.write_text("\n".join(page(found)) + "\n")
    return written
