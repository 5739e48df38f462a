"""train: a network by names on a data set, with a line for each epoch."""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

import pyneurons_yat as pn

from .. import by_name, data, plot
from .checkpoints import CHECKPOINTS, check_resumable, epochs_behind, keeping, state_of
from .examples import DATASET, Examples, augmentation, epochs_of, examples
from .launcher import launch
from .networks import LEARNING, NETWORK, between_epochs, loss_of, metrics_of, network, reached
from .parsing import Option, count, integer, positive
from .processes import (
    PROCESSES,
    Member,
    here,
    is_first,
    joined,
    launched,
    launches,
    member,
    spread,
)

OPTIONS = (
    *NETWORK,
    *LEARNING,
    Option("--epochs", "times through the training data", count, 60),
    Option("--batch-size", "examples per step", count, 64),
    *DATASET,
    Option("--augment", "changes to each batch, such as random_shift(most=1);noise"),
    Option("--no-shuffle", "keep the order of the data", None),
    Option("--preprocessed", "folder of epoch0.npz, epoch1.npz, ... to train with in turn"),
    Option("--save-weights", "file for the trained model, .safetensors or .npz", Path),
    Option("--save-data", "npz file for the data as it is trained and tested with", Path),
    Option("--plot", "file for a picture of the learning curves", Path),
    Option("--log", "file for a line of JSON per epoch", Path),
    Option("--no-statistics", "report nothing between epochs", None),
    Option("--no-progress", "show no progress bar", None),
    Option("--info", "print the network", None),
    Option("--gradient-step", "compare gradients with differences of this step first", positive),
    Option("--threads", "processor cores to use, of each process", integer(1)),
    *CHECKPOINTS,
    *PROCESSES,
)


class Job(NamedTuple):
    """A training run, ready to start."""

    model: pn.Model
    optimizer: Any
    loss: Callable[..., Any]
    found: Examples
    steps: int


def train(options: argparse.Namespace) -> int:
    """Trains, tells how it went, and writes what was asked for."""
    place = member(options)
    _check_places(options)
    check_resumable(options)
    if launches(options):
        return launch(options)
    _use_threads(options.threads, place)
    with joined(place):
        return _trained(options, place)


def _trained(options: argparse.Namespace, place: Member | None) -> int:
    """Trains as this process is to, and lets the first one tell and write."""
    started = time.perf_counter()
    job = _job(options)
    if options.info:
        print(pn.summary(job.model))
    if options.gradient_step is not None:
        print(f"gradients differ by {_difference(job, options.gradient_step):.2g} of their size")
    model, history = _learned(job, options, place)
    if is_first():
        told = reached(model, job.found, job.loss)
        print(f"{told}  ({pn.count(model):,} parameters, {time.perf_counter() - started:.1f} s)")
        for what, path in _written(options, model, history, job.found):
            print(f"{what:8} {path}")
    return 0


def _use_threads(number: int | None, place: Member | None) -> None:
    """Keeps the process on so many cores, of which XLA makes its threads when it starts."""
    if number is None:
        return
    import os

    if not hasattr(os, "sched_setaffinity"):
        raise ValueError("--threads must be left out on this system, which binds no process")
    cores = sorted(os.sched_getaffinity(0))
    begin = number * (place.number or 0) if place is not None and launched() else 0
    if begin + number > len(cores):
        raise ValueError(f"--threads must be at most {len(cores)} in all, the cores there are")
    os.sched_setaffinity(0, cores[begin : begin + number])


