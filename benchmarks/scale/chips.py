"""Chips and what joins them: published numbers, each with its source, and what is assumed."""

import math
from typing import NamedTuple

GIGA, TERA = 1e9, 1e12


class Chip(NamedTuple):
    """An accelerator in a cluster.

    Attributes:
        name: Of the chip.
        flops: Dense bfloat16 operations per second.
        memory: Bytes of its memory.
        bandwidth: Bytes per second of that memory.
        link: Bytes per second that it sends to its neighbors: over all links of the torus, or to
            the other chips of its node.
        network: Bytes per second that it sends to other nodes; 0 where the torus is all there is.
        node: Chips of a node, or the most along one axis of the torus.
        axes: Axes of the torus; 0 for a node whose chips are all joined with one another.
        latency: Seconds of a message from one chip to the next.
        product: The share of `flops` that a large matrix product reaches alone.
    """

    name: str
    flops: float
    memory: float
    bandwidth: float
    link: float
    network: float
    node: int
    axes: int
    latency: float
    product: float


V5P = Chip("TPU v5p", 459 * TERA, 95 * 2**30, 2765 * GIGA, 600 * GIGA, 0.0, 16, 3, 1e-6, 0.8)
"""https://cloud.google.com/tpu/docs/v5p: 459 TFLOP/s, 95 GiB, 2,765 GB/s, torus of 4,800 Gbit/s."""

H200 = Chip("H200", 989 * TERA, 141 * GIGA, 4800 * GIGA, 450 * GIGA, 50 * GIGA, 8, 0, 5e-6, 0.8)
"""https://www.nvidia.com/en-us/data-center/h200: 1,979 TFLOP/s of sparse products, so 989 of
dense ones, 141 GB, 4.8 TB/s, NVLink of 900 GB/s, half of it each way. DGX H200: 400 Gbit/s each."""

CHIPS = (V5P, H200)


class Way(NamedTuple):
    """How a group of chips is joined.

    Attributes:
        rate: Bytes per second that each chip sends.
        steps: Messages one after another until something has reached all.
    """

    rate: float
    steps: float


def neighbors(chip: Chip, chips: int) -> Way:
    """A group that is as near as can be: one axis of the torus, or within a node."""
    if chip.axes:
        return Way(chip.link / chip.axes * wrapped(chips), ring(chips))
    if chips > chip.node:
        return across(chip, chips, 1)
    return Way(chip.link, math.log2(max(chips, 2)))


def across(chip: Chip, chips: int, near: int) -> Way:
    """A group of every `near`-th chip: the other axes of the torus, or over the network.

    On nodes what is exchanged goes once into each node, and there from chip to chip, at the same
    time. So the chips of a group in one node share what goes over the network.
    """
    if chip.axes:
        axes = chip.axes - (near > 1)
        along = chips ** (1 / axes)
        return Way(chip.link * axes / chip.axes * wrapped(along), axes * ring(along))
    inside = max(chip.node // near, 1)
    if chips <= inside:
        return Way(chip.link, math.log2(max(chips, 2)))
    return Way(min(chip.network * inside, chip.link), math.log2(chips))


def wrapped(along: float) -> float:
    """An axis of the torus of fewer than 4 chips is no ring, and half as fast."""
    return 1.0 if along >= 4 else 0.5


def ring(along: float) -> float:
    """Messages until what starts at each chip of a ring has reached all, in both directions."""
    return max(along / 2, 1.0)
