"""Run in a process of its own: a step compiled for TPUs v5p, which need not be there.

    pip install libtpu
    python -m benchmarks.scale.tpu 1B 2x2x2 fsdp 64

XLA's compiler for TPUs compiles for a topology of chips by name. So what a step sends, and what
lies on each chip, is read off the very program that would run there. It prints one line of JSON.
"""

import json
import os
import sys
import time
from typing import Any, NamedTuple

os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")  # no chip is asked what it is

import jax
import jax.numpy as jnp
import optax
from jax.experimental import topologies

import pyneurons_yat as pn
from pyneurons_yat import zoo
from pyneurons_yat.learn.train_step import in_place

from .hlo import work
from .network import NETWORKS, Network
from .worker import AXES, KEY

OPTIMIZER = optax.adam(1e-3)


class Compiled(NamedTuple):
    """What a program for TPUs does on each chip.

    Attributes:
        network: Its name.
        topology: Chips along the axes of the torus, such as "2x2x2".
        layout: The library's layout.
        tokens: Of a batch.
        sent: Bytes that each chip sends, by kind of the exchange.
        exchanges: How many there are.
        held: Bytes of what the step takes.
        temporaries: Bytes that it sets aside.
        seconds: To compile it.
    """

    network: str
    topology: str
    layout: str
    tokens: int
    sent: dict[str, float]
    exchanges: int
    held: int
    temporaries: int
    seconds: float


def loss(scores: jax.Array, y: jax.Array) -> jax.Array:
    """The cross entropy of the next token, in float32."""
    return pn.cross_entropy(scores.astype(jnp.float32), y)


def state_of(network: Network, key: jax.Array) -> pn.TrainState:
    """Float32 parameters, computed with in bfloat16; the insides of blocks are computed again."""
    model = zoo.Transformer(
        key,
        network.vocabulary,
        network.features,
        blocks=network.blocks,
        heads=network.heads,
        kv_heads=network.kv_heads,
        hidden=network.hidden,
        remat="nothing",
    )
    return pn.TrainState.create(pn.reparam(model, pn.cast(jnp.bfloat16)), OPTIMIZER)


def compiled(network: Network, topology: str, layout: str, sequences: int) -> Compiled:
    """A step on so many sequences, compiled for so many chips."""
    chips = topologies.get_topology_desc(topology_name=f"v5p:{topology}", platform="tpu")
    mesh = topologies.make_mesh(chips, (len(chips.devices),), (AXES.get(layout, "data"),))
    lies = getattr(pn, layout)
    step: Any = pn.train_step(loss, OPTIMIZER, mesh=mesh, layout=lies, donate=True)
    state = jax.eval_shape(lambda key: state_of(network, key), KEY)
    tokens = jax.ShapeDtypeStruct((sequences, network.length), jnp.int32)
    state, batch = in_place("tpu", step.args[0], state, (tokens, tokens))
    start = time.monotonic()
    program = step.args[1].lower(state, batch).compile()
    found, memory = work(program.as_text()), program.memory_analysis()
    return Compiled(
        network.name,
        topology,
        layout,
        sequences * network.length,
        found.by_kind(),
        found.exchanges,
        memory.argument_size_in_bytes,
        memory.temp_size_in_bytes,
        time.monotonic() - start,
    )


if __name__ == "__main__":
    jax.default_backend = lambda: "tpu"  # ops ask it how they are best computed
    name, topology, layout, sequences = sys.argv[1:]
    print(json.dumps(compiled(NETWORKS[name], topology, layout, int(sequences))._asdict()))
