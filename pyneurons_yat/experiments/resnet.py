"""A residual network of Yat convolutions does without activations what one with ReLU does.

Both are the library's `zoo.ResNet` of equal size. In the Yat one the first convolution of each
block is a `YatConv` with an alpha in place of a bias, and there is no activation. The images are
those of MNIST, averaged to 14 x 14.
"""

import statistics
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import optax

from ..core import Model, count, identity, select
from ..data import Split, batches
from ..learn import TrainState, accuracy, cross_entropy, evaluate, train_step
from ..neurons import YatConv
from ..ops import average_pool
from ..zoo import ResNet
from .report import percent
from .sources import mnist
from .study import Row, Study

KINDS: dict[str, dict[str, Any]] = {
    "ReLU": {},
    "Yat": {"conv": partial(YatConv, use_bias=False), "activation": identity},
}


class Run(NamedTuple):
    """A training run: test accuracy and loss after each epoch, median milliseconds of a step."""

    accuracies: list[float]
    losses: list[float]
    step: float


def pooled(split: Split) -> Split:
    """Images (N, 28, 28) averaged to (N, 14, 14, 1)."""
    return Split(np.asarray(average_pool(split.x[..., None], (2, 2))), split.y)


def network(key: jax.Array, kind: str, widths: tuple[int, ...]) -> Model:
    """A fresh residual network of a kind, from (N, 14, 14, 1) to 10 logits."""
    return ResNet(jax.random.clone(key), 1, 10, widths=widths, **KINDS[kind])


def train(
    seed: int, step: Any, optimizer: Any, widths: tuple[int, ...], sets: Sequence[Split], **how: int
) -> dict[str, Run]:
    """Trains a network of each kind on the same batches, their steps by turns."""
    one, two = jax.random.split(jax.random.key(seed))
    states = {kind: TrainState.create(network(one, kind, widths), optimizer) for kind in KINDS}
    seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    reports: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    for epoch in range(how["epochs"]):
        order = jax.random.fold_in(two, epoch)
        for batch in batches(*sets[0], how["batch_size"], key=order, remainder="drop"):
            for kind, state in states.items():
                started = time.perf_counter()
                states[kind], _ = jax.block_until_ready(step(state, batch))
                seconds[kind].append(time.perf_counter() - started)
        for kind, state in states.items():
            report = evaluate(state.model, *sets[1], loss=cross_entropy, metrics=[accuracy])
            reports[kind].append(report)
    return {
        kind: Run(
            [report["accuracy"] for report in reports[kind]],
            [report["loss"] for report in reports[kind]],
            1e3 * statistics.median(seconds[kind]),
        )
        for kind in KINDS
    }


def study(
    data: Path | None,
    seeds: int = 5,
    *,
    widths: tuple[int, ...] = (8, 16, 32),
    epochs: int = 3,
    batch_size: int = 64,
    rate: float = 1e-2,
    examples: int | None = None,
) -> Study:
    """Accuracy, loss and time per step of a residual network of either kind on MNIST."""
    sets = [pooled(Split(s.x[:examples], s.y[:examples])) for s in mnist(data)]
    how = {"epochs": epochs, "batch_size": batch_size}
    schedule = optax.cosine_decay_schedule(rate, epochs * (len(sets[0].x) // batch_size))
    optimizer = optax.adam(schedule)
    step = train_step(cross_entropy, optimizer)
    runs = [train(seed, step, optimizer, widths, sets, **how) for seed in range(seeds)]
    rows = []
    for kind in KINDS:
        size = count(select(network(jax.random.key(0), kind, widths), "params"))
        found = [run[kind] for run in runs]
        rows += [
            Row(f"{kind}, test accuracy", "%", percent([run.accuracies[-1] for run in found])),
            Row(f"{kind}, test loss", "nats", tuple(run.losses[-1] for run in found)),
            Row(f"{kind}, parameters", "", (size,)),
            Row(f"{kind}, median time of a step", "ms", tuple(run.step for run in found)),
        ]
    ratios = tuple(run["Yat"].step / run["ReLU"].step for run in runs)
    rows.append(Row("median time of a step, Yat / ReLU", "", ratios))
    settings = {"seeds": seeds, "widths": list(widths), **how, "rate": rate}
    settings |= {"optimizer": "adam, cosine decay", "image": "14 x 14"}
    settings |= {"training images": len(sets[0].x), "test images": len(sets[1].x)}
    notes = (
        "The two networks of a seed take their steps by turns on the same batches, so the ratio of "
        "times compares them also on a busy machine; milliseconds are those of the machine.",
    )
    question = "Does a residual network need ReLU where its convolutions are of Yat neurons?"
    return Study("resnet", question, tuple(rows), settings, partial(draw, runs=runs), notes)


def draw(figure: Any, runs: list[dict[str, Run]]) -> None:
    """The error after each epoch, one thin line per seed and their mean."""
    figure.set_size_inches(5.6, 3.6)
    axes = figure.subplots()
    looks = {"ReLU": ("0.6", "s--"), "Yat": ("black", "o-")}
    for kind, (color, style) in looks.items():
        errors = 100 - 100 * np.array([run[kind].accuracies for run in runs])
        epochs = np.arange(1, errors.shape[1] + 1)
        axes.plot(epochs, errors.T, color=color, linewidth=0.6, linestyle=style[1:])
        axes.plot(epochs, errors.mean(0), style, color=color, linewidth=2, label=kind)
    axes.set(xlabel="epoch", ylabel="test error, %", xticks=epochs, yscale="log")
    axes.set(title="Residual networks on MNIST, 14 x 14")
    axes.legend(title="mean (thick) and seeds (thin)", title_fontsize="small")
