"""Tables: what a name stands for, and what is told of a name or of arguments that do not fit."""

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from .grammar import Call, fits, wanted_of

Function = Callable[..., Any]
Found = TypeVar("Found")


def look_up(function: str, kind: str, table: Mapping[str, Found], call: Call) -> Found:
    """What a name stands for; an error that lists the known ones if it is not among them."""
    if call.name in table:
        return table[call.name]
    by_letters = {name.lower(): name for name in table}
    near = difflib.get_close_matches(call.name.lower(), by_letters, 1)
    cure = f"; did you mean {by_letters[near[0]]}?" if near else ""
    raise ValueError(
        f"{function}: {kind} must be one of {', '.join(table)}, got {call.name!r}{cure}"
    )


def arguments(
    function: str,
    call: Call,
    target: Function,
    given: Mapping[str, Any] | None = None,
    hidden: Iterable[str] = (),
) -> dict[str, Any]:
    """The arguments of a call for the function that its name stands for, by key, checked.

    Args:
        function: In whose name errors speak.
        call: What was written.
        target: What will be called.
        given: More arguments, which the caller knows.
        hidden: Parameters that are not to be written: the caller fills them in.
    """
    given, hidden = given or {}, set(hidden)
    parameters = inspect.signature(target).parameters.values()
    signature = inspect.Signature([p for p in parameters if p.name not in hidden])
    try:
        bound = signature.bind(*call.args, **call.options, **given).arguments
    except TypeError as error:
        raise TypeError(f"{_wanted(function, call, signature)}; {error}") from None
    for name in bound.keys() - given.keys():
        if not fits(signature.parameters[name], bound[name]):
            told = f"{name} must be {wanted_of(signature.parameters[name])}, got {bound[name]!r}"
            raise TypeError(f"{_wanted(function, call, signature)}; {told}")
    return bound


def _wanted(function: str, call: Call, signature: inspect.Signature) -> str:
    """What the arguments of a name must be, and what came."""
    shown = [_written(parameter) for parameter in signature.parameters.values()]
    wanted = f"({', '.join(shown)})" if shown else "none"
    return f"{function}: the arguments of {call.name} must be {wanted}, got {call}"


def _written(parameter: inspect.Parameter) -> str:
    if parameter.default is parameter.empty:
        return parameter.name
    plain = isinstance(parameter.default, int | float | str | tuple | None)
    return f"{parameter.name}={parameter.default!r}" if plain else f"{parameter.name}=..."
