"""The command line: `python -m pyneurons_yat COMMAND`, of which `train` runs where none is named.

`parsing` reads what was written, `examples` the data, `networks` makes what is trained out of
names; `training`, `answers`, `exporting` and `inspection` are the commands.
"""

import argparse
import sys
import traceback
from collections.abc import Callable
from typing import NamedTuple

import jax

import pyneurons_yat as pn

from . import answers, exporting, inspection, processes, training
from .parsing import Option, Parser, one_line

PROGRAM = "python -m pyneurons_yat"


class Command(NamedTuple):
    """A command: what it does in a line, its options, and the function that does it."""

    help: str
    options: tuple[Option, ...]
    run: Callable[[argparse.Namespace], int]


COMMANDS = {
    "train": Command("train a network (what runs without a command)", training.OPTIONS,
                     training.train),
    "evaluate": Command("loss and accuracy of a saved model", answers.EVALUATE, answers.evaluate),
    "predict": Command("the answers of a saved model, as csv", answers.PREDICT, answers.predict),
    "export": Command("a saved model as a program, pruned or narrower if you like",
                      exporting.EXPORT, exporting.export),
    "inspect": Command("what a model or data file holds", inspection.INSPECT, inspection.inspect),
    "doctor": Command("versions, devices, dtype and missing extras", (), inspection.doctor),
}  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; returns the exit code: 2 if it was written wrong, 1 if it went wrong."""
    given = sys.argv[1:] if arguments is None else arguments
    if not given or (given[0].startswith("-") and given[0] not in ("-h", "--help", "--version")):
        given = ["train", *given]
    return processes.left(_run(parser().parse_args(given, argparse.Namespace(written=given))))


def _run(options: argparse.Namespace) -> int:
    try:
        return COMMANDS[options.command].run(options)
    except ImportError as error:
        return _told(
            options,
            f'{error}; install the extras: pip install "pyneurons_yat[demo,io,export,onnx]"',
        )
    except (ValueError, TypeError, KeyError, OSError) as error:
        return _told(options, error, 2)
    except (FloatingPointError, processes.EndedError) as error:
        return _told(options, error)
    except Exception as error:
        if not jax.distributed.is_initialized():
            raise
        if isinstance(error, jax.errors.JaxRuntimeError):
            return _told(options, processes.why(error), processes.LOST)
        traceback.print_exc()
        return 1


def parser() -> Parser:
    """All commands with their options."""
    top = Parser(PROGRAM, "Trains, evaluates and inspects networks.")
    top.add_argument("--version", action="version", version=pn.__version__)
    commands = top.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=Parser
    )
    for name, command in COMMANDS.items():
        one = commands.add_parser(name, help=command.help, description=command.help)
        for option in command.options:
            option.add_to(one)
    return top


def _told(options: argparse.Namespace, what: object, code: int = 1) -> int:
    print(f"{PROGRAM} {options.command}: error: {one_line(what)}", file=sys.stderr)
    return code
