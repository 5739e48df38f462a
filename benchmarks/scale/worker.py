"""Run in a process with so many virtual devices: a step under a layout, compiled and timed.

    XLA_FLAGS=--xla_force_host_platform_device_count=4 python -m benchmarks.scale.worker fsdp small

It prints one line of JSON. Time is that of the processor, of all threads together: virtual devices
share the cores, so a step of eight devices does not end sooner than that of one, and what else the
machine does counts for nothing.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import AxisType, PartitionSpec

import pyneurons_yat as pn
from pyneurons_yat import zoo
from pyneurons_yat.learn.train_step import in_place

from .hlo import work
from .network import NETWORKS, Network

OPTIMIZER = optax.adam(1e-3)
TOKENS = 1024  # of a batch
ROUNDS, SECONDS = 5, 0.3
EXCHANGED = (2**16, 2**22)  # bytes of the exchanges that are timed


class Seen(NamedTuple):
    """What a compiled step is, and how long it took.

    Attributes:
        layout: Its name.
        devices: How many.
        products: Operations of matrix products on each device.
        sent: Bytes that each device sends, by kind of the exchange.
        exchanges: How many there are.
        held: Bytes of parameters and optimizer on each device.
        temporaries: Bytes that the program sets aside on each device.
        seconds: Of the processor, for a step of all devices together.
        product: Seconds of the processor for an operation of a large product.
        update: Seconds of the processor for the optimizer's update of all parameters, once.
        exchange: Seconds of the processor for an exchange of all devices, and more for each byte
            that each of them sends.
    """

    layout: str
    devices: int
    products: float
    sent: dict[str, float]
    exchanges: int
    held: int
    temporaries: int
    seconds: float
    product: float
    update: float
    exchange: tuple[float, float]


def model_of(network: Network, key: jax.Array) -> Any:
    """The zoo's transformer of these sizes."""
    options: dict[str, Any] = {"heads": network.heads, "kv_heads": network.kv_heads}
    return zoo.Transformer(
        key,
        network.vocabulary,
        network.features,
        blocks=network.blocks,
        hidden=network.hidden,
        **options,
    )


def batch_of(network: Network, sequences: int) -> tuple[jax.Array, jax.Array]:
    """Tokens, and those that follow."""
    shape = (sequences, network.length + 1)
    tokens = jax.random.randint(jax.random.key(2), shape, 0, network.vocabulary)
    return tokens[:, :-1], tokens[:, 1:]


def processor_seconds(call: Callable[[], Any]) -> float:
    """Seconds of the processor that a call takes, the median of some rounds."""
    jax.block_until_ready(call())
    found = []
    for _ in range(ROUNDS):
        start, end, count = time.process_time(), time.perf_counter() + SECONDS, 0
        while count == 0 or time.perf_counter() < end:
            jax.block_until_ready(call())
            count += 1
        found.append((time.process_time() - start) / count)
    return statistics.median(found)


def exchange_seconds(mesh: Any) -> tuple[float, float]:
    """Seconds of the processor for a sum over all devices, and for each byte that each sends."""
    devices = mesh.devices.size
    if devices == 1:
        return 0.0, 0.0
    every = tuple(mesh.axis_names)
    spec = PartitionSpec(every)

    def times(size: int) -> float:
        x = jax.device_put(
            jnp.ones((devices, size // 4), jnp.float32), jax.NamedSharding(mesh, spec)
        )
        summed = jax.shard_map(
            lambda x: jax.lax.psum(x, every),
            mesh=mesh,
            in_specs=spec,
            out_specs=PartitionSpec(),
        )
        return processor_seconds(partial(jax.jit(summed), x))

    few, many = map(times, EXCHANGED)
    sent = [2 * size * (devices - 1) / devices for size in EXCHANGED]
    each = (many - few) / (sent[1] - sent[0])
    return max(few - each * sent[0], 0.0), each


def step_on(layout: str, network: Network) -> tuple[Any, Any, Any, Any]:
    """The compiled step under a layout on all devices, its state, its batch, and the mesh."""
    devices = jax.device_count()
    mesh = jax.make_mesh((devices,), (AXES.get(layout, "data"),), axis_types=(AxisType.Auto,))
    lies = getattr(pn, layout)

    def created(key: jax.Array) -> pn.TrainState:
        return pn.TrainState.create(model_of(network, key), OPTIMIZER)

    places = pn.shardings(jax.eval_shape(created, KEY), mesh, lies)
    state = jax.jit(created, out_shardings=places)(KEY)
    step: Any = pn.train_step(pn.cross_entropy, OPTIMIZER, mesh=mesh, layout=lies)
    state, batch = in_place(
        "worker", step.args[0], state, batch_of(network, TOKENS // network.length)
    )
    return step.args[1].lower(state, batch).compile(), state, batch, mesh


AXES = {"tensor_parallel": "model", "sequence_parallel": "sequence"}
KEY = jax.random.key(0)


def product_seconds(network: Network) -> float:
    """Seconds of the processor for an operation of a product such as those of a block."""
    rows, width, hidden = TOKENS, network.features, network.hidden
    x, w = jnp.ones((rows, width)), jnp.ones((width, hidden))
    return processor_seconds(partial(jax.jit(jnp.matmul), x, w)) / (2 * rows * width * hidden)


def update_seconds(network: Network) -> float:
    """Seconds of the processor for the optimizer's update of a network on one device."""
    params = pn.select(jax.jit(partial(model_of, network))(KEY), "params")
    state = OPTIMIZER.init(params)

    @jax.jit
    def update(gradient: Any, state: Any, params: Any) -> Any:
        updates, state = OPTIMIZER.update(gradient, state, params)
        return optax.apply_updates(params, updates), state

    return processor_seconds(partial(update, params, state, params))


def seen(layout: str, network: Network) -> Seen:
    """What there is to see of a step on all devices of this process."""
    compiled, state, batch, mesh = step_on(layout, network)
    found, memory = work(compiled.as_text()), compiled.memory_analysis()
    held = sum(leaf.addressable_shards[0].data.nbytes for leaf in jax.tree.leaves(state[:2]))
    return Seen(
        layout,
        jax.device_count(),
        found.products,
        found.by_kind(),
        found.exchanges,
        held,
        memory.temp_size_in_bytes,
        processor_seconds(lambda: compiled(state, batch)),
        product_seconds(network),
        update_seconds(network),
        exchange_seconds(mesh),
    )


if __name__ == "__main__":
    print(json.dumps(seen(sys.argv[1], NETWORKS[sys.argv[2]])._asdict()))
