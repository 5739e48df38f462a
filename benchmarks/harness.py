"""What a case is, and how it is timed."""

import gc
import importlib
import math
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

SAMPLE_SECONDS = 0.02
"""One sample lasts at least this long."""

PAUSE_SECONDS = 0.003
"""Rest before a sample, in which the threads of the contender before it fall asleep."""


@dataclass(frozen=True)
class Contender:
    """One way to do the work of a case.

    Attributes:
        name: Unique within its case.
        computes: What it computes. Contenders of a case with the same text return the same numbers;
            an empty text promises nothing.
        call: Does the work once. Returns its result, for which a sample waits at its end; calls
            that do not depend on the one before wait for their result themselves.
        work: Units of work per call, as in steps per epoch.
    """

    name: str
    computes: str
    call: Callable[[], Any]
    work: int = 1


@dataclass(frozen=True)
class Absent:
    """A contender that cannot run here, and the command that installs it."""

    name: str
    cure: str


@dataclass(frozen=True)
class Target:
    """A bound on the ratio, or the difference, of two contenders.

    Attributes:
        contender: The name above the fraction line.
        against: The name below it.
        sign: `"<="` or `">="`.
        limit: The bound: a ratio, or seconds for a difference.
        quantity: `"ratio"` or `"difference"`.
        noise: Whether it is enough that a quarter of the rounds keeps within the bound.
        why: The reason, where it is known to be missed.
    """

    contender: str
    against: str
    sign: str
    limit: float
    quantity: str = "ratio"
    noise: bool = False
    why: str = ""


@dataclass(frozen=True)
class Case:
    """Contenders that are compared with each other.

    Attributes:
        name: What is compared.
        baseline: The contender whose ratio is 1.
        contenders: The ways to do it.
        targets: The bounds to report on.
        unit: `"s"` if calls are timed; otherwise a call returns the number itself, or several, such
            as one per seed: `"bytes"`, `"accuracy"`, or any other unit.
        rate: What units of work per second are called, if that is of interest.
        clock: The clock that calls are timed by. `time.process_time` adds up the time of all
            threads, and leaves out that of other programs.
        why: The reason, where this library is known to lose to a contender.
    """

    name: str
    baseline: str
    contenders: Sequence[Contender | Absent]
    targets: Sequence[Target] = ()
    unit: str = "s"
    rate: str = ""
    clock: Callable[[], float] = time.perf_counter
    why: str = ""


@dataclass(frozen=True)
class Result:
    """The samples of a case, by contender: seconds (or bytes) per unit of work, one a round."""

    case: Case
    samples: dict[str, list[float]] = field(default_factory=dict)

    def compare(self, contender: str, against: str, quantity: str = "ratio") -> list[float]:
        """Ratio or difference of two contenders, round by round."""
        pairs = zip(self.samples[contender], self.samples[against], strict=True)
        if quantity == "difference":
            return [ours - theirs for ours, theirs in pairs]
        return [ours / theirs for ours, theirs in pairs]

    def verdict(self, target: Target) -> bool | None:
        """Whether the target is met. `None` if one of the two is absent."""
        if not {target.contender, target.against} <= self.samples.keys():
            return None
        low, middle, high = quartiles(
            self.compare(target.contender, target.against, target.quantity)
        )
        if target.sign == "<=":
            return (low if target.noise else middle) <= target.limit
        return (high if target.noise else middle) >= target.limit


def peer(
    module: str, install: str, names: Sequence[str], build: Callable[[], list[Contender]]
) -> Sequence[Contender | Absent]:
    """The contenders that `build` makes, or, where `module` is missing, rows that say so.

    `build` imports its peer itself. The names are those of the contenders it would have made.
    """
    try:
        importlib.import_module(module)
    except ImportError:
        return [Absent(name, f"pip install {install}") for name in names]
    return build()


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """First quartile, median and third quartile."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def elapsed(
    call: Callable[[], Any], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Seconds that `repeats` calls take, the wait for the last result included."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        start = clock()
        for _ in range(repeats):
            result = call()
        jax.block_until_ready(result)
        return clock() - start
    finally:
        if was_enabled:
            gc.enable()


def calibrate(call: Callable[[], Any], seconds: float = SAMPLE_SECONDS) -> int:
    """How often to repeat a call so that a sample lasts. Its first call is the warm-up."""
    jax.block_until_ready(call())
    repeats = 1
    while (lasted := elapsed(call, repeats)) < seconds:
        needed = math.ceil(1.2 * repeats * seconds / max(lasted, 1e-9))
        repeats = max(2 * repeats, min(needed, 10 * repeats))
    return repeats


def sample(contender: Contender, repeats: int, clock: Callable[[], float]) -> float:
    """Seconds per unit of work."""
    time.sleep(PAUSE_SECONDS)
    return elapsed(contender.call, repeats, clock) / (repeats * contender.work)


def measure(case: Case, rounds: int, seed: int = 0, seconds: float = SAMPLE_SECONDS) -> Result:
    """All samples of a case, its contenders taking turns in an order shuffled each round."""
    present = [c for c in case.contenders if isinstance(c, Contender)]
    if case.unit != "s":
        return Result(case, {c.name: [float(v) for v in np.ravel(c.call())] for c in present})
    repeats = {c.name: calibrate(c.call, seconds) for c in present}
    samples: dict[str, list[float]] = {c.name: [] for c in present}
    order = random.Random(seed)
    for _ in range(rounds):
        for contender in order.sample(present, len(present)):
            samples[contender.name].append(sample(contender, repeats[contender.name], case.clock))
    return Result(case, samples)
