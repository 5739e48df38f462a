"""layout_summary: how a tree lies on a mesh, as a table."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from ..core.leaves import describe
from ..core.summary import Table
from .layout import as_layout
from .specs import Placement, devices, placements


def layout_summary(tree: Any, mesh: Mesh, layout: Any) -> Table:
    """Draws up a table of how the leaves of a tree lie on a mesh, and why some are not cut.

    Args:
        tree: As for `shardings`; shapes will do: `jax.eval_shape` gives them of what is too large.
        mesh: As for `shardings`.
        layout: As for `shardings`.

    Returns:
        The table as text: of every leaf its path, dtype and shape, its spec, the bytes that one
        device holds, and why an axis is not cut. The last line compares the bytes of all of them.

    Raises:
        TypeError: As for `shardings`.
        ValueError: As for `shardings`.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> mesh = jax.sharding.AbstractMesh((4,), ("data",))
        >>> print(pn.layout_summary(pn.Linear(jax.random.key(0), 64, 10), mesh, pn.fsdp))
        path     leaf            spec        bytes per device  why
        .kernel  float32[64,10]  P('data',)               640
        .bias    float32[10]     P()                       40  10 is no multiple of 4 devices
        <BLANKLINE>
        680 bytes per device of 2,600
    """
    found = placements("layout_summary", tree, mesh, as_layout("layout_summary", layout))
    header = ("path", "leaf", "spec", "bytes per device", "why")
    rows = [header, *(_row(one, mesh) for one in found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if name == header[3] else cell.ljust(width)
            for cell, width, name in zip(row, widths, header, strict=True)
        ).rstrip()
        for row in rows
    ]
    whole = sum(_bytes(one.leaf) for one in found)
    held = sum(_held(one, mesh) for one in found)
    return Table("\n".join([*lines, "", f"{held:,} bytes per device of {whole:,}"]))


def _row(one: Placement, mesh: Mesh) -> tuple[str, ...]:
    spec = str(one.spec).replace("PartitionSpec", "P")
    return one.path or "the root", describe(one.leaf), spec, f"{_held(one, mesh):,}", one.why


def _bytes(leaf: Any) -> int:
    return math.prod(np.shape(leaf)) * jnp.result_type(leaf).itemsize


def _held(one: Placement, mesh: Mesh) -> int:
    """The bytes of a leaf that one device holds."""
    return _bytes(one.leaf) // devices("layout_summary", mesh, tuple(one.spec))
