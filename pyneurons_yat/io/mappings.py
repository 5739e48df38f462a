"""Mappings: from paths of a model, or patterns of them, to the names that others have."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple, NoReturn

import jax
import numpy as np

from ..core import Model
from ..core.checks import check_kind
from ..core.filters import starred
from ..core.paths import Keys, children, text
from ..core.repeat import Repeated
from .leaves import dtype_of, is_key, is_numeric
from .torch_layouts import Exchange, copies, exchanges, same, spread

To = str | tuple[Any, ...]
"""What a path is mapped to: a name, or names and functions."""


class Node(NamedTuple):
    """A place in a tree: its keys, what is there (of a `repeat` one copy), and how many copies.

    `holder` is the path of the innermost model that holds it, and that model.
    """

    keys: Keys
    tree: Any
    numbers: tuple[int, ...]
    holder: tuple[str, Any]


def exchange_table(function: str, model: Any, mapping: Mapping[str, To] | None) -> list[Exchange]:
    """The exchanges of a whole model, at most one for a place: the innermost entry's."""
    mapping = {"": ""} if mapping is None else mapping
    check_kind(function, "mapping", mapping, Mapping)
    for leaf in jax.tree.leaves(model):
        if not (is_numeric(leaf) or is_key(leaf)):
            told = type(leaf).__name__
            raise TypeError(f"{function}: model must hold arrays of numbers, got a {told}")
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(np.shape(leaf), dtype_of(leaf)), model)
    nodes = list(_nodes(shapes))
    found = [one for key, to in mapping.items() for one in _entries(function, nodes, key, to)]
    found.sort(key=lambda pair: -pair[0])
    table, done = [], set()
    for _, one in found:
        if not done.issuperset(one.places):
            table.append(one)
            done |= {*one.places}
    return table


def _nodes(
    tree: Any, keys: Keys = (), numbers: tuple[int, ...] = (), holder: Any = ("", None)
) -> Iterator[Node]:
    """Every place of a tree."""
    holder = (text(keys), tree) if isinstance(tree, Model) else holder
    yield Node(keys, tree, numbers, holder)
    params = tree.params if isinstance(tree, Model) else tree
    for key, child in children(tree)[0]:
        more = numbers
        if isinstance(params, Repeated):
            child, n = copies(child)
            more = (*numbers, n)
        yield from _nodes(child, (*keys, key), more, holder)


def _entries(function: str, nodes: list[Node], key: str, to: To) -> Iterator[tuple[int, Exchange]]:
    """The exchanges of an entry of the mapping, each with how far in it leads."""
    check_kind(function, "a path of the mapping", key, str)
    fitting = {
        node.keys: (node, stars)
        for node in nodes
        if jax.tree.leaves(node.tree) and (stars := starred(key, node.keys)) is not None
    }
    if not fitting:
        paths = ", ".join(text(node.keys) for node in nodes if not children(node.tree)[0])
        raise ValueError(f"{function}: a path must be in the model, got {key!r}; it has {paths}")
    for keys, (node, stars) in fitting.items():
        if not any(keys[:n] in fitting for n in range(len(keys))):  # it lies in what fits already
            yield from ((len(keys), one) for one in _exchanges(function, node, stars, to))


def _exchanges(function: str, node: Node, stars: tuple[str, ...], to: To) -> list[Exchange]:
    path, leaf = text(node.keys), not children(node.tree)[0]
    if isinstance(to, str):
        name = _named(to, stars)
        if name.count("*") != len(node.numbers):
            raise ValueError(
                f"{function}: the name of {path or 'the model'} must have "
                f"{len(node.numbers)} stars more than its path, for the numbers of the copies, got "
                f"{to!r}"
            )
        make = partial(_of_leaf if leaf else _of_part, node, path)
        return spread(make, name, node.numbers)
    if not (leaf and isinstance(to, tuple) and len(to) in (2, 3) and all(map(callable, to[1:]))):
        raise TypeError(
            f"{function}: {path or 'the model'} must be mapped to a name or, if it is a leaf, to "
            f"(names, function), got {to!r}"
        )
    names = (to[0],) if isinstance(to[0], str) else to[0]
    if not isinstance(names, tuple | list) or not all(isinstance(one, str) for one in names):
        raise TypeError(f"{function}: names of {path} must be one or several, got {names!r}")
    enter = _single(to[1])
    leave = _several(to[2], len(names)) if len(to) == 3 else partial(_no_way_back, path)
    return [Exchange((path,), tuple(_named(one, stars) for one in names), enter, leave)]


def _named(name: str, stars: tuple[str, ...]) -> str:
    """A name in which the first stars stand for what those of the path stand for."""
    for one in stars:
        name = name.replace("*", one, 1)
    return re.sub(r"\.+", ".", name).strip(".")


def _single(function: Callable[..., Any]) -> Callable[..., tuple[Any, ...]]:
    return lambda *arrays: (function(*arrays),)


def _several(function: Callable[..., Any], n: int) -> Callable[..., tuple[Any, ...]]:
    return lambda array: (function(array),) if n == 1 else tuple(function(array))


def _no_way_back(path: str, array: Any) -> NoReturn:
    raise ValueError(
        f"to_state_dict: mapping must tell the way back for {path}, got a function alone; give "
        "(names, function, back)"
    )


def _of_part(node: Node, path: str, name: str) -> list[Exchange]:
    return exchanges(node.tree, path, name)


def _of_leaf(node: Node, path: str, name: str) -> list[Exchange]:
    """A leaf under any name, as the layer that holds it lays it out."""
    own = (path,), (name,)
    place, holder = node.holder
    rules = exchanges(holder, place) if holder is not None else []
    one = next((one for one in rules if (one.places, len(one.names)) == ((path,), 1)), None)
    return [one._replace(names=own[1]) if one else Exchange(*own, same, same)]
