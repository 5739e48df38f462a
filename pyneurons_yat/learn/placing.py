"""Where a run on a mesh keeps its state and its batches."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jax.tree_util import keystr, tree_map_with_path

from ..layouts import Layout, as_layout, automatic, data_parallel, fitted, placed, put
from .batches import Arrays, Stream

Tree = TypeVar("Tree")
Data = TypeVar("Data", bound=Arrays | Stream | None)


@dataclass(frozen=True)
class Place:
    """A mesh whose axes XLA divides the work over, and what lies where on it."""

    mesh: Mesh
    layout: Layout


def place_of(function: str, mesh: Any, layout: Any) -> Place | None:
    """The place that a caller gave; None where there is no mesh."""
    if mesh is None:
        if layout is not None:
            raise ValueError(
                f"{function}: layout must come with a mesh, got one without; add "
                'mesh=jax.make_mesh((devices,), ("data",))'
            )
        return None
    if not isinstance(mesh, Mesh):
        raise TypeError(
            f"{function}: mesh must be a Mesh, got a {type(mesh).__name__}; jax.make_mesh makes one"
        )
    layout = data_parallel if layout is None else as_layout(function, layout)
    return Place(automatic(mesh), layout)


def seen_by_ops(place: Place | None) -> AbstractContextManager[Any]:
    """Within it, what is traced knows the mesh: attention goes around the devices of a sequence."""
    if place is None:
        return nullcontext()
    return jax.sharding.use_abstract_mesh(place.mesh.abstract_mesh)


def state_on(function: str, place: Place | None, state: Tree) -> Tree:
    """A state in its place."""
    return state if place is None else placed(function, state, place.mesh, place.layout)


def lies_on(place: Place, leaf: Any) -> bool:
    """Whether an array lies on the mesh of a place."""
    return getattr(getattr(leaf, "sharding", None), "mesh", None) == place.mesh


def kept_on(place: Place | None, tree: Tree) -> Tree:
    """A state, or the gradient of one, bound to stay in its place where it is traced."""
    if place is None:
        return tree
    return placed("train_step", tree, place.mesh, place.layout, strict=False)


def batch_on(function: str, place: Place | None, x: Any, y: Any) -> tuple[Any, Any]:
    """A batch in its place, where it is traced or not."""
    return (x, y) if place is None else tree_map_with_path(partial(_put, function, place), (x, y))


def _put(function: str, place: Place, path: Any, leaf: Any) -> jax.Array:
    where = keystr(path), np.shape(leaf)
    spec, _ = fitted(function, place.layout.batch, where, place.mesh)
    return put(leaf, NamedSharding(place.mesh, spec))


@dataclass(frozen=True)
class Flow:
    """Where lies what a model makes of a batch: each array with as many rows lies as the batch."""

    place: Place
    examples: int

    def __call__(self, leaf: Any) -> Any:
        shape = np.shape(leaf)
        inside = jax.sharding.get_abstract_mesh().manual_axes  # of a shard_map: these are parts
        if not shape or shape[0] != self.examples or inside or not isinstance(leaf, jax.Array):
            return leaf
        spec, _ = fitted("train_step", self.place.layout.batch, ("[0]", shape), self.place.mesh)
        return put(leaf, NamedSharding(self.place.mesh, spec))


def flow_of(place: Place | None, x: Any) -> Flow | None:
    """How flows what a model makes of inputs x; None where there is no mesh."""
    sizes = {shape[0] for shape in map(np.shape, jax.tree.leaves(x)) if shape}
    return None if place is None or len(sizes) != 1 else Flow(place, sizes.pop())


def whole(place: Place | None, tree: Tree) -> Tree:
    """What is traced, bound to lie whole on every device, so that every process can read it."""
    if place is None:
        return tree
    everywhere = NamedSharding(place.mesh, PartitionSpec())
    return jax.tree.map(lambda leaf: put(jnp.asarray(leaf), everywhere), tree)


def data_on(function: str, place: Place | None, data: Data) -> Data:
    """Data sets of arrays cut as their batches are; batches of a stream are put one by one."""
    if place is None or not isinstance(data, Arrays):
        return data
    x, y = batch_on(function, place, data.x, data.y)
    return data._replace(x=x, y=y)
