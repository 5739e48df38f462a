"""The spec of every leaf of a tree, by a layout: what is cut, what stays whole, and why."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import AbstractMesh, Mesh, PartitionSpec

from ..core import Model
from ..core.filters import Place, fitting, leaf_places, places, unfit
from ..core.repeat import Repeated
from .layout import Layout, Shape, Spec


class Placement(NamedTuple):
    """How a leaf of a tree lies.

    Attributes:
        path: Where it is in the tree.
        leaf: The leaf.
        spec: Along which axes of the mesh its axes are cut.
        why: Why an axis is not cut, or the leaf not at all; empty where there is nothing to tell.
    """

    path: str
    leaf: Any
    spec: PartitionSpec
    why: str


def placements(
    function: str, tree: Any, mesh: Mesh, layout: Layout, *, strict: bool = True
) -> list[Placement]:
    """How every leaf of a tree lies, in the order of `jax.tree.leaves`.

    Args:
        function: Whose errors they are.
        tree: Any tree. Filters see the models in it, each by itself.
        mesh: The mesh.
        layout: Which filter places which leaf.
        strict: Whether a filter that takes nothing in any of the models is refused.
    """
    if not isinstance(mesh, Mesh | AbstractMesh):
        raise TypeError(
            f"{function}: mesh must be a Mesh, got a {type(mesh).__name__}; jax.make_mesh makes one"
        )
    models = jax.tree.leaves(tree, is_leaf=lambda node: isinstance(node, Model))
    used = [False] * len(layout.leaves)
    found: list[tuple[PartitionSpec, str]] = []
    for node in models:
        if isinstance(node, Model):
            found += _of_model(function, node, mesh, layout, used)
        else:
            found.append((PartitionSpec(), "in no model"))
    if strict and any(isinstance(node, Model) for node in models):
        _check_used(function, layout, used, models)
    pairs = zip(leaf_places(tree), found, strict=True)
    return [Placement(place.path, place.node, spec, why) for place, (spec, why) in pairs]


def _of_model(
    function: str, model: Model, mesh: Mesh, layout: Layout, used: list[bool]
) -> Iterator[tuple[PartitionSpec, str]]:
    here = leaf_places(model)
    takes = [fitting(function, one, here) for one, _ in layout.leaves]
    used[:] = [was or any(fits) for was, fits in zip(used, takes, strict=True)]
    for i, (place, stacked) in enumerate(zip(here, _stacked(model, here), strict=True)):
        spec = next((s for (_, s), t in zip(layout.leaves, takes, strict=True) if t[i]), None)
        if spec is None:
            yield PartitionSpec(), "no filter takes it"
        else:
            yield fitted(function, spec, (place.path, np.shape(place.node)), mesh, stacked)


def _stacked(model: Model, here: Sequence[Place]) -> list[int]:
    """Along how many first axes of each leaf `repeat` has stacked copies."""
    copies = [
        at.keys
        for at in places(model)
        if isinstance(at.node, Model) and isinstance(at.node.params, Repeated)
    ]
    return [sum(place.keys[: len(keys)] == keys for keys in copies) for place in here]


def fitted(
    function: str, spec: Spec, leaf: tuple[str, Shape], mesh: Mesh, stacked: int = 0
) -> tuple[PartitionSpec, str]:
    """A spec as far as a leaf, by its path and shape, can follow it; and why not farther."""
    path, own = leaf[0], leaf[1][stacked:]
    spec = spec if isinstance(spec, PartitionSpec) else spec(path, own, mesh)
    entries, why = list(spec), []
    if len(entries) > len(own):
        return PartitionSpec(), f"it has {len(own)} axes, the spec {len(entries)}"
    for axis, (size, names) in enumerate(zip(own, entries, strict=False)):
        count = devices(function, mesh, names)
        if size % count:
            entries[axis] = None
            why.append(f"{size} is no multiple of {count} devices")
    cut = any(entry is not None for entry in entries)
    if not why and not cut:
        why = ["the spec says so"]
    return PartitionSpec(*[None] * stacked, *entries) if cut else PartitionSpec(), "; ".join(why)


def devices(function: str, mesh: Mesh, names: Any) -> int:
    """How many devices lie along the axes that an entry of a spec names."""
    for name in (named := jax.tree.leaves(names)):
        if name not in mesh.axis_names:
            raise ValueError(
                f"{function}: the layout must name axes of the mesh, which are "
                f"{', '.join(map(str, mesh.axis_names))}, got {name!r}; name the mesh's axes so: "
                f'jax.make_mesh(shape, ("data", ...))'
            )
    return math.prod(mesh.shape[name] for name in named)


def _check_used(function: str, layout: Layout, used: list[bool], nodes: list[Any]) -> None:
    for (one, _), was in zip(layout.leaves, used, strict=True):
        if not was and one is not ...:
            here = [p for node in nodes if isinstance(node, Model) for p in leaf_places(node)]
            raise unfit(function, one, here)
