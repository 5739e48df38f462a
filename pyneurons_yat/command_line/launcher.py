"""The launcher: starts the processes of a run on this machine, and ends all when one is gone."""

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from .checkpoints import cure
from .parsing import one_line
from .processes import LAUNCHER, LOST, EndedError

PAUSE = 0.05  # seconds between looks at the processes
HELD = 0.5  # seconds for which a line is held back, in case that it is about a process that is gone
BY_OTHERS = (LOST, -signal.SIGABRT)  # the exit codes of what ends because another one is gone
PATIENCE = 5.0  # seconds in which the first says by itself why all end


class Process(NamedTuple):
    """A process that was started, and the file of what it says on its standard error."""

    number: int
    run: "subprocess.Popen[bytes]"
    said: Path


def launch(options: argparse.Namespace) -> int:
    """Trains in several processes; returns their exit code."""
    found: list[Process] = []
    with _ended_by_signals(), tempfile.TemporaryDirectory() as folder:
        try:
            _start(found, options, Path(folder))
            return _watched(found, options)
        except KeyboardInterrupt:
            raise EndedError(f"interrupted; {cure(options)}") from None
        finally:
            for one in found:
                one.run.kill()
            for one in found:
                one.run.wait()


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Makes an error of what would end this process, so that it ends the others."""

    def end(*_: Any) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _start(found: list[Process], options: argparse.Namespace, folder: Path) -> None:
    """Starts the processes, each in a session of its own: a Ctrl-C is for this one to hear."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    for number in range(options.processes):
        place = ["--coordinator", address, "--process-id", str(number)]
        path = folder / str(number)
        with path.open("wb") as said:
            run = subprocess.Popen(
                [sys.executable, "-m", "pyneurons_yat", *options.written, *place],
                env={**os.environ, LAUNCHER: str(os.getpid())},
                stdin=subprocess.DEVNULL,
                stdout=None if number == 0 else subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,
            )
        found.append(Process(number, run, path))


def _watched(found: list[Process], options: argparse.Namespace) -> int:
    """Waits for the processes, and passes on what the first of them says."""
    told = _Told(found[0].said)
    while None in (codes := [one.run.poll() for one in found]) and not any(codes):
        told.pass_on(HELD)
        time.sleep(PAUSE)
    one = _cause(found) if any(codes) else found[0]
    code = one.run.poll()
    if one.number == 0 and code in (0, 1, 2):  # what there is to tell it has told
        told.pass_on(0)
        return code
    raise EndedError(
        f"process {one.number} of {len(found)} {_end(one)}; the others were ended; {cure(options)}"
    )


def _end(one: Process) -> str:
    """What has become of a process."""
    code = one.run.poll()
    if code is None:
        return "no longer answers"
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    lines = one.said.read_text(errors="replace").strip().splitlines()
    said = f" ({one_line(lines[-1]).rpartition(' error: ')[2]})" if lines else ""
    return f"ended with code {code}{said}"


class _Told:
    """What a process writes to a file, passed on some time after it was written."""

    def __init__(self, path: Path) -> None:
        self.path, self.place = path, 0
        self.held: deque[tuple[float, bytes]] = deque()

    def pass_on(self, age: float) -> None:
        """Passes on what is older than so many seconds."""
        now = time.monotonic()
        with self.path.open("rb") as file:
            file.seek(self.place)
            if new := file.read():
                self.held.append((now, new))
            self.place = file.tell()
        while self.held and now - self.held[0][0] >= age:
            sys.stderr.write(self.held.popleft()[1].decode(errors="replace"))
            sys.stderr.flush()


def _cause(found: list[Process]) -> Process:
    """The process that has ended by itself, and not because of another.

    Where all end because of what was written wrong, that is the first one, which says so. Where all
    that have ended have lost another, it is one that is still there.
    """
    until = time.monotonic() + PATIENCE
    while True:
        own = [one for one in found if one.run.poll() and one.run.returncode not in BY_OTHERS]
        killed = [one for one in own if one.run.returncode < 0]
        if killed or (own and own[0].number == 0) or time.monotonic() > until:
            there = [one for one in found if one.run.poll() is None]
            return [*killed, *own, *there, *found][0]
        time.sleep(PAUSE)
