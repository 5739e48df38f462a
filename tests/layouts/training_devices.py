"""Run by test_layouts on eight host devices: networks of four kinds under every layout.

Twenty steps equal those on one device, with dropout and with the statistics of batch norm.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import PartitionSpec as P

import pyneurons_yat as pn
from pyneurons_yat.zoo import Transformer

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
STEPS = 20


class Case(NamedTuple):
    """A network, what it is trained on, and the loss."""

    model: pn.Model
    batch: tuple
    loss: object


def draw(*shape):
    return jnp.asarray(RNG.normal(size=shape).astype(np.float32))


def columns(path, shape, mesh):
    """The last axis of a kernel along "model"."""
    return P(*[None] * (len(shape) - 1), "model")


def classes(n, k):
    return jnp.asarray(RNG.integers(0, k, n))


def transformer():
    model = Transformer(KEY, 32, 32, blocks=2, heads=4, dropout=0.1)
    tokens = jnp.asarray(RNG.integers(0, 32, (16, 17)))
    return Case(model, (tokens[:, :-1], tokens[:, 1:]), pn.cross_entropy)


def convolutional():
    one, two, three = jax.random.split(KEY, 3)
    parts = pn.YatConv(one, 8, 16, (3, 3)), pn.BatchNorm(16), pn.Dropout(0.2)
    more = pn.Conv(two, 16, 16, (3, 3), strides=2), pn.BatchNorm(16), jax.nn.relu
    model = pn.sequential(*parts, *more, pn.global_average_pool, pn.Linear(three, 16, 8))
    return Case(model, (draw(16, 8, 8, 8), classes(16, 8)), pn.cross_entropy)


def recurrent():
    one, two = jax.random.split(KEY)
    model = pn.sequential(pn.YatGRU(one, 8, 16), pn.Dropout(0.2), pn.Linear(two, 16, 8))
    return Case(model, (draw(16, 6, 8), draw(16, 6, 8)), pn.mse)


def dropped(graph, *, key=None):
    return graph._replace(nodes=pn.dropout(graph.nodes, 0.2, key=key))


def graphs():
    one, two = jax.random.split(KEY)
    model = pn.sequential(pn.YatGraphConv(one, 8, 16), dropped, pn.GraphConv(two, 16, 8))

    def loss(model, graph, labels):
        return pn.cross_entropy(model(graph).nodes, labels)

    senders, receivers = RNG.integers(0, 64, (2, 256))
    graph = pn.make_graph(draw(64, 8), senders=senders, receivers=receivers)
    return Case(model, (graph, classes(64, 8)), loss)


def trained(case, optimizer, mesh=None, layout=None):
    step = pn.train_step(case.loss, optimizer, mesh=mesh, layout=layout, donate=mesh is not None)
    state = pn.TrainState.create(case.model, optimizer, KEY)
    if mesh is not None:
        state = pn.shard(jax.tree.map(jnp.copy, state), mesh, layout)
    for _ in range(STEPS):
        state, metrics = step(state, case.batch)
    return state, metrics["loss"]


def held(state):
    """The bytes of parameters and averages that the first device holds, and those of all."""
    arrays = jax.tree.leaves((state.model, state.opt_state))
    return [
        sum(size(leaf) * leaf.dtype.itemsize for leaf in arrays)
        for size in (lambda leaf: leaf.addressable_shards[0].data.size, lambda leaf: leaf.size)
    ]


def main():
    whole = jax.make_mesh((8,), ("data",))
    both = jax.make_mesh((2, 4), ("data", "model"))
    lengthwise = jax.make_mesh((2, 4), ("data", "sequence"))
    tensor = pn.layout({"*kernel": columns})
    optimizer = optax.adam(1e-3, eps=1e-3)
    for make in (graphs, recurrent, convolutional, transformer):
        case = make()
        wanted, loss = trained(case, optimizer)
        layouts = [
            ("data parallel", whole, pn.data_parallel),
            ("fully sharded", whole, pn.fsdp),
            ("tensor parallel", both, pn.tensor_parallel if make is transformer else tensor),
        ]
        if make is transformer:
            layouts.append(("sequence parallel", lengthwise, pn.sequence_parallel))
        for name, mesh, layout in layouts:
            got, last = trained(case, optimizer, mesh, layout)
            label = f"{make.__name__}, {name}"
            worst = 0.0
            for a, b in zip(jax.tree.leaves(got.model), jax.tree.leaves(wanted.model), strict=True):
                worst = max(worst, float(np.max(np.abs(np.asarray(a) - np.asarray(b)))))
                np.testing.assert_allclose(a, b, 1e-5, 1e-5, err_msg=label)
            np.testing.assert_allclose(last, loss, 1e-5, err_msg=label)
            mine, all_of_it = held(got)
            print(f"{label}: off by {worst:.1e}, {mine / all_of_it:.3f} of the bytes on a device")
            for leaf, place in zip(
                jax.tree.leaves(got), jax.tree.leaves(pn.shardings(got, mesh, layout)), strict=True
            ):
                assert leaf.sharding.is_equivalent_to(place, leaf.ndim), label
            if name == "fully sharded" and make is transformer:
                assert mine / all_of_it < 1 / 7


if __name__ == "__main__":
    main()
