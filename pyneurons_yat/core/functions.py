"""Functions with options: a `functools.partial` that is a value.

A layer and a model are compared by value, so that equal ones share a compiled program. Python
compares one `functools.partial` with another by identity. What takes a function therefore keeps
`as_value` of it.
"""

import functools
from collections.abc import Callable
from typing import Any


class Partial(functools.partial):
    """A `functools.partial` that equals any other of the same function and options."""

    @property
    def __name__(self) -> str:
        """The name of the function."""
        return getattr(self.func, "__name__", type(self.func).__name__)

    @property
    def shown_as(self) -> str:
        """The function with its options, as printed models show it."""
        name = getattr(self.func, "shown_as", self.__name__)
        named = [f"{key}={_told(value)}" for key, value in self.keywords.items()]
        return f"{name}({', '.join([*map(_told, self.args), *named])})"

    def __repr__(self) -> str:
        """As in printed models."""
        return self.shown_as

    def _contents(self) -> tuple[Any, ...]:
        """What it is compared by. 1, 1.0 and True are equal, and yet give different programs."""
        given = (*self.args, *(value for _, value in sorted(self.keywords.items())))
        return self.func, len(self.args), tuple(sorted(self.keywords)), given, (*map(type, given),)

    def __eq__(self, other: object) -> bool:
        """Whether the other is a partial of an equal function and equal options."""
        return isinstance(other, Partial) and self._contents() == other._contents()

    def __hash__(self) -> int:
        """The hash of function and options."""
        return hash(self._contents())


def _told(value: Any) -> str:
    return str(getattr(value, "__name__", repr(value))) if callable(value) else repr(value)


def as_value(function: Any) -> Any:
    """A `functools.partial` as one that is compared by its contents; anything else as it is.

    One that holds what cannot be hashed, such as an array, stays as it is too.
    """
    if type(function) is not functools.partial:
        return function
    value = Partial(function.func, *map(as_value, function.args), **_values(function.keywords))
    try:
        hash(value)
    except TypeError:
        return function
    return value


def _values(keywords: dict[str, Any]) -> dict[str, Callable[..., Any]]:
    return {name: as_value(value) for name, value in keywords.items()}
