"""Checkpoints: the state of a run in a file, from which it goes on as if it had never ended."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
from jax.experimental.multihost_utils import reached_preemption_sync_point

import pyneurons_yat as pn

from ..io.entries import taken
from ..io.formats import opened
from .parsing import Option, count
from .processes import EndedError

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
    done, rest = divmod(int(state.step - state.batch), steps)
    if rest:
        raise ValueError(
            f"--batch-size must be that of the run of {options.resume}, whose epochs have not "
            f"{steps} steps, got {options.batch_size}"
        )
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


def keeping(
    options: argparse.Namespace, behind: int, callback: Callable[..., Any]
) -> Callable[..., Any]:
    """A callback of `fit` that counts all epochs, and keeps the state that the next begins with.

    It ends the run in all processes where one was told to end, by the signal that JAX listens to.
    """

    def kept(epoch: int, state: pn.TrainState, report: dict[str, float]) -> Any:
        changed = callback(behind + epoch, state, report)
        if options.checkpoint is not None:
            pn.save(options.checkpoint, changed if isinstance(changed, pn.TrainState) else state)
        if reached_preemption_sync_point(epoch):
            raise EndedError(f"told to end by SIGTERM; {cure(options)}")
        return changed

    return kept


def _step(path: Path) -> int | None:
    """The step of a checkpoint; None where it cannot be read."""
    try:
        with opened(path) as (entries, _):
            return int(taken(entries[".step"]))
    except Exception:
        return None


def cure(options: argparse.Namespace) -> str:
    """How to go on."""
    path = options.checkpoint
    if path is None:
        return "nothing is left of it; --checkpoint FILE keeps the state after each epoch"
    if not path.exists():
        return f"it had not come to a first checkpoint in {path}"
    return f"go on with --resume {path}, which holds step {_step(path)}"
