"""Checks of what sort of thing an argument is."""

import inspect
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np

WORDS = {str: "text", Mapping: "a mapping"}


def check_kind(function: str, name: str, value: Any, kind: type, cure: str = "") -> None:
    """Refuses an argument that is no instance of a class; a cure follows behind what came."""
    if not isinstance(value, kind):
        wanted = WORDS.get(kind, f"a {kind.__name__}")
        raise TypeError(f"{function}: {name} must be {wanted}, got a {type(value).__name__}{cure}")


def check_alike(function: str, name: str, structures: Sequence[Any]) -> Any:
    """The structure of several trees, the first's; one that is another is refused."""
    for position, other in enumerate(structures):
        if other != structures[0]:
            raise ValueError(
                f"{function}: {name} {position} must have the structure of {name} 0, "
                f"{structures[0]}, got {other}"
            )
    return structures[0]


def check_flag(function: str, name: str, value: Any, other: str = "") -> None:
    """Refuses what is neither True nor False; `other` says what else may stand there."""
    if not isinstance(value, bool | np.bool_):
        came = repr(value) if isinstance(value, str | int | None) else f"a {type(value).__name__}"
        raise TypeError(f"{function}: {name} must be True or False{other}, got {came}")


def holds_arrays(value: Any) -> bool:
    """Whether a value is a tree with arrays in it, such as a module of another library."""
    return any(leaf is not value and hasattr(leaf, "dtype") for leaf in jax.tree.leaves(value))


def check_plain(function: str, what: str, value: Any) -> None:
    """Refuses a callable that holds arrays, and a `functools.partial` of options it has not."""
    if holds_arrays(value):
        raise TypeError(
            f"{function}: {what} must be a model or a plain function, got a {type(value).__name__} "
            "that holds arrays, which would be constants; make it a model by bind(arrays, apply), "
            "whose apply(arrays, x) puts them back and calls it"
        )
    if isinstance(value, partial):
        _check_options(function, what, value)


def _check_options(function: str, what: str, value: partial) -> None:
    try:
        signature = inspect.signature(value.func)
    except (TypeError, ValueError):  # a builtin that does not tell its signature
        return
    try:
        signature.bind_partial(*value.args, **value.keywords)
    except TypeError as error:
        name = getattr(value.func, "__name__", type(value.func).__name__)
        taken = ", ".join(signature.parameters)
        raise TypeError(f"{function}: {what} must fit {name}({taken}): {error}") from None
