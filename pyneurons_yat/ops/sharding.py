"""What ops do on a mesh: on one with explicit axes, and inside of `jax.shard_map`.

On explicit axes, which `jax.make_mesh` makes by default, the sharding of an array is part of its
type, and JAX refuses what leaves it open. Inside of `jax.shard_map` the type says over which axes
the devices hold different values, and JAX refuses a loop that changes that.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from .checks import is_known, told


def explicit_axes(x: jax.Array) -> tuple[str, ...]:
    """The explicit axes of the mesh that an array is on."""
    mesh = jax.typeof(x).sharding.mesh
    kinds = zip(mesh.axis_names, mesh.axis_types, strict=True)
    return tuple(name for name, kind in kinds if kind == AxisType.Explicit)


def follow(x: jax.Array, axes: Iterable[int | None], last: jax.Array | None = None) -> Any:
    """The sharding of an array whose first axes are sharded as these axes of x, and others not.

    None stands for an axis that is not sharded. With `last` there is one axis more, sharded as the
    last of `last` if that is still free. None where no axis of the mesh is explicit.
    """
    if not explicit_axes(x):
        return None
    sharding = jax.typeof(x).sharding
    names = [None if axis is None else sharding.spec[axis] for axis in axes]
    if last is not None:
        more = jax.typeof(last).sharding.spec[-1]
        taken = set(jax.tree.leaves(names))
        names.append(None if taken & set(jax.tree.leaves(more)) else more)
    return NamedSharding(sharding.mesh, PartitionSpec(*names))


def placed_like(value: jax.Array, x: jax.Array, axes: Iterable[int]) -> jax.Array:
    """The value, sharded as `follow` says."""
    sharding = follow(x, axes)
    return value if sharding is None else jax.sharding.reshard(value, sharding)


def _of_rows(x: jax.Array, count: int) -> Any:
    """The sharding of x for some rows, on as many devices if their number is a multiple of that."""
    sharding = follow(x, range(x.ndim))
    if sharding is not None:
        first, *others = sharding.spec
        devices = math.prod(sharding.mesh.shape[name] for name in jax.tree.leaves(first))
        if count % devices:
            sharding = NamedSharding(sharding.mesh, PartitionSpec(None, *others))
    return sharding


def rows_of(x: jax.Array, places: jax.Array) -> jax.Array:
    """Some rows of x, on as many devices as x lies on if their number is a multiple of that."""
    return x.at[places].get(out_sharding=_of_rows(x, places.size))


def joined(x: jax.Array, more: jax.Array) -> jax.Array:
    """The rows of both, on as many devices as x lies on if their number is a multiple of that."""
    if not (names := explicit_axes(x)):
        return jnp.concatenate([x, more])
    sharding = _of_rows(x, len(x) + len(more))
    join: Any = jax.sharding.auto_axes(jnp.concatenate, axes=names, out_sharding=sharding)
    return join([x, more])


def looked_up(x: jax.Array, places: jax.Array, **how: Any) -> jax.Array:
    """The rows of x at places (E,), which lie where the places do; features lie as those of x."""
    sharding = follow(places, range(places.ndim))
    if sharding is not None:
        taken = set(jax.tree.leaves(sharding.spec))
        features = jax.typeof(x).sharding.spec[1:]
        free = (None if taken & set(jax.tree.leaves(name)) else name for name in features)
        sharding = NamedSharding(sharding.mesh, PartitionSpec(*sharding.spec, *free))
    return x.at[places].get(out_sharding=sharding, **how)


def may_be_divided() -> bool:
    """Whether arrays may lie on several devices: on a mesh that `jax.set_mesh` has set.

    What is inside of a `jax.shard_map` over all its axes lies on one.
    """
    mesh = jax.sharding.get_abstract_mesh()
    return any(count > 1 and axis not in mesh.manual_axes for axis, count in mesh.shape.items())


def as_rows(x: jax.Array) -> jax.Array:
    """(*B, I) as a matrix (N, I), which multiplies fastest. On a mesh it stays as it is.

    There the batch may lie on many devices, and one axis for all of it cannot say so.
    """
    on_mesh = explicit_axes(x) or may_be_divided()
    return x if on_mesh else x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def on_automatic_axes(
    function: Callable[..., Any], like: jax.Array, axes: Iterable[int | None]
) -> Callable[..., Any]:
    """The function, with its inside sharded by the compiler where axes are explicit.

    Its result is sharded as `follow` says.
    """
    if not (names := explicit_axes(like)):
        return function
    return jax.sharding.auto_axes(function, axes=names, out_sharding=follow(like, axes))


def devices_along(axis: str | None, *lengths: Any) -> int:
    """The devices along an axis of the mesh, if such lengths can be divided among them; else 1.

    The mesh is that of `jax.set_mesh`. An axis of a `jax.shard_map` around it does not count.
    """
    mesh = jax.sharding.get_abstract_mesh()
    if axis not in mesh.axis_names or axis in mesh.manual_axes:
        return 1
    count = mesh.shape[axis]
    return count if all(is_known(n) and n and n % count == 0 for n in lengths) else 1


def check_axis_name(function: str, name: str, value: Any) -> None:
    """Refuses what is neither the name of an axis of a mesh nor None."""
    if not isinstance(value, str | None):
        raise TypeError(f"{function}: {name} must be a name or None, got {told(value)}")


# ---------------------------------------------------------------------- inside of shard_map


def varying(x: Any) -> frozenset[str]:
    """The manual axes of the mesh over whose devices an array differs; none outside of one."""
    return jax.typeof(x).manual_axis_type.varying


def varying_alike(tree: Any, axes: Iterable[str] = ()) -> Any:
    """The arrays, each of which varies over the devices over which one of them does.

    So a loop that starts with some of them ends with what it started with. The gradient of what
    all devices share is summed over them here, once, and not at each step of a loop.

    Args:
        tree: arrays; None and what is no array are left as they are.
        axes: further manual axes over which all shall vary.
    """
    if not jax.sharding.get_abstract_mesh().manual_axes:
        return tree
    arrays = [leaf for leaf in jax.tree.leaves(tree) if isinstance(leaf, jax.Array)]
    together = frozenset(axes).union(*map(varying, arrays))

    def vary(leaf):
        missing = together - varying(leaf) if isinstance(leaf, jax.Array) else ()
        return jax.lax.pcast(leaf, tuple(sorted(missing)), to="varying") if missing else leaf

    return jax.tree.map(vary, tree)


def sum_of_earlier(tree: Any, axis: str, devices: int) -> Any:
    """The sum of the arrays of all devices before this one along the axis; 0 on the first.

    Sums of twice as many devices at each step, so it takes log2 of their number.
    """

    def moved(tree, by):  # where nothing arrives, 0 does
        return jax.lax.ppermute(tree, axis, [(one, one + by) for one in range(devices - by)])

    total, by = moved(tree, 1), 1
    while by < devices:
        total, by = jax.tree.map(jax.lax.add, total, moved(total, by)), 2 * by
    return total
