"""Weak and strong scaling of two networks on two clusters, as far as 4,096 chips."""

from collections.abc import Callable
from typing import NamedTuple

from .chips import CHIPS, Chip
from .clock import Best, fastest, seconds
from .network import ONE, SEVENTY, Network
from .plans import Plan, plans

COUNTS = [2**n for n in range(3, 13)]
BATCHES = {ONE.name: 2**21, SEVENTY.name: 2**22}
"""Tokens of a batch that stays the same, as language models are trained with."""

OWN = 2**13
"""Tokens of a chip, where the batch grows with the chips."""

BEST = "best of all"
Family = Callable[[Plan], bool]
FAMILIES: dict[str, Family] = {
    "data parallel": lambda p: not p.fsdp and p.model == p.sequence == 1,
    "FSDP": lambda p: p.fsdp and p.model == p.sequence == 1,
    "FSDP x tensor": lambda p: p.fsdp and p.model > 1 and p.sequence == 1,
    "FSDP x sequence": lambda p: p.fsdp and p.model == 1 and p.sequence > 1,
    BEST: lambda _: True,
}


class Study(NamedTuple):
    """A network on more and more chips.

    Attributes:
        chip: Of the cluster.
        network: What is trained.
        kind: "strong", with one batch for all, or "weak", with one that grows.
        curves: Of each family of plans the fastest on so many chips; None where none finds room.
    """

    chip: Chip
    network: Network
    kind: str
    curves: dict[str, dict[int, Best | None]]

    @property
    def title(self) -> str:
        """What a picture is called."""
        return f"{self.network.name} on {self.chip.name}"

    def tokens(self, chips: int) -> int:
        """Tokens of a batch on so many chips."""
        return BATCHES[self.network.name] if self.kind == "strong" else OWN * chips


def studies(kind: str) -> list[Study]:
    """Each network on each cluster."""
    found = []
    for network in (ONE, SEVENTY):
        for chip in CHIPS:
            one = Study(chip, network, kind, {})
            found.append(one._replace(curves=curves(one)))
    return found


def curves(study: Study) -> dict[str, dict[int, Best | None]]:
    """The fastest plan of each family on each number of chips."""
    found: dict[str, dict[int, Best | None]] = {name: {} for name in FAMILIES}
    for chips in COUNTS:
        tokens = study.tokens(chips)
        every = [
            Best(plan, seconds(study.chip, study.network, plan, tokens))
            for plan in plans(study.network, chips, tokens)
        ]
        for name, belongs in FAMILIES.items():
            found[name][chips] = fastest(study.chip, [one for one in every if belongs(one.plan)])
    return found


def end(curve: dict[int, Best | None], share: float = 0.75) -> int | None:
    """The most chips that are used by at least a share of the best use; None where none is."""
    known = {chips: one.seconds.use for chips, one in curve.items() if one is not None}
    if not known:
        return None
    return max(chips for chips, use in known.items() if use >= share * max(known.values()))
