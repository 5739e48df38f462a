"""Run by test_meshes on eight host devices: layers and models with a sequence on four of them.

The batch lies on the other axis. Axes are automatic, and explicit as `jax.make_mesh` makes them.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from four_devices import draw, made
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

import pyneurons_yat as pn
from pyneurons_yat import zoo

SEQUENCES = P("data", "sequence")
TOKENS = jnp.asarray(np.random.default_rng(2).integers(0, 7, (4, 17)))
X = draw(4, 16, 8)
LENGTHS = jnp.array([9, 16, 1, 4])
YAT = {"heads": 4, "kv_heads": 2}


def linear(shared, x):
    x = x.reshape(4, 16, 2, 4)
    return pn.linear_attention(shared + x**2, x**2, x, is_causal=True, chunk_size=3)


CASES = {
    "YatMultiHeadAttention": (
        made(pn.YatMultiHeadAttention, 8, 8, **YAT),
        partial(pn.Model.__call__, rotary="half", is_causal=True),
    ),
    "masked": (
        made(pn.YatMultiHeadAttention, 8, 8, **YAT),
        lambda m, x: m(x, mask=jnp.arange(16) != 3, key_value_seq_lengths=LENGTHS, epsilon=1.0),
    ),
    "YatSelfAttention": (made(pn.YatSelfAttention, 8, 8, heads=2), pn.Model.__call__),
    "Block": (made(zoo.Block, 8, heads=2), pn.Model.__call__),
    "linear attention": (draw(4) ** 2, linear),
}


def same(got, wanted, name):
    for one, two in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        near = 1e-4 * max(1.0, np.max(np.abs(two), initial=0))
        np.testing.assert_allclose(one, two, 1e-4, near, err_msg=name)


def check(mesh, name, model, call):
    """Values and gradients are those without a mesh, and keys or sums travel."""

    @jax.jit
    def both(model, x):
        def loss(model, x):
            y = call(model, x)
            return jnp.sum(y**2), y

        return jax.value_and_grad(loss, (0, 1), has_aux=True)(model, x)

    wanted = both(model, X)
    with jax.set_mesh(mesh):
        parts = jax.device_put(model, P()), jax.device_put(X, SEQUENCES)
        got = both(*parts)
        text = both.lower(*parts).as_text()
    same(got, wanted, name)
    assert tuple(got[0][1].sharding.spec)[:2] == ("data", "sequence"), (name, got[0][1].sharding)
    assert "collective_permute" in text, name


def trains(mesh):
    """A transformer whose tokens lie so has the history of one on a single device."""
    model = zoo.Transformer(jax.random.key(0), 7, 16, blocks=2, heads=2, dropout=0.2)
    options = {"loss": pn.cross_entropy, "epochs": 3, "progress": False, "key": jax.random.key(1)}
    x, y = TOKENS[:, :-1], TOKENS[:, 1:]
    _, wanted = pn.fit(optax.adam(1e-2), model, x, y, **options)
    with jax.set_mesh(mesh):
        parts = jax.device_put(model, P()), *jax.device_put((x, y), SEQUENCES)
        _, got = pn.fit(optax.adam(1e-2), *parts, **options)
    np.testing.assert_allclose(got["loss"], wanted["loss"], 1e-5)
    where = {"mesh": mesh, "layout": pn.sequence_parallel}
    _, got = pn.fit(optax.adam(1e-2), model, x, y, **where, **options)
    np.testing.assert_allclose(got["loss"], wanted["loss"], 1e-5)


def of_segments(function, **options):
    return lambda scale, x, ids, _: function(scale * x, ids, 6, **options)


def on_graph(model, x, receivers, senders):
    return model(pn.make_graph(draw_nodes(), senders=senders, receivers=receivers)).nodes


def draw_nodes():
    return X[0, :6]


def mixed(scale, x, receivers, senders):
    weights = scale[:1] * x[:, :1] ** 2
    graph = pn.make_graph(draw_nodes(), senders=senders, receivers=receivers, edges=weights)
    return pn.propagate(graph, weighted=True, steps=2).nodes


EDGES = {
    **{f"segment {how}": (jnp.ones(8), of_segments(pn.segment_reduce, reduction=how))
       for how in ("sum", "mean", "max", "softmax")},
    "segment_softmax": (jnp.ones(8), of_segments(pn.segment_softmax)),
    "segment_softermax": (jnp.ones(8), of_segments(pn.segment_softermax, n=1.5)),
    "propagate": (jnp.ones(8), mixed),
    "YatGraphConv": (made(pn.YatGraphConv, 8, 6), on_graph),
    "YatGraphAttention": (made(pn.YatGraphAttention, 8, 6, heads=2), on_graph),
}  # fmt: skip


def check_edges(mesh, name, parameters, call):
    """Values and gradients are those without a mesh, where the edges lie on all devices."""
    ids = np.random.default_rng(3).integers(0, 6, (2, 16))
    arrays = X[0], *map(jnp.asarray, ids)

    @jax.jit
    def both(parameters, x, *ids):
        def loss(parameters, x):
            y = call(parameters, x, *ids)
            return jnp.sum(y**2), y

        return jax.value_and_grad(loss, (0, 1), has_aux=True)(parameters, x)

    wanted = both(parameters, *arrays)
    with jax.set_mesh(mesh):
        parts = jax.device_put(arrays, P(("data", "sequence")))
        got = both(jax.device_put(parameters, P()), *parts)
    same(got, wanted, name)


def main():
    for kind in (AxisType.Auto, AxisType.Explicit):
        mesh = jax.make_mesh((2, 4), ("data", "sequence"), axis_types=(kind,) * 2)
        for name, case in CASES.items():
            check(mesh, f"{name} {kind}", *case)
        trains(mesh)
        for name, case in EDGES.items():
            check_edges(mesh, f"{name} {kind}", *case)


if __name__ == "__main__":
    main()
