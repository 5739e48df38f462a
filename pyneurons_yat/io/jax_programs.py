"""Programs of `jax.export`: StableHLO that a process with jax alone runs."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import jax.export

from ..ops.checks import check_choice, check_sizes, is_several, told
from .interface import Interface

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
MOST = 2**31
"""Bytes that flatbuffers can write."""


def written(
    program: Callable[..., Any],
    interface: Interface,
    inputs: Any,
    platforms: Sequence[str] | None,
    derivatives: int,
) -> bytes:
    """The bytes of a program."""
    _check(platforms, derivatives)
    with _without_locations():
        exported = jax.export.export(jax.jit(program), platforms=platforms)(*interface.inputs)
    size = len(exported.mlir_module_serialized)
    if size >= MOST:
        raise ValueError(f"export: a program must be smaller than {MOST:,} bytes, got {size:,}")
    try:
        return bytes(exported.serialize(vjp_order=derivatives))
    except ImportError as error:
        raise _lacking("export") from error


@contextmanager
def _without_locations() -> Iterator[None]:
    """Without the names of the files that each operation comes from.

    They are those of the machine that exports, so equal programs would differ, in length too.
    """
    before = jax.config.jax_traceback_in_locations_limit  # type: ignore[attr-defined]
    jax.config.update("jax_traceback_in_locations_limit", 0)
    try:
        yield
    finally:
        jax.config.update("jax_traceback_in_locations_limit", before)


def _check(platforms: Any, derivatives: Any) -> None:
    check_sizes("export", least=0, derivatives=derivatives)
    if platforms is not None and not is_several(platforms):
        raise TypeError(f"export: platforms must be a list of names, got {told(platforms)}")
    for name in platforms or ():
        check_choice("export", "a platform", name, PLATFORMS)


def _lacking(function: str) -> ImportError:
    return ImportError(
        f"{function}: flatbuffers must be installed, got none; pip install 'pyneurons_yat[export]'"
    )


def read(content: bytes, interface: Interface) -> Callable[..., Any]:
    """The function that a program is."""
    try:
        exported = jax.export.deserialize(bytearray(content))
    except ImportError as error:
        raise _lacking("load_exported") from error
    return jax.jit(exported.call)
