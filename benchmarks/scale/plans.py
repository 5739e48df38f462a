"""Layouts on paper: what lies on a chip, what it computes, and what it sends in a step.

A plan has chips along three axes: `data` divides the batch, `model` divides heads, hidden features
and tokens of the vocabulary, `sequence` the length. With `fsdp` parameters and optimizer lie over
`data` and `sequence` too, and are gathered block by block, forward and backward. Volumes are those
of rings, which no exchange can beat: a sum over n chips sends 2 (n - 1) / n of its bytes, a gather
and a scattered sum half of that.
"""

from typing import NamedTuple

from .network import Network

MOMENTS = 2  # of Adam


class Widths(NamedTuple):
    """Bytes of a number.

    Attributes:
        master: Of parameters as the optimizer holds them, and of its moments.
        working: Of parameters and activations in products.
        gradient: Of gradients as they are summed.
    """

    master: int = 4
    working: int = 2
    gradient: int = 2


class Plan(NamedTuple):
    """How a step lies on chips.

    Attributes:
        data: Chips along the batch.
        model: Chips along heads and features.
        sequence: Chips along the length.
        fsdp: Whether parameters lie over `data` and `sequence`.
        remat: Whether the inside of a block is computed again, not kept.
    """

    data: int = 1
    model: int = 1
    sequence: int = 1
    fsdp: bool = False
    remat: bool = True

    @property
    def chips(self) -> int:
        """All chips."""
        return self.data * self.model * self.sequence

    @property
    def copies(self) -> int:
        """Chips that work on different tokens, whose gradients are summed."""
        return self.data * self.sequence

    @property
    def name(self) -> str:
        """What the plan is called."""
        parts = [("FSDP" if self.fsdp else "data", self.data), ("tensor", self.model)]
        parts.append(("sequence", self.sequence))
        return " x ".join(f"{name} {n}" for name, n in parts if n > 1) or "one chip"


class Load(NamedTuple):
    """What a step asks of a chip.

    Attributes:
        products: Operations of matrix products.
        attention: Those of them that belong to attention.
        traffic: Bytes from and to its memory.
        copies: Bytes sent among chips with the same parameters: gradients and gathered parameters.
        copies_exchanges: In so many exchanges.
        model: Bytes sent along `model`: sums of activations.
        model_exchanges: In so many exchanges.
        sequence: Bytes sent along `sequence`: keys and values, and their gradients.
        sequence_exchanges: In so many exchanges.
        memory: Bytes that lie on it at the fullest.
    """

    products: float
    attention: float
    traffic: float
    copies: float
    copies_exchanges: int
    model: float
    model_exchanges: int
    sequence: float
    sequence_exchanges: int
    memory: float


def load(network: Network, plan: Plan, tokens: float, widths: Widths = Widths()) -> Load:  # noqa: B008 - a tuple
    """What a step on a batch of so many tokens asks of each chip."""
    own = tokens / plan.copies
    again = 1.0 if plan.remat else 0.0
    attention = (7 + 2 * again) * network.attended * own / plan.model
    shard = network.parameters / plan.model
    copies = volume_of_copies(shard, plan, widths)
    sums = volume_of_sums(network, plan, own, widths)
    rounds = volume_of_ring(network, plan, own, widths)
    return Load(
        network.products(again) * own / plan.model,
        attention,
        traffic(network, plan, own, widths),
        copies,
        (3 if plan.fsdp else 1) * network.blocks if plan.copies > 1 else 0,
        sums,
        (6 if plan.remat else 4) * network.blocks if plan.model > 1 else 0,
        rounds,
        3 * network.blocks * (plan.sequence - 1),
        memory(network, plan, own, widths),
    )


def volume_of_copies(shard: float, plan: Plan, widths: Widths) -> float:
    """Bytes that a chip sends so that all copies have one gradient and the same parameters."""
    share = (plan.copies - 1) / plan.copies
    if plan.fsdp:  # gathered forward and backward, and a scattered sum
        return shard * share * (2 * widths.working + widths.gradient)
    return 2 * shard * share * widths.gradient


def volume_of_sums(network: Network, plan: Plan, own: float, widths: Widths) -> float:
    """Bytes that a chip sends to sum what heads and hidden features add to the stream.

    Behind attention and behind the hidden layer forward, before them backward. What is computed
    again is summed again.
    """
    share = 2 * (plan.model - 1) / plan.model
    times = 6 if plan.remat else 4
    return times * network.blocks * own * network.features * widths.working * share


def volume_of_ring(network: Network, plan: Plan, own: float, widths: Widths) -> float:
    """Bytes that a chip hands on so that every query meets every key.

    Keys and values go round forward; backward they do once more, with their gradients.
    """
    both = 2 * own * network.kv_features / plan.model
    times = (3 if plan.remat else 2) * widths.working + widths.master
    return network.blocks * (plan.sequence - 1) * both * times


def traffic(network: Network, plan: Plan, own: float, widths: Widths) -> float:
    """Bytes that a chip moves from and to its memory.

    The optimizer reads and writes parameters and moments and reads the gradient; each pass of the
    products reads the parameters; and activations of a block go in and out, so many times.
    """
    shard = network.parameters / plan.model
    held = shard / plan.copies if plan.fsdp else shard
    optimizer = held * (2 * (1 + MOMENTS) * widths.master + widths.gradient)
    weights = (3 + plan.remat) * shard * widths.working
    streams = STREAMS * network.features + WIDE * network.hidden / plan.model
    return optimizer + weights + network.blocks * own * streams * widths.working


STREAMS = 60
"""Times that an array of the stream's size is read or written in a block, in a step."""

WIDE = 14
"""Times that one of the hidden layer's size is."""


def memory(network: Network, plan: Plan, own: float, widths: Widths) -> float:
    """Bytes on a chip at the fullest: when the reverse pass has begun.

    Parameters, moments and gradient; the parameters of two blocks, gathered; what each block keeps,
    and the inside of one; the scores of the logits and their gradient, in a wide dtype.
    """
    shard = network.parameters / plan.model
    held = shard / plan.copies if plan.fsdp else shard
    fixed = held * ((1 + MOMENTS) * widths.master + widths.gradient)
    fixed += 2 * network.kernels / plan.model * widths.working if plan.fsdp else 0
    stream = own * network.features * widths.working
    inside = own * inside_of_block(network, plan) * widths.working
    kept = stream * network.blocks + inside * (1 if plan.remat else network.blocks)
    logits = 2 * min(own, CHUNK) * network.vocabulary / plan.model * widths.master
    return fixed + kept + logits


CHUNK = 2048
"""Tokens whose logits are formed at once; all would be the largest array of the step."""


def inside_of_block(network: Network, plan: Plan) -> float:
    """Numbers per token that a block keeps for its reverse pass, beside its input.

    Two norms, query, key, value and the output of attention, what the hidden layer takes, its
    product and its response.
    """
    attention = 2 * network.features + 2 * network.kv_features
    return 3 * network.features + (attention + 2 * network.hidden) / plan.model


def plans(network: Network, chips: int, tokens: float) -> list[Plan]:
    """All plans for so many chips, whose sizes divide heads, length and batch."""
    found = []
    for model in powers(min(chips, network.kv_heads, 64)):
        for sequence in powers(min(chips // model, 64)):
            data = chips // (model * sequence)
            if data * model * sequence == chips and data * network.length <= tokens:
                found += [Plan(data, model, sequence, fsdp) for fsdp in (True, False)]
    return found


def powers(most: int) -> list[int]:
    """1, 2, 4, ... up to a number."""
    return [2**n for n in range(most.bit_length()) if 2**n <= most]
