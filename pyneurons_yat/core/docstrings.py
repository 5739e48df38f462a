"""Docstrings: the words on an option are those of the function that it belongs to."""

import inspect
import re
from collections.abc import Iterable
from typing import Any

SECTION = re.compile(r"^\w[\w ]*:$")
TOLD = "Args:", "Options of the call:"
ENTRY = re.compile(r"^    (\*{0,2}\w+): ")


def entries(doc: str | None) -> dict[str, str]:
    """What a docstring tells of each argument and option of the call, as the lines that do."""
    found: dict[str, str] = {}
    inside, name = False, ""
    for line in inspect.cleandoc(doc or "").splitlines():
        if line and not line.startswith(" "):
            inside, name = line in TOLD, ""
        elif inside and (entry := ENTRY.match(line)):
            name = entry[1]
            found[name] = line
        elif name and line:
            found[name] += f"\n{line}"
    return found


def documented(
    doc: str | None, functions: Iterable[Any], names: Iterable[str], section: str = "Args"
) -> str | None:
    """A docstring with what the functions tell of some names that it does not tell of itself.

    That goes to the end of a section, or makes one before the first that comes after "Args:".
    """
    told: dict[str, str] = {}
    for function in functions:
        told = {**entries(getattr(function, "__doc__", None)), **told}
    own = entries(doc)
    more = [told[name] for name in dict.fromkeys(names) if name in told and name not in own]
    if not doc or not more:
        return doc
    lines = [*inspect.cleandoc(doc).splitlines(), ""]
    if f"{section}:" in lines:
        at = lines.index("", lines.index(f"{section}:"))
    else:
        later = (i for i, line in enumerate(lines) if SECTION.match(line) and line != "Args:")
        at, more = next(later, len(lines)), [f"{section}:", *more, ""]
    return "\n".join([*lines[:at], *more, *lines[at:]]).rstrip("\n")