def _job(options: argparse.Namespace) -> Job:
    """The run that the options describe; all that can be wrong with them is told here."""
    _check_places(options)
    found = examples(options)
    model = network(options, found)
    steps = -(-len(found.train.x) // options.batch_size)
    optimizer = by_name.optimizers(
        model, options.optimizers, options.learning_rate, steps_per_epoch=steps
    )
    loss = loss_of(options, found)
    jax.eval_shape(lambda: loss(model(found.train.x[:1]), found.train.y[:1]))
    return Job(model, optimizer, loss, found, steps)


def _check_places(options: argparse.Namespace) -> None:
    for name, endings in (
        ("save_weights", (".safetensors", ".npz")),
        ("save_data", (".npz",)),
        ("plot", (".png", ".pdf", ".svg", ".jpg")),
        ("log", ()),
        ("checkpoint", (".safetensors", ".npz")),
    ):
        path = getattr(options, name)
        flag = "--" + name.replace("_", "-")
        if path is None:
            continue
        if endings and path.suffix not in endings:
            raise ValueError(f"{flag} must end in {' or '.join(endings)}, got {str(path)!r}")
        if not path.parent.is_dir():
            raise FileNotFoundError(f"{flag}: there is no folder {path.parent}")


def _learned(
    job: Job, options: argparse.Namespace, place: Member | None
) -> tuple[pn.Model, pn.History]:
    """The trained model and its history; epochs are told as they end."""
    watched = not options.no_statistics
    x, y, size = *job.found.train, options.batch_size
    if options.preprocessed is not None:
        x, y, size = epochs_of(options.preprocessed, size, job.found.classes), None, None
    elif options.no_shuffle:
        x, y, size = data.batches(x, y, size), None, None
    state = state_of(options, job.model, job.optimizer, jax.random.key(options.seed + 1))
    behind = epochs_behind(options, state, job.steps)
    if behind == options.epochs:
        return state.model, pn.History()
    table = _Table(job, options) if watched else None
    between = between_epochs(options, job.model, job.optimizer, table)
    state, history = pn.fit(
        job.optimizer,
        state,
        x,
        y,
        loss=job.loss,
        metrics=metrics_of(job.found),
        epochs=options.epochs - behind,
        batch_size=size,
        validation=job.found.test if watched or options.plot else None,
        augment=augmentation(options.augment, job.found.shape),
        callback=keeping(options, behind, between),
        path=options.checkpoint,
        every=options.checkpoint_steps,
        progress=is_first() and not (options.no_progress or launched()),
        **spread(options, place),
    )
    return (state.model if place is None else here(state.model)), history


class _Table:
    """A line for each epoch on the screen, and one of JSON in the log."""

    def __init__(self, job: Job, options: argparse.Namespace) -> None:
        self.log = options.log if is_first() else None
        names = ["loss", *(metric.__name__ for metric in metrics_of(job.found))]
        self.columns = [*names, *(f"validation_{name}" for name in names), "seconds"]
        heads = [column.replace("validation_", "test ") for column in self.columns]
        self.widths = [max(len(head), 8) for head in heads]
        print("epoch  " + "  ".join(f"{h:>{w}}" for h, w in zip(heads, self.widths, strict=True)))
        if self.log is not None:
            told = {k: v for k, v in vars(options).items() if k not in ("command", "written")}
            with self.log.open("w" if options.resume is None else "a") as file:
                file.write(json.dumps({"options": told}, default=str) + "\n")

    def __call__(self, epoch: int, report: dict[str, float]) -> None:
        numbers = zip(self.columns, self.widths, strict=True)
        line = "  ".join(f"{report[name]:{width}.4f}" for name, width in numbers)
        print(f"{epoch + 1:5}  {line}", flush=True)
        if self.log is not None:
            with self.log.open("a") as file:
                file.write(json.dumps({"epoch": epoch + 1, **report}) + "\n")


def _difference(job: Job, step: float) -> float:
    """How far the gradient of the first batch is from differences along random directions."""
    x, y = (array[:32] for array in job.found.train)

    def loss(model: pn.Model) -> jax.Array:
        return job.loss(model(x), y)

    gradient = pn.grad(loss)(job.model)
    worst = 0.0
    for key in jax.random.split(jax.random.key(0), 3):
        along = _direction(key, gradient)
        there, back = (_moved(job.model, along, side * step) for side in (1, -1))
        slope = float(loss(there) - loss(back)) / (2 * step)
        known = sum(float((a * g).sum()) for a, g in _pairs(along, gradient))
        worst = max(worst, abs(slope - known) / max(abs(known), abs(slope), 1e-12))
    return worst


def _pairs(one: Any, other: Any) -> Any:
    return zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)


def _direction(key: jax.Array, like: Any) -> Any:
    """Normal numbers in a tree, of the length 1."""
    leaves, structure = jax.tree.flatten(like)
    keys = jax.random.split(key, len(leaves))
    drawn = [jax.random.normal(k, a.shape, a.dtype) for k, a in zip(keys, leaves, strict=True)]
    length = np.sqrt(sum(float((d**2).sum()) for d in drawn))
    return jax.tree.unflatten(structure, [d / length for d in drawn])


def _moved(model: pn.Model, along: Any, by: float) -> pn.Model:
    params, rest = pn.partition(model, "params", ...)
    return pn.merge(jax.tree.map(lambda p, a: p + by * a, params, along), rest)


def _written(
    options: argparse.Namespace, model: pn.Model, history: pn.History, found: Examples
) -> list[tuple[str, Path]]:
    """Writes the files that were asked for; returns what they are and where."""
    files = []
    if options.save_weights is not None:
        files.append(("model", pn.save(options.save_weights, model)))
    if options.save_data is not None:
        files.append(("data", data.save_npz(options.save_data, found.train, found.test)))
    if options.plot is not None:
        files.append(("picture", _picture(options, model, history, found)))
    if options.log is not None:
        files.append(("log", options.log))
    return files


def _picture(
    options: argparse.Namespace, model: pn.Model, history: pn.History, found: Examples
) -> Path:
    """The learning curves; of two layers and images also what the first has learned."""
    from matplotlib.figure import Figure

    kernels = [leaf for leaf in jax.tree.leaves(pn.select(model, "*kernel")) if leaf.ndim == 2]
    shown = len(kernels) == len(found.shape) == 2
    names = [name for name in history if f"validation_{name}" in history]
    widths = (2, 3)[: 1 + shown]
    figure = Figure(figsize=(2.4 * sum(widths), 6), layout="constrained")
    halves: Any = figure.subfigures(1, len(widths), width_ratios=widths, squeeze=False)
    rows = halves[0, 0].subplots(len(names), 1, sharex=True, squeeze=False)
    for ax, name in zip(rows[:, 0], names, strict=True):
        plot.history(history, name, log=name == "loss" and min(history[name]) > 0, ax=ax)
        ax.label_outer()
    if shown:
        ax = halves[0, 1].subplots()
        plot.prototypes(kernels[0], found.shape, votes=kernels[1], ax=ax)
        ax.set_title("Learned prototypes: the neurons that vote most for each class")
    figure.suptitle(options.layers)
    figure.savefig(options.plot, dpi=120)
    return options.plot
