"""How long a step takes on chips, from what it asks of each of them."""

from typing import NamedTuple

from .chips import Chip, Way, across, neighbors
from .network import Network
from .plans import Load, Plan, load, plans


class Seconds(NamedTuple):
    """Where the time of a step goes.

    Attributes:
        products: Of the matrix products, at the share of the peak that they reach.
        traffic: Of the memory, as kernels that multiply nothing follow those that do.
        copies: Of gradients and gathered parameters, which go while other blocks are computed.
        model: Of sums of activations, for which the next product waits.
        sequence: Of keys and values, which go while others are attended to.
        total: Of the step.
        useful: Operations of the network, without what is computed again, over the peak.
        memory: Bytes on a chip at the fullest.
    """

    products: float
    traffic: float
    copies: float
    model: float
    sequence: float
    total: float
    useful: float
    memory: float

    @property
    def use(self) -> float:
        """The share of the peak that goes into the network's own products."""
        return self.useful / self.total


def seconds(chip: Chip, network: Network, plan: Plan, tokens: float) -> Seconds:
    """The time of a step on a batch of so many tokens."""
    asked = load(network, plan, tokens)
    return timed(chip, network, plan, tokens, asked)


def timed(chip: Chip, network: Network, plan: Plan, tokens: float, asked: Load) -> Seconds:
    """The time of what is asked of each chip."""
    peak = chip.flops * chip.product
    products, traffic = asked.products / peak, (asked.traffic + asked.update) / chip.bandwidth
    near = plan.model * plan.sequence
    copies = sent(chip, across(chip, plan.copies, plan.model), asked.copies, asked.copies_exchanges)
    model = sent(chip, neighbors(chip, plan.model), asked.model, asked.model_exchanges)
    way = neighbors(chip, near)._replace(steps=1)
    sequence = sent(chip, way, asked.sequence, asked.sequence_exchanges)
    waited = max(sequence - asked.attention / peak, 0.0)
    total = max(products + traffic, copies) + model + waited
    useful = network.products() * tokens / plan.chips / chip.flops
    return Seconds(products, traffic, copies, model, sequence, total, useful, asked.memory)


def sent(chip: Chip, way: Way, volume: float, exchanges: int) -> float:
    """Seconds of so many bytes in so many exchanges."""
    return volume / way.rate + exchanges * way.steps * chip.latency


class Best(NamedTuple):
    """A plan and its time."""

    plan: Plan
    seconds: Seconds


def best(chip: Chip, network: Network, chips: int, tokens: float) -> Best | None:
    """The fastest plan that finds room on the chips; None if none does."""
    found = [
        Best(plan, seconds(chip, network, plan, tokens)) for plan in plans(network, chips, tokens)
    ]
    return fastest(chip, found)


def fastest(chip: Chip, found: list[Best]) -> Best | None:
    """The fastest of those that find room."""
    fitting = [one for one in found if one.seconds.memory <= FULL * chip.memory]
    return min(fitting, key=lambda one: one.seconds.total, default=None)


FULL = 0.9
"""The share of a chip's memory that a step may take."""
