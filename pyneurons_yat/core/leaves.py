"""Leaves: what is known of the single leaves of a tree, whatever tree it is."""

from typing import Any

import jax


def count(tree: Any) -> int:
    """The number of entries of the arrays in a tree, all roles together; a number counts as one.

    Args:
        tree: A model or any pytree. To count one role, select it first:
            `count(select(model, "params"))`.

    Returns:
        A Python integer.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> pn.count(pn.Linear(jax.random.key(0), 64, 10))
        650
    """
    return sum(
        int(getattr(leaf, "size", isinstance(leaf, int | float | complex)))
        for leaf in jax.tree.leaves(tree)
    )


def describe(leaf: Any) -> str:
    """A leaf's dtype and shape, such as `float32[3,2]`; a leaf that is no array, by its type."""
    if not hasattr(leaf, "shape") or not hasattr(leaf, "dtype"):
        return type(leaf).__name__
    return f"{leaf.dtype}[{','.join(map(str, leaf.shape))}]"


def strong(tree: Any) -> Any:
    """The tree with strong types: an array made of a Python number alone gets a dtype that stays.

    A weak type is part of what `jax.jit` compiles for, and the first step of training loses it.
    """
    leaves, structure = jax.tree.flatten(tree)
    weak = [isinstance(leaf, jax.Array) and jax.typeof(leaf).weak_type for leaf in leaves]
    if not any(weak):
        return tree
    pairs = zip(leaves, weak, strict=True)
    firm = [jax.lax.convert_element_type(v, v.dtype) if is_weak else v for v, is_weak in pairs]
    return jax.tree.unflatten(structure, firm)


def marked(tree: Any) -> bool:
    """Whether a tree holds labels or booleans alone, as optax takes them."""
    leaves = jax.tree.leaves(tree)
    return bool(leaves) and all(isinstance(leaf, str | bool) for leaf in leaves)
