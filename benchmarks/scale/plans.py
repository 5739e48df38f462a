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


class Means(NamedTuple):
    """What a step is computed with: bytes of numbers, and how far the compiler goes.

    Attributes:
        master: Of parameters as the optimizer holds them, and of its moments.
        working: Of parameters and activations in products.
        gradient: Of gradients as they are summed.
        scatters: Whether of a sum each chip receives the part that it wants; else all of it.
        joins: Whether the sums of the gradients of what query, key and value come from are one.
    """

    master: int = 4
    working: int = 2
    gradient: int = 4
    scatters: bool = True
    joins: bool = True


CPU = Means(4, 4, 4, scatters=False, joins=False)
"""Nothing is narrow in the tests, and XLA's CPU backend does neither."""


class Plan(NamedTuple):
    """How a step lies on chips.

    Attributes:
        data: Chips along the batch.
        model: Chips along heads and features.
        sequence: Chips along the length.
        fsdp: Whether parameters lie over `data` and `sequence`.
        remat: Whether the inside of a block is computed again, not kept.
        parts: In so many a batch goes through, one after another.
    """

    data: int = 1
    model: int = 1
    sequence: int = 1
    fsdp: bool = False
    remat: bool = True
    parts: int = 1

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
        used = [f"{name} {n}" for name, n in parts if n > 1 or name == "FSDP"]
        told = " x ".join(used) or "one chip"
        return told + (f", {self.parts} parts" if self.parts > 1 else "")


class Load(NamedTuple):
    """What a step asks of a chip.

    Attributes:
        products: Operations of matrix products.
        attention: Those of them that belong to attention.
        traffic: Bytes from and to its memory, of parameters and activations.
        update: Bytes from and to its memory, of the optimizer.
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
    update: float
    copies: float
    copies_exchanges: int
    model: float
    model_exchanges: int
    sequence: float
    sequence_exchanges: int
    memory: float


def load(network: Network, plan: Plan, tokens: float, means: Means = Means()) -> Load:  # noqa: B008 - a tuple
    """What a step on a batch of so many tokens asks of each chip."""
    own = tokens / plan.copies
    again = 1.0 if plan.remat else 0.0
    attention = (7 + 2 * again) * network.attended * own / plan.model
    copies = volume_of_copies(held_by(network, plan), plan, means)
    sums = volume_of_sums(network, plan, own, means)
    rounds = volume_of_ring(network, plan, own, means)
    return Load(
        network.products(again, plan.model) * own,
        attention,
        traffic(network, plan, own, means),
        update(network, plan, means),
        copies * plan.parts,
        (3 if plan.fsdp else 1) * network.blocks * plan.parts if plan.copies > 1 else 0,
        sums,
        sums_of_block(plan, means) * network.blocks * plan.parts if plan.model > 1 else 0,
        rounds,
        exchanges_of_ring(plan) * network.blocks * plan.parts,
        memory(network, plan, own / plan.parts, means),
    )


def held_by(network: Network, plan: Plan) -> float:
    """Parameters on a chip without FSDP: `model` divides the kernels of the blocks alone."""
    divided = network.blocks * network.kernels
    return network.parameters - divided + divided / plan.model


def volume_of_copies(shard: float, plan: Plan, means: Means) -> float:
    """Bytes that a chip sends so that all copies have one gradient and the same parameters."""
    share = (plan.copies - 1) / plan.copies
    if plan.fsdp:  # gathered forward and backward, and a sum
        summed = means.gradient if means.scatters else 2 * means.gradient
        return shard * share * (2 * means.working + summed)
    return 2 * shard * share * means.gradient


def volume_of_sums(network: Network, plan: Plan, own: float, means: Means) -> float:
    """Bytes that a chip sends to sum what heads and hidden features add to the stream.

    Behind attention and behind the hidden layer forward, before them backward. What is computed
    again is summed again.
    """
    share = 2 * (plan.model - 1) / plan.model
    times = sums_of_block(plan, means)
    return times * network.blocks * own * network.features * means.working * share


def sums_of_block(plan: Plan, means: Means) -> int:
    """How many arrays of the size of the stream are summed in a block, in a step."""
    forward, backward = 2, 2 if means.joins else 4
    return forward * (1 + plan.remat) + backward


def volume_of_ring(network: Network, plan: Plan, own: float, means: Means) -> float:
    """Bytes that a chip hands on so that every query meets every key.

    Keys and values go all the way round forward; backward they do once more, with their gradients.
    So that a causal mask leaves all chips the same work, each pass begins and ends with an exchange
    of halves: of queries, keys and values, and of what attention returns.
    """
    if plan.sequence == 1:
        return 0.0
    forward = 1 + plan.remat
    round_trips = plan.sequence * 2 * network.kv_features
    round_trips *= forward * means.working + means.working + means.master
    halves = 2 * (network.features + network.kv_features) * (forward + 1) * means.working
    return network.blocks * own / plan.model * (round_trips + halves)


def exchanges_of_ring(plan: Plan) -> int:
    """How many exchanges that is in a block."""
    forward = 1 + plan.remat
    return plan.sequence * (2 * forward + 4) + 8 * (forward + 1) if plan.sequence > 1 else 0


def traffic(network: Network, plan: Plan, own: float, means: Means) -> float:
    """Bytes that a chip moves from and to its memory for the passes.

    Each pass reads the parameters, and activations of a block and the logits go in and out, so
    many times.
    """
    weights = plan.parts * (3 + plan.remat) * held_by(network, plan) * means.working
    heads = HEADS * (network.features + network.kv_features)
    passes = STREAMS * network.features + (heads + WIDE * network.hidden) / plan.model
    blocks = network.blocks * own * passes * means.working
    return weights + blocks + LOGITS * own * network.vocabulary * means.master


def update(network: Network, plan: Plan, means: Means) -> float:
    """Bytes that the optimizer moves: parameters and moments in and out, gradients in."""
    held = held_by(network, plan) / (plan.copies if plan.fsdp else 1)
    return held * (2 * (1 + MOMENTS) * means.master + means.gradient)


STREAMS = 36
"""Times that an array of the stream's size is read or written in a block, in a step."""

