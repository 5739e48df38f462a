"""Interface: what an exported program takes and returns, in words and as shapes."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
from jax.tree_util import keystr, tree_flatten_with_path

from ..core.leaves import describe
from . import structure
from .leaves import is_numeric
from .plain import plain

Tree = Any


class Interface(NamedTuple):
    """The inputs, a tuple, and the outputs of a program, plain trees.

    Their leaves are shapes while a program is written, and words such as `float32[b,64]` when it is
    read.
    """

    inputs: Tree
    outputs: Tree

    def written(self) -> dict[str, Any]:
        """What a file tells of it."""
        words = jax.tree.map(describe, self)
        pairs = zip(self._fields, words, strict=True)
        return {"jax": jax.__version__, **{name: structure.written(one) for name, one in pairs}}

    @classmethod
    def read(cls, told: dict[str, Any]) -> "Interface":
        """What `written` told, in words."""
        return cls(*(structure.read(told[name], []) for name in cls._fields))

    def names(self) -> tuple[list[str], list[str]]:
        """A name for each array: `x`, `x.nodes`, or `x0` and `x1` of several; likewise `y`."""
        return _names("x", self.inputs), _names("y", self.outputs)


def _names(letter: str, tree: Tree) -> list[str]:
    tree = tree[0] if letter == "x" and len(tree) == 1 else tree
    pairs, _ = tree_flatten_with_path(tree)
    paths = [keystr(path, simple=True, separator=".") for path, _ in pairs]
    return [letter + "." * (path[:1].isalpha()) + path for path in paths]


def specified(
    inputs: tuple[Any, ...], shapes: Any, constraints: Sequence[str], alone: bool
) -> tuple[Any, ...]:
    """The shapes of inputs, with symbols for the sizes that are free.

    Args:
        inputs: Of a call, each a plain tree.
        shapes: As `export` takes it; that of the one input if it is `alone`.
        constraints: On the symbols.
        alone: Whether there is one input, which was not given in a tuple.
    """
    one = shapes is None or isinstance(shapes, str)
    wanted = shapes if one else plain("export", "shapes", (shapes,) if alone else shapes)
    wanted = jax.tree.map(lambda text: text or "...", wanted, is_leaf=lambda text: text is None)
    try:
        each = jax.tree.leaves(jax.tree.broadcast(wanted, inputs))
        scope = jax.export.SymbolicScope(tuple(constraints))
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"export: shapes must be text, None, or a tree of these like x: {error}"
        ) from error
    leaves, tree = jax.tree.flatten(inputs)
    found = [_spec(leaf, text, one, scope) for leaf, text in zip(leaves, each, strict=True)]
    return jax.tree.unflatten(tree, found)


def _spec(leaf: Any, text: str, one: bool, scope: Any) -> jax.ShapeDtypeStruct:
    if not (is_numeric(leaf) or isinstance(leaf, jax.ShapeDtypeStruct)):
        raise TypeError(f"export: x must be of arrays of numbers, got a {type(leaf).__name__}")
    shape, dtype = np.shape(leaf), _dtype(leaf)
    if one and not shape:
        return jax.ShapeDtypeStruct(shape, dtype)
    try:
        found = jax.export.symbolic_shape(text, scope=scope, like=shape)
        if len(found) != len(shape):
            raise ValueError(f"it has {len(found)} sizes for {len(shape)} axes")
    except (ValueError, TypeError) as error:
        like = describe(jax.ShapeDtypeStruct(shape, dtype))
        raise ValueError(f"export: shapes must fit x, {like}, got {text!r}: {error}") from error
    return jax.ShapeDtypeStruct(found, dtype)


def _dtype(leaf: Any) -> np.dtype:
    """The dtype that JAX has for an array or a number."""
    return jax.dtypes.canonicalize_dtype(getattr(leaf, "dtype", jnp.result_type(leaf)))


def checked(file: str, interface: Interface) -> Callable[..., tuple[Any, ...]]:
    """A function of inputs that returns them in plain containers.

    It refuses what the program was not exported for.
    """
    words, structure = jax.tree.flatten(interface.inputs)
    names = interface.names()[0]
    wanted = [(dtype_in(text), sizes_in(text)) for text in words]

    def check(*inputs: Any) -> tuple[Any, ...]:
        found = plain(file, "x", inputs)
        leaves, given = jax.tree.flatten(found)
        if given != structure:
            raise TypeError(f"{file}: inputs must have the structure {structure}, got {given}")
        sizes: dict[str, int] = {}
        for i, (leaf, (dtype, shape)) in enumerate(zip(leaves, wanted, strict=True)):
            same = _dtype(leaf).name == dtype
            if not same or not _fits(shape, np.shape(leaf), sizes):
                raise _unfit(f"{file}: {names[i]} must be {words[i]}", leaf, same, sizes)
        return found

    return check


def _unfit(wanted: str, leaf: Any, same: bool, sizes: dict[str, int]) -> Exception:
    """The error for an array of another dtype, or of the same and another shape."""
    where = ", ".join(f"{name} = {size}" for name, size in sizes.items())
    told = f" where {where}" if where and same else ""
    got = describe(jax.ShapeDtypeStruct(np.shape(leaf), _dtype(leaf)))
    return (ValueError if same else TypeError)(f"{wanted}{told}, got {got}")


def dtype_in(text: str) -> str:
    """The dtype in words such as `float32[b,64]`."""
    return text.partition("[")[0]


def sizes_in(text: str) -> list[str]:
    """The sizes in such words: numbers, or the names of those that are free."""
    shape = text.removesuffix("]").partition("[")[2]
    return shape.split(",") if shape else []


def _fits(wanted: list[str], got: tuple[int, ...], sizes: dict[str, int]) -> bool:
    """Whether a shape has the sizes that are told; those of symbols are noted in `sizes`."""
    if len(wanted) != len(got):
        return False
    for text, size in zip(wanted, got, strict=True):
        known = int(text) if text.isdecimal() else sizes.setdefault(text, size)
        if known != size:
            return False
    return True
