"""Paths: how a place inside a pytree is written.

A path is the Python expression that reads the place: `.kernel`, `[0].bias`, `['hidden'].kernel`.
A leading dot may be left out. A model adds nothing to a path: its parameters stand in its place.
"""

from collections.abc import Sequence
from typing import Any

import jax
from jax.tree_util import keystr, tree_flatten_with_path


def normalise(path: str | Sequence[Any]) -> str:
    """Writes a path the way `keystr` writes it: `kernel` becomes `.kernel`."""
    text = path if isinstance(path, str) else keystr(tuple(path))
    return text if text.startswith((".", "[")) or not text else "." + text


def within(path: str, prefix: str) -> bool:
    """Whether `path` is `prefix` or lies below it; both are normalised."""
    rest = path.removeprefix(prefix)
    return path.startswith(prefix) and (not rest or rest[0] in ".[")


def children(tree: Any) -> tuple[list[tuple[str, Any]], Any]:
    """The direct children of a node, each with its key as text, and the node's own treedef."""
    pairs, treedef = tree_flatten_with_path(tree, is_leaf=lambda node: node is not tree)
    inside = [] if jax.tree_util.treedef_is_leaf(treedef) else pairs  # a leaf has none
    return [(keystr(keys), child) for keys, child in inside], treedef


def has_place(tree: Any, path: str) -> bool:
    """Whether there is a node at a normalised path, be it a leaf, a subtree or `None`."""
    below = [(path.removeprefix(key), node) for key, node in children(tree)[0] if within(path, key)]
    return not path or any(has_place(node, rest) for rest, node in below)


def find(function: str, tree: Any, path: str) -> Any:
    """The leaf or subtree at a normalised path; a `ValueError` that lists the places beside it."""
    rest = path
    while rest:
        here = children(tree)[0]
        below = [(key, node) for key, node in here if within(rest, key)]
        if not below:
            raise ValueError(_no_place(function, path, rest, here))
        key, tree = below[0]
        rest = rest.removeprefix(key)
    return tree


def _no_place(function: str, path: str, rest: str, here: list[tuple[str, Any]]) -> str:
    names = ", ".join(key or "." for key, _ in here) or "nothing"
    return f"{function}: no place {path!r} in the tree: where {rest!r} was wanted, there is {names}"


def replace(tree: Any, path: str | Sequence[Any], value: Any) -> Any:
    """Returns the tree with the leaf or subtree at a path replaced.

    Args:
        tree: Any pytree; models included.
        path: Where, as text (`"kernel"`, `"[0].bias"`) or as a JAX key path. An absent field that
            holds `None` is a place too, so a bias can be put where there was none.
        value: What to put there: an array, a subtree, a model, or `None`.

    Returns:
        A new tree. The old one is untouched and shares every other leaf with it.

    Raises:
        ValueError: If there is no such place; the message lists the places beside it.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.Linear(jax.random.key(0), 3, 2)
        >>> pn.replace(model, "bias", jnp.ones(2)).params.bias.tolist()
        [1.0, 1.0]
    """
    return _replace(tree, normalise(path), value, normalise(path))


def _replace(tree: Any, rest: str, value: Any, path: str) -> Any:
    if not rest:
        return value
    pairs, treedef = children(tree)
    found = [i for i, (key, _) in enumerate(pairs) if within(rest, key)]
    if not found:
        raise ValueError(_no_place("replace", path, rest, pairs))
    nodes = [child for _, child in pairs]
    key, child = pairs[found[0]]
    nodes[found[0]] = _replace(child, rest.removeprefix(key), value, path)
    return jax.tree.unflatten(treedef, nodes)
