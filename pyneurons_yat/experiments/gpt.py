"""A Yat GPT reaches a lower loss than a GELU GPT of equal size, with less memory, 4% slower.

Both are trained on Tiny Shakespeare, character by character, on the same windows for as many steps.
The Yat GPT has Yat attention and Yat neurons in the place of dot products and GELU.
"""

import statistics
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from ..core import count
from ..learn import TrainState, cross_entropy, train_step
from .language import KINDS, Size, Text, Trained, gpt, optimizer, read, train
from .study import Row, Study

PAPER = "No More DeLuLu, FineWeb"
SIZE = Size(blocks=4, features=128, heads=4, length=64, batch=12, steps=2000)
STYLES = {"Yat": ("k", "-"), "GELU": ("0.55", "--")}


def study(
    data: Path | None, seeds: int = 3, *, rounds: int = 15, repeats: int = 4, **sizes: Any
) -> Study:
    """Validation loss by seed; time of a step by round, both kinds taking turns; memory; size."""
    text, size = read(data), SIZE._replace(**sizes)
    pairs = [
        [train(text, size, seed, **options) for options in KINDS.values()] for seed in range(seeds)
    ]
    runs = dict(zip(KINDS, zip(*pairs, strict=True), strict=True))
    losses = {kind: tuple(run.loss for run in found) for kind, found in runs.items()}
    differences = [yat - gelu for yat, gelu in zip(losses["Yat"], losses["GELU"], strict=True)]
    programs = {kind: step(text, size, **options) for kind, options in KINDS.items()}
    times = timed(programs, rounds, repeats)
    memory = {k: p.memory_analysis().temp_size_in_bytes / 2**20 for k, (p, _) in programs.items()}
    ratios = [yat / gelu for yat, gelu in zip(times["Yat"], times["GELU"], strict=True)]
    rows = [Row(f"{kind}, validation loss", "nats", losses[kind]) for kind in KINDS]
    rows += [
        Row("loss, Yat less GELU", "nats", tuple(differences), -0.14, PAPER),
        *(Row(f"{kind}, a step", "ms", tuple(times[kind])) for kind in KINDS),
        Row("time of a step, Yat over GELU", "", tuple(ratios), 1.04, PAPER),
        *(Row(f"{kind}, temporary memory of a step", "MiB", (memory[kind],)) for kind in KINDS),
        Row("memory, Yat over GELU", "", (memory["Yat"] / memory["GELU"],), 0.8, PAPER),
        *(Row(f"{kind}, parameters", "", (float(count(runs[kind][0].model)),)) for kind in KINDS),
    ]
    middle = statistics.median(ratios)
    notes = (
        f"A row of times has one number per round; the median ratio of the rounds is {middle:.2f}.",
        "Published memory is 15 to 25% less.",
    )
    question = "Does a GPT of Yat neurons learn more from the same text than one of GELU neurons?"
    settings = {**size._asdict(), "seeds": seeds, "rounds": rounds}
    return Study("gpt", question, tuple(rows), settings, lambda figure: draw(figure, runs), notes)


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
        color, line = STYLES[kind]
        for n, run in enumerate(found):
            steps, losses = zip(*run.curve, strict=True)
            axis.plot(steps, losses, line, color=color, label=None if n else f"{kind} GPT")
    axis.set(xlabel="steps", ylabel="validation loss (nats per character)")
    axis.legend(title="a line per seed")
