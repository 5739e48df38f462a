"""Structure: a model without its numbers as JSON, so that `load` can make it again without code.

    null, true, 3, 0.5, "text", [...]              what they are
    {"array": "float32[3,2]"}                      a leaf
    {"number": "inf"}, {"scalar": 1, "dtype": ...} what JSON does not have
    {"tuple": [...]}, {"dict": [[key, value]]}     containers
    {"name": "jax.nn.relu"}                        a function, a class or a layer; see `known`
    {"name": ..., "roles": ...}                    a layer in which other leaves are frozen
    {"of": "...LinearParams", "fields": {...}}     a named tuple, or a dataclass of the library
    {"model": layer, "static": ..., "params": ...}
    {"unknown": "my_module.block"}                 what only its own program has

Reading it calls the classes of the library that hold something, and nothing else.
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from dataclasses import replace as with_fields
from enum import Enum
from functools import partial
from types import EllipsisType
from typing import Any

import numpy as np

from ..core import Layer, Model
from ..core.functions import as_value
from ..core.leaves import describe
from .known import name_of, named

Json = Any
CONTAINERS = {dict: "dict", OrderedDict: "ordered"}


class Array:
    """Stands in the place of a leaf whose numbers are elsewhere."""


def written(value: Any) -> Json:
    """A tree, or what stands in the metadata of a model, as JSON."""
    if value is None or isinstance(value, bool | str):
        return value
    if type(value) in (int, float):
        return value if math.isfinite(value) else {"number": repr(value)}
    if isinstance(value, list):
        return [written(each) for each in value]
    if isinstance(value, Model):
        static = [[name, written(each)] for name, each in value.static]
        layer, params = written(value.layer), written(value.params)
        return {"model": layer, "static": static, "params": params}
    if isinstance(value, Layer) and (name := name_of(value)):
        found = {"name": name}
        return found if named(name) == value else {**found, "roles": written(value.roles)}
    return _written_special(value)


def _written_special(value: Any) -> Json:
    if type(value) is tuple:
        return {"tuple": [written(each) for each in value]}
    if type(value) in CONTAINERS:
        pairs = [[written(key), written(each)] for key, each in value.items()]
        return {CONTAINERS[type(value)]: pairs}
    if isinstance(value, EllipsisType):
        return {"number": "..."}
    if isinstance(value, np.dtype):
        return {"dtype": value.name}
    if isinstance(value, np.generic) and value.dtype.kind != "c":
        return {"scalar": written(value.item()), "dtype": value.dtype.name}
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return {"array": describe(value)}
    if isinstance(value, partial):
        return {"partial": [written(each) for each in (value.func, value.args, value.keywords)]}
    if isinstance(value, Enum) and (name := name_of(type(value))):
        return {"member": value.name, "of": name}
    if (held := _fields(value)) is not None and (name := name_of(type(value))):
        return {"of": name, "fields": {key: written(each) for key, each in held.items()}}
    name = name_of(value)
    return {"name": name} if name else {"unknown": _told(value)}


def _fields(value: Any) -> dict[str, Any] | None:
    """What a named tuple or a dataclass holds; the docstring of a layer is that of a function."""
    if isinstance(value, tuple) and (names := getattr(value, "_fields", None)):
        return dict(zip(names, value, strict=True))
    if not is_dataclass(value) or isinstance(value, type):
        return None
    return {one.name: getattr(value, one.name) for one in fields(value) if one.name != "doc"}


def _told(value: Any) -> str:
    of = value if hasattr(value, "__qualname__") else type(value)
    return f"{of.__module__}.{of.__qualname__}"


def read(json: Json, unknown: list[str]) -> Any:
    """What `written` wrote; names that lead nowhere are appended to `unknown`."""
    if isinstance(json, list):
        return [read(each, unknown) for each in json]
    if not isinstance(json, dict):
        return json
    kind = next((kind for kind in READ if kind in json), None)
    if kind is None:
        raise ValueError(f"nothing is written by {', '.join(json)}")
    return READ[kind](json, lambda inner: read(inner, unknown), unknown)


def _found(name: str, unknown: list[str]) -> Any:
    found = named(name)
    if found is None:
        unknown.append(name)
    return found


def _read_name(json: Json, inner: Callable[[Json], Any], unknown: list[str]) -> Any:
    found = _found(json["name"], unknown)
    return with_fields(found, roles=inner(json["roles"])) if found and "roles" in json else found


def _read_fields(json: Json, inner: Callable[[Json], Any], unknown: list[str]) -> Any:
    kind: Any = _found(json["of"], unknown)
    held = {name: inner(each) for name, each in json["fields"].items()}
    if unknown:  # what is missing may be what this class checks
        return None
    if not (hasattr(kind, "_fields") or hasattr(kind, "__dataclass_fields__")):
        raise ValueError(f"{json['of']} holds nothing")
    return kind(**held)


def _read_model(json: Json, inner: Callable[[Json], Any], unknown: list[str]) -> Any:
    layer, params = inner(json["model"]), inner(json["params"])
    static = tuple((name, inner(each)) for name, each in json["static"])
    return None if unknown else Model(layer, params, static)


def _read_partial(json: Json, inner: Callable[[Json], Any], unknown: list[str]) -> Any:
    function, args, keywords = map(inner, json["partial"])
    return None if unknown else as_value(partial(function, *args, **keywords))


def _read_member(json: Json, inner: Callable[[Json], Any], unknown: list[str]) -> Any:
    kind: Any = _found(json["of"], unknown)
    return None if unknown else kind[json["member"]]


def _pairs(pairs: Json, inner: Callable[[Json], Any]) -> list[tuple[Any, Any]]:
    return [(inner(key), inner(each)) for key, each in pairs]


READ: dict[str, Callable[[Any, Callable[[Json], Any], list[str]], Any]] = {
    "array": lambda json, inner, unknown: Array(),
    "tuple": lambda json, inner, unknown: tuple(map(inner, json["tuple"])),
    "dict": lambda json, inner, unknown: dict(_pairs(json["dict"], inner)),
    "ordered": lambda json, inner, unknown: OrderedDict(_pairs(json["ordered"], inner)),
    "number": lambda json, inner, unknown: (
        ... if json["number"] == "..." else float(json["number"])
    ),
    "scalar": lambda json, inner, unknown: np.dtype(json["dtype"]).type(inner(json["scalar"])),
    "dtype": lambda json, inner, unknown: np.dtype(json["dtype"]),
    "name": _read_name,
    "partial": _read_partial,
    "member": _read_member,
    "fields": _read_fields,
    "model": _read_model,
    "unknown": lambda json, inner, unknown: unknown.append(json["unknown"]),
}
