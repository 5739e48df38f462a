"""Run by test_meshes_of_layers on four host devices: layers with a batch that lies on all of them.

The axes of the mesh are explicit, as `jax.make_mesh` makes them.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import PartitionSpec as P

import pyneurons_yat as pn

jax.config.update("jax_disable_most_optimizations", True)  # small programs, each run once

RNG = np.random.default_rng(0)
KEY = jax.random.key(0)


def draw(*shape):
    return jnp.asarray(RNG.normal(size=shape).astype(np.float32))


def made(layer, *sizes, **options):
    """A layer with parameters of NumPy: drawing them is not what is tested, and compiles a lot."""

    def numbers(leaf):
        if leaf.dtype == jnp.int32:  # indices: different ones in each column
            return jnp.asarray(np.argsort(RNG.random(leaf.shape), axis=0), jnp.int32)
        if len(leaf.shape) > 1:
            values = RNG.normal(0, np.prod(leaf.shape[:-1]) ** -0.5, leaf.shape)
        else:
            values = RNG.uniform(0.1, 0.9, leaf.shape)
        return jnp.asarray(values.astype(leaf.dtype))

    return jax.tree.map(numbers, jax.eval_shape(lambda key: layer(key, *sizes, **options), KEY))


def scan(cell, x, **options):
    return pn.scan_cell(cell, x, **options)


def train(model, x, **options):
    return pn.observe(model, x, key=jax.random.key(1), **options)[0]


VECTORS, IMAGES, SERIES = draw(4, 8), draw(4, 6, 6, 4), draw(4, 5, 8)
VIDEOS = draw(2, 4, 6, 4)
IDS = jnp.asarray(RNG.integers(0, 7, (4, 8)))
LONG, HEADS = draw(8, 300, 16), {"heads": 4}
NEAR = {"epsilon": 0.1, **HEADS}  # below, keys near a query make a gradient of rounding errors
LENGTHS = {"lengths": jnp.array([5, 1, 0, 3]), "reverse": True}
FIRST, SECOND = P("data"), P(None, "data")

CASES = {  # how a layer is called, the layer, its input, and how that is sharded
    "YatDense": (None, made(pn.YatDense, 8, 6), VECTORS, FIRST),
    "SparseLinear": (None, made(pn.SparseLinear, 8, 6, density=0.5), VECTORS, FIRST),
    "SparseYatDense": (None, made(pn.SparseYatDense, 8, 6, density=0.5), SERIES, FIRST),
    "Conv": (None, made(pn.Conv, 4, 6, (3, 3)), IMAGES, FIRST),
    "YatConv": (None, made(pn.YatConv, 4, 6, (3, 3), padding="CIRCULAR"), IMAGES, FIRST),
    "YatConv direct": (
        lambda m, x: m(x, distance="direct"),
        made(pn.YatConv, 4, 6, 3),
        VIDEOS,
        SECOND,
    ),
    "YatConvTranspose": (None, made(pn.YatConvTranspose, 4, 6, (3, 3), strides=2), IMAGES, FIRST),
    "BatchNorm": (lambda m, x: pn.observe(m, x)[0], pn.BatchNorm(8), VECTORS, FIRST),
    "YatLayerNorm": (None, made(pn.YatLayerNorm, 8), VECTORS, FIRST),
    "SReLU": (None, pn.SReLU(8, al=0.1), VECTORS, FIRST),
    "Embed": (None, made(pn.Embed, 7, 5), IDS, FIRST),
    "YatEmbed": (None, made(pn.YatEmbed, 7, 5), IDS, SECOND),
    "MultiHeadAttention": (None, made(pn.MultiHeadAttention, 8, 8, heads=2), SERIES, FIRST),
    "YatMultiHeadAttention": (None, made(pn.YatMultiHeadAttention, 16, 16, **NEAR), LONG, FIRST),
    "YatSelfAttention": (None, made(pn.YatSelfAttention, 16, 16, **HEADS), LONG, SECOND),
    "masked": (
        lambda m, x: m(x, mask=jnp.arange(5) != 3),
        made(pn.YatMultiHeadAttention, 8, 8, heads=2),
        SERIES,
        FIRST,
    ),
    "Dropout": (train, pn.Dropout(0.5), SERIES, FIRST),  # a key draws what it draws on one device
    "dropped channels": (train, pn.Dropout(0.5, broadcast_axes=1), SERIES, FIRST),
    "dropped weights": (
        partial(train, dropout=0.5),
        made(pn.MultiHeadAttention, 8, 8, heads=2),
        SERIES,
        FIRST,
    ),
    "dropped scores": (
        partial(train, dropout=0.5),
        made(pn.YatMultiHeadAttention, 8, 8, heads=2),
        SERIES,
        FIRST,
    ),
    "dropped layers": (partial(train, dropout=0.5), made(pn.LSTM, 8, 6, layers=2), SERIES, FIRST),
    "LSTM": (None, made(pn.LSTM, 8, 6, layers=2), SERIES, FIRST),
    "YatSimpleCell": (scan, made(pn.YatSimpleCell, 8, 6), SERIES, FIRST),
    "YatGRUCell": (partial(scan, **LENGTHS), made(pn.YatGRUCell, 8, 6), SERIES, FIRST),
}


def loss(call, model, x):
    y = model(x) if call is None else call(model, x)
    return jnp.sum(y**2), y


def trains(mesh, size):
    """The history of `fit` is the one without a mesh."""
    network = pn.sequential(
        pn.YatDense(KEY, 8, 6), pn.BatchNorm(6), pn.Dropout(0.3), pn.Linear(KEY, 6, 2)
    )
    x, y = draw(20, 8), draw(20, 2)
    options = {"epochs": 2, "batch_size": size, "key": KEY, "progress": False, "validation": (x, y)}
    wanted = pn.fit(optax.sgd(0.1), network, x, y, **options)[1]
    with jax.set_mesh(mesh):
        network = jax.device_put(network, P())
        x, y = options["validation"] = jax.device_put((x, y), FIRST)
        got = pn.fit(optax.sgd(0.1), network, x, y, **options)[1]
    for name in ("loss", "validation_loss"):
        np.testing.assert_allclose(got[name], wanted[name], 1e-5)


def accumulates(mesh):
    """A step over two parts of a batch is the one without a mesh."""
    optimizer, model = optax.sgd(0.1), pn.sequential(pn.YatDense(KEY, 8, 6), pn.Dropout(0.3))
    batch, step = (draw(8, 8), draw(8, 6)), pn.train_step(pn.mse, optimizer, accumulate=2)
    state = pn.TrainState.create(model, optimizer, KEY)
    wanted, _ = step(state, batch)
    with jax.set_mesh(mesh):
        got, _ = step(jax.device_put(state, P()), jax.device_put(batch, FIRST))
    for one, two in zip(jax.tree.leaves(got.model), jax.tree.leaves(wanted.model), strict=True):
        np.testing.assert_allclose(one, two, 1e-5, 1e-6)


def is_mapped(mesh):
    """Inside of `jax.shard_map` the gradient of a sparse layer is summed over the devices."""
    model, x = made(pn.SparseYatDense, 8, 6, density=0.5), draw(8, 8)

    def gradient(model, x):
        return pn.grad(lambda model, x: jnp.sum(model(x) ** 2))(model, x)

    wanted = jax.jit(gradient)(model, x)
    mapped = jax.shard_map(gradient, mesh=mesh, in_specs=(P(), FIRST), out_specs=P())
    with jax.set_mesh(mesh):
        got = jax.jit(mapped)(*jax.device_put((model, x), (P(), FIRST)))
    for one, two in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(one, two, 1e-4, 1e-4)


def main():
    mesh = jax.make_mesh((4,), ("data",))
    for size in (8, 6):  # a multiple of the devices and not
        trains(mesh, size)
    accumulates(mesh)
    is_mapped(mesh)
    for name, (call, model, x, spec) in CASES.items():
        with_values = pn.value_and_grad if jax.tree.leaves(model) else jax.value_and_grad
        f = with_values(partial(loss, call), has_aux=True)
        wanted = jax.jit(f)(model, x)
        with jax.set_mesh(mesh):
            parts = jax.device_put(model, P()), jax.device_put(x, spec)
            got = jax.jit(f)(*parts)
        y = got[0][1]
        assert tuple(y.sharding.spec)[: len(spec)] == tuple(spec), (name, y.sharding.spec)
        for one, two in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
            near = 1e-4 * max(1.0, np.max(np.abs(two)))
            np.testing.assert_allclose(one, two, 1e-4, near, err_msg=name)


if __name__ == "__main__":
    main()
