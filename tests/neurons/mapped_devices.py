"""Run by test_meshes on four host devices: ops and layers of each family in `jax.shard_map`.

The batch is divided among the devices and the parameters are not. So arrays of both kinds meet in
the loops of the ops, and the gradients of the parameters are summed over the devices.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from four_devices import IDS, IMAGES, SERIES, VECTORS, draw, made, train
from jax.sharding import PartitionSpec as P

import pyneurons_yat as pn
from pyneurons_yat import zoo

HEADS = draw(8, 7, 2, 3)
MASK = jnp.asarray(np.random.default_rng(1).random((7, 7)) < 0.6)
PARTS = jnp.array([0, 1, 1, 2] * 4)
WIDE = draw(16, 5)


def attention(**options):
    """Yat attention whose keys and parameters all devices share."""

    def attend(shared, x):
        return pn.yat_attention(x, *shared[:2], shift=shared[2], **options)

    keys = draw(7, 2, 3), draw(7, 2, 3), draw(2)
    return (lambda shared, x: jax.vmap(partial(attend, shared))(x)), keys, HEADS


def weights(function):
    return (lambda shared, x: function(shared * x, x)), draw(3), HEADS


def linear(**options):
    def attend(shared, x):
        return pn.linear_attention(x**2, shared + x**2, x, chunk_size=3, **options)

    return attend, draw(7, 2, 3) ** 2, HEADS


def linear_steps(shared, x):
    state = jax.vmap(pn.linear_state)(jnp.zeros_like(x)[:, :0], jnp.zeros_like(x)[:, :0])
    y, state = pn.linear_attention_step(state, x**2, shared**2 + x**2, x, chunk_size=2)
    return y, state.sums


def edges(reduction):
    def reduce(shared, x):
        return pn.segment_reduce(shared * x, PARTS[: len(x)], 3, reduction=reduction)

    return reduce, draw(5), WIDE


def shares(function, **options):
    return (lambda shared, x: function(shared * x, PARTS[: len(x)], 3, **options)), draw(5), WIDE


def graph_of(x):
    """A graph of four nodes, of which each device has one of its own."""
    return pn.make_graph(x, senders=jnp.array([0, 1, 2]), receivers=jnp.array([1, 2, 0]))


def on_graphs(model):
    return (lambda model, x: model(graph_of(x)).nodes), model, draw(16, 8)


def mix(shared, x):
    return pn.propagate(graph_of(x), teleport=jax.nn.sigmoid(shared), steps=2).nodes


def total(carry, x):
    return carry + jnp.tanh(x), carry


def scanned(shared, x):
    return pn.scan_cell(total, shared * x, jnp.zeros((1, 8)))


def layer(model, x, call=None):
    return (lambda model, x: model(x) if call is None else call(model, x)), model, x


def generate():
    """Each case by its name: a function of what is shared and of the batch, and both."""
    for name, options in {
        "softmax": {},
        "power": {"normalizer": "softermax", "power": 1.5, "is_causal": True},
        "window": {"local_window_size": (2, 1), "dilation": 2},
        "mask": {"mask": MASK},
        "direct": {"distance": "direct", "normalizer": "softermax"},
    }.items():
        yield f"yat_attention {name}", *attention(block_size=(2, 3), **options)
    yield "yat_attention_weights", *weights(pn.yat_attention_weights)
    yield "dot_product_attention_weights", *weights(pn.dot_product_attention_weights)
    yield "linear attention", *linear()
    yield "causal linear attention", *linear(is_causal=True)
    yield "linear_attention_step", linear_steps, draw(3), HEADS
    for reduction in ("sum", "mean", "max", "softmax"):
        yield f"segment {reduction}", *edges(reduction)
    yield "segment_softmax", *shares(pn.segment_softmax)
    yield "segment_softermax", *shares(pn.segment_softermax, n=1.5)
    yield "propagate", mix, jnp.float32(0.1), draw(16, 8)
    yield "softermax", (lambda n, x: pn.softermax(x**2, n=n)), jnp.float32(1.5), VECTORS
    yield "soft_tanh", (lambda n, x: pn.soft_tanh(x, n)), 1 + draw(8) ** 2, VECTORS
    yield "scan_cell", scanned, draw(8), draw(4, 3, 8)
    yield from ((name, *case) for name, case in layers().items())


def layers():
    """Those that have loops or rules of their own, in inference and in training."""
    lengths = {"lengths": jnp.array([4]), "reverse": True}
    scan = partial(pn.scan_cell, **lengths)
    heads = {"heads": 2}
    return {
        "YatDense": layer(made(pn.YatDense, 8, 6), VECTORS),
        "direct": layer(made(pn.YatDense, 8, 6), SERIES, lambda m, x: m(x, distance="direct")),
        "SparseYatDense": layer(made(pn.SparseYatDense, 8, 6, density=0.5), VECTORS),
        "YatEmbed": layer(made(pn.YatEmbed, 7, 5), IDS),
        "YatConv": layer(made(pn.YatConv, 4, 6, (3, 3)), IMAGES),
        "YatConv direct": layer(
            made(pn.YatConv, 4, 6, 3), draw(4, 5, 4), lambda m, x: m(x, distance="direct")
        ),
        "YatConvTranspose": layer(made(pn.YatConvTranspose, 4, 6, (3, 3), strides=2), IMAGES),
        "MultiHeadAttention": layer(made(pn.MultiHeadAttention, 8, 8, **heads), SERIES),
        "YatSelfAttention": layer(made(pn.YatSelfAttention, 8, 8, **heads), SERIES),
        "dropped weights": layer(
            made(pn.YatMultiHeadAttention, 8, 8, **heads), SERIES, partial(train, dropout=0.5)
        ),
        "LSTM": layer(made(pn.LSTM, 8, 6, layers=2, bidirectional=True), SERIES),
        "YatSimpleCell": layer(made(pn.YatSimpleCell, 8, 6), SERIES, pn.scan_cell),
        "YatGRUCell": layer(made(pn.YatGRUCell, 8, 6), SERIES, scan),
        "YatLayerNorm": layer(made(pn.YatLayerNorm, 8), VECTORS),
        "BatchNorm": layer(pn.BatchNorm(8), VECTORS),
        "GraphConv": on_graphs(made(pn.YatGraphConv, 8, 6)),
        "YatGraphAttention": on_graphs(made(pn.YatGraphAttention, 8, 6, heads=2)),
        "Transformer": layer(made(zoo.Transformer, 7, 8, blocks=2, heads=2), IDS),
    }


def check(name, function, shared, x):
    """Values and gradients of all devices are those of their parts, one after another."""

    def loss(shared, x):
        ys = jax.tree.leaves(function(shared, x))
        return sum(jnp.sum(y**2) for y in ys), ys

    def both(shared, x):
        trained, rest = pn.partition(shared, "params", ...) if is_model(shared) else (shared, None)
        inexact = jnp.issubdtype(x.dtype, jnp.inexact)

        def of_trained(trained, x):
            return loss(trained if rest is None else pn.merge(trained, rest), x)

        (_, ys), found = jax.value_and_grad(of_trained, (0, 1) if inexact else 0, has_aux=True)(
            trained, x
        )
        return ys, *(found if inexact else (found, jnp.zeros(4)))

    mesh = jax.make_mesh((4,), ("data",))
    mapped = jax.shard_map(
        both, mesh=mesh, in_specs=(P(), P("data")), out_specs=(P("data"), P(), P("data"))
    )
    with jax.set_mesh(mesh):
        parts = jax.device_put(shared, P()), jax.device_put(x, P("data"))
        ys, d_shared, dx = jax.jit(mapped)(*parts)
    alone = [jax.jit(both)(shared, part) for part in np.split(np.asarray(x), 4)]
    wanted_ys, wanted_shared, wanted_dx = zip(*alone, strict=True)
    together = [np.concatenate(y) for y in zip(*wanted_ys, strict=True)]
    summed = jax.tree.map(lambda *leaves: sum(map(np.asarray, leaves)), *wanted_shared)
    pairs = (ys, together), (d_shared, summed), (dx, np.concatenate(wanted_dx))
    for got, wanted in pairs:
        for one, two in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
            near = 1e-4 * max(1.0, np.max(np.abs(two), initial=0))
            np.testing.assert_allclose(one, two, 1e-4, near, err_msg=name)


def is_model(shared):
    return isinstance(shared, pn.Model)


def main():
    for case in generate():
        check(*case)


if __name__ == "__main__":
    main()
