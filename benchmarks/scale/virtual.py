"""What the model foretells for 1 to 8 virtual devices, beside what was compiled and measured."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

from ..harness import quartiles
from .network import LONG, SMALL, Network
from .plans import CPU, Load, Plan, held_by, load
from .worker import TOKENS, Seen

ROOT = Path(__file__).parents[2]
NETWORKS = {
    SMALL: ("data_parallel", "fsdp", "tensor_parallel"),
    LONG: ("sequence_parallel",),
}
"""By which network each layout is tried."""

DEVICES = (2, 4, 8)
ALONE = ("data_parallel", 1)
"""What the others are shares of."""


class Row(NamedTuple):
    """One number, as foretold and as found, both as a share of something.

    Attributes:
        layout: Of the step.
        devices: How many.
        what: What is told of.
        foretold: By the model.
        found: In the compiled program, or by the clock.
        spread: Of what was found by the clock, its quartiles.
    """

    layout: str
    devices: int
    what: str
    foretold: float
    found: float
    spread: tuple[float, float] | None = None

    @property
    def off(self) -> float:
        """By which share of what was found the model is off."""
        return abs(self.foretold - self.found) / abs(self.found) if self.found else 0.0


def plan_of(layout: str, devices: int) -> Plan:
    """The plan of one of the library's layouts, which keeps what is inside of blocks."""
    if layout == "tensor_parallel":
        return Plan(model=devices, remat=False)
    if layout == "sequence_parallel":
        return Plan(sequence=devices, remat=False)
    return Plan(data=devices, fsdp=layout == "fsdp", remat=False)


def seen(network: Network, pairs: Sequence[tuple[str, int]]) -> list[Seen]:
    """What a process finds that runs each layout on so many devices, in turns."""
    flag = f"--xla_force_host_platform_device_count={max(count for _, count in pairs)}"
    named = [f"{layout}:{count}" for layout, count in pairs]
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale.worker", network.name, *named],
        cwd=ROOT,
        env={**os.environ, "XLA_FLAGS": flag, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    if ran.returncode:
        why = ran.stderr.strip().splitlines()[-1]
        raise RuntimeError(f"{network.name}, {' '.join(named)}: {why}")
    lines = json.loads(ran.stdout.splitlines()[-1])
    return [Seen(**{**line, "exchange": tuple(line["exchange"])}) for line in lines]


def asked(layout: str, devices: int, network: Network) -> Load:
    """What the model says that a step asks of each device."""
    return load(network, plan_of(layout, devices), TOKENS, CPU)


def rows(one: Seen, many: Sequence[Seen], network: Network = SMALL) -> Iterator[Row]:
    """Each number of each layout beside that of one device."""
    alone = asked("data_parallel", 1, network)
    for found in many:
        told = asked(found.layout, found.devices, network)
        row = partial(Row, found.layout, found.devices)
        volume = told.copies + told.model + told.sequence
        yield row("products", told.products / alone.products, found.products / one.products)
        yield row("held", held(found.layout, found.devices, network), found.held / one.held)
        yield row("sent", volume / one.held, sum(found.sent.values()) / one.held)
        ratios = [ours / theirs for ours, theirs in zip(found.seconds, one.seconds, strict=True)]
        low, middle, high = quartiles(ratios)
        yield row("time", slowdown(one, found, alone, told), middle, (low, high))


def held(layout: str, devices: int, network: Network) -> float:
    """The share of parameters and optimizer that lies on each device."""
    if layout == "fsdp":
        return 1 / devices
    return held_by(network, plan_of(layout, devices)) / network.parameters


def slowdown(one: Seen, found: Seen, alone: Load, told: Load) -> float:
    """The processor's time of a step, over that on one device.

    All devices share the cores. So what is divided takes as long as before; what every device does
    for itself takes so many times as long; and exchanges come on top, at what they were measured to
    take.
    """
    before = statistics.median(one.seconds)
    updates = found.devices * told.update / alone.update - 1
    products = alone.products * one.product
    byte = max(before - products - one.update, 0.0) / alone.traffic
    more = updates * one.update
    more += (found.devices * told.products - alone.products) * one.product
    more += (found.devices * told.traffic - alone.traffic) * byte
    exchanges = told.copies_exchanges + told.model_exchanges + told.sequence_exchanges
    each, of_byte = found.exchange
    more += exchanges * each + (told.copies + told.model + told.sequence) * of_byte
    return 1 + more / before


def compared(devices: Sequence[int] = DEVICES) -> list[Row]:
    """Every layout on every number of devices; a process for each network."""
    found: list[Row] = []
    for network, layouts in NETWORKS.items():
        one, *many = seen(network, [ALONE, *product(layouts, devices)])
        found += rows(one, many, network)
    return found
