"""Roles and partitions: which leaves train, which are state, and how a tree is taken apart by that.

A leaf's role comes from the roles that the layers around it declare, the outermost first. Without
any, an array of an inexact dtype is `"params"` and every other leaf is `"buffers"`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from dataclasses import replace as with_fields
from types import EllipsisType
from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import keystr, tree_flatten_with_path

from .model import Model, models
from .paths import normalise, within

Filter = str | EllipsisType | Callable[[str, Any], bool]


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


def leaves_with_roles(tree: Any) -> list[tuple[str, Any, str]]:
    """Path, leaf and role of every leaf, in the order of `jax.tree.leaves`."""
    rules = _rules(tree)
    pairs = [(keystr(keys), leaf) for keys, leaf in tree_flatten_with_path(tree)[0]]
    return [(path, leaf, _declared(path, rules) or _usual(leaf)) for path, leaf in pairs]


def frozen_models(tree: Any) -> set[str]:
    """The paths of the models in a tree that are frozen: they compute in training as in inference.

    A model is frozen if the role of its own place is `"frozen"`, which counts for models without
    leaves too, or if it has leaves and each of them has this role.

    Args:
        tree: A model or any pytree.

    Returns:
        Paths as `models(tree)` yields them; the path of the tree itself is empty.
    """
    rules, leaves = _rules(tree), leaves_with_roles(tree)
    found = set()
    for path, _ in models(tree):
        below = {role for leaf, _, role in leaves if within(leaf, path)}
        if below == {"frozen"} or _declared(path, rules) == "frozen":
            found.add(path)
    return found


def _rules(tree: Any) -> list[tuple[str, str]]:
    """Places and the roles declared for them, those that go before the others first."""
    pairs = [(path, model.layer.roles) for path, model in models(tree)]
    return [(path + below, role) for path, roles in pairs for below, role in roles]


def _declared(path: str, rules: list[tuple[str, str]]) -> str | None:
    return next((role for place, role in rules if within(path, place)), None)


def _usual(leaf: Any) -> str:
    dtype = getattr(leaf, "dtype", type(leaf))
    return "params" if jnp.issubdtype(dtype, jnp.inexact) else "buffers"


def _takes(one: Filter, path: str, leaf: Any, role: str) -> bool:
    if isinstance(one, str):
        return role == one
    if one is not ... and not callable(one):
        raise TypeError(
            "a filter is a role, ... or a function (path, leaf) -> bool, but a "
            f"{type(one).__name__} came"
        )
    return one is ... or one(path, leaf)


def partition(tree: Any, *filters: Filter) -> tuple[Any, ...]:
    """Takes a tree apart: one tree per filter, each leaf in the first that takes it.

    Args:
        tree: A model or any pytree.
        *filters: A role (`"params"`, `"batch_stats"`, `"frozen"`, ...), `...` for the rest, or
            `predicate(path, leaf) -> bool` with the path as text.

    Returns:
        As many trees as filters, all of the structure of `tree`, with a hole where a leaf went
        elsewhere. A hole has no leaves, so `jax.grad`, `jax.tree.map` and optax see only what is
        there. Holes that `tree` has itself are in every part, marked as older than the new ones,
        and `merge` gives them back: a part can be partitioned again.

    Raises:
        ValueError: If no filter takes a leaf; the message names its path. End with `...` to take
            the rest.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> model = pn.freeze(pn.Linear(jax.random.key(0), 3, 2), "kernel")
        >>> params, rest = pn.partition(model, "params", ...)
        >>> pn.count(params), pn.count(rest), pn.count(pn.merge(params, rest))
        (2, 6, 8)
    """
    structure = jax.tree.structure(_aged(tree))
    parts: list[list[Any]] = [[] for _ in filters]
    for path, leaf, role in leaves_with_roles(tree):
        taker = next((i for i, one in enumerate(filters) if _takes(one, path, leaf, role)), None)
        if taker is None:
            raise ValueError(
                f"partition: no filter takes the leaf at {path or 'the root'!r}, whose role is "
                f"{role!r}; add a filter for it, or ... for the rest"
            )
        for i, part in enumerate(parts):
            part.append(leaf if i == taker else HOLE)
    return tuple(jax.tree.unflatten(structure, part) for part in parts)


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
        raise ValueError("merge wants at least one part, but none came")
    flat = [tree_flatten_with_path(part, is_leaf=_is_hole) for part in parts]
    structure = flat[0][1]
    for position, (_, other) in enumerate(flat):
        if other != structure:
            raise ValueError(
                f"merge: part {position} has another structure than part 0: {other} against "
                f"{structure}"
            )
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
        *filters: As for `partition`.

    Returns:
        A tree of the structure of `tree`.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> model = pn.Linear(jax.random.key(0), 3, 2)
        >>> pn.count(pn.select(model, lambda path, leaf: path.endswith("bias")))
        2
    """
    structure = jax.tree.structure(_aged(tree))
    kept = [
        leaf if any(_takes(one, path, leaf, role) for one in filters) else HOLE
        for path, leaf, role in leaves_with_roles(tree)
    ]
    return jax.tree.unflatten(structure, kept)


