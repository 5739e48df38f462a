"""Processes: a run in several, as one of its members sees it.

The launcher starts members on this machine; people and schedulers start them anywhere. Each has the
whole of the data set in its memory, and on its devices its part of every batch.
"""

import argparse
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental.multihost_utils import sync_global_devices

import pyneurons_yat as pn

from ..io.entries import taken
from ..io.leaves import entry_of
from .parsing import Option, integer

SCHEDULER = "scheduler"
LAUNCHER = "PYNEURONS_YAT_LAUNCHER"
"""The variable of the environment that names the process which has started this one."""
LOST = 3
"""The exit code of a member that ends because another one is gone."""
HEARTBEAT = 10  # seconds after which a process that says nothing counts as dead


def _processes(text: str) -> int | str:
    if text == SCHEDULER:
        return text
    if not text.isdecimal():
        wanted = f"an integer of at least 1 or {SCHEDULER}"
        raise argparse.ArgumentTypeError(f"must be {wanted}, got {text!r}")
    return integer(1)(text)


def _address(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise argparse.ArgumentTypeError(f"must be HOST:PORT, got {text!r}")
    return text


PROCESSES = (
    Option("--processes", "how many train together, each with its part of every batch; they start"
           " on this machine, or where you start each with --coordinator and --process-id; or"
           f" {SCHEDULER}, for those that SLURM, Open MPI or Kubernetes started", _processes),
    Option("--coordinator", "HOST:PORT on which process 0 waits for the others", _address),
    Option("--process-id", "which of the processes this one is, from 0", integer(0)),
    Option("--layout", "whether each device has the whole model, or a part of it", str,
           "data_parallel", ("data_parallel", "fsdp")),
)  # fmt: skip


class EndedError(RuntimeError):
    """A run of several processes of which one has ended before its time."""


class Member(NamedTuple):
    """The place of this process in a run; None for what a scheduler tells."""

    address: str | None
    number: int | None
    count: int | None


def member(options: argparse.Namespace) -> Member | None:
    """The place that the options give this process; None if it runs alone or launches others."""
    count, address, number = options.processes, options.coordinator, options.process_id
    if options.layout != "data_parallel" and count in (None, 1):
        raise ValueError(f"--layout {options.layout} must come with --processes, 2 or more")
    if address is None and number is None:
        return Member(None, None, None) if count == SCHEDULER else None
    if count == SCHEDULER:
        raise ValueError(f"--processes {SCHEDULER} must come without --coordinator, --process-id")
    if address is None or number is None or count is None:
        raise ValueError("--coordinator HOST:PORT must come with --process-id I and --processes N")
    if number >= count:
        raise ValueError(f"--process-id must be below --processes, got {number} of {count}")
    return Member(address, number, count)


def launches(options: argparse.Namespace) -> bool:
    """Whether this process starts others, which train."""
    several = isinstance(options.processes, int) and options.processes > 1
    return several and options.coordinator is None


@contextmanager
def joined(place: Member | None) -> Iterator[None]:
    """Connects this process with the others, and ends when all have come to the end.

    So they do where all were told to end. After other errors nobody is waited for.
    """
    if place is None:
        yield
        return
    _connect(place)
    with _printing(is_first()):
        try:
            yield
        except EndedError:
            _part()
            raise
        _part()


def _part() -> None:
    sync_global_devices("end")
    jax.distributed.shutdown()


@contextmanager
def _printing(wanted: bool) -> Iterator[None]:
    """Lets Python print, if that is wanted, and nobody else: gloo tells of each connection."""
    sys.stdout.flush()
    stdout = os.dup(1)
    with open(os.devnull, "w") as nowhere, open(stdout, "w", buffering=1) as printed:
        os.dup2(nowhere.fileno(), 1)
        try:
            with redirect_stdout(printed if wanted else nowhere):
                yield
        finally:
            os.dup2(stdout, 1)


def _connect(place: Member) -> None:
    if launched():
        _end_with(int(os.environ[LAUNCHER]))
    try:
        jax.distributed.initialize(
            place.address,
            place.count,
            place.number,
            local_device_ids=place.number if launched() else None,  # of GPUs one, as under SLURM
            coordinator_bind_address=place.address if launched() else None,
            heartbeat_timeout_seconds=HEARTBEAT,
            shutdown_timeout_seconds=HEARTBEAT,
        )
    except ValueError as error:
        if place.address is not None:
            raise
        raise ValueError(
            f"--processes {SCHEDULER} must run where a scheduler that JAX knows has started it "
            f"(SLURM, Open MPI, Kubernetes), got none: {error}; give --coordinator HOST:PORT"
        ) from error


def _end_with(parent: int) -> None:
    """Ends this process when the one that has started it is gone."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(LOST)

    threading.Thread(target=watch, daemon=True).start()


def launched() -> bool:
    """Whether the launcher has started this process."""
    return LAUNCHER in os.environ


def is_first() -> bool:
    """Whether this process is the one that prints and writes."""
    return jax.process_index() == 0


def spread(options: argparse.Namespace, place: Member | None) -> dict[str, Any]:
    """The options by which `fit` divides each batch among the devices of all processes."""
    if place is None:
        return {}
    mesh = jax.make_mesh((jax.device_count(),), ("data",))
    return {"mesh": mesh, "layout": getattr(pn, options.layout)}


def here(tree: Any) -> Any:
    """A tree of arrays that lie on all devices, fetched to the first one of this process."""
    return jax.tree.map(lambda leaf: jnp.asarray(taken(entry_of("here", leaf)[1])), tree)


def why(error: Exception) -> str:
    """What an error of the run time of a member means."""
    told = re.sub(r"(Error dispatching computation: )+", "", str(error))
    return f"another process is gone, or a device failed: {told[:200]}"


def left(code: int) -> int:
    """The exit code of a command. A member that failed ends at once: the others hear of it.

    Otherwise Python would wait for them at the end, and they for this process.
    """
    if code and jax.distributed.is_initialized():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code
