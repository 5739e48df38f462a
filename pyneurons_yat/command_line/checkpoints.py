"""Checkpoints: the state of a run in a file, from which it goes on as if it had never ended."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

import pyneurons_yat as pn

from ..io.entries import taken
from ..io.formats import opened
from .parsing import Option, count

CHECKPOINTS = (
    Option("--checkpoint", "file for the state after each epoch, .safetensors or .npz", Path),
    Option("--checkpoint-steps", "write it every so many steps too, inside of an epoch", count),
    Option("--resume", "checkpoint to go on from; the other options are those of its run", Path),
)


def state_of(
    options: argparse.Namespace, model: pn.Model, optimizer: Any, key: jax.Array
) -> pn.TrainState:
    """The state to train from: a new one, or that of the checkpoint."""
    state = pn.TrainState.create(model, optimizer, key)
    return state if options.resume is None else pn.load(options.resume, state)


def epochs_behind(options: argparse.Namespace, state: pn.TrainState, steps: int) -> int:
    """The epochs that a state has behind it, where each has so many steps."""
    done = int(state.step - state.batch) // steps
    if done > options.epochs:
        raise ValueError(
            f"--epochs must be at least {done}, the epochs that {options.resume} has behind it, "
            f"got {options.epochs}"
        )
    return done


def check_resumable(options: argparse.Namespace) -> None:
    """Refuses what a checkpoint does not know of."""
    if options.checkpoint_steps is not None and options.checkpoint is None:
        raise ValueError("--checkpoint-steps must come with --checkpoint FILE")
    if options.resume is None:
        return
    for flag, given in (
        ("--load-weights", options.load_weights),
        ("--preprocessed", options.preprocessed),
    ):
        if given is not None:
            raise ValueError(f"{flag} must be left out with --resume, got both")
    if not options.resume.exists():
        raise FileNotFoundError(f"--resume: there is no file {options.resume}")


def keeping(path: Path | None, behind: int, callback: Callable[..., Any]) -> Callable[..., Any]:
    """A callback of `fit` that counts all epochs, and keeps the state that the next begins with."""

    def kept(epoch: int, state: pn.TrainState, report: dict[str, float]) -> Any:
        changed = callback(behind + epoch, state, report)
        if path is not None:
            pn.save(path, changed if isinstance(changed, pn.TrainState) else state)
        return changed

    return kept


def last(path: Path) -> int | None:
    """The step of a checkpoint; None where it cannot be read."""
    try:
        with opened(path) as (entries, _):
            return int(taken(entries[".step"]))
    except Exception:
        return None
