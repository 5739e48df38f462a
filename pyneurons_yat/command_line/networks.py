"""What is trained, and how, out of names: a network, its optimizers, its loss, its pruning."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import pyneurons_yat as pn

from .. import by_name
from ..by_name.grammar import numbers, split
from ..by_name.layers import layer
from ..core import leaves_by_path
from .examples import Examples
from .parsing import Option, density, positive

NETWORK = (
    Option("--layers", "names of the layers, with semicolons between them", str, "YatDense;Linear"),
    Option("--layer-sizes", "sizes of the input and of the outputs of each layer (default: what the"
           " data has, with 64 between)"),
    Option("--layer-weights", "initializer of the weights, one for all layers or one for each"),
    Option("--dropouts", "rates of dropout behind the layers", str, "0"),
    Option("--densities", "shares of the weights that are there, one for all layers or one for"
           " each"),
    Option("--overall-density", "share of all weights that are there, the smaller layers more",
           density),
    Option("--load-weights", "model file to go on from, or an npz of W1, b1, W2, ..."),
)  # fmt: skip
LOSS = Option("--loss", "name of the loss (default: SoftmaxCrossEntropy of classes, else mse)")
LEARNING = (
    Option("--optimizers", "one for all layers or one for each", str, "adamw(weight_decay=0.5)"),
    Option("--learning-rate", "a number or a schedule by epochs, one for all layers or one for"
           " each", str, "Exponential(0.005, 0.05)"),
    LOSS,
    Option("--prune", "Magnitude(SHARE), SET(SHARE) or Threshold(VALUE): drops weights of sparse"
           " layers between epochs"),
    Option("--grow", "where as many new weights come, which is the only way", str, None,
           ("Random",)),
    Option("--grow-weights", "initializer of the weights that grow", str, "Zero"),
    Option("--clip", "weights nearer to 0 than this become 0 between epochs", positive),
)  # fmt: skip


def network(options: argparse.Namespace, found: Examples) -> pn.Model:
    """The network that the options name, for a data set."""
    sizes = _sizes(options, found)
    model = by_name.network(
        jax.random.key(options.seed),
        options.layers,
        sizes,
        weights=options.layer_weights,
        dropouts=options.dropouts,
        densities=1.0 if options.densities is None else options.densities,
        overall_density=options.overall_density,
    )
    return model if options.load_weights is None else loaded(options.load_weights, model)


def _sizes(options: argparse.Namespace, found: Examples) -> list[int]:
    """The sizes that were given, which must be those of the data at both ends; or good ones."""
    ends = found.train.x.shape[1], found.train.y.shape[1]
    if options.layer_sizes is None:
        count = sum(layer(text).sized for text in split(options.layers))
        return [ends[0], *[64] * (count - 1), ends[1]]
    sizes = numbers("--layer-sizes", "sizes", int, options.layer_sizes)
    if (sizes[0], sizes[-1]) != ends:
        raise ValueError(
            f"--layer-sizes must begin with {ends[0]} and end with {ends[1]}, as the data does, "
            f"got {options.layer_sizes!r}"
        )
    return sizes


def loaded(path: str, model: pn.Model) -> pn.Model:
    """A model with the weights of a file: of `save`, or W1, b1, W2, ... as nerva keeps them."""
    if path.endswith(".npz") and Path(path).is_file():
        with np.load(path) as file:
            given = {name: file[name] for name in file.files}
        if "W1" in given:
            return _with(given, model)
    return pn.load(path, like=model)


def _with(given: dict[str, np.ndarray], model: pn.Model) -> pn.Model:
    """A model with the weights and biases W1, b1, ..., whose rows are the outputs."""
    kernels = [path for path, _ in leaves_by_path(model) if path.endswith(".kernel")]
    wanted = {f"{letter}{i + 1}" for i in range(len(kernels)) for letter in "Wb"}
    if wanted != given.keys():
        raise ValueError(
            f"--load-weights must hold {', '.join(sorted(wanted))}, got {', '.join(given)}"
        )
    for i, path in enumerate(kernels, 1):
        model = pn.replace(model, path, jnp.asarray(given[f"W{i}"].T))
        model = pn.replace(model, path.replace(".kernel", ".bias"), jnp.asarray(given[f"b{i}"]))
    return model


def loss_of(options: argparse.Namespace, found: Examples) -> Callable[..., jax.Array]:
    """The loss that the options name, or the usual one of the data."""
    usual = "mse" if found.classes is None else "SoftmaxCrossEntropy"
    return by_name.loss(options.loss or usual)


def metrics_of(found: Examples) -> tuple[Callable[..., jax.Array], ...]:
    """What is told beside the loss: the accuracy of classes, the mean error of numbers."""
    return (pn.mae,) if found.classes is None else (pn.accuracy,)


def reached(
    model: pn.Model, found: Examples, loss: Callable[..., jax.Array], batch_size: int | None = None
) -> str:
    """The line of what a model reaches on the test examples."""
    report = pn.evaluate(
        model, *found.test, loss=loss, metrics=metrics_of(found), batch_size=batch_size
    )
    return "test  " + "  ".join(f"{name} {value:.4f}" for name, value in report.items())


def between_epochs(
    options: argparse.Namespace, model: pn.Model, optimizer: Any, told: Any
) -> Callable[..., Any]:
    """A callback of `fit` that tells of an epoch, and prunes, moves and clips weights."""
    rule, kernel_init = _pruning(options, model), by_name.initializer(options.grow_weights)
    key = jax.random.key(options.seed + 2)

    def callback(epoch: int, state: pn.TrainState, report: dict[str, float]) -> Any:
        if told is not None:
            told(epoch, report)
        if epoch + 1 == options.epochs or (rule is None and options.clip is None):
            return None
        if rule is not None:
            own = jax.random.fold_in(key, state.step)
            state = pn.rewire(own, state, rule, kernel_init=kernel_init, optimizer=optimizer)
        return state if options.clip is None else _clipped(state, options.clip)

    return callback


def _pruning(options: argparse.Namespace, model: pn.Model) -> Any:
    """The rule by which non-zeros of sparse layers go; None if they all stay."""
    if options.prune is None:
        if options.grow is not None:
            raise ValueError("--grow must come with --prune, whose weights grow elsewhere")
        return None
    rule = by_name.pruning(options.prune)
    if not any(path.endswith(".indices") for path, _ in leaves_by_path(model)):
        raise ValueError(
            "--prune must come with sparse layers; give --overall-density or --densities below 1"
        )
    return rule


def _clipped(state: pn.TrainState, least: float) -> pn.TrainState:
    """The state with the weights nearer to 0 than a number at 0."""
    kernels, rest = pn.partition(state.model, is_weight, ...)
    kept = jax.tree.map(lambda w: jnp.where(abs(w) < least, 0, w), kernels)
    return state._replace(model=pn.merge(kept, rest))


def is_weight(path: str, leaf: Any) -> bool:
    """Whether a leaf is the kernel of a layer, dense or sparse."""
    return path.endswith((".kernel", ".kernel.values"))
