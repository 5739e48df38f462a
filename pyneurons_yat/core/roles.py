"""Roles and partitions: which leaves train, which are state, and how a tree is taken apart by that.

A leaf's role comes from the roles that the layers around it declare, the outermost first. Without
any, an array of an inexact dtype is `"params"` and every other leaf is `"buffers"`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
from jax.tree_util import keystr, tree_flatten_with_path

from .checks import check_alike, check_flag
from .filters import Filter, Place, leaf_places, takers, takes


@jax.tree_util.register_static
@dataclass(frozen=True)
class Hole:
    """What stands where a leaf went to another part of a partition: a node without leaves.

    Attributes:
        depth: How many partitions ago the leaf went. So `merge`, which undoes the last one, can
            tell a hole that the tree had before from a part that is missing.
    """

    depth: int = 0


HOLE = Hole()


def partition(tree: Any, *filters: Filter) -> tuple[Any, ...]:
    """Takes a tree apart: one tree per filter, each leaf in the first that takes it.

    Args:
        tree: A model or any pytree.
        *filters: A role (`"params"`, `"batch_stats"`, `"frozen"`, ...), a path (`"hidden.kernel"`)
            or a pattern of one (`"*kernel"`), `predicate(path, leaf) -> bool` with the path as
            text, or `...` for the rest.

    Returns:
        One tree per filter, all of the structure of `tree`, with a hole where a leaf went
        elsewhere. A hole has no leaves, so `jax.grad`, `jax.tree.map` and optax see only what is
        there. A part can be partitioned again: holes of `tree` itself stand in every part, and
        `merge` gives them back.

    Raises:
        TypeError: If a filter is none of these.
        ValueError: If a filter takes nothing, or only what those before it have taken; the message
            lists the roles and paths. If no filter takes a leaf; the message names its path. End
            with `...` to take the rest, which may be nothing.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> model = pn.freeze(pn.Linear(jax.random.key(0), 3, 2), "kernel")
        >>> params, rest = pn.partition(model, "params", ...)
        >>> pn.count(params), pn.count(rest), pn.count(pn.merge(params, rest))
        (2, 6, 8)
    """
    return _divided("partition", tree, filters)


def _divided(function: str, tree: Any, filters: Sequence[Filter]) -> tuple[Any, ...]:
    here = leaf_places(tree)
    found = takers(function, filters, here)
    return tuple(_kept(tree, here, [taker == i for taker in found]) for i in range(len(filters)))


def _kept(tree: Any, here: list[Place], keep: list[bool]) -> Any:
    """The tree with holes where a leaf is not kept."""
    leaves = [place.node if kept else HOLE for place, kept in zip(here, keep, strict=True)]
    return jax.tree.unflatten(jax.tree.structure(_aged(tree)), leaves)


def merge(*parts: Any) -> Any:
    """Puts the parts of a partition together again.

    Args:
        *parts: Trees of one structure, of which exactly one has a leaf at each place.

    Raises:
        ValueError: If two parts have a leaf at the same place or none has, naming the path; or if
            the structures differ.

    Returns:
        The whole tree, with the holes that it had before it was partitioned.

    Example:
        >>> import pyneurons_yat as pn
        >>> pn.merge(*pn.partition({"a": 1.0, "b": 2}, "params", ...))
        {'a': 1.0, 'b': 2}
    """
    if not parts:
        raise ValueError("merge: parts must be at least one, got none")
    flat = [tree_flatten_with_path(part, is_leaf=_is_hole) for part in parts]
    structure = check_alike("merge", "part", [structure for _, structure in flat])
    return jax.tree.unflatten(structure, list(_merged(*(pairs for pairs, _ in flat))))


def _merged(*parts: list[tuple[Any, Any]]) -> Iterator[Any]:
    for places in zip(*parts, strict=True):
        here = [leaf for _, leaf in places if not _is_hole(leaf)]
        depth = min((hole.depth for _, hole in places if _is_hole(hole)), default=0)
        if not here and depth:
            yield Hole(depth - 1)
            continue
        if len(here) != 1:
            holders = [i for i, (_, leaf) in enumerate(places) if not _is_hole(leaf)]
            what = f"parts {holders} overlap" if here else "no part has a leaf"
            raise ValueError(
                f"merge: {what} at {keystr(places[0][0])!r}; exactly one part must have it"
            )
        yield here[0]


def _is_hole(node: Any) -> bool:
    return isinstance(node, Hole)


def _aged(tree: Any) -> Any:
    """The tree with each of its holes a partition older."""
    return jax.tree.map(
        lambda node: Hole(node.depth + 1) if _is_hole(node) else node, tree, is_leaf=_is_hole
    )


def select(tree: Any, *filters: Filter) -> Any:
    """The leaves that any of the filters takes, with holes for the others.

    Args:
        tree: A model or any pytree.
        *filters: As for `partition`, in any order.

    Returns:
        A tree of the structure of `tree`.

    Raises:
        TypeError: If a filter is none.
        ValueError: If there is no filter, or one takes nothing; the message lists what there is.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> model = pn.Linear(jax.random.key(0), 3, 2)
        >>> pn.count(pn.select(model, "*bias"))
        2
    """
    here = leaf_places(tree)
    return _kept(tree, here, takes("select", filters, here))


def value_and_grad(
    f: Callable[..., Any], wrt: Filter = "params", has_aux: bool = False
) -> Callable[..., Any]:
    """`jax.value_and_grad` with respect to the leaves of one role of the first argument.

    Args:
        f: `f(model, *args, **keywords) -> scalar`, or `(scalar, auxiliary)` with `has_aux`.
        wrt: A filter as for `partition`: a role, a path, a pattern, a predicate, or `...`.
        has_aux: Whether `f` returns auxiliary data as well.

    Returns:
        A function that returns `(value, gradient)`. The gradient has the structure of the model
        with holes where nothing is differentiated, as `partition(model, wrt, ...)[0]` has.

    Raises:
        ValueError: If the filter takes no leaf; the message lists what there is.
        TypeError: If `has_aux` is neither True nor False.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.Linear(jax.random.key(0), 3, 1)
        >>> value, gradient = pn.value_and_grad(lambda m, x: m(x).sum())(model, jnp.ones(3))
        >>> gradient.bias.tolist()
        [1.0]
    """
    check_flag("value_and_grad", "has_aux", has_aux)

    def wrapped(model: Any, *args: Any, **keywords: Any) -> Any:
        chosen, rest = _divided("value_and_grad", model, (wrt, ...))

        def of_chosen(chosen: Any) -> Any:
            return f(merge(chosen, rest), *args, **keywords)

        return jax.value_and_grad(of_chosen, has_aux=has_aux)(chosen)

    return wrapped


def grad(
    f: Callable[..., Any], wrt: Filter = "params", has_aux: bool = False
) -> Callable[..., Any]:
    """`jax.grad` with respect to the leaves of one role of the first argument.

    Args:
        f: As for `value_and_grad`.
        wrt: As for `value_and_grad`.
        has_aux: As for `value_and_grad`.

    Returns:
        A function that returns the gradient, or `(gradient, auxiliary)` with `has_aux`.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.Linear(jax.random.key(0), 3, 1)
        >>> pn.grad(lambda m, x: m(x).sum())(model, jnp.ones(3)).kernel.tolist()
        [[1.0], [1.0], [1.0]]
    """
    check_flag("grad", "has_aux", has_aux)
    both = value_and_grad(f, wrt, has_aux)

    def wrapped(model: Any, *args: Any, **keywords: Any) -> Any:
        value, gradient = both(model, *args, **keywords)
        return (gradient, value[1]) if has_aux else gradient

    return wrapped
