"""The command line of the experiments: `python -m pyneurons_yat.experiments NAME --data FOLDER`."""

import argparse
import contextlib
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from ..command_line.parsing import Option, Parser, count, one_line
from . import (
    char_gpt,
    citations,
    decision_regions,
    gpt,
    guidance,
    linear_attention,
    prototypes,
    recurrent,
    resnet,
)
from .report import table, write
from .study import Study

PROGRAM = "python -m pyneurons_yat.experiments"
MODULES = (
    prototypes,
    decision_regions,
    resnet,
    recurrent,
    gpt,
    char_gpt,
    citations,
    guidance,
    linear_attention,
)


def sizes(text: str) -> dict[str, Any]:
    """Reads `NAME=VALUE,NAME=VALUE`: keywords of a study, numbers or words."""
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(name.isidentifier() and value for name, _, value in pairs):
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE,NAME=VALUE, got {text!r}")
    return {name: _value(value) for name, _, value in pairs}


def _value(text: str) -> int | float | str:
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text


OPTIONS = (
    Option("--data", "folder of the data files", Path),
    Option(
        "--seeds", "how many seeds; by default as many as the page of the experiment has", count
    ),
    Option("--set", "other sizes than those of the page, such as steps=300,batch=8", sizes),
    Option("--out", "folder for NAME.json, NAME.md and NAME.svg", Path),
)


def name_of(module: ModuleType) -> str:
    """The name of an experiment on the command line and of its files: with hyphens."""
    return module.__name__.rpartition(".")[2].replace("_", "-")


EXPERIMENTS: dict[str, Callable[..., Study]] = {name_of(m): m.study for m in MODULES}


def main(arguments: list[str] | None = None) -> int:
    """Runs one experiment; returns the exit code: 2 if it was written wrong or data is missing."""
    parser = Parser(PROGRAM, "Measures again what the papers claim.")
    parser.add_argument("name", nargs="?", metavar="NAME", help="an experiment; --list names them")
    parser.add_argument("--list", action="store_true", help="the experiments and what they claim")
    for option in OPTIONS:
        option.add_to(parser)
    options = parser.parse_args(arguments)
    if options.list:
        return _list()
    if options.name not in EXPERIMENTS:
        parser.error(f"NAME must be one of {', '.join(EXPERIMENTS)}, got {options.name}")
    try:
        return _run(options)
    except (ValueError, TypeError, KeyError, OSError) as error:
        print(f"{PROGRAM} {options.name}: error: {one_line(error)}", file=sys.stderr)
        return 2


def _list() -> int:
    width = max(map(len, EXPERIMENTS))
    for module in MODULES:
        print(f"{name_of(module):{width}}  {(module.__doc__ or '').splitlines()[0]}")
    return 0


def _run(options: argparse.Namespace) -> int:
    given = dict(options.set or {})
    given |= {} if options.seeds is None else {"seeds": options.seeds}
    started = time.perf_counter()
    study = EXPERIMENTS[options.name](options.data, **given)
    study = replace(study, seconds=time.perf_counter() - started)
    print(f"{study.question}\n\n{table(study)}\n")
    for note in study.notes:
        print(note)
    print(f"{study.seconds:,.0f} s")
    for path in write(study, options.out, written(options)) if options.out is not None else []:
        print(path)
    return 0


def written(options: argparse.Namespace) -> str:
    """The command as it stands in what is written: the folders of this machine left out."""
    parts = [PROGRAM, options.name, *["--data FOLDER"] * (options.data is not None)]
    parts += [] if options.seeds is None else [f"--seeds {options.seeds}"]
    told = ",".join(f"{name}={value}" for name, value in (options.set or {}).items())
    return " ".join([*parts, *[f"--set {told}"] * bool(told)])
