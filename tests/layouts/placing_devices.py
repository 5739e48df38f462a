"""Run by test_layouts on eight host devices: trees are put, made and trained in place."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

import pyneurons_yat as pn

KEY = jax.random.key(0)
X = np.random.default_rng(0).normal(size=(20, 16)).astype(np.float32)
Y = np.sin(X[:, :8])
COLUMNS = {"*kernel": P(None, "data"), "*bias": P("data")}


def network(key):
    one, two = jax.random.split(key)
    return pn.sequential(
        pn.YatDense(one, 16, 8), pn.BatchNorm(8), pn.Dropout(0.3), pn.Linear(two, 8, 8)
    )


def same(one, other, error=1e-6):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        if jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            a, b = jax.random.key_data(a), jax.random.key_data(b)
        np.testing.assert_allclose(a, b, error, error)


def lies(tree, mesh, layout):
    """Whether all leaves lie as the layout says, each device with its part."""
    for leaf, place in zip(
        jax.tree.leaves(tree), jax.tree.leaves(pn.shardings(tree, mesh, layout)), strict=True
    ):
        assert leaf.sharding.is_equivalent_to(place, leaf.ndim), (leaf.sharding, place)
        assert leaf.addressable_shards[0].data.shape == place.shard_shape(leaf.shape)


def puts_and_makes(mesh):
    model = network(KEY)
    for layout in (pn.fsdp, COLUMNS):
        for made in (pn.shard(model, mesh, layout), pn.sharded(network, mesh, layout)(KEY)):
            same(made, model)
            lies(made, mesh, layout)
    state = pn.sharded(pn.TrainState.create, mesh, pn.fsdp)(made, optax.adam(0.1), KEY)
    same(state, pn.TrainState.create(model, optax.adam(0.1), KEY))
    lies(state, mesh, pn.fsdp)
    shapes = pn.shard(jax.eval_shape(network, KEY), mesh, pn.fsdp)
    with __import__("tempfile").TemporaryDirectory() as folder:
        path = pn.save(f"{folder}/model.npz", made)  # written under one layout
        again = pn.load(path, shapes)  # and read under another
    same(again, model)
    lies(again, mesh, pn.fsdp)


def bound_where_traced(mesh):
    """The sharding of what is computed follows from the layout."""
    model = network(KEY)
    with jax.set_mesh(mesh):
        doubled = jax.jit(lambda m: pn.shard(jax.tree.map(lambda a: a * 2, m), mesh, COLUMNS))
        lies(doubled(model), mesh, COLUMNS)


def trains(mesh):
    options = {"epochs": 2, "batch_size": 8, "key": KEY, "progress": False, "validation": (X, Y)}
    wanted = pn.fit(optax.sgd(0.1), network(KEY), X, Y, **options)
    for layout in (None, pn.fsdp, COLUMNS):
        got = pn.fit(optax.sgd(0.1), network(KEY), X, Y, mesh=mesh, layout=layout, **options)
        for name in ("loss", "validation_loss"):
            np.testing.assert_allclose(got[1][name], wanted[1][name], 1e-5)
        same(got[0], wanted[0], 1e-5)
        assert got[0][0].kernel.addressable_shards[0].data.size == (128 if layout is None else 16)


def streams(mesh):
    batches = [(X[i : i + 5], Y[i : i + 5]) for i in range(0, 20, 5)]
    options = {"key": KEY, "progress": False}
    wanted = pn.fit(optax.sgd(0.1), network(KEY), batches, **options)[0]
    got = pn.fit(optax.sgd(0.1), network(KEY), batches, mesh=mesh, layout=pn.fsdp, **options)[0]
    same(got, wanted, 1e-5)


def main():
    explicit = jax.make_mesh((8,), ("data",))
    automatic = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    for mesh in (explicit, automatic):
        puts_and_makes(mesh)
        bound_where_traced(mesh)
    trains(explicit)
    streams(automatic)


if __name__ == "__main__":
    main()
