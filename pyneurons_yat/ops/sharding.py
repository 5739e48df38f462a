"""What ops do on a mesh with explicit axes, which `jax.make_mesh` makes by default.

There the sharding of an array is part of its type, and JAX refuses what leaves it open.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import jax
from jax.sharding import AxisType, NamedSharding, PartitionSpec


def explicit_axes(x: jax.Array) -> tuple[str, ...]:
    """The explicit axes of the mesh that an array is on."""
    mesh = jax.typeof(x).sharding.mesh
    kinds = zip(mesh.axis_names, mesh.axis_types, strict=True)
    return tuple(name for name, kind in kinds if kind == AxisType.Explicit)


def follow(x: jax.Array, axes: Iterable[int], last: jax.Array | None = None) -> Any:
    """The sharding of an array whose first axes are sharded as these axes of x, and others not.

    With `last` there is one axis more, sharded as the last of `last` if that is still free. None
    where no axis of the mesh is explicit.
    """
    if not explicit_axes(x):
        return None
    sharding = jax.typeof(x).sharding
    names = [sharding.spec[axis] for axis in axes]
    if last is not None:
        more = jax.typeof(last).sharding.spec[-1]
        taken = set(jax.tree.leaves(names))
        names.append(None if taken & set(jax.tree.leaves(more)) else more)
    return NamedSharding(sharding.mesh, PartitionSpec(*names))


def placed_like(value: jax.Array, x: jax.Array, axes: Iterable[int]) -> jax.Array:
    """The value, sharded as `follow` says."""
    sharding = follow(x, axes)
    return value if sharding is None else jax.sharding.reshard(value, sharding)


def rows_of(x: jax.Array, places: jax.Array) -> jax.Array:
    """Some rows of x, on as many devices as x lies on if their number is a multiple of that."""
    sharding = follow(x, range(x.ndim))
    if sharding is not None:
        first, *others = sharding.spec
        devices = math.prod(sharding.mesh.shape[name] for name in jax.tree.leaves(first))
        if places.size % devices:
            sharding = NamedSharding(sharding.mesh, PartitionSpec(None, *others))
    return x.at[places].get(out_sharding=sharding)


def as_rows(x: jax.Array) -> jax.Array:
    """(*B, I) as a matrix (N, I), which multiplies fastest. With explicit axes it stays as it is.

    There the batch may lie on many devices, and one axis for all of it cannot say so.
    """
    return x if explicit_axes(x) else x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def on_automatic_axes(
    function: Callable[..., Any], like: jax.Array, axes: Iterable[int]
) -> Callable[..., Any]:
    """The function, with its inside sharded by the compiler where axes are explicit.

    Its result is sharded as `follow` says.
    """
    if not (names := explicit_axes(like)):
        return function
    return jax.sharding.auto_axes(function, axes=names, out_sharding=follow(like, axes))
