"""A character GPT reaches a loss of 1.88 in the customary CPU setting, and 1.47 on one GPU.

The text is Tiny Shakespeare, the published figures are those of nanoGPT. Here the GPT is of Yat
neurons, with Yat attention or without it. "small" is the setting for CPUs, "large" the one for a
GPU; "medium" lies in between: the model of "small" with twice the context, trained on more
characters.
"""

from functools import partial
from pathlib import Path
from typing import Any

from ..core import count
from ..ops.checks import check_choice
from .language import AXIS, KINDS, Size, Trained, read, train
from .study import Row, Study

README = "nanoGPT"
SIZES = {
    "small": Size(blocks=4, features=128, heads=4, length=64, batch=12, steps=2000),
    "medium": Size(blocks=4, features=128, heads=4, length=128, batch=16, steps=3000),
    "large": Size(blocks=6, features=384, heads=6, length=256, batch=64, steps=5000, rate=1e-3),
}
DROPOUT = {"large": 0.2}
PUBLISHED = {"small": (1.88, README), "large": (1.47, README)}


def study(
    data: Path | None,
    seeds: int = 3,
    *,
    size: str = "small",
    kinds: tuple[str, ...] = ("Yat",),
    **sizes: Any,
) -> Study:
    """Validation loss of GPTs of Yat neurons by seed, and their parameters."""
    check_choice("char-gpt", "size", size, list(SIZES))
    chosen, text = SIZES[size]._replace(**sizes), read(data)
    how = {"dropout": DROPOUT.get(size, 0.0)}
    runs = {
        kind: [train(text, chosen, seed, **how, **KINDS[kind]) for seed in range(seeds)]
        for kind in kinds
    }
    return told(runs, size, chosen, seeds)


def told(runs: dict[str, list[Trained]], size: str, chosen: Size, seeds: int) -> Study:
    """The trained models of each kind as a study."""
    figure, source = PUBLISHED.get(size, (None, ""))
    rows = []
    for kind, trained in runs.items():
        losses = tuple(run.loss for run in trained)
        rows.append(Row(f"{kind}, {size}: validation loss", "nats", losses, figure, source))
        rows.append(Row(f"{kind}: parameters", "", (float(count(trained[0].model)),)))
    rows.append(Row("characters trained on", "million", (chosen.characters / 1e6,)))
    name = "char-gpt" if size == "small" else f"char-gpt-{size}"
    question = "How well does a GPT of Yat neurons write Shakespeare, character by character?"
    settings = {"size": size, **chosen._asdict(), "seeds": seeds, "kinds": list(runs)}
    settings["dropout"] = DROPOUT.get(size, 0.0)
    return Study(name, question, tuple(rows), settings, partial(draw, runs=runs, size=size))


def draw(figure: Any, runs: dict[str, list[Trained]], size: str) -> None:
    """Validation loss on the way, a line per run, and the published figure."""
    axis = figure.subplots()
    for (kind, trained), style in zip(runs.items(), ("k-o", "k--s", "k:^"), strict=False):
        for number, run in enumerate(trained):
            label = kind if number == 0 else None
            axis.plot(*zip(*run.curve, strict=True), style, mfc="w", ms=4, lw=1, label=label)
    if size in PUBLISHED:
        value, source = PUBLISHED[size]
        axis.axhline(value, color="0.5", ls="-.", label=f"{source}: {value}")
    axis.set(xlabel="steps", ylabel=AXIS)
    axis.legend()
