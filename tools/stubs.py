"""Writes `pyneurons_yat/neurons/__init__.pyi`, from which type checkers know how layers are called.

A layer is a value that `bind` made of two functions, which no type checker follows. So each layer
gets a class here, whose calls have the signatures of its functions. Run it after a signature has
changed; a test tells when:

    python tools/stubs.py
"""

import inspect
import types
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

import jax
from jax.typing import ArrayLike, DTypeLike

from pyneurons_yat import neurons
from pyneurons_yat.core import Layer, Model
from pyneurons_yat.core.signatures import taken_by

STUB = Path(neurons.__file__).with_suffix(".pyi")
ALIASES = {"ArrayLike": ArrayLike, "DTypeLike": DTypeLike}
KNOWN = {jax.Array: "jax.Array", Model: "Model", type(None): "None", ...: "..."}
GENERIC = {"tuple", "list", "dict", "Sequence", "Callable"}
HEAD = '''"""How layers are called, for type checkers. Written by tools/stubs.py; do not edit."""

from collections.abc import Callable, Sequence
from typing import Any, overload

import jax
from jax.typing import ArrayLike, DTypeLike

from ..core import Box, Layer, Model
'''


def written(annotation: Any) -> str:
    """An annotation as source text; "Any" for what has no public name."""
    annotation = getattr(annotation, "__origin__", annotation) if _noted(annotation) else annotation
    origin, inside = get_origin(annotation), get_args(annotation)
    for name, alias in ALIASES.items():
        if annotation == alias:
            return name
    if origin in (Union, types.UnionType):
        return _union(list(inside))
    if annotation in KNOWN:
        return KNOWN[annotation]
    name = getattr(origin or annotation, "__name__", "")
    if origin and name in GENERIC:
        if origin is Callable or name == "Callable":
            return f"Callable[..., {written(inside[-1])}]"
        return f"{name}[{', '.join(map(written, inside))}]"
    return name if getattr(annotation, "__module__", "") == "builtins" and name else "Any"


def _noted(annotation: Any) -> bool:
    return get_origin(annotation) is Annotated


def _union(members: list[Any]) -> str:
    found = []
    for name, alias in ALIASES.items():
        if set(get_args(alias)) <= set(members):
            found.append(name)
            members = [member for member in members if member not in get_args(alias)]
    return " | ".join(dict.fromkeys([*found, *map(written, members)]))


def parameters(given: Iterable[inspect.Parameter], *, of_model: bool = False) -> str:
    """Parameters, one a line. A model takes arrays of NumPy too, and knows its options already."""
    lines, named = ["self"], False
    for one in given:
        if one.kind is one.KEYWORD_ONLY and not named:
            named = True
            lines.append("*")
        star = {one.VAR_POSITIONAL: "*", one.VAR_KEYWORD: "**"}.get(one.kind, "")
        named = named or star == "*"
        kind = written(one.annotation)
        known = one.default is not one.empty or (of_model and one.kind is one.KEYWORD_ONLY)
        if of_model and one.name != "key":
            kind = kind.replace("jax.Array", "ArrayLike")
        lines.append(f"{star}{one.name}: {kind}{' = ...' if known else ''}")
    return "".join(f"        {line},\n" for line in lines)


def classes(layer: Layer) -> str:
    """The class of a layer and that of its models."""
    name, call = layer.name, taken_by(layer.apply).signature
    fixed = layer.fixed
    inputs = [p for p in list(call.parameters.values())[1:] if p.name not in fixed]
    made = layer.signature().parameters.values()
    return f"""
class _{name}Model(Model):
    def __call__(
{parameters(inputs, of_model=True)}    ) -> {written(call.return_annotation)}: ...

class _{name}(Layer):
    @overload
    def __call__(
{parameters(made)}    ) -> _{name}Model: ...
    @overload
    def __call__(self, box: Box, /, **options: Any) -> _{name}Model: ...
"""


def stub() -> str:
    """The text of the stub."""
    layers = {n: v for n in neurons.__all__ if isinstance(v := getattr(neurons, n), Layer)}
    text = HEAD
    for family in neurons.FAMILIES:
        module = family.__name__.rpartition(".")[2]
        names = [name for name in family.__all__ if name not in layers]
        names = sorted(names, key=lambda name: not name.isupper())  # as linters sort imports
        line = f"from .{module} import {', '.join(names)}\n" if names else ""
        several = "".join(f"    {name},\n" for name in names)
        text += line if len(line) <= 101 else f"from .{module} import (\n{several})\n"
    shown = "".join(f'    "{name}",\n' for name in neurons.__all__)
    text += f"\n__all__ = [\n{shown}]\n"
    text += "".join(classes(layer) for layer in dict.fromkeys(layers.values()))
    lines = (f"{name}: _{layer.name}\n" for name, layer in layers.items())
    return text + "\n" + "".join(lines)


if __name__ == "__main__":
    STUB.write_text(stub())
