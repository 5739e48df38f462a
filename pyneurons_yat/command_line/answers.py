"""evaluate and predict: what a saved model, or an exported one, says of examples."""

import argparse
import csv
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import pyneurons_yat as pn

from ..data import Split
from .examples import DATASET, examples, inputs
from .exporting import PROGRAMS
from .networks import LOSS, loss_of, reached
from .parsing import Option, count

MODEL = Option("model", "a file that train (--save-weights) or export wrote", Path)
BATCH = Option("--batch-size", "examples at once", count, 256)
EVALUATE = (MODEL, *DATASET, LOSS, BATCH)
PREDICT = (
    MODEL,
    *DATASET,
    BATCH,
    Option("--out", "csv file for the answers (default: the screen)", Path),
    Option("--scores", "all outputs of the model, not the best class alone", None),
)


def evaluate(options: argparse.Namespace) -> int:
    """Prints loss and accuracy on the test examples: those that train tested with."""
    found = examples(options)
    if options.model.suffix in PROGRAMS:
        outputs = _answers(pn.load_exported(options.model), found.test.x, options.batch_size)
        model, found = pn.bind((), _as_they_are), found._replace(test=Split(outputs, found.test.y))
    else:
        model = pn.load(options.model)
    told = reached(model, found, loss_of(options, found), options.batch_size)
    print(f"{told}  ({len(found.test.x):,} examples)")
    return 0


def _as_they_are(_: Any, outputs: Any) -> Any:
    """A model of outputs that are known already."""
    return outputs


def _answers(program: Callable[..., Any], x: np.ndarray, batch_size: int) -> np.ndarray:
    """What an exported program returns, batch after batch."""
    parts = [program(x[i : i + batch_size]) for i in range(0, len(x), batch_size)]
    return np.concatenate([np.asarray(part) for part in parts])


def predict(options: argparse.Namespace) -> int:
    """Writes an answer for each example: the class, or the outputs where there is one or more."""
    x = inputs(options)
    if options.model.suffix in PROGRAMS:
        outputs = _answers(pn.load_exported(options.model), x, options.batch_size)
    else:
        outputs = np.asarray(pn.predict(pn.load(options.model), x, batch_size=options.batch_size))
    outputs = outputs.reshape(len(x), -1)
    if outputs.shape[1] == 1 or options.scores:
        names, rows = [f"output{i}" for i in range(outputs.shape[1])], outputs
    else:
        names, rows = ["class"], outputs.argmax(1)[:, None]
    if options.out is None:
        _write(sys.stdout, names, rows)
        return 0
    with options.out.open("w", newline="", encoding="utf-8") as file:
        _write(file, names, rows)
    print(f"{len(rows):,} answers in {options.out}")
    return 0


def _write(file: Any, names: list[str], rows: np.ndarray) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows.tolist())