HEADS = 12
"""Times that queries and what attention returns are, and keys and values: one of a pair each."""

WIDE = 14
"""Times that one of the hidden layer's size is."""

LOGITS = 6
"""Times that the scores of all tokens are."""


def memory(network: Network, plan: Plan, own: float, means: Means) -> float:
    """Bytes on a chip at the fullest: when the reverse pass has begun.

    Parameters, moments and gradient; the parameters of two blocks, gathered; what each block keeps,
    and the inside of one; the scores of the logits and their gradient, in a wide dtype.
    """
    shard = held_by(network, plan)
    held = shard / plan.copies if plan.fsdp else shard
    fixed = held * ((1 + MOMENTS) * means.master + means.gradient)
    fixed += 2 * network.kernels / plan.model * means.working if plan.fsdp else 0
    stream = own * network.features * means.working
    inside = own * inside_of_block(network, plan) * means.working
    kept = stream * network.blocks + inside * (1 if plan.remat else network.blocks)
    logits = 2 * own * network.vocabulary * means.master
    fixed += held * means.master if plan.parts > 1 else 0  # the running sum of gradients
    return fixed + kept + logits


def inside_of_block(network: Network, plan: Plan) -> float:
    """Numbers per token that a block keeps for its reverse pass, beside its input.

    Two norms, query, key, value and the output of attention, what the hidden layer takes, its
    product and its response.
    """
    attention = 2 * network.features + 2 * network.kv_features
    return 3 * network.features + (attention + 2 * network.hidden) / plan.model


def plans(network: Network, chips: int, tokens: float) -> list[Plan]:
    """All plans for so many chips, whose sizes divide heads, length and batch."""
    return [
        Plan(data, model, sequence, fsdp, parts=parts)
        for model in powers(min(chips, network.kv_heads))
        for sequence in powers(min(chips // model, MOST_RING))
        if (data := chips // (model * sequence)) * network.length <= tokens
        for fsdp in (True, False)
        for parts in powers(min(int(tokens // (data * network.length)), MOST_PARTS))
    ]


MOST_RING, MOST_PARTS = 64, 64
"""More chips in a ring, and more parts of a batch, are not looked at."""


def powers(most: int) -> list[int]:
    """1, 2, 4, ... up to a number."""
    return [2**n for n in range(most.bit_length()) if 2**n <= most]
