"""Contents: how the parameters of a model lie in it, and which keys lead to them.

Parameters that are a tuple, a named tuple, a list or a dictionary are no node of their own in the
tree: what they hold, the model holds, under keys of JAX's own classes. A `kind` tells what to make
of the contents again. It is `tuple`, a class of named tuples, a pair of another container and its
keys, or `None` for parameters of any other sort, which are the one child of the model.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from jax.tree_util import DictKey, GetAttrKey, SequenceKey

INSIDE = GetAttrKey("params")
"""The key of a model's parameters that are no tuple, list or dictionary."""


def opened(params: Any) -> tuple[Any, tuple[Any, ...]]:
    """The kind of some parameters, and what they hold."""
    kind = type(params)
    if kind is tuple or (isinstance(params, tuple) and hasattr(params, "_fields")):
        return kind, params
    if kind is list:
        return (list, tuple(range(len(params)))), tuple(params)
    if kind is OrderedDict or (kind is dict and _is_sortable(params)):
        keys = tuple(params if kind is OrderedDict else sorted(params))
        return (kind, keys), tuple(params[key] for key in keys)
    return None, (params,)


def _is_sortable(keys: Iterable[Any]) -> bool:
    try:
        sorted(keys)
    except TypeError:  # JAX says so when the model is used
        return False
    return True


def closed(kind: Any, inside: tuple[Any, ...]) -> Any:
    """The parameters of a kind that hold something."""
    if kind is None:
        return inside[0]
    if type(kind) is not tuple:
        return inside
    container, keys = kind
    return list(inside) if container is list else container(zip(keys, inside, strict=True))


def held(kind: Any, children: Iterable[Any]) -> tuple[Any, ...]:
    """What a model of a kind holds, from its children."""
    if kind is None or kind is tuple or type(kind) is tuple:
        return tuple(children)
    # The `__new__` of a named tuple runs Python, which every compiled call would pay for.
    return tuple.__new__(kind, children)


def keys_of(kind: Any, size: int) -> list[Any]:
    """The keys of the children of a model of a kind."""
    if kind is None:
        return [INSIDE]
    if type(kind) is tuple:
        return list(map(SequenceKey if kind[0] is list else DictKey, kind[1]))
    return list(map(SequenceKey, range(size)) if kind is tuple else map(GetAttrKey, kind._fields))
