"""A Yat GPT reaches a lower loss than a GELU GPT of equal size, with less memory, 4% slower.

Both are trained on Tiny Shakespeare, character by character, on the same windows for as many steps.
The Yat GPT has Yat attention and Yat neurons in the place of dot products and GELU. A third one has
Yat neurons, but dot-product attention.
"""

import statistics
import time
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from ..core import count
from ..learn import TrainState, cross_entropy, train_step
from .language import AXIS, KINDS, Size, Text, Trained, gpt, optimizer, read, train
from .study import Row, Study

PAPER = "No More DeLuLu, FineWeb"
SIZE = Size(blocks=4, features=128, heads=4, length=64, batch=12, steps=2000)
STYLES = {"Yat": "k-", "Yat neurons alone": "k:", "GELU": "k--"}
UNITS = {
    "loss": ("validation loss", "nats"),
    "time": ("time of a step", "ms"),
    "memory": ("temporary memory of a step", "MiB"),
}
PUBLISHED = {"loss": -0.14, "time": 1.04, "memory": 0.8}


def study(
    data: Path | None, seeds: int = 3, *, rounds: int = 15, repeats: int = 4, **sizes: Any
) -> Study:
    """Validation loss by seed; time of a step by round, the kinds taking turns; memory; size."""
    text, size = read(data), SIZE._replace(**sizes)
    each = [[train(text, size, n, **options) for options in KINDS.values()] for n in range(seeds)]
    runs = dict(zip(KINDS, zip(*each, strict=True), strict=True))
    programs = {kind: step(text, size, **options) for kind, options in KINDS.items()}
    memory = {k: p.memory_analysis().temp_size_in_bytes / 2**20 for k, (p, _) in programs.items()}
    numbers = {
        "loss": {kind: [run.loss for run in found] for kind, found in runs.items()},
        "time": timed(programs, rounds, repeats),
        "memory": {kind: [found] for kind, found in memory.items()},
    }
    sizes_of = [
        Row(f"{kind}: parameters", "", (float(count(found[0].model)),))
        for kind, found in runs.items()
    ]
    rows = [row for name, found in numbers.items() for row in compared(name, found)]
    middle = statistics.median(beside(numbers["time"], "Yat", "time"))
    notes = (
        f"Times have one number per round; the median ratio of Yat to GELU is {middle:.2f}.",
        "The published memory is 15 to 25% less, so 0.8.",
    )
    question = "Does a GPT of Yat neurons learn more from the same text than one of GELU neurons?"
    settings = {**size._asdict(), "seeds": seeds, "rounds": rounds}
    picture = partial(draw, runs=runs)
    return Study("gpt", question, (*rows, *sizes_of), settings, picture, notes)


def compared(name: str, found: dict[str, list[float]]) -> list[Row]:
    """A row for each kind, and one for each kind beside GELU: a difference of losses or a ratio."""
    what, unit = UNITS[name]
    rows = [Row(f"{kind}: {what}", unit, tuple(values)) for kind, values in found.items()]
    sign, unit = ("less", unit) if name == "loss" else ("over", "")
    for kind in found:
        if kind != "GELU":
            published = (PUBLISHED[name], PAPER) if kind == "Yat" else (None, "")
            values = tuple(beside(found, kind, name))
            rows.append(Row(f"{what}, {kind} {sign} GELU", unit, values, *published))
    return rows


def beside(found: dict[str, list[float]], kind: str, name: str) -> list[float]:
    """A kind beside GELU, run by run."""
    pairs = zip(found[kind], found["GELU"], strict=True)
    return [one - two if name == "loss" else one / two for one, two in pairs]


def step(text: Text, size: Size, **options: Any) -> tuple[Any, Any]:
    """The compiled program of one training step, and the arguments to run it with."""
    state = TrainState.create(gpt(jax.random.key(0), text, size, **options), optimizer(size))
    pieces = jnp.asarray(text.train[: size.batch * size.length]).reshape(size.batch, -1)
    arguments = state, (pieces, jnp.roll(pieces, -1))
    return jax.jit(train_step(cross_entropy, optimizer(size))).lower(
        *arguments
    ).compile(), arguments


def timed(programs: dict[str, Any], rounds: int, repeats: int) -> dict[str, list[float]]:
    """Milliseconds per call of compiled programs that take turns, one number per round."""
    found: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(rounds + 1):  # the first round warms up
        for name, (program, arguments) in programs.items():
            start = time.perf_counter()
            for _ in range(repeats):
                jax.block_until_ready(program(*arguments))
            found[name].append(1000 * (time.perf_counter() - start) / repeats)
    return {name: times[1:] for name, times in found.items()}


def draw(figure: Any, runs: dict[str, tuple[Trained, ...]]) -> None:
    """Validation loss on the way, a line per run."""
    axis = figure.subplots()
    for kind, found in runs.items():
        for n, run in enumerate(found):
            steps, losses = zip(*run.curve, strict=True)
            axis.plot(steps, losses, STYLES[kind], label=None if n else kind)
    axis.set(xlabel="steps", ylabel=AXIS)
    axis.legend(title="a line per seed")
