"""Paths: how a place inside a pytree is written.

A path is the Python expression that reads the place: `.kernel`, `[0].bias`, `['hidden'].kernel`.
Each key may be written plainly as well, with a dot alone, and the first dot left out: `kernel`,
`0.bias`, `hidden.kernel`. A model adds nothing to a path: its parameters stand in its place. To JAX
parameters that are no tuple, list or dictionary have the key `.params`; here it may be written, but
is not shown.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.tree_util import keystr, tree_flatten_with_path

from .checks import check_flag
from .contents import INSIDE
from .leaves import strong


class Key(NamedTuple):
    """The text of a key, such as `['hidden']`, and its plain text, `.hidden`."""

    plain: str
    shown: str


Keys = tuple[Key, ...]
"""What leads from a tree to a place in it."""


def spelled(keys: Sequence[Any], inside: bool = False) -> Keys:
    """The texts of JAX's keys. `inside` tells that the first is the `.params` of a model."""
    found = [Key("." + keystr((key,), simple=True), keystr((key,))) for key in keys]
    return tuple([found[0]._replace(shown=""), *found[1:]] if inside else found)


def text(keys: Sequence[Key]) -> str:
    """The path of a place from its keys."""
    return "".join(key.shown for key in keys)


def normalise(path: str | Sequence[Any]) -> str:
    """Writes a path the way `keystr` writes it: `kernel` becomes `.kernel`."""
    text = path if isinstance(path, str) else keystr(tuple(path))
    return text if text.startswith((".", "[")) or not text else "." + text


def within(path: str, prefix: str) -> bool:
    """Whether `path` is `prefix` or lies below it; both are normalised."""
    rest = path.removeprefix(prefix)
    return path.startswith(prefix) and (not rest or rest[0] in ".[")


def after(path: str, key: Key) -> str | None:
    """What is left of a normalised path behind its first key; `None` if that is another."""
    return next((path.removeprefix(one) for one in key if within(path, one)), None)


def beyond(path: str, keys: Sequence[Key]) -> str | None:
    """What is left of a normalised path at the end of some keys; `None` if it leads elsewhere.

    Nothing is left of a path that ends there or on the way there.
    """
    left: str | None = path
    for key in keys:
        left = after(left, key) if left else left
    return left


def covers(path: str, keys: Sequence[Key]) -> bool:
    """Whether a normalised path is the place at the end of some keys, or one on the way there."""
    return beyond(path, keys) == ""


def children(tree: Any) -> tuple[list[tuple[Key, Any]], Any]:
    """The direct children of a node, each with its key, and the node's own treedef."""
    pairs, treedef = tree_flatten_with_path(tree, is_leaf=lambda node: node is not tree)
    if jax.tree_util.treedef_is_leaf(treedef):
        return [], treedef
    alone = [keys[0] for keys, _ in pairs] == [INSIDE] and not isinstance(tree, tuple)
    return [(spelled(keys, alone)[0], child) for keys, child in pairs], treedef


def _way(tree: Any, path: str) -> list[int] | None:
    """The positions of the children on the way to a place; `None` if there is no such place."""
    if not path:
        return []
    for i, (key, child) in enumerate(children(tree)[0]):
        rest = after(path, key)
        way = None if rest is None else _way(child, rest)
        if way is not None:
            return [i, *way]
    return None


def has_place(tree: Any, path: str) -> bool:
    """Whether there is a node at a normalised path, be it a leaf, a subtree or `None`."""
    return _way(tree, path) is not None


def _steps(function: str, tree: Any, path: str) -> Iterator[tuple[int, Key, Any]]:
    """Position, key and node of every step to a place; a `ValueError` if there is none."""
    way = _way(tree, path)
    if way is None:
        raise ValueError(_no_place(function, tree, path))
    for i in way:
        key, tree = children(tree)[0][i]
        yield i, key, tree


def _no_place(function: str, tree: Any, path: str) -> str:
    rest, below = path, [(path, tree)]
    while below:
        rest, tree = below[0]
        steps = [(after(rest, key), child) for key, child in children(tree)[0]]
        below = [(left, child) for left, child in steps if left is not None]
    names = ", ".join(key.shown or "." for key, _ in children(tree)[0]) or "nothing"
    return f"{function}: no place {path!r} in the tree: where {rest!r} was wanted, there is {names}"


def find(function: str, tree: Any, path: str) -> Any:
    """The leaf or subtree at a normalised path; a `ValueError` that lists the places beside it."""
    return [tree, *(node for _, _, node in _steps(function, tree, path))][-1]


def in_full(function: str, tree: Any, path: str) -> str:
    """The path of a place as it is shown; a `ValueError` if there is no such place."""
    return text([key for _, key, _ in _steps(function, tree, normalise(path))])


def replace(tree: Any, path: str | Sequence[Any], value: Any, *, reshape: bool = False) -> Any:
    """Returns the tree with the leaf or subtree at a path replaced.

    Args:
        tree: Any pytree; models included.
        path: Where, as text (`"kernel"`, `"[0].bias"`, `"hidden.kernel"`) or as a JAX key path. An
            absent field that holds `None` is a place too, so a bias can be put where there was
            none.
        value: What to put there: an array, a subtree, a model, or `None`.
        reshape: Whether an array may take the place of one of another shape.

    Returns:
        A new tree. The old one is untouched and shares every other leaf with it.

    Raises:
        ValueError: If there is no such place; the message lists the places beside it. If an array
            would take the place of one of another shape, without `reshape`.
        TypeError: If `reshape` is neither True nor False.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.Linear(jax.random.key(0), 3, 2)
        >>> pn.replace(model, "bias", jnp.ones(2)).params.bias.tolist()
        [1.0, 1.0]
    """
    check_flag("replace", "reshape", reshape)
    place = normalise(path)
    way = [step[0] for step in _steps("replace", tree, place)]
    return _replaced(tree, way, strong(value), None if reshape else place)


def _replaced(tree: Any, way: list[int], value: Any, kept: str | None) -> Any:
    """The tree with another node at the end of a way. `kept` names a place that keeps its shape."""
    if not way:
        if kept is not None:
            _check_shape(kept, tree, value)
        return value
    pairs, treedef = children(tree)
    nodes = [child for _, child in pairs]
    nodes[way[0]] = _replaced(nodes[way[0]], way[1:], value, kept)
    return jax.tree.unflatten(treedef, nodes)


def _check_shape(path: str, old: Any, new: Any) -> None:
    numbers = all(hasattr(one, "dtype") or isinstance(one, int | float) for one in (old, new))
    if numbers and np.shape(old) != np.shape(new):
        raise ValueError(
            f"replace: value must have shape {np.shape(old)}, as there is at {path!r}, got "
            f"{np.shape(new)}; pass reshape=True to put it there all the same"
        )
