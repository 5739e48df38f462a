"""Signatures: which function takes which arguments, and where those of a layer's call go."""

import inspect
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Annotated, Any, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

from .docstrings import documented
from .functions import as_value

OPTIONS = "options of the call: "

Function = Callable[..., Any]
Decorated = TypeVar("Decorated", bound=Function)
Parameter = inspect.Parameter


class Fixed:
    """Marks, in an annotation, an option of the call that is settled when a model is made."""


Size = Annotated[int, Fixed]
Choice = Annotated[str, Fixed]
Form = Annotated[bool, Fixed]
"""The annotation of an option of `apply` for which the parameters were made, such as `heads`."""


class _Told:
    """The signature of a function object, which its class does not have."""

    def __get__(self, function: Any, owner: type) -> inspect.Signature:
        if function is None:
            raise AttributeError("__signature__")
        return function.signature()


class Wrapping:
    """A function object made from other functions, which tells itself what it takes."""

    def signature(self) -> inspect.Signature:
        """What `inspect.signature` tells of this function."""
        raise NotImplementedError

    __signature__ = _Told()

    def title(self, name: str) -> str:
        """How a model that applies this function is shown, if its layer has some name."""
        return name


def shown(function: Callable[..., Any]) -> str:
    """What to call a function: what it says of itself in `shown_as`, or its name."""
    name = getattr(function, "__name__", type(function).__name__)
    return str(getattr(function, "shown_as", name))


class Taken(NamedTuple):
    """What a function takes.

    Attributes:
        signature: Its signature; without parameters if it does not tell.
        keywords: The keyword-only parameters. The `key` of a function of one other argument,
            `f(x, key=None)`, counts too: there it can only be a PRNG key.
        anything: Whether it takes any keyword.
        positionals: The parameters that may be given by position or by name, in order.
    """

    signature: inspect.Signature
    keywords: frozenset[str]
    anything: bool
    positionals: tuple[str, ...]


_known: WeakKeyDictionary[Any, Taken] = WeakKeyDictionary()


def taken_by(function: Function | None) -> Taken:
    """What a function takes; `None` takes nothing. A function is looked at once."""
    try:
        return _known[function]
    except (KeyError, TypeError):  # not seen yet, or not to be kept
        pass
    taken = _taken(function)
    with suppress(TypeError):
        _known[function] = taken
    return taken


def _taken(function: Function | None) -> Taken:
    try:
        signature = inspect.signature(function) if function else inspect.Signature()
    except (TypeError, ValueError):  # a builtin that does not tell its signature
        signature = inspect.Signature()
    parameters = list(signature.parameters.values())
    keywords = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}
    keywords |= {p.name for p in parameters[1:2] if p.name == "key" and p.default is None}
    anything = any(p.kind is p.VAR_KEYWORD for p in parameters)
    positionals = (p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD)
    return Taken(signature, frozenset(keywords), anything, tuple(positionals))


def takes_key(function: Function | None) -> bool:
    """Whether a function names a keyword `key`."""
    return "key" in taken_by(function).keywords


def with_options(signature: inspect.Signature, more: Iterable[Parameter]) -> inspect.Signature:
    """A signature with more keyword-only parameters, in the place of its `**options` if any."""
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    names = {p.name for p in own}
    new = {p.name: p for p in more if p.name not in names}
    rest = [p for p in new.values() if p.kind is p.VAR_KEYWORD][:1]
    named = [p.replace(kind=p.KEYWORD_ONLY) for p in new.values() if p.kind is not p.VAR_KEYWORD]
    return signature.replace(parameters=[*own, *named, *rest])


def fixed_by(create: Function, apply: Function) -> dict[str, Any]:
    """The options of `apply` that are settled when a model is made, with their defaults.

    One that `create` does not name has none: the parameters may be made for any value of it.
    """
    fixed = (p for p in options_in(apply) if Fixed in getattr(p.annotation, "__metadata__", ()))
    known = taken_by(create).keywords
    return {p.name: p.default if p.name in known else Parameter.empty for p in fixed}


