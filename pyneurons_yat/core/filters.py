"""Filters: the one way to say which leaves of a tree, in every function that works on some of them.

A filter is

    a role         `"params"`, `"batch_stats"`, `"frozen"`, ...
    a path         `"kernel"`, `"[0]"`, `"hidden.kernel"`: what is there, and below
    a pattern      a path in which `*` stands for anything: `"*kernel"`, `"blocks[*].norm"`
    ...            every leaf, or those that the filters before it have left
    a predicate    `predicate(path, leaf) -> bool`, with the path as text
    where(...)     what any of several filters takes

A role goes before a path of the same name; `".params"`, with its dot, is the path. A filter that
fits nothing is an error that lists what there is.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import EllipsisType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from .checks import check_kind
from .layer import Layer
from .model import Model, branches
from .paths import Keys, covers, normalise, text

Filter = str | EllipsisType | Callable[..., Any]
"""A predicate is `(path, leaf) -> bool`."""
SHOWN = 20


class Place(NamedTuple):
    """A leaf of a tree, or a model in it; with its keys, and the role that it has.

    A model's role is the one that is declared for its own place, or `None`.
    """

    keys: Keys
    node: Any
    role: str | None

    @property
    def path(self) -> str:
        """The path as it is shown."""
        return text(self.keys)

    def fits(self, path: str, apart: frozenset[Any] = frozenset()) -> bool:
        """Whether a path or a pattern reads this place or one that it lies below, but for some."""
        return any(
            _reads(path, self.keys[:n]) and self.keys[:n] not in apart
            for n in range(len(self.keys) + 1)
        )


def _reads(path: str, keys: Keys) -> bool:
    """Whether a path or a pattern reads as the place to which some keys lead."""
    return starred(path, keys) is not None


def starred(path: str, keys: Keys) -> tuple[str, ...] | None:
    """What each `*` of a path or a pattern stands for at the place to which some keys lead.

    `None` if it does not read as this place.
    """
    start = path if path.startswith("*") else normalise(path)
    if "*" not in path:
        return () if covers(start, keys) and not (keys and covers(start, keys[:-1])) else None
    unquoted = re.sub(r"\[([^\]'\"]*)\]", r".\1", start)
    plain = "".join(key.plain for key in keys if key.shown)
    found = _like(unquoted, plain) or _like(start, text(keys))
    return found.groups() if found else None


def _like(pattern: str, path: str) -> re.Match[str] | None:
    return re.fullmatch("(.*)".join(map(re.escape, pattern.split("*"))), path, re.DOTALL)


def places(tree: Any, but: str = "") -> list[Place]:
    """Every leaf and every model of a tree: leaves as in `jax.tree.leaves`, models before theirs.

    Roles are as if no layer declared the role `but`.
    """
    return list(_places(tree, (), (), but))


def leaf_places(tree: Any) -> list[Place]:
    """Every leaf of a tree, in the order of `jax.tree.leaves`."""
    return [place for place in places(tree) if not isinstance(place.node, Model)]


def leaves_by_path(tree: Any) -> list[tuple[str, Any]]:
    """Every leaf of a tree with its path, in the order of `jax.tree.leaves`."""
    return [(place.path, place.node) for place in leaf_places(tree)]


def _places(
    tree: Any, keys: Keys, rules: tuple[tuple[int, str, str], ...], but: str
) -> Iterator[Place]:
    """`places`. A rule is the number of keys before a path, the path, and the role of it."""
    if isinstance(tree, Model):
        own = ((len(keys), path, role) for path, role in tree.layer.roles if role != but)
        rules = (*rules, *own)
        yield Place(keys, tree, _declared(keys, rules))
    for more, node in branches(tree):
        at = (*keys, *more)
        if isinstance(node, Model):
            yield from _places(node, at, rules, but)
        else:
            yield Place(at, node, _declared(at, rules) or _usual(node))


def _declared(keys: Keys, rules: tuple[tuple[int, str, str], ...]) -> str | None:
    return next((role for n, path, role in rules if covers(path, keys[n:])), None)


def _usual(leaf: Any) -> str:
    dtype = getattr(leaf, "dtype", type(leaf))
    return "params" if jnp.issubdtype(dtype, jnp.inexact) else "buffers"


def taken(
    function: str, one: Filter, here: Sequence[Place], apart: frozenset[Any] = frozenset()
) -> list[bool]:
    """Which of some places a filter takes; an error in the name of a function if none.

    Paths and patterns do not take what lies below the places `apart` because these fit.
    """
    found = fitting(function, one, here, apart)
    if one is not ... and not any(found):
        raise unfit(function, one, here)
    return found


def unfit(function: str, one: Filter, here: Sequence[Place]) -> ValueError:
    """What is wrong with a filter that takes none of some places."""
    return ValueError(f"{function}: a filter must fit something, got {_told(one)}; {_listed(here)}")


def fitting(
    function: str, one: Filter, here: Sequence[Place], apart: frozenset[Any] = frozenset()
) -> list[bool]:
    """Which of some places a filter takes, maybe none."""
    if isinstance(one, Where):
        return takes(function, one.filters, here, apart)
    if one is ...:
        return [True] * len(here)
    if isinstance(one, str):
        role = one in {place.role for place in here}
        return [place.role == one if role else place.fits(one, apart) for place in here]
    if not callable(one) or isinstance(one, Layer | Model | Label):
        raise TypeError(
            f"{function}: a filter must be a role, a path, a pattern, ... or a function "
            f"(path, leaf) -> bool, got a {type(one).__name__}"
        )
    return [not isinstance(at.node, Model) and bool(one(at.path, at.node)) for at in here]


def _told(one: Filter) -> str:
    return repr(one) if isinstance(one, str) else getattr(one, "__name__", "a predicate")


def _listed(here: Sequence[Place]) -> str:
    """The roles and the paths that there are, for a message."""
    leaves = [place for place in here if not isinstance(place.node, Model)]
    if not leaves:
        return "there are no leaves"
    roles = sorted({str(place.role) for place in leaves})
    paths = [place.path or "the root" for place in leaves]
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return f"the roles are {', '.join(roles)}, the paths {', '.join(paths[:SHOWN])}{more}"


def takes(
    function: str,
    filters: Sequence[Filter],
    here: Sequence[Place],
    apart: frozenset[Any] = frozenset(),
) -> list[bool]:
    """For each place, whether any of some filters takes it; each must take something."""
    if not filters:
        raise ValueError(f"{function}: filters must be at least one, got none")
    each = [taken(function, one, here, apart) for one in filters]
    return [any(of_place) for of_place in zip(*each, strict=True)]


def takers(function: str, filters: Sequence[Filter], here: Sequence[Place]) -> list[int]:
    """For each place, the position of the first filter that takes it.

    Raises:
        ValueError: If a filter takes nothing, or no filter takes a place.
    """
    found = [len(filters)] * len(here)
    for i, one in enumerate(filters):
        free = [j for j, fits in enumerate(taken(function, one, here)) if fits and found[j] > i]
        if not free and one is not ...:
            raise ValueError(
                f"{function}: a filter must take something that those before it have left, got "
                f"{_told(one)}; put it before them"
            )
        for j in free:
            found[j] = i
    for place, i in zip(here, found, strict=True):
        if i == len(filters):
            raise ValueError(
                f"{function}: no filter takes the leaf at {place.path or 'the root'!r}, whose role "
                f"is {place.role!r}; add a filter for it, or ... for the rest"
            )
    return found


@dataclass(frozen=True)
class Where:
    """What `where` returns."""

    filters: tuple[Filter, ...]

    def __call__(self, tree: Any) -> Any:
        """A tree of booleans: whether any of the filters takes a leaf."""
        here = leaf_places(tree)
        return jax.tree.unflatten(jax.tree.structure(tree), takes("where", self.filters, here))


def where(*filters: Filter) -> Where:
    """A function from a tree to booleans: which of its leaves the filters take.

    It is what optax means by a mask: for `optax.masked`, and for the `mask` of `optax.adamw`. It is
    a filter itself, for all that its filters take together.

    Args:
        *filters: As for `partition`.

    Returns:
        A function of a tree, equal to any made of equal filters. It raises ValueError for a tree in
        which a filter takes nothing.

    Raises:
        ValueError: If there is no filter.

    Example:
        >>> import jax, optax, pyneurons_yat as pn
        >>> model = pn.Linear(jax.random.key(0), 3, 2)
        >>> jax.tree.leaves(pn.where("*kernel")(model))
        [True, False]
        >>> optimizer = optax.adamw(1e-3, weight_decay=0.1, mask=pn.where("*kernel"))
        >>> pn.count(pn.select(model, pn.where("kernel", "bias")))
        8
    """
    if not filters:
        raise ValueError("where: filters must be at least one, got none")
    return Where(filters)


@dataclass(frozen=True)
class Label:
    """What `label` returns."""

    labels: tuple[Any, ...]
    filters: tuple[Filter, ...]

    def __call__(self, tree: Any) -> Any:
        """A tree of labels: of each leaf, that of the first filter that takes it."""
        found = takers("label", self.filters, leaf_places(tree))
        return jax.tree.unflatten(jax.tree.structure(tree), [self.labels[i] for i in found])


def label(mapping: Mapping[Any, Filter]) -> Label:
    """A function from a tree to labels: which of its leaves belong to which group.

    It is what `optax.multi_transform` takes beside its optimisers.

    Args:
        mapping: From a label to a filter as for `partition`. A leaf gets the label of the first
            filter that takes it; `...` as the last one takes the rest.

    Returns:
        A function of a tree, equal to any made of an equal mapping. It raises ValueError for a tree
        with a leaf that no filter takes, or in which a filter takes nothing.

    Raises:
        TypeError: If `mapping` is not a mapping.

    Example:
        >>> import jax, optax, pyneurons_yat as pn
        >>> model = pn.Linear(jax.random.key(0), 3, 2)
        >>> groups = pn.label({"slow": "*kernel", "fast": ...})
        >>> jax.tree.leaves(groups(model))
        ['slow', 'fast']
        >>> optimizers = {"slow": optax.sgd(1e-3), "fast": optax.sgd(1e-1)}
        >>> state = optax.multi_transform(optimizers, groups).init(model)
    """
    check_kind("label", "mapping", mapping, Mapping)
    return Label(tuple(mapping), tuple(mapping.values()))
