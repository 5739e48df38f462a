"""The command line of the benchmarks."""

import argparse
import importlib
import sys
from collections.abc import Sequence
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
    "fit": "fit",
    "graph": "graph",
    "import": "imports",
    "linear_attention": "linear_attention",
    "loops": "loops",
    "rnn": "rnn",
    "sparse": "sparse",
    "vmap": "vmap",
}


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and exit with code 2."""
        self.exit(2, f"{self.prog}: {message}\n")


def parser() -> Parser:
    """The options."""
    options = Parser(prog="python -m benchmarks", description="Time pyneurons_yat and its peers.")
    options.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SUITES)}")
    options.add_argument("--json", metavar="FILE", help="write the machine and all raw samples")
    options.add_argument("--plot", metavar="FILE", help="draw the ratios")
    options.add_argument("--rounds", type=int, metavar="N", help="samples of each contender")
    options.add_argument("--list", action="store_true", help="name the suites and stop")
    return options


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read and check the options; a bad one ends the process with code 2."""
    options = parser()
    chosen = options.parse_args(arguments)
    for name in chosen.names:
        if name not in SUITES:
            options.error(f"unknown suite {name!r}, choose from {', '.join(SUITES)}")
    if chosen.rounds is not None and chosen.rounds < 1:
        options.error(f"--rounds must be at least 1, got {chosen.rounds}")
    for path in filter(None, (chosen.json, chosen.plot)):
        if not Path(path).absolute().parent.is_dir():
            options.error(f"no folder to write {path} to")
    if chosen.plot and find_spec("matplotlib") is None:
        options.error("--plot needs matplotlib: pip install matplotlib")
    return chosen


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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suites that were asked for, or all."""
    chosen = parse(arguments)
    if chosen.list:
        list_suites()
        return 0
    print(headline(), end="\n\n", flush=True)
    results = [result for name in chosen.names or SUITES for result in run(name, chosen.rounds)]
    if chosen.json:
        write_json(chosen.json, results)
    if chosen.plot:
        plot(chosen.plot, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
