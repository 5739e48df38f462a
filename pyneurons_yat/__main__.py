"""The command line: train on real digits, or report what this installation has.

python -m pyneurons_yat            trains a Yat network beside a ReLU network of the same size
python -m pyneurons_yat doctor     prints versions, devices, default dtype and missing extras
"""

import argparse
import importlib.metadata
import math
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import jax
import jax.numpy as jnp
import numpy as np
import optax

import pyneurons_yat as pn

from .data import Split, digits
from .plot import comparison
from .zoo import relu_classifier, yat_classifier

EXTRAS = {
    "demo": ("scikit-learn", "matplotlib", "tqdm"),
    "io": ("safetensors",),
    "notebooks": ("ipykernel", "nbclient", "nbformat"),
    "peers": ("nmn", "flax", "equinox"),
}
CORE = ("jax", "jaxlib", "optax", "multipledispatch", "numpy")


class Option(NamedTuple):
    """An option of the main job."""

    name: str
    default: Any
    help: str
    type: Callable[[str], Any] = str
    choices: tuple[str, ...] | None = None


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Prints the message and exits with 2."""
        self.exit(2, f"{self.prog}: error: {message} (see --help)\n")


def at_least_one(text: str) -> int:
    """An integer of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be an integer of at least 1, not {text!r}")
    return int(text)


def seed(text: str) -> int:
    """An integer that scikit-learn and JAX take as a seed."""
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"must be an integer from 0 to 2^32 - 1, not {text!r}")
    return int(text)


def positive(text: str) -> float:
    """A finite number above 0."""
    return number(text, "above 0", lambda value: value > 0)


def not_negative(text: str) -> float:
    """A finite number of at least 0."""
    return number(text, "of at least 0", lambda value: value >= 0)


def number(text: str, wanted: str, fits: Callable[[float], bool]) -> float:
    """A finite number that fits."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and fits(value)):
        raise argparse.ArgumentTypeError(f"must be a number {wanted}, not {text!r}")
    return value


OPTIONS = (
    Option("hidden", 64, "neurons of the hidden layer", at_least_one),
    Option("epochs", 60, "times through the training data", at_least_one),
    Option("batch_size", 64, "examples per step", at_least_one),
    Option("learning_rate", 5e-3, "of adamw, by a cosine down to 0", positive),
    Option("weight_decay", 0.5, "of adamw", not_negative),
    Option("seed", 0, "of the networks, the shuffling and the division", seed),
    Option("out", Path("digits"), "folder for picture and model", Path),
    Option("format", "safetensors", "of the model file", choices=("safetensors", "npz")),
)
DEFAULTS = {option.name: option.default for option in OPTIONS} | {"no_progress": False}


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    """The command and its options, which may stand before it or behind it."""
    top = parser()
    arguments = sys.argv[1:] if arguments is None else arguments
    refuse_unknown(top, arguments)
    given = vars(top.parse_args(arguments))
    command = given.pop("command")
    if command == "doctor" and given:
        top.error(f"doctor takes no options, but {', '.join(map(flag, given))} came")
    return argparse.Namespace(command=command, **{**DEFAULTS, **given})


def refuse_unknown(top: Parser, arguments: list[str]) -> None:
    """Names an option that there is not; else argparse takes its value for a command."""
    known = ["--help", "--version", *map(flag, DEFAULTS)]
    for word in arguments:
        name = word.partition("=")[0]
        if word.startswith("--") and name not in known:
            top.error(f"unknown option {name}; the options are {', '.join(known)}")


def flag(name: str) -> str:
    """An option as it is written."""
    return f"--{name.replace('_', '-')}"


def parser() -> Parser:
    """The options of the command line; of those not given the result holds nothing."""
    top = Parser(
        prog="python -m pyneurons_yat",
        description=(__doc__ or "").partition("\n")[0],
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=pn.__version__)
    commands = top.add_subparsers(dest="command", parser_class=Parser)
    commands.add_parser("doctor", help="print versions, devices, dtype and missing extras")
    digits = commands.add_parser(
        "digits",
        help="train on digits (what runs without a command)",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    for target in (top, digits):
        add_training_options(target)
    return top


def add_training_options(target: argparse.ArgumentParser) -> None:
    """The options of the main job."""
    for option in OPTIONS:
        target.add_argument(
            flag(option.name),
            type=option.type,
            choices=option.choices,
            help=f"{option.help} (default: {option.default})",
        )
    target.add_argument("--no-progress", action="store_true", help="show no progress bar")


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; returns the exit code."""
    options = parsed(arguments)
    try:
        return doctor() if options.command == "doctor" else train(options)
    except ImportError as error:
        print(f'{error}; install the extras: pip install "pyneurons_yat[demo,io]"', file=sys.stderr)
    except (FloatingPointError, OSError) as error:
        print(f"python -m pyneurons_yat: {error}", file=sys.stderr)
    return 1


