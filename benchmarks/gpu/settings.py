"""How large the parts of the GPU script are: as an H200 wants them, and small, for any device."""

import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeVar

import jax

from ..tasks import Size

T = TypeVar("T")


class Setting(NamedTuple):
    """The sizes.

    Attributes:
        minutes: After which what is left is left out, but for the ops.
        correctness: Seconds for every op beside float64.
        ops: Which ops; None for all.
        network: Of the GPT.
        steps: Steps of each training.
        seconds: After which a training ends all the same.
        dense: Rows, inputs and outputs of each dense layer.
        attention: Batch, length, heads and size of a head of each attention.
        rounds: Samples of each contender.
        sample: Seconds of a sample.
        end: When the minutes are over, by the clock of `time.monotonic`.
    """

    minutes: float
    correctness: float
    ops: tuple[str, ...] | None
    network: Size
    steps: int
    seconds: float
    dense: tuple[tuple[int, int, int], ...]
    attention: tuple[tuple[int, int, int, int], ...]
    rounds: int
    sample: float
    end: float = float("inf")


FULL = Setting(
    minutes=5.0,
    correctness=120.0,
    ops=None,
    network=Size(features=384, blocks=6, heads=6, length=256, sequences=64),
    steps=300,
    seconds=25.0,
    dense=((8192, 1024, 4096), (8192, 4096, 16384)),
    attention=((8, 1024, 16, 64), (2, 4096, 16, 128), (1, 16384, 16, 128)),
    rounds=7,
    sample=0.02,
)
DRY = Setting(
    minutes=3.0,
    correctness=20.0,
    ops=("yat", "softermax"),
    network=Size(features=16, blocks=1, heads=2, length=16, sequences=4),
    steps=12,
    seconds=20.0,
    dense=((8, 4, 6),),
    attention=((1, 16, 2, 8),),
    rounds=1,
    sample=0.0,
)


def in_time(setting: Setting, wanted: Iterable[T]) -> Iterator[T]:
    """What is wanted, one after another, until the minutes are over."""
    for one in wanted:
        if time.monotonic() > setting.end:
            return
        yield one


def has_gpu() -> bool:
    """Whether the default device is a GPU."""
    return jax.default_backend() == "gpu"


def card() -> str:
    """The name of the device, as part of the name of a file: `nvidia-h200`."""
    return "-".join(jax.devices()[0].device_kind.lower().split())
