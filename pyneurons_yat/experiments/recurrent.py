"""Recurrent cells of Yat neurons remember as LSTM and GRU do.

Two tasks of Hochreiter and Schmidhuber's kind ask for memory alone. Copying: a few symbols are
shown, then nothing for some steps, then they are to be said in their order. Adding: numbers from 0
to 1 are shown, two of them marked, one in each half; the sum of the two is to be said at the end.
"""

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ..core import Model, count, sequential
from ..data import Split
from ..learn import accuracy, cross_entropy, mse
from ..neurons import RNN, GRUCell, Linear, LSTMCell, YatGRUCell, YatLSTMCell
from .report import percent
from .seeds import fit_seeds
from .study import Row, Study

CELLS: dict[str, dict[str, Any]] = {
    "LSTM": {"cell": LSTMCell},
    "GRU": {"cell": GRUCell},
    "Yat LSTM": {"cell": YatLSTMCell},
    "Yat GRU": {"cell": YatGRUCell},
    "Yat LSTM, separate": {"cell": YatLSTMCell, "form": "separate"},
}
NOTES = (
    "Guessing gets one symbol of four right, 25%, and has an error of 1/6 = 0.167 in the sum, its "
    "variance.",
    '"separate" is the form of the cell as published with nmn 0.2.1; the others see x and h side '
    "by side.",
)


class Task(NamedTuple):
    """Examples to train and to test with, what an answer has, and how many steps of it count."""

    train: Split
    test: Split
    outputs: int
    last: int


def copying(seed: int, examples: int, symbols: int, length: int, delay: int) -> Split:
    """Sequences (N, 2 length + delay, symbols + 2) to be copied, and the symbols (N, length).

    Beside the symbols the alphabet has a blank and, shown before the first answer, a signal.
    """
    shown = np.random.default_rng(seed).integers(0, symbols, (examples, length))
    x = np.full((examples, 2 * length + delay), symbols)
    x[:, :length] = shown
    x[:, length + delay - 1] = symbols + 1
    return Split(np.eye(symbols + 2, dtype=np.float32)[x], shown)


def adding(seed: int, examples: int, steps: int) -> Split:
    """Numbers and marks (N, steps, 2), and the sums of the two marked numbers (N, 1)."""
    draw, row = np.random.default_rng(seed), np.arange(examples)
    values, marks = draw.random((examples, steps), np.float32), np.zeros((examples, steps))
    marks[row, draw.integers(0, steps // 2, examples)] = 1
    marks[row, draw.integers(steps // 2, steps, examples)] = 1
    x = np.stack([values, marks], -1).astype(np.float32)
    return Split(x, (values * marks).sum(1, keepdims=True).astype(np.float32))


def ends(y: jax.Array, *, last: int) -> jax.Array:
    """The last steps of (N, T, O): (N, last, O), or (N, O) of a single one."""
    return y[:, -1] if last == 1 else y[:, -last:]


def network(key: jax.Array, task: Task, hidden: int, options: dict[str, Any]) -> Model:
    """A recurrent layer of a cell, and a linear readout of its last steps."""
    one, two = jax.random.split(key)
    rnn = RNN(one, task.train.x.shape[-1], hidden, **options)
    return sequential(rnn, partial(ends, last=task.last), Linear(two, hidden, task.outputs))


def study(
    data: Path | None = None,
    seeds: int = 5,
    *,
    cells: tuple[str, ...] = tuple(CELLS),
    hidden: int = 24,
    examples: int = 4096,
    symbols: int = 4,
    length: int = 2,
    delay: int = 5,
    steps: int = 12,
    epochs: int = 6,
    batch_size: int = 64,
    rate: float = 1e-2,
) -> Study:
    """Errors of recurrent cells on copying and adding; the data are drawn, none is read."""
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate))
    copies = [copying(n, k, symbols, length, delay) for n, k in enumerate((examples, 1024))]
    sums = [adding(n, k, steps) for n, k in enumerate((examples, 1024))]
    tasks = {
        "copying": Task(copies[0], copies[1], symbols, length),
        "adding": Task(sums[0], sums[1], 1, 1),
    }
    how = {"seeds": seeds, "epochs": epochs, "batch_size": batch_size}
    rows, curves = [], {}
    for name, task in tasks.items():
        loss = cross_entropy if name == "copying" else mse
        for cell in cells:
            make = partial(network, task=task, hidden=hidden, options=CELLS[cell])
            models, losses = fit_seeds(optimizer, make, *task.train, loss=loss, **how)
            rows += rows_of(name, cell, models, task)
            curves[name, cell] = np.asarray(losses)
    settings = {**how, "rate": rate, "optimizer": "adam, gradients clipped to norm 1"}
    settings |= {"hidden": hidden, "training sequences": examples, "test sequences": 1024}
    settings |= {"copying": {"symbols": symbols, "length": length, "delay": delay}}
    settings |= {"adding": {"steps": steps}}
    guess = {"copying": float(np.log(symbols)), "adding": 1 / 6}
    picture = partial(draw, curves=curves, guess=guess)
    question = "Do recurrent cells of Yat neurons remember as LSTM and GRU do?"
    return Study("recurrent", question, tuple(rows), settings, picture, NOTES)


def rows_of(name: str, cell: str, models: Model, task: Task) -> list[Row]:
    """What the models of a cell reach on a task, and how many numbers they have learned."""

    @jax.jit
    @partial(jax.vmap, in_axes=(0, None, None))
    def reached(model: Model, x: jax.Array, y: jax.Array) -> jax.Array:
        return accuracy(model(x), y) if name == "copying" else mse(model(x), y)

    found = reached(models, *map(jnp.asarray, task.test))
    size = count(jax.tree.map(lambda leaf: leaf[0], models))
    if name == "copying":
        told = Row(f"copying, {cell}, symbols right", "%", percent(found))
    else:
        told = Row(f"adding, {cell}, squared error", "", tuple(found))
    return [told, Row(f"{name}, {cell}, parameters", "", (size,))]


def draw(figure: Any, curves: dict[Any, np.ndarray], guess: dict[str, float]) -> None:
    """The training loss of each cell over the epochs, mean and range of the seeds."""
    figure.set_size_inches(9, 3.8)
    styles = dict(zip(CELLS, ("s-", "^-", "o--", "d--", "v:"), strict=True))
    panels = figure.subplots(1, 2)
    for axes, (task, level), unit in zip(panels, guess.items(), ("nats", "squared"), strict=True):
        for number, (cell, style) in enumerate(styles.items()):
            if (task, cell) not in curves:
                continue
            losses = curves[task, cell]
            epochs = np.arange(1, losses.shape[1] + 1)
            color = f"{0.15 * number:.2f}"
            axes.plot(epochs, losses.mean(0), style, color=color, markersize=5, label=cell)
            axes.fill_between(epochs, losses.min(0), losses.max(0), color=color, alpha=0.12)
        axes.axhline(level, color="0.5", linewidth=0.8)
        axes.text(1, level, "guessing", fontsize="small", color="0.3", va="bottom")
        axes.set(xlabel="epoch", ylabel=f"training loss, {unit}", yscale="log", title=task)
    panels[0].legend(title="mean and range of seeds", fontsize="small", title_fontsize="small")
