"""Placing: trees put where a layout says, be they arrays, shapes, traced or yet to be made."""

from collections.abc import Callable
from functools import partial
from typing import Any, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from .layout import as_layout
from .specs import placements

P = ParamSpec("P")
Tree = TypeVar("Tree")


def shardings(tree: Any, mesh: Mesh, layout: Any) -> Any:
    """The sharding of every leaf of a tree, as `jax.jit` and `jax.device_put` take them.

    Args:
        tree: A model, a `TrainState`, or any tree of arrays or shapes. Filters see the models in
            it, each by itself; what lies in none is whole on every device.
        mesh: The mesh.
        layout: A `Layout`, or a mapping as for `layout`. An axis that its devices do not divide is
            not cut; `layout_summary` tells where.

    Returns:
        A tree of `jax.sharding.NamedSharding`.

    Raises:
        TypeError: If the mesh or the layout is none.
        ValueError: If a filter takes nothing, or a spec names an axis that the mesh does not have.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> mesh = jax.make_mesh((1,), ("data",))
        >>> shardings = pn.shardings(pn.Linear(jax.random.key(0), 4, 2), mesh, pn.fsdp)
        >>> shardings.kernel.spec == jax.sharding.PartitionSpec("data")
        True
    """
    return _places("shardings", tree, mesh, layout)


def _places(function: str, tree: Any, mesh: Mesh, layout: Any, *, strict: bool = True) -> Any:
    found = placements(function, tree, mesh, as_layout(function, layout), strict=strict)
    each = [NamedSharding(mesh, one.spec) for one in found]
    return jax.tree.unflatten(jax.tree.structure(tree), each)


def shard(tree: Tree, mesh: Mesh, layout: Any) -> Tree:
    """Puts the leaves of a tree on a mesh, each cut along the axes that a layout says.

    A model that is put so is called, differentiated and trained as before; XLA divides the work.

    Args:
        tree: As for `shardings`. Arrays are moved, across processes too, where every one has the
            same. To shapes (`jax.ShapeDtypeStruct`) the sharding is added: `load(path, like)` reads
            into it. What `jax.jit` traces is bound to lie so.
        mesh: As for `shardings`. Under `jax.jit` with explicit axes it must be the one in use.
        layout: As for `shardings`.

    Returns:
        The tree.

    Gradient:
        That of the identity.

    Raises:
        TypeError: As for `shardings`.
        ValueError: As for `shardings`.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> from jax.sharding import PartitionSpec as P
        >>> mesh = jax.make_mesh((1,), ("model",), axis_types=(jax.sharding.AxisType.Auto,))
        >>> model = pn.Linear(jax.random.key(0), 4, 2)
        >>> model = pn.shard(model, mesh, {"*kernel": P(None, "model")})
        >>> model(jnp.ones((3, 4))).shape
        (3, 2)
    """
    return placed("shard", tree, mesh, layout)


def placed(function: str, tree: Tree, mesh: Mesh, layout: Any, *, strict: bool = True) -> Tree:
    """`shard`, with errors in the name of a function, or of filters that may take nothing."""
    return jax.tree.map(put, tree, _places(function, tree, mesh, layout, strict=strict))


def sharded(f: Callable[P, Tree], mesh: Mesh, layout: Any) -> Callable[P, Tree]:
    """A function whose result is made in place: every device makes the part that it is to hold.

    So a model larger than one device is drawn, and the state of its optimizer made: `sharded` of a
    layer, of `TrainState.create`, or of a function that calls both. Numbers are the same as without
    a mesh, but for rounding.

    Args:
        f: A function that returns a tree; a layer is one.
        mesh: As for `shardings`.
        layout: As for `shardings`.

    Returns:
        A function of the same arguments. Arrays in them are traced, what else there is constant.

    Gradient:
        That of f.

    Raises:
        TypeError: As for `shardings`, or if f is no function.
        ValueError: As for `shardings`, when it is called.

    Example:
        >>> import jax, optax, pyneurons_yat as pn
        >>> mesh = jax.make_mesh((1,), ("data",))
        >>> model = pn.sharded(pn.YatDense, mesh, pn.fsdp)(jax.random.key(0), 64, 10)
        >>> model.kernel.sharding.spec == jax.sharding.PartitionSpec("data")
        True
        >>> state = pn.sharded(pn.TrainState.create, mesh, pn.fsdp)(model, optax.adam(1e-3))
    """
    if not callable(f):
        raise TypeError(f"sharded: f must be a function, got a {type(f).__name__}")
    layout = as_layout("sharded", layout)

    function: Callable[..., Tree] = f

    def made(*args: P.args, **keywords: P.kwargs) -> Tree:
        leaves, structure = jax.tree.flatten((args, keywords))
        arrays = {i: leaf for i, leaf in enumerate(leaves) if isinstance(leaf, jax.Array)}

        def of_arrays(arrays: dict[int, jax.Array]) -> Any:
            filled = [arrays.get(i, leaf) for i, leaf in enumerate(leaves)]
            given: Any = jax.tree.unflatten(structure, filled)
            return jax.tree.map(jnp.asarray, function(*given[0], **given[1]))

        shapes, own = jax.eval_shape(of_arrays, arrays), automatic(mesh)
        places = _places("sharded", shapes, own, layout)
        tree = jax.jit(of_arrays, out_shardings=places)(arrays)
        return tree if own == mesh else placed("sharded", tree, mesh, layout)

    return made


def automatic(mesh: Mesh) -> Mesh:
    """The same devices under the same names, with axes over which XLA divides the work itself."""
    if all(kind == AxisType.Auto for kind in mesh.axis_types):
        return mesh
    return Mesh(mesh.devices, mesh.axis_names, axis_types=(AxisType.Auto,) * mesh.devices.ndim)


def put(leaf: Any, sharding: NamedSharding) -> Any:
    """A leaf where a sharding says: an array, a shape, or what is traced."""
    if isinstance(leaf, jax.ShapeDtypeStruct):
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)
    if isinstance(leaf, Tracer):
        explicit = any(kind == AxisType.Explicit for kind in sharding.mesh.axis_types)
        bind = jax.sharding.reshard if explicit else jax.lax.with_sharding_constraint
        return bind(leaf, sharding)
    if sharding.is_fully_addressable:
        return jax.device_put(leaf, sharding)
    return _put_across(leaf, sharding)


def _put_across(leaf: Any, sharding: NamedSharding) -> jax.Array:
    """An array that every process has, each of which keeps what lies on its devices."""
    if isinstance(leaf, jax.Array) and not leaf.is_fully_addressable:
        return jax.jit(lambda x: x, out_shardings=sharding)(leaf)
    if jnp.issubdtype(jnp.result_type(leaf), jax.dtypes.prng_key):
        bits = jax.random.key_data(leaf)
        spread = _put_across(bits, NamedSharding(sharding.mesh, PartitionSpec(*sharding.spec)))
        return jax.random.wrap_key_data(spread, impl=jax.random.key_impl(leaf))
    host = np.asarray(jax.device_get(leaf))
    return jax.make_array_from_callback(host.shape, sharding, partial(np.ndarray.__getitem__, host))
