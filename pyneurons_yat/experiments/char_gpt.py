"""A character GPT reaches a loss of 1.88 in the customary CPU setting, and 1.47 on one GPU.

The text is Tiny Shakespeare, the published figures are those of nanoGPT. Here the GPT is of Yat
neurons. "small" is the setting for CPUs, "large" the one for a GPU; "medium" lies in between: the
model of "small" with twice the context, trained on more characters.
"""

from functools import partial
from pathlib import Path
from typing import Any

from ..core import count
from ..ops.checks import check_choice
from .language import AXIS, Size, Trained, read, train
from .study import Row, Study

README = "nanoGPT"
SIZES = {
    "small": Size(blocks=4, features=128, heads=4, length=64, batch=12, steps=2000),
    "medium": Size(blocks=4, features=128, heads=4, length=128, batch=16, steps=3000),
    "large": Size(blocks=6, features=384, heads=6, length=256, batch=64, steps=5000, rate=1e-3),
}
DROPOUT = {"large": 0.2}
PUBLISHED = {"small": (1.88, README), "large": (1.47, README)}


def study(data: Path | None, seeds: int = 1, *, size: str = "small", **sizes: Any) -> Study:
    """Validation loss of a Yat GPT by seed, and its parameters."""
    check_choice("char-gpt", "size", size, list(SIZES))
    chosen, text = SIZES[size]._replace(**sizes), read(data)
    dropout = DROPOUT.get(size, 0.0)
    runs = [train(text, chosen, seed, dropout=dropout) for seed in range(seeds)]
    losses = tuple(run.loss for run in runs)
    figure, source = PUBLISHED.get(size, (None, ""))
    rows = (
        Row(f"Yat GPT, {size}: validation loss", "nats", losses, figure, source),
        Row("parameters", "", (float(count(runs[0].model)),)),
        Row("characters trained on", "million", (chosen.characters / 1e6,)),
    )
    name = "char-gpt" if size == "small" else f"char-gpt-{size}"
    question = "How well does a Yat GPT write Shakespeare, character by character?"
    settings = {"size": size, **chosen._asdict(), "dropout": dropout, "seeds": seeds}
    return Study(name, question, rows, settings, partial(draw, runs=runs, size=size))


def draw(figure: Any, runs: list[Trained], size: str) -> None:
    """Validation loss on the way, a line per run, and the published figure."""
    axis = figure.subplots()
    for run in runs:
        axis.plot(*zip(*run.curve, strict=True), "k-o", mfc="w", ms=4)
    if size in PUBLISHED:
        value, source = PUBLISHED[size]
        axis.axhline(value, color="0.5", ls="--", label=f"{source}: {value}")
        axis.legend()
    axis.set(xlabel="steps", ylabel=AXIS)
