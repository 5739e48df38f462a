"""Importing the library: fresh processes, from start to exit.

The import of jax and optax is the baseline, since the library needs both. The peers stand beside it
for comparison; each of them imports jax too.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from .harness import Absent, Case, Contender, Target, peer

ROUNDS = 15
BASELINE = "import jax, optax"
OURS = "import pyneurons_yat"
PEERS = (("equinox", "equinox"), ("flax.nnx", "flax"), ("nmn.nnx", "nmn flax"))
ROOT = Path(__file__).parents[1]


def cases() -> Iterator[Case]:
    """One case: a process per import."""
    why = "242 modules of its own are read, at half a millisecond each"
    target = Target(OURS, BASELINE, "<=", 0.060, quantity="difference", why=why)
    ours = [contender(statement) for statement in ("import jax", BASELINE, OURS)]
    yield Case("import", BASELINE, [*ours, *peers()], [target])


def contender(statement: str) -> Contender:
    """A process that runs one statement, named after it."""
    return Contender(statement, "", importer(statement))


def peers() -> list[Contender | Absent]:
    """The imports of the peers, or how to install them."""
    rows = []
    for module, install in PEERS:
        statement = f"import {module}"
        rows += peer(module, install, [statement], lambda line=statement: [contender(line)])
    return rows


def importer(statement: str) -> Callable[[], int]:
    """A call that runs a statement in a fresh interpreter, which finds this checkout."""
    search = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    environment = os.environ | {"PYTHONPATH": search}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # users have compiled files

    def call() -> int:
        command = [sys.executable, "-c", statement]
        return subprocess.run(command, env=environment, check=True).returncode

    return call
