"""Layouts: which leaf is cut along which axis, on meshes that need no devices."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from devices import run_on_devices
from jax.sharding import AbstractMesh
from jax.sharding import PartitionSpec as P

import pyneurons_yat as pn
from pyneurons_yat.zoo import Transformer

DATA, BOTH = AbstractMesh((8,), ("data",)), AbstractMesh((2, 4), ("data", "model"))


def shapes(function, *args, **options):
    return jax.eval_shape(lambda key: function(key, *args, **options), jax.random.key(0))


def specs(tree, mesh, layout):
    return jax.tree.map(lambda one: one.spec, pn.shardings(tree, mesh, layout))


def state(model):
    optimizer, key = optax.adam(0.1), jax.random.key(1)
    return jax.eval_shape(lambda model: pn.TrainState.create(model, optimizer, key), model)


def test_the_first_filter_that_takes_a_leaf_places_it():
    model = shapes(pn.MLP, [16, 32, 8])
    found = specs(model, DATA, {"*[0].kernel": P(None, "data"), "*kernel": P("data")})
    kernels = [leaf for leaf in jax.tree.leaves(found) if leaf != P()]
    assert kernels == [P(None, "data"), P("data")]
    assert jax.tree.leaves(specs(model, DATA, {"*bias": P("data"), ...: P()}))[1] == P("data")
    where = specs(model, DATA, {pn.where("*kernel", "*bias"): P("data")})
    assert set(jax.tree.leaves(where)) == {P("data")}


def test_roles_and_predicates_are_filters_too():
    model = pn.BatchNorm(8)
    found = specs(model, DATA, {"batch_stats": P("data"), lambda path, leaf: True: P()})
    assert [found.mean, found.variance, found.scale] == [P("data"), P("data"), P()]


def test_averages_of_an_optimizer_lie_where_their_leaves_do():
    found = specs(state(shapes(pn.YatDense, 16, 8)), DATA, {"kernel": P(None, "data")})
    assert found.model.kernel == found.opt_state[0].mu.kernel == P(None, "data")
    assert found.opt_state[0].nu.kernel == P(None, "data")
    assert [found.step, found.key, found.opt_state[0].count, found.model.bias] == [P()] * 4


def test_factored_averages_of_another_shape_stay_whole():
    model = shapes(pn.Linear, 128, 256)
    made = jax.eval_shape(optax.scale_by_factored_rms().init, model)
    found = specs(made, DATA, {"kernel": P(None, "data")})
    assert found.v_row.kernel == found.v_col.kernel == P()


def test_the_axis_of_copies_is_not_counted():
    layer = pn.repeat(pn.repeat(pn.Linear, 2), 3)
    model = shapes(layer, 16, 16)
    found = specs(model, DATA, {"*kernel": P("data"), "*bias": pn.fsdp.leaves[0][1]})
    assert jax.tree.leaves(found) == [P(None, None, "data"), P(None, None, "data")]


def test_what_the_devices_do_not_divide_stays_whole_and_is_told():
    model = shapes(pn.Linear, 64, 10)
    found = specs(model, DATA, pn.fsdp)
    assert (found.kernel, found.bias) == (P("data"), P())
    table = pn.layout_summary(model, DATA, pn.fsdp)
    assert "10 is no multiple of 8 devices" in table
    assert f"{64 * 10 * 4 // 8 + 40:,} bytes per device of {65 * 10 * 4:,}" in table
    assert "it has 1 axes, the spec 2" in pn.layout_summary(model, DATA, {"*": P(None, "data")})
    assert "no filter takes it" in pn.layout_summary(model, DATA, {"kernel": P()})
    assert "in no model" in pn.layout_summary((model, jnp.ones(3)), DATA, pn.fsdp)


def test_fully_sharded_state_is_an_eighth():
    model = shapes(Transformer, 64, 32, blocks=2, heads=4)
    made = state(model)
    places = pn.shardings(made, DATA, pn.fsdp)
    whole, held = 0, 0
    for leaf, place in zip(jax.tree.leaves(made), jax.tree.leaves(places), strict=True):
        size = leaf.size * np.dtype(np.float32).itemsize
        whole += size
        held += size * int(np.prod(place.shard_shape(leaf.shape))) // max(leaf.size, 1)
    assert held / whole < 1 / 7


def test_tensor_parallel_cuts_heads_and_hidden_features():
    model = shapes(Transformer, 64, 32, blocks=2, heads=4, use_bias=True)
    found = specs(model, BOTH, pn.tensor_parallel)
    block = found.blocks.each
    assert block.attention.query.kernel == block.feed.hidden.kernel == P(None, None, "model")
    assert block.attention.output.kernel == block.feed.output.kernel == P(None, "model")
    assert block.attention.query.bias == P(None, "model")
    assert block.attention.output.bias == P()
    assert block.attention_norm.scale == found.norm.scale == P()


def test_layouts_of_equal_parts_are_equal():
    assert pn.layout({"kernel": P("data")}) == pn.layout({"kernel": P("data")})
    assert hash(pn.layout({...: P()})) == hash(pn.layout({...: P()}))
    assert pn.layout({...: P()}, batch=P("model")) != pn.layout({...: P()})
    assert pn.layout({...: P()}) == pn.data_parallel
    assert "fully sharded" in (pn.fsdp.__doc__ or "")


@pytest.mark.parametrize(
    ("layout", "error", "message"),
    [
        ({"*kernle": P("data")}, ValueError, "must fit something, got '*kernle'"),
        ({"kernel": P("model")}, ValueError, "must name axes of the mesh, which are data, got 'mo"),
        ({"kernel": "data"}, TypeError, "the spec of kernel must be a PartitionSpec"),
        ("fsdp", TypeError, "layout must be a Layout or a mapping"),
    ],
)
def test_what_is_no_layout_is_told(layout, error, message):
    with pytest.raises(error) as caught:
        pn.shardings(shapes(pn.Linear, 8, 8), DATA, layout)
    assert message in str(caught.value)


def test_what_is_no_mesh_is_told():
    model, optimizer = pn.Linear(jax.random.key(0), 2, 2), optax.sgd(0.1)
    with pytest.raises(TypeError, match="shard: mesh must be a Mesh, got a int"):
        pn.shard(model, 8, pn.fsdp)
    with pytest.raises(TypeError, match="train_step: mesh must be a Mesh"):
        pn.train_step(pn.mse, optimizer, mesh=DATA)
    with pytest.raises(ValueError, match="fit: layout must come with a mesh"):
        pn.fit(optimizer, model, jnp.ones((2, 2)), jnp.ones((2, 2)), layout=pn.fsdp)
    with pytest.raises(TypeError, match="sharded: f must be a function, got a int"):
        pn.sharded(3, DATA, pn.fsdp)


def test_one_device_is_a_mesh_too():
    mesh = jax.make_mesh((1,), ("data",))
    x, y = jnp.ones((6, 3)), jnp.zeros((6, 2))
    options = {"epochs": 2, "batch_size": 4, "progress": False, "validation": (x, y)}
    model = pn.Linear(jax.random.key(0), 3, 2)
    wanted, _ = pn.fit(optax.adam(0.1), model, x, y, **options)
    got, history = pn.fit(optax.adam(0.1), model, x, y, mesh=mesh, layout=pn.fsdp, **options)
    np.testing.assert_allclose(got.kernel, wanted.kernel, 1e-12)
    assert got.kernel.sharding.spec == P("data")
    assert len(history["validation_loss"]) == 2


def test_a_donated_state_is_gone():
    optimizer, batch = optax.adam(0.1), (jnp.ones((6, 3)), jnp.zeros((6, 2)))
    start = pn.TrainState.create(pn.Linear(jax.random.key(0), 3, 2), optimizer)
    kept, _ = pn.train_step(pn.mse, optimizer)(start, batch)
    moved, _ = pn.train_step(pn.mse, optimizer, donate=True)(start, batch)
    np.testing.assert_array_equal(moved.model.kernel, kept.model.kernel)
    assert start.model.kernel.is_deleted()


@pytest.mark.slow
def test_making_placing_and_training_on_eight_devices():
    run_on_devices(8, __file__, "placing_devices.py")


@pytest.mark.slow
def test_networks_train_alike_under_every_layout():
    run_on_devices(8, __file__, "training_devices.py")


@pytest.mark.slow
def test_kernels_travel_to_the_batch():
    """What a device sends under FSDP is some four times the parameters, however large the batch."""
    run_on_devices(8, __file__, "flow_devices.py")
