"""The networks of the peers: the plain ones of the four tasks, or nmn's of Yat neurons.

Each file describes them as its library's documentation does, with the sizes of the task, and hands
back trainers; a task that a library has no layers for has no trainer.
"""

import importlib
from collections.abc import Sequence
from importlib.util import find_spec

from ..harness import Absent
from ..steps import Trainer
from ..tasks import Task

PEERS = {
    "plain_jax": ("jax", "jax"),
    "flax": ("flax", "flax"),
    "nmn": ("nmn", "nmn flax"),
    "equinox": ("equinox", "equinox"),
    "haiku": ("haiku", "dm-haiku"),
    "keras": ("keras", "keras"),
    "torch": ("torch", "torch"),
}


def of(name: str, task: Task) -> Sequence[Trainer | Absent]:
    """The trainer of a peer for a task, a row that says how to install it, or nothing."""
    module, install = PEERS[name]
    if find_spec(module) is None:
        return [Absent(name.replace("_", " "), f"pip install {install}")]
    found = importlib.import_module(f".{name}_", __package__).trainer_of(task)
    return [] if found is None else [found]
