"""Plain: inputs and outputs of a program in the containers of Python, which any process has.

A named tuple is a dictionary of its fields there. All else stays: tuples, lists, dictionaries, None
and arrays.
"""

from typing import Any

import jax

from ..core import Model

Tree = Any


def plain(function: str, name: str, tree: Tree) -> Tree:
    """A tree in tuples, lists and dictionaries; what is another container is refused."""
    if isinstance(tree, dict):
        return {key: plain(function, f"{name}[{key!r}]", each) for key, each in tree.items()}
    if hasattr(tree, "_fields"):
        pairs = zip(tree._fields, tree, strict=True)
        return {key: plain(function, f"{name}.{key}", each) for key, each in pairs}
    if isinstance(tree, tuple | list):
        return type(tree)(plain(function, f"{name}[{i}]", each) for i, each in enumerate(tree))
    if isinstance(tree, Model) or not jax.tree_util.all_leaves([tree], lambda node: node is None):
        raise TypeError(
            f"{function}: {name} must be of arrays in tuples, lists, dictionaries and named "
            f"tuples, got a {type(tree).__name__}; give its arrays"
        )
    return tree


def restored(like: Tree, found: Tree) -> Tree:
    """A plain tree in the containers of another, of which it is the plain form."""
    if isinstance(like, dict):
        return type(like)((key, restored(each, found[key])) for key, each in like.items())
    if hasattr(like, "_fields"):
        pairs = zip(like._fields, like, strict=True)
        return type(like)(*(restored(each, found[key]) for key, each in pairs))
    if isinstance(like, tuple | list):
        return type(like)(map(restored, like, found))
    return found
