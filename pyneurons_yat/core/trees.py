"""Functions over whole trees: join, cut, stack and unstack the leaves of several trees at once."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from .checks import check_alike


def implode(function: Callable[[list[Any]], Any], trees: Sequence[Any]) -> Any:
    """Joins many trees to one: `function` gets the list of leaves that stand in the same place.

    Args:
        function: From a list of leaves to one leaf.
        trees: One tree or more, of the same structure.

    Returns:
        One tree of that structure.

    Raises:
        ValueError: If there is no tree, or the structures differ.

    Example:
        >>> import pyneurons_yat as pn
        >>> pn.implode(sum, [(1, 2), (10, 20)])
        (11, 22)
    """
    trees = list(trees)
    if not trees:
        raise ValueError("implode: trees must be at least one, got none")
    check_alike("implode", "tree", list(map(jax.tree.structure, trees)))
    return jax.tree.map(lambda *leaves: function(list(leaves)), *trees)


def explode(function: Callable[[Any], Sequence[Any]], tree: Any) -> list[Any]:
    """Cuts one tree into many: `function` cuts each leaf into a list, all of equal length.

    Args:
        function: From a leaf to a sequence of leaves.
        tree: A tree with at least one leaf.

    Returns:
        A list of trees of the same structure, as many as each leaf has pieces.

    Raises:
        ValueError: If the leaves give lists of unequal length, or there is no leaf.

    Example:
        >>> import pyneurons_yat as pn
        >>> pn.explode(list, {"a": "xy", "b": "uv"})
        [{'a': 'x', 'b': 'u'}, {'a': 'y', 'b': 'v'}]
    """
    leaves, structure = jax.tree.flatten(tree)
    pieces = [list(function(leaf)) for leaf in leaves]
    lengths = sorted({len(piece) for piece in pieces})
    if len(lengths) != 1:
        came = " and ".join(map(str, lengths)) or "a tree without leaves"
        raise ValueError(f"explode: leaves must give the same number of pieces, got {came}")
    return [jax.tree.unflatten(structure, each) for each in zip(*pieces, strict=True)]


def concat(trees: Sequence[Any]) -> Any:
    """Joins trees along the last axis of every leaf: neurons side by side are a layer.

    Args:
        trees: One tree or more of the same structure; models, parameters or bare arrays.

    Returns:
        One tree. The last axis of each leaf is as long as those of the trees together.

    Gradient:
        Each piece receives its part.

    Raises:
        ValueError: If the structures differ, the shapes differ elsewhere, or a leaf has no axis.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> neurons = [pn.Neuron(key, 3) for key in jax.random.split(jax.random.key(0), 10)]
        >>> pn.concat(neurons)(jax.numpy.ones((1, 3))).shape
        (1, 10)
    """
    return implode(_concatenated, trees)


def _concatenated(leaves: list[Any]) -> jax.Array:
    shapes = [jnp.shape(leaf) for leaf in leaves]
    if () in shapes or len({shape[:-1] for shape in shapes}) > 1:
        raise ValueError(
            "concat: leaves must have at least one axis, and equal shapes but for the last, got "
            f"shapes {', '.join(map(str, shapes))}"
        )
    return jnp.concatenate(leaves, axis=-1)


def split(tree: Any) -> list[Any]:
    """Undoes `concat` of single columns: one tree per position of the last axis.

    Args:
        tree: A tree of arrays with equal last axes.

    Returns:
        A list of trees whose leaves have a last axis of size 1.

    Gradient:
        The pieces' gradients side by side.

    Raises:
        ValueError: If the leaves differ in their last axis, or a leaf has no axis.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> neurons = [pn.Neuron(key, 3) for key in jax.random.split(jax.random.key(0), 10)]
        >>> len(pn.split(pn.concat(neurons)))
        10
    """
    return explode(_columns, tree)


def _columns(leaf: Any) -> list[Any]:
    size = _axis_size("split", leaf, -1)
    return jnp.split(leaf, size, axis=-1) if size else []


def stack(trees: Sequence[Any]) -> Any:
    """Stacks trees along a new first axis of every leaf, for `jax.vmap` or `jax.lax.scan`.

    Args:
        trees: One tree or more of the same structure and leaf shapes.

    Returns:
        One tree: an ensemble.

    Gradient:
        Each tree receives its slice.

    Raises:
        ValueError: If the structures or the shapes differ.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> keys = jax.random.split(jax.random.key(0), 4)
        >>> models = pn.stack([pn.Linear(key, 3, 2) for key in keys])
        >>> jax.vmap(lambda model, x: model(x), in_axes=(0, None))(models, jnp.ones(3)).shape
        (4, 2)
    """
    return implode(_stacked, trees)


def _stacked(leaves: list[Any]) -> jax.Array:
    shapes = [jnp.shape(leaf) for leaf in leaves]
    if len(set(shapes)) > 1:
        raise ValueError(f"stack: leaves must have one shape, got {', '.join(map(str, shapes))}")
    return jnp.stack(leaves)


def unstack(tree: Any) -> list[Any]:
    """Undoes `stack`: one tree per position of the first axis.

    Args:
        tree: A tree of arrays with equal first axes.

    Returns:
        A list of trees whose leaves lack that axis.

    Raises:
        ValueError: If the leaves differ in their first axis, or a leaf has no axis.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> [tree["a"].shape for tree in pn.unstack({"a": jnp.ones((2, 3))})]
        [(3,), (3,)]
    """
    return explode(lambda leaf: [leaf[i] for i in range(_axis_size("unstack", leaf, 0))], tree)


def _axis_size(function: str, leaf: Any, axis: int) -> int:
    shape = jnp.shape(leaf)
    if not shape:
        raise ValueError(f"{function}: leaves must have at least one axis, got a scalar")
    return shape[axis]