def train(options: argparse.Namespace) -> int:
    """The main job: two networks on digits, a table, a picture, a model file and its check."""
    start = time.perf_counter()
    options.out.mkdir(parents=True, exist_ok=True)
    training, test = digits(seed=options.seed)
    networks = {"Yat": yat_classifier, "ReLU": relu_classifier}
    models, histories = {}, {}
    for name, network in networks.items():
        print(f"training {name}", file=sys.stderr)
        make, run = jax.random.split(jax.random.key(options.seed))
        model = network(make, training.x.shape[1], options.hidden, 10)
        models[name], histories[name] = learn(model, training, test, run, options)
    print(table(models, histories, -(-len(training.x) // options.batch_size)))
    yat = models["Yat"]
    kernel, votes = yat["hidden"].kernel, yat["logits"].kernel
    picture = comparison(options.out / "digits.png", histories, kernel, votes)
    path = pn.save(options.out / f"yat.{options.format}", yat)
    agrees = check(path, yat, test)
    print(f"\npicture  {picture}\nmodel    {path}")
    print(f"loaded back: {agrees} of {len(test.x)} test predictions the same")
    print(f"{time.perf_counter() - start:.1f} s in all")
    return 0 if agrees == len(test.x) else 1


def learn(
    model: pn.Model, training: Split, test: Split, key: jax.Array, options: argparse.Namespace
) -> tuple[pn.Model, pn.History]:
    """Trains one network with adamw and a cosine schedule."""
    steps = options.epochs * -(-len(training.x) // options.batch_size)
    rate = optax.cosine_decay_schedule(options.learning_rate, steps)
    return pn.fit(
        optax.adamw(rate, weight_decay=options.weight_decay),
        model,
        *training,
        loss=pn.cross_entropy,
        metrics=(pn.accuracy,),
        epochs=options.epochs,
        batch_size=options.batch_size,
        key=key,
        validation=test,
        progress=not options.no_progress,
    )


def table(models: dict[str, pn.Model], histories: dict[str, pn.History], steps: int) -> str:
    """A line per network: test accuracy, parameters, steps per second of the median epoch."""
    lines = [f"{'network':8} {'test accuracy':>14} {'parameters':>11} {'steps/s':>9}"]
    for name, history in histories.items():
        accuracy, speed = history["validation_accuracy"][-1], steps / np.median(history["seconds"])
        lines.append(f"{name:8} {accuracy:14.4f} {pn.count(models[name]):11,} {speed:9,.0f}")
    return "\n".join(lines)


def check(path: Path, model: pn.Model, test: Split) -> int:
    """Loads a model back; returns how many of its test predictions are the saved model's."""
    again = pn.load(path, like=jax.eval_shape(lambda: model))
    return int(jnp.sum(jnp.argmax(again(test.x), -1) == jnp.argmax(model(test.x), -1)))


def doctor() -> int:
    """Prints what is installed, what JAX runs on, and which extras are missing."""
    rows: list[tuple[str, Any]] = [("pyneurons_yat", pn.__version__)]
    rows += [("python", f"{platform.python_version()} on {platform.platform()}")]
    rows += [(name, version(name) or "missing") for name in CORE]
    rows += [("backend", jax.default_backend())]
    rows += [("devices", ", ".join(str(device) for device in jax.devices()))]
    rows += [("default dtype", jnp.result_type(float).name)]
    for extra, names in EXTRAS.items():
        rows += [(name, version(name) or f"missing: {install(extra)}") for name in names]
    width = max(len(name) for name, _ in rows)
    print("\n".join(f"{name:{width}}  {value}" for name, value in rows))
    return 0


def version(name: str) -> str | None:
    """The installed version of a distribution, or None."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def install(extra: str) -> str:
    """The command that installs an extra."""
    return f'pip install "pyneurons_yat[{extra}]"'


if __name__ == "__main__":
    sys.exit(main())
