"""Run by test_sharding.py in a process with four devices: every shard goes where it belongs."""

import sys
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, SingleDeviceSharding
from jax.sharding import PartitionSpec as P

import pyneurons_yat as pn

TABLE = np.arange(48.0, dtype=np.float32).reshape(8, 6)


def put(array, *spec, mesh=None):
    axes = (jax.sharding.AxisType.Auto,) * 2
    mesh = jax.make_mesh((2, 2), ("x", "y"), axis_types=axes) if mesh is None else mesh
    return jax.device_put(array, NamedSharding(mesh, P(*spec)))


def arrays():
    linear = pn.Linear(jax.random.key(0), 8, 6)
    return {
        "split": put(TABLE, "x", "y"),
        "halved": put(jnp.asarray(TABLE, jnp.bfloat16), None, "y"),
        "whole": put(TABLE, None, None),
        "explicit": put(TABLE, "z", mesh=jax.make_mesh((4,), ("z",))),
        "elsewhere": jax.device_put(TABLE, jax.devices()[2]),
        "model": jax.tree.map(lambda leaf: put(leaf, *(None,) * (leaf.ndim - 1), "y"), linear),
    }


def others():
    keys = put(jax.random.split(jax.random.key(1), 4), "x")
    return {"plain": jnp.asarray(TABLE), "numpy": TABLE, "keys": keys}


def check(found, like):
    """Whether an array has the values of another, and lies where that lies."""
    if isinstance(like, np.ndarray):
        assert type(found) is np.ndarray
        return
    assert found.sharding == like.sharding, (found.sharding, like.sharding)
    assert found.dtype == like.dtype
    assert found.committed == like.committed
    for one, other in zip(found.addressable_shards, like.addressable_shards, strict=True):
        assert (one.device, one.index) == (other.device, other.index)
    if jnp.issubdtype(found.dtype, jax.dtypes.prng_key):
        found, like = jax.random.key_data(found), jax.random.key_data(like)
    np.testing.assert_array_equal(np.asarray(found), np.asarray(like))


def watched():
    """The shapes of the arrays that load puts on one device as they are, from now on."""
    seen = []
    spying = SimpleNamespace(**vars(jnp))
    spying.asarray = lambda value: seen.append(value.shape) or jnp.asarray(value)
    pn.io.files.jnp = pn.io.leaves.jnp = spying
    return seen


def main(path):
    seen = watched()
    tree = {**arrays(), **others()}
    jax.tree.map(check, pn.load(pn.save(path, tree), tree), tree)
    assert sorted(seen) == [(4, 2), TABLE.shape], seen  # the bits of the keys, and "plain"

    seen.clear()
    tree = arrays()
    shapes = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding), tree
    )
    loaded = pn.load(pn.save(path, tree), shapes)
    jax.tree.map(check, loaded, tree)
    assert seen == []
    bare = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), tree)
    places = [leaf.sharding for leaf in jax.tree.leaves(pn.load(path, bare))]
    assert all(isinstance(place, SingleDeviceSharding) for place in places)

    model = loaded["model"]
    y = jax.jit(lambda model, x: model(x))(model, np.ones((2, 8), np.float32))
    expected = np.ones((2, 8)) @ np.asarray(model.kernel) + np.asarray(model.bias)
    np.testing.assert_allclose(y, expected, rtol=1e-5)
    moved = jax.jit(lambda model: jax.tree.map(lambda leaf: 0.9 * leaf, model))(model)
    assert moved.kernel.sharding.spec == P(None, "y")
    print("done")


if __name__ == "__main__":
    for path in sys.argv[1:]:
        main(path)