def freeze(model: Model, *paths: str) -> Model:
    """Gives the role `"frozen"` to what lies at some paths of a model, or to all of it.

    What is frozen is not part of `"params"`: `grad`, `fit` and the optimiser do not see it, so
    weight decay does not move it either.

    Args:
        model: A model.
        *paths: Where, such as `"kernel"` or `"[0]"`; everything below counts. None means all.

    Returns:
        A model with the same leaves, whose layer declares the roles.

    Raises:
        TypeError: If `model` is not a model.
        ValueError: If a path has no leaf.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> model = pn.freeze(pn.Linear(jax.random.key(0), 3, 2), "kernel")
        >>> gradient = pn.grad(lambda model, x: model(x).sum())(model, jax.numpy.ones(3))
        >>> [leaf.shape for leaf in jax.tree.leaves(gradient)]
        [(2,)]
    """
    if not isinstance(model, Model):
        raise TypeError(f"freeze: model must be a Model, but a {type(model).__name__} came")
    here = [path for path, _, _ in leaves_with_roles(model)]
    wanted = [normalise(path) for path in paths or ("",)]
    for path in wanted:
        if not any(within(leaf, path) for leaf in here):
            raise ValueError(
                f"freeze: no leaf at {path!r} in {model.layer.name}; it has {', '.join(here)}"
            )
    roles = dict.fromkeys([*((path, "frozen") for path in wanted), *model.layer.roles])
    return Model(with_fields(model.layer, roles=tuple(roles)), model.params, model.static)


def value_and_grad(
    f: Callable[..., Any], wrt: Filter = "params", has_aux: bool = False
) -> Callable[..., Any]:
    """`jax.value_and_grad` with respect to the leaves of one role of the first argument.

    Args:
        f: `f(model, *args, **keywords) -> scalar`, or `(scalar, auxiliary)` with `has_aux`.
        wrt: A filter as for `partition`: a role, `...`, or a predicate of path and leaf.
        has_aux: Whether `f` returns auxiliary data as well.

    Returns:
        A function that returns `(value, gradient)`. The gradient has the structure of the model
        with holes where nothing is differentiated, as `partition(model, wrt, ...)[0]` has.

    Raises:
        ValueError: If the filter takes no leaf at all.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.Linear(jax.random.key(0), 3, 1)
        >>> value, gradient = pn.value_and_grad(lambda m, x: m(x).sum())(model, jnp.ones(3))
        >>> gradient.bias.tolist()
        [1.0]
    """

    def wrapped(model: Any, *args: Any, **keywords: Any) -> Any:
        chosen, rest = partition(model, wrt, ...)
        if not jax.tree.leaves(chosen):
            raise ValueError(
                f"value_and_grad: wrt={wrt!r} takes no leaf of the {type(model).__name__}"
            )

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
    both = value_and_grad(f, wrt, has_aux)

    def wrapped(model: Any, *args: Any, **keywords: Any) -> Any:
        value, gradient = both(model, *args, **keywords)
        return (gradient, value[1]) if has_aux else gradient

    return wrapped