def options_in(function: Function | None) -> list[Parameter]:
    """The keyword-only parameters of a function, and its `**options` if it has them."""
    kinds = Parameter.KEYWORD_ONLY, Parameter.VAR_KEYWORD
    return [p for p in taken_by(function).signature.parameters.values() if p.kind in kinds]


def options_of(
    *functions: Function, without: Iterable[str] = ()
) -> Callable[[Decorated], Decorated]:
    """Declares what the `**options` of a function are: keyword-only parameters of others.

    A function that passes options through need not name them. `inspect.signature`, `help`, tab
    completion, `bind` and errors see them all the same. What the docstrings of the others tell of
    its arguments, and its own does not, is added.

    Args:
        *functions: Whose keyword-only parameters the options are.
        without: Names of those that are not passed through; also that of `**options` of others.

    Returns:
        A decorator, which only sets `__signature__` and `__doc__`. What the function itself names
        goes first.

    Example:
        >>> import inspect, pyneurons_yat as pn
        >>> @pn.options_of(pn.softermax, without=["where"])
        ... def scores(params, x, **options):
        ...     return pn.softermax(x @ params, **options)
        >>> list(inspect.signature(scores).parameters)
        ['params', 'x', 'n', 'epsilon']
    """
    left_out = set(without)

    def declare(function: Decorated) -> Decorated:
        passed = [p for f in functions for p in options_in(f) if p.name not in left_out]
        signature = with_options(inspect.signature(function), passed)
        function.__signature__ = signature  # pyright: ignore[reportFunctionMemberAccess]
        function.__doc__ = documented(function.__doc__, functions, signature.parameters)
        return function

    return declare


def divided(function: Function, options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Those of some options that a function takes, and the others."""
    taken = taken_by(function)
    own = {name: v for name, v in options.items() if taken.anything or name in taken.keywords}
    return own, {name: v for name, v in options.items() if name not in own}


def route(layer: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[Any, Any]:
    """Sends the arguments of a layer's call to `create`, to the static configuration, or to both.

    What both name goes to both. A function with `**options` takes what no other function names.
    """
    create, static_names, anything = taken_by(layer.create), *layer.options
    names = create.keywords | set(create.positionals)
    known = names | static_names
    unknown = [] if create.anything or anything else [k for k in keywords if k not in known]
    if unknown:
        raise TypeError(
            f"{layer.name}: unexpected keyword {', '.join(map(repr, unknown))}; "
            f"create takes {listed(names)}, apply takes {listed(static_names)}, "
            "which stand behind the * of its signature"
        )
    created = {
        name: value
        for name, value in keywords.items()
        if name in names or (create.anything and name not in static_names)
    }
    positional = dict(zip(create.positionals, args, strict=False))
    static = {
        name: as_value(value)
        for name, value in {**positional, **keywords}.items()
        if name in static_names or (anything and name in keywords and name not in names)
    }
    return created, tuple(sorted(static.items()))


def listed(names: Iterable[str]) -> str:
    """Names for a message."""
    return ", ".join(sorted(names)) or "no keywords"


def check_hashable(layer: Any, static: Iterable[tuple[str, Any]]) -> None:
    """Refuses static configuration that is not hashable, such as an array."""
    for name, value in static:
        try:
            hash(value)
        except TypeError:
            raise TypeError(
                f"{layer.name}: {name} is static configuration, so it must be hashable, got a "
                f"{type(value).__name__}; give a number, a string or a tuple here, or pass the "
                f"array at the call: model(x, {name}=...)"
            ) from None


def options_told(function: Function, options: dict[str, Any], error: Exception) -> str | None:
    """For Python's error of an unknown option, the options that a function takes, once."""
    told = any(note.startswith(OPTIONS) for note in getattr(error, "__notes__", ()))
    if not options or told or not isinstance(error, TypeError):
        return None
    names = taken_by(function).keywords
    unknown = any(f"unexpected keyword argument {name!r}" in str(error) for name in options)
    return OPTIONS + listed(names) if names and unknown else None
