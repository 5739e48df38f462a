"""Examples by what `--dataset` names: the digits, an npz or csv file, or a folder of idx files."""

import argparse
import math
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from .. import data
from ..by_name.grammar import parsed, split
from ..by_name.tables import arguments, look_up
from ..data import Split
from .parsing import Option, seed, share

DATASET = (
    Option("--dataset", "digits, a file .npz or .csv, or a folder of idx files", str, "digits"),
    Option("--label", "column of a csv file with the targets, name or number; none if there is"
           " none", str, "-1"),
    Option("--test-share", "share of the examples to test with, where the data has no test set",
           share, 0.2),
    Option("--seed", "of weights, order and division of the data", seed, 0),
)  # fmt: skip
AUGMENTATIONS = {
    name: getattr(data, name)
    for name in ("random_shift", "random_flip", "random_crop", "random_erase", "noise", "mixup")
}


class Examples(NamedTuple):
    """A data set to train and test with, an example in each row.

    Attributes:
        train: Inputs (N, features), float32; targets one-hot (N, classes), or numbers (N, outputs).
        test: Likewise.
        shape: That of one example before it became a row.
        classes: How many; None where targets are numbers.
    """

    train: Split
    test: Split
    shape: tuple[int, ...]
    classes: int | None


def examples(options: argparse.Namespace) -> Examples:
    """The data set that the options name."""
    train, test, shape = _read(options)
    if train.y is None:
        raise ValueError(f"{options.dataset} must hold targets beside inputs, got inputs alone")
    if test is None:
        key = jax.random.key(options.seed)
        train, test = data.train_test_split(key, *train, test_share=options.test_share)
    return _in_rows(train, test, shape or train.x.shape[1:])


def _read(options: argparse.Namespace) -> tuple[Split, Split | None, tuple[int, ...] | None]:
    """The examples as they are read, and the shape of one where it is not that of the inputs."""
    if options.dataset == "digits":
        train, test = data.digits(options.test_share, options.seed)
        return train, test, (8, 8)
    place = Path(options.dataset)
    if not place.exists():
        raise FileNotFoundError(f"--dataset: there is no file or folder {place}")
    if place.suffix == ".csv":
        table = data.load_csv(place, label=_column(options.label))
        return Split(table.x, table.y), None, None
    if place.suffix == ".npz":
        return *data.load_npz(place, keys=_only_inputs(place)), None
    if place.is_dir():
        return *data.load_idx(place), None
    raise ValueError(f"--dataset must be a .npz or .csv file or a folder, got {place}")


def inputs(options: argparse.Namespace) -> np.ndarray:
    """The inputs to answer to, in rows: of the test set where there is one."""
    train, test, _ = _read(options)
    x = np.asarray((train if test is None else test).x, np.float32)
    return x.reshape(len(x), -1)


def _column(label: str) -> str | int | None:
    if label == "none":
        return None
    return int(label) if label.lstrip("-").isdecimal() else label


def _only_inputs(place: Path) -> list[str] | None:
    """The name of the one array of an npz file; None if it holds several, or is none."""
    if not zipfile.is_zipfile(place):
        return None
    with zipfile.ZipFile(place) as file:
        names = [name.removesuffix(".npy") for name in file.namelist()]
    return names if len(names) == 1 else None


def _are_labels(y: Any) -> bool:
    return np.asarray(y).dtype.kind in "iub"


def _in_rows(train: Split, test: Split, shape: tuple[int, ...]) -> Examples:
    classes = None
    if _are_labels(train.y):
        if train.y.ndim == 1:
            if (least := min(train.y.min(), test.y.min())) < 0:
                raise ValueError(f"labels must be at least 0, got {least}")
            classes = 1 + int(max(train.y.max(), test.y.max()))
            eye = np.eye(classes, dtype=np.float32)
            train, test = (Split(s.x, eye[s.y]) for s in (train, test))
    elif train.y.ndim == 2 and _is_one_hot(train.y):
        classes = train.y.shape[1]
    rows = [
        Split(*(np.asarray(a, np.float32).reshape(len(a), -1) for a in s)) for s in (train, test)
    ]
    return Examples(rows[0], rows[1], shape, classes)


def _is_one_hot(y: np.ndarray) -> bool:
    return y.shape[1] > 1 and bool(np.isin(y, (0, 1)).all() and (y.sum(1) == 1).all())


def epochs_of(folder: str, batch_size: int, classes: int | None) -> Callable[[], Iterator[Split]]:
    """Batches of epoch0.npz, epoch1.npz, ... of a folder, one file for each epoch."""
    turn = iter(range(10**9))

    def batches() -> Iterator[Split]:
        train, _ = data.load_npz(Path(folder, f"epoch{next(turn)}.npz"), targets="one_hot",
                                 classes=classes)  # fmt: skip
        rows = train.x.reshape(len(train.x), -1)
        return iter(data.batches(rows, train.y, batch_size))

    return batches


def augmentation(text: str | None, shape: tuple[int, ...]) -> Any:
    """What `--augment` names, one after another, for examples in rows."""
    if text is None:
        return None
    steps = [_step(one) for one in split(text)]
    return partial(_augmented, tuple(steps), shape)


def _step(text: str) -> Any:
    call = parsed("--augment", text)
    found = look_up("--augment", "an augmentation", AUGMENTATIONS, call)
    return partial(found, **arguments("--augment", call, found, hidden=("key", "batch")))


def _augmented(steps: tuple[Any, ...], shape: tuple[int, ...], key: jax.Array, batch: Any) -> Any:
    """The batch after all steps, each with a key of its own; images have a channel meanwhile."""
    x, y = batch
    channels = (1,) * (len(shape) == 2)
    found = x.reshape(len(x), *shape, *channels), y
    for step, one in zip(steps, jax.random.split(key, len(steps)), strict=True):
        found = step(one, found)
    return found[0].reshape(len(x), math.prod(shape)), found[1]
