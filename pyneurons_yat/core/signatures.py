"""Keywords: which function takes which, and where those of a layer's call go."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

OPTIONS = "options of the call: "


class Wrapping:
    """A function object made from other functions, which tells itself what keywords it takes."""

    def keywords(self) -> tuple[set[str], bool]:
        """What `keywords_of` tells of this function."""
        raise NotImplementedError

    def positionals(self) -> list[str]:
        """What `positionals_of` tells of this function."""
        return []

    def title(self, name: str) -> str:
        """How a model that applies this function is shown, if its layer has some name."""
        return name


def shown(function: Callable[..., Any]) -> str:
    """What to call a function: what it says of itself in `shown_as`, or its name."""
    name = getattr(function, "__name__", type(function).__name__)
    return str(getattr(function, "shown_as", name))


def keywords_of(function: Callable[..., Any] | None) -> tuple[set[str], bool]:
    """The keyword-only parameters that a function names, and whether it takes any keyword.

    `None` names nothing. The `key` of a function of one other argument, `f(x, key=None)`, counts
    too: there it can only be a PRNG key.
    """
    if isinstance(function, Wrapping):
        return function.keywords()
    parameters = _parameters(function)
    names = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}
    names |= {p.name for p in parameters[1:2] if p.name == "key" and p.default is None}
    return names, any(p.kind is p.VAR_KEYWORD for p in parameters)


def together(*functions: Callable[..., Any] | None) -> tuple[set[str], bool]:
    """What `keywords_of` tells of several functions, joined."""
    named, takes_any = zip(*map(keywords_of, functions), strict=True)
    return set().union(*named), any(takes_any)


def _parameters(function: Callable[..., Any] | None) -> list[inspect.Parameter]:
    if function is None:
        return []
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # a builtin that does not tell its signature
        return []


def positionals_of(function: Callable[..., Any]) -> list[str]:
    """The parameters of a function that may be given by position or by name, in order."""
    if isinstance(function, Wrapping):
        return function.positionals()
    return [p.name for p in _parameters(function) if p.kind is p.POSITIONAL_OR_KEYWORD]


def route(
    layer: Any, keywords: dict[str, Any]
) -> tuple[dict[str, Any], tuple[tuple[str, Any], ...]]:
    """Sends each keyword of a layer's call to `create`, to the static configuration, or to both.

    A function with `**keywords` takes what no other function names.
    """
    create, create_open = keywords_of(layer.create)
    create |= set(positionals_of(layer.create))
    apply, apply_open = together(layer.apply, layer.observe)
    apply -= {"key"}
    unknown = [] if create_open or apply_open else [k for k in keywords if k not in create | apply]
    if unknown:
        raise TypeError(
            f"{layer.name}: unexpected keyword {', '.join(map(repr, unknown))}; "
            f"create takes {listed(create)}, apply takes {listed(apply)}"
        )
    created = {k: v for k, v in keywords.items() if k in create or (create_open and k not in apply)}
    static = {k: v for k, v in keywords.items() if k in apply or (apply_open and k not in create)}
    for name, value in static.items():
        _refuse_unhashable(layer, name, value)
    return created, tuple(sorted(static.items()))


@contextmanager
def naming_options(function: Callable[..., Any], options: dict[str, Any]) -> Iterator[None]:
    """Adds to Python's error of an unknown option a note of those that the function takes."""
    try:
        yield
    except TypeError as error:
        names, told = keywords_of(function)[0], getattr(error, "__notes__", ())
        unknown = any(f"unexpected keyword argument {name!r}" in str(error) for name in options)
        if names and unknown and not any(note.startswith(OPTIONS) for note in told):
            error.add_note(OPTIONS + listed(names))
        raise


def listed(names: set[str]) -> str:
    """Names for a message."""
    return ", ".join(sorted(names)) or "no keywords"


def _refuse_unhashable(layer: Any, name: str, value: Any) -> None:
    try:
        hash(value)
    except TypeError:
        raise TypeError(
            f"{layer.name}: {name} is static configuration, so it must be hashable, but a "
            f"{type(value).__name__} came; give a number, a string or a tuple here, or pass the "
            f"array at the call: model(x, {name}=...)"
        ) from None
