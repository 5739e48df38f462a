"""Every public op on this device beside its definition in NumPy and float64.

The cases, their truths and their arguments are those of the battery in tests/ops, which holds ops
to bounds in float64. Here errors are measured, in units of rounding of the dtype, relative to the
largest number of the result or the gradient.
"""

import importlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

TESTS = Path(__file__).parents[1] / "tests" / "ops"
DTYPES = ("float32", "bfloat16")


class Error(NamedTuple):
    """How far one case is off.

    Attributes:
        case: Its name, which begins with the op's.
        dtype: Of the arguments.
        value: Largest error of the result, in rounding units.
        gradient: Largest error of the gradients, in rounding units.
    """

    case: str
    dtype: str
    value: float
    gradient: float


def battery() -> dict[str, Any]:
    """The cases by name, variants left out."""
    for folder in (TESTS, *(path for path in TESTS.iterdir() if path.is_dir())):
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
    found = importlib.import_module("battery").CASES
    return {name: case for name, case in found.items() if not case.variant}


def errors(
    seconds: float, dtypes: tuple[str, ...] = DTYPES, names: tuple[str, ...] | None = None
) -> Iterator[Error]:
    """The errors of all cases, or of some, as far as the time allows."""
    end = time.monotonic() + seconds
    for name, case in battery().items():
        for dtype in dtypes:
            if time.monotonic() > end:
                return
            if names is None or name in names:
                yield error(case, dtype)


def error(case: Any, dtype: str) -> Error:
    """The error of one case."""
    arguments = case.arguments(dtype)
    units = importlib.import_module("case").UNITS
    with jax.numpy_rank_promotion("allow"):
        value, gradients = case.value_and_gradients(arguments)
    unit = units[dtype]
    off = [distance(g, t) for g, t in zip(gradients, case.gradients(arguments), strict=True)]
    return Error(case.name, dtype, distance(value, case.known(arguments)) / unit, max(off) / unit)


def distance(got: Any, wanted: Any) -> float:
    """The largest difference over the largest number wanted."""
    wanted = np.asarray(wanted, np.float64)
    if not wanted.size:
        return 0.0
    off = np.abs(np.asarray(jnp.asarray(got, jnp.float32), np.float64) - wanted).max()
    return float(off / max(np.abs(wanted).max(), 1e-30))
