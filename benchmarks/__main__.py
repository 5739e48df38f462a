"""The command line of the benchmarks."""

import argparse
import importlib
import sys
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from .harness import Result, measure
from .report import headline, plot, table, write_json

SUITES = {
    "attention": "attention",
    "conv": "conv",
    "dense": "dense",
    "dispatch": "dispatch",
    "edge": "edge",
    "end_to_end": "end_to_end",
    "fit": "fit",
    "floor": "floor",
    "graph": "graph",
    "import": "imports",
    "linear_attention": "linear_attention",
    "loops": "loops",
    "rnn": "rnn",
    "sparse": "sparse",
    "vmap": "vmap",
}

REPORT, SCALE, GPU = "report", "scale", "gpu"
DOCS = Path(__file__).parents[1] / "docs"
PAGES = (REPORT, SCALE, GPU)
"""What writes a page, into `--out` or where the documentation looks for it."""

FIRST = ("end_to_end", "floor")  # in a report, as long as there is most time


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and exit with code 2."""
        self.exit(2, f"{self.prog}: {message}\n")


def parser() -> Parser:
    """The options."""
    options = Parser(prog="python -m benchmarks", description="Time pyneurons_yat and its peers.")
    names = f"of {', '.join(SUITES)}; or report, for all of them as a page; or scale, or gpu"
    options.add_argument("names", nargs="*", metavar="NAME", help=names)
    options.add_argument("--json", metavar="FILE", help="write the machine and all raw samples")
    options.add_argument("--plot", metavar="FILE", help="draw the ratios")
    options.add_argument("--rounds", type=int, metavar="N", help="samples of each contender")
    options.add_argument(
        "--out", metavar="FOLDER", help="of the page that report, scale and gpu write"
    )
    options.add_argument("--minutes", type=float, metavar="M", help="for the report, 18 by default")
    options.add_argument("--dry", action="store_true", help="for gpu: small sizes, anywhere")
    options.add_argument("--list", action="store_true", help="name the suites and stop")
    return options


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read and check the options; a bad one ends the process with code 2."""
    options = parser()
    chosen = options.parse_args(arguments)
    command = command_of(chosen)
    _check_command(options, chosen, command)
    if chosen.minutes is not None and not chosen.minutes > 0:
        options.error(f"--minutes must be above 0, got {chosen.minutes}")
    for name in chosen.names[command is not None :]:
        if name not in SUITES:
            options.error(f"unknown suite {name!r}, choose from {', '.join(SUITES)}")
    if chosen.rounds is not None and chosen.rounds < 1:
        options.error(f"--rounds must be at least 1, got {chosen.rounds}")
    for path in filter(None, (chosen.json, chosen.plot)):
        if not Path(path).absolute().parent.is_dir():
            options.error(f"no folder to write {path} to")
    if (chosen.plot or command in (REPORT, SCALE)) and find_spec("matplotlib") is None:
        options.error("pictures need matplotlib: pip install matplotlib")
    return chosen


def command_of(chosen: argparse.Namespace) -> str | None:
    """Which page is written; None for suites."""
    return chosen.names[0] if chosen.names and chosen.names[0] in PAGES else None


def _check_command(
    options: argparse.ArgumentParser, chosen: argparse.Namespace, command: str | None
) -> None:
    if chosen.out and command is None:
        options.error("--out is for what writes a page: report, scale or gpu")
    if chosen.minutes is not None and command != REPORT:
        options.error("--minutes is for the report: python -m benchmarks report")
    if chosen.dry and command != GPU:
        options.error("--dry is for the GPU script: python -m benchmarks gpu --dry")
    if command in (SCALE, GPU) and len(chosen.names) > 1:
        options.error(f"{command} takes no suites, got {', '.join(chosen.names[1:])}")


def suite(name: str) -> ModuleType:
    """The module of a suite."""
    return importlib.import_module(f".{SUITES[name]}", __package__)


def run(name: str, rounds: int | None) -> list[Result]:
    """Measure a suite, one case at a time, and print each as it is done."""
    module = suite(name)
    results = []
    for case in module.cases():
        results.append(measure(case, rounds or module.ROUNDS))
        print(table(results[-1]), end="\n\n", flush=True)
    return results


def list_suites() -> None:
    """Print the name and the subject of each suite."""
    for name in SUITES:
        print(f"{name:18}{(suite(name).__doc__ or '').splitlines()[0]}")


def make_report(chosen: argparse.Namespace) -> int:
    """Measure all suites, or those named after `report`, within the minutes, and write the page."""
    from .page import MINUTES, report

    names = chosen.names[1:] or [*FIRST, *(name for name in SUITES if name not in FIRST)]
    makers = {name: partial(suite, name) for name in names}
    folder = Path(chosen.out or DOCS / "benchmarks")
    report(folder, chosen.minutes or MINUTES, makers)
    print(folder / "results.md")
    return 0


def make_scale(chosen: argparse.Namespace) -> int:
    """Draw up the scaling on paper, and hold it beside virtual devices."""
    from .scale import page, virtual

    print(page.write(Path(chosen.out or DOCS / "scale"), virtual.compared()))
    return 0


def run_gpu(chosen: argparse.Namespace) -> int:
    """Run what only an accelerator can tell."""
    from .gpu.script import gpu

    return gpu(Path(chosen.out) if chosen.out else None, dry=chosen.dry)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suites that were asked for, or all."""
    chosen = parse(arguments)
    if chosen.list:
        list_suites()
        return 0
    print(headline(), end="\n\n", flush=True)
    if command := command_of(chosen):
        return {REPORT: make_report, SCALE: make_scale, GPU: run_gpu}[command](chosen)
    results = [result for name in chosen.names or SUITES for result in run(name, chosen.rounds)]
    if chosen.json:
        write_json(chosen.json, results)
    if chosen.plot:
        plot(chosen.plot, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
