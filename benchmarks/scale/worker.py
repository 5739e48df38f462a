r"""Run in a process with virtual devices: steps under layouts, compiled, and timed in turns.

    XLA_FLAGS=--xla_force_host_platform_device_count=8 \
        python -m benchmarks.scale.worker small fsdp:4 tensor_parallel:8

It prints one line of JSON. Each step runs on the first so many devices, so that all of them share
one process, and what slows the machine down slows all of them. Time is that of the processor, of
all threads together: virtual devices share the cores, so a step of eight devices does not end
sooner than that of one, and what else the machine does counts for nothing.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import AxisType, PartitionSpec

import pyneurons_yat as pn
from pyneurons_yat import zoo
from pyneurons_yat.learn.train_step import in_place

from ..harness import Case, Contender, measure
from .hlo import work
from .network import NETWORKS, Network

OPTIMIZER = optax.adam(1e-3)
TOKENS = 1024  # of a batch
ROUNDS, SECONDS = 9, 0.3  # the processor's, of a sample
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
        seconds: Of the processor, for a step of all devices together, round by round.
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
    seconds: Sequence[float]
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


def step_on(layout: str, network: Network, devices: int) -> tuple[Any, Any, Any]:
    """The compiled step under a layout on so many devices, its state and its batch."""
    mesh = mesh_of(devices, AXES.get(layout, "data"))
    lies = getattr(pn, layout)

    def created(key: jax.Array) -> pn.TrainState:
        return pn.TrainState.create(model_of(network, key), OPTIMIZER)

    places = pn.shardings(jax.eval_shape(created, KEY), mesh, lies)
    state = jax.jit(created, out_shardings=places)(KEY)
    step: Any = pn.train_step(pn.cross_entropy, OPTIMIZER, mesh=mesh, layout=lies)
    state, batch = in_place(
        "worker", step.args[0], state, batch_of(network, TOKENS // network.length)
    )
    return step.args[1].lower(state, batch).compile(), state, batch


def mesh_of(devices: int, axis: str) -> Any:
    """The first so many devices along one axis."""
    return jax.make_mesh(
        (devices,), (axis,), axis_types=(AxisType.Auto,), devices=jax.devices()[:devices]
    )


AXES = {"tensor_parallel": "model", "sequence_parallel": "sequence"}
KEY = jax.random.key(0)


def product(network: Network) -> Contender:
    """A product such as those of a block; its unit of work is an operation."""
    rows, width, hidden = TOKENS, network.features, network.hidden
    inputs = jnp.ones((rows, width)), jnp.ones((width, hidden))
    return ended("product", jax.jit(jnp.matmul), *inputs, work=2 * rows * width * hidden)


def update(network: Network) -> Contender:
    """The optimizer's update of a network on one device."""
    params = pn.select(jax.jit(partial(model_of, network))(KEY), "params")
    state = OPTIMIZER.init(params)

    @jax.jit
    def updated(gradient: Any, state: Any, params: Any) -> Any:
        updates, state = OPTIMIZER.update(gradient, state, params)
        return optax.apply_updates(params, updates), state

    return ended("update", updated, params, state, params)


def exchange(devices: int, size: int) -> Contender:
    """A sum over so many devices of so many bytes on each."""
    mesh, spec = mesh_of(devices, "data"), PartitionSpec("data")
    x = jax.device_put(jnp.ones((devices, size // 4), jnp.float32), jax.NamedSharding(mesh, spec))
    summed = jax.shard_map(
        lambda x: jax.lax.psum(x, "data"), mesh=mesh, in_specs=spec, out_specs=PartitionSpec()
    )
    return ended(f"exchange {devices} {size}", jax.jit(summed), x)


def exchange_seconds(found: dict[str, float], devices: int) -> tuple[float, float]:
    """Seconds of the processor for an exchange, and for each byte that each device sends."""
    if devices == 1:
        return 0.0, 0.0
    few, many = (found[f"exchange {devices} {size}"] for size in EXCHANGED)
    sent = [2 * size * (devices - 1) / devices for size in EXCHANGED]
    each = (many - few) / (sent[1] - sent[0])
    return max(few - each * sent[0], 0.0), each


def ended(name: str, call: Callable[..., Any], *inputs: Any, work: int = 1) -> Contender:
    """A contender whose calls wait for their end.

    Devices wait for each other in exchanges. Two calls at once may share the threads such that both
    wait forever.
    """
    return Contender(name, "", lambda: jax.block_until_ready(call(*inputs)), work)


def timed(contenders: Sequence[Contender]) -> dict[str, list[float]]:
    """Seconds of the processor by contender, round by round, as they take turns."""
    case = Case("virtual", contenders[0].name, contenders, clock=time.process_time)
    return measure(case, ROUNDS, seconds=SECONDS).samples


def seen(network: Network, asked: Sequence[tuple[str, int]]) -> Iterator[Seen]:
    """What there is to see of a step under each layout on so many devices."""
    steps = {f"{layout} {count}": step_on(layout, network, count) for layout, count in asked}
    meshes = sorted({count for _, count in asked} - {1})
    samples = timed(
        [
            *(ended(name, *step) for name, step in steps.items()),
            product(network),
            update(network),
            *(exchange(count, size) for count in meshes for size in EXCHANGED),
        ]
    )
    typical = {name: statistics.median(times) for name, times in samples.items()}
    for (layout, count), (name, step) in zip(asked, steps.items(), strict=True):
        yield Seen(
            layout,
            count,
            **counted(*step),
            seconds=samples[name],
            product=typical["product"],
            update=typical["update"],
            exchange=exchange_seconds(typical, count),
        )


def counted(compiled: Any, state: Any, _: Any) -> dict[str, Any]:
    """What a compiled step does, sends and holds on each device."""
    found = work(compiled.as_text())
    held = sum(leaf.addressable_shards[0].data.nbytes for leaf in jax.tree.leaves(state[:2]))
    return {
        "products": found.products,
        "sent": found.by_kind(),
        "exchanges": found.exchanges,
        "held": held,
        "temporaries": compiled.memory_analysis().temp_size_in_bytes,
    }


if __name__ == "__main__":
    pairs = [(layout, int(count)) for layout, count in (arg.split(":") for arg in sys.argv[2:])]
    print(json.dumps([one._asdict() for one in seen(NETWORKS[sys.argv[1]], pairs)]))
