"""Options of the command line, and the values that they take."""

import argparse
import math
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, and whose options are written whole."""

    def __init__(self, prog: str, description: str | None = None, **rest: Any) -> None:
        super().__init__(prog, description=description, allow_abbrev=False, **rest)

    def error(self, message: str) -> NoReturn:
        """Prints the message and exits with 2."""
        self.exit(2, f"{self.prog}: error: {one_line(message)} (see --help)\n")


class Option(NamedTuple):
    """An option, or an argument by position if its name has no dashes.

    A `type` of None makes a flag. A default that is a string is read as if it were written.
    """

    name: str
    help: str
    type: Callable[[str], Any] | None = str
    default: Any = None
    choices: tuple[str, ...] | None = None
    required: bool = False

    def add_to(self, parser: argparse.ArgumentParser) -> None:
        """Adds the option to a parser."""
        if self.type is None:
            parser.add_argument(self.name, action="store_true", help=self.help)
            return
        shown = "" if self.default is None else f" (default: {self.default})"
        options: dict[str, Any] = {"type": self.type, "choices": self.choices}
        if self.name.startswith("-"):
            options["default"] = self.default
            options["required"] = self.required
            options["metavar"] = None if self.choices else self.name.strip("-").upper()
        parser.add_argument(self.name, help=f"{self.help}{shown}".replace("%", "%%"), **options)


def one_line(what: object) -> str:
    """A message without the lines that Python puts around it."""
    text = what.args[0] if isinstance(what, KeyError) and what.args else what
    return " ".join(str(text).split())


def integer(least: int, most: float = math.inf) -> Callable[[str], int]:
    """Reads an integer in a range."""
    wanted = f"an integer of at least {least}" if most == math.inf else f"from {least} to {most}"

    def read(text: str) -> int:
        if not text.strip().isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"must be {wanted}, got {text!r}")
        return int(text)

    return read


def number(wanted: str, fits: Callable[[float], bool]) -> Callable[[str], float]:
    """Reads a finite number that fits."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and fits(value)):
            raise argparse.ArgumentTypeError(f"must be a number {wanted}, got {text!r}")
        return value

    return read


seed = integer(0, 2**32 - 1)
count = integer(1)
positive = number("above 0", lambda value: value > 0)
share = number("above 0 and below 1", lambda value: 0 < value < 1)
density = number("above 0 and at most 1", lambda value: 0 < value <= 1)
