"""The grammar of names: `ReLU`, `Momentum(0.9)`, `SReLU(al=0.2, tr=2)`, `MultiStepLR(0.1;2,5;0.1)`.

A name may have arguments, by position or by key, separated by commas. Where semicolons separate
them, a comma makes a list of one. A value is a number, True, False, None, a word, with or without
quotes, or a list or tuple of these. Semicolons outside of brackets separate one name from the next.
"""

import ast
import inspect
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..core.checks import check_kind

OPENING, CLOSING = "([{", ")]}"


class Call(NamedTuple):
    """A name and its arguments, by position and by key."""

    name: str
    args: tuple[Any, ...]
    options: dict[str, Any]

    def __str__(self) -> str:
        """The arguments, as one would write them."""
        named = [f"{key}={value!r}" for key, value in self.options.items()]
        return f"({', '.join([*map(repr, self.args), *named])})"


def parsed(function: str, text: str) -> Call:
    """The call that a text is; an error in the name of a function if it is none."""
    check_kind(function, "a name", text, str)
    try:
        tree = ast.parse(_in_python(text.strip()), mode="eval").body
        return _call(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(
            f"{function}: a name must be NAME or NAME(arguments), such as Momentum(0.9) or "
            f"SReLU(al=0.2), got {text!r}"
        ) from None


def split(text: str, separator: str = ";") -> list[str]:
    """The pieces of a text between the separators that stand outside of brackets."""
    pieces, depth = [""], 0
    for letter in text:
        depth += (letter in OPENING) - (letter in CLOSING)
        if letter == separator and depth == 0:
            pieces.append("")
        else:
            pieces[-1] += letter
    return [piece.strip() for piece in pieces]


def is_number(text: str) -> bool:
    """Whether a text is a number alone."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def several(function: str, what: str, given: Any) -> list[Any]:
    """The items of a text with semicolons, or of a sequence."""
    if isinstance(given, str):
        return split(given)
    check_kind(function, what, given, Sequence)
    return list(given)


def numbers(function: str, what: str, kind: type, given: Any) -> list[Any]:
    """The numbers of a text, which semicolons or commas separate, or of a sequence, or one."""
    if isinstance(given, str):
        given = re.split("[;,]", given)
    items = given if isinstance(given, Sequence) else [given]
    try:
        return [kind(item) if isinstance(item, str) else item for item in items]
    except ValueError:
        wanted = {int: "integers", float: "numbers"}[kind]
        raise ValueError(f"{function}: {what} must be {wanted}, got {given!r}") from None


def spread(function: str, what: str, given: list[Any], count: int, of: str) -> list[Any]:
    """As many items as wanted, from that many or from one for all."""
    if len(given) not in (1, count):
        raise ValueError(
            f"{function}: {what} must be one or {count}, one per {of}, got {len(given)}"
        )
    return given * count if len(given) == 1 else given


def _in_python(text: str) -> str:
    """The text with commas for semicolons, and brackets around what these keep together."""
    call = re.fullmatch(r"(\w+)\s*\((.*)\)", text, re.DOTALL)
    if call is None or len(pieces := split(call[2])) < 2:
        return text
    return f"{call[1]}({', '.join(map(_in_brackets, pieces))})"


def _in_brackets(piece: str) -> str:
    if len(split(piece, ",")) < 2:
        return piece
    key, equals, value = piece.partition("=")
    return f"{key}=[{value}]" if equals else f"[{piece}]"


def _call(tree: ast.AST) -> Call:
    if isinstance(tree, ast.Name):
        return Call(tree.id, (), {})
    if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name):
        raise ValueError
    keys = [one.arg for one in tree.keywords]
    if None in keys or len(set(keys)) < len(keys):
        raise ValueError
    options = {str(one.arg): _value(one.value) for one in tree.keywords}
    return Call(tree.func.id, tuple(map(_value, tree.args)), options)


def _value(tree: ast.expr) -> Any:
    if isinstance(tree, ast.Name):
        return tree.id
    if isinstance(tree, ast.List | ast.Tuple):
        return tuple(map(_value, tree.elts))
    value = ast.literal_eval(tree)
    if not isinstance(value, int | float | str | None):
        raise ValueError
    return value


# ------------------------------------------------------------- what a function wants of a value


def wanted_of(parameter: inspect.Parameter) -> str:
    """What the value of a parameter must be, by its default and annotation; nothing if unknown."""
    default, told = parameter.default, str(parameter.annotation)
    if isinstance(default, bool):
        return "True or False"
    if "Literal" in told:
        return "a word"
    if isinstance(default, str) or "str" in told:
        return ""  # may be a word or anything else
    numeric = isinstance(default, int | float) or default is parameter.empty or "float" in told
    return "a number" if numeric else ""


def fits(parameter: inspect.Parameter, value: Any) -> bool:
    """Whether a value of the grammar may be that of a parameter."""
    wanted = wanted_of(parameter)
    if not wanted or (value is None and "None" in str(parameter.annotation)):
        return True
    entries = value if isinstance(value, tuple) else (value,)
    kinds = {"True or False": bool, "a word": str, "a number": int | float}
    is_flag = wanted == "True or False"
    return all(isinstance(e, kinds[wanted]) and isinstance(e, bool) == is_flag for e in entries)
