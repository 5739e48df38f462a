"""Layouts for the usual cases, on meshes whose axes are named "data", "model" and "sequence".

Sources: Zhao et al., "PyTorch FSDP: Experiences on Scaling Fully Sharded Data Parallel",
arXiv:2304.11277; Shoeybi et al., "Megatron-LM", arXiv:1909.08053; Liu et al., "Ring Attention with
Blockwise Transformers for Near-Infinite Context", arXiv:2310.01889.
"""

import re

from jax.sharding import Mesh, PartitionSpec

from .layout import Layout, Shape, layout, over_examples

INTO, OUT_OF = "query|key|value|hidden|gate", "output"
CUT = re.compile(rf"\.(attention|memory|feed)\.({INTO}|{OUT_OF})\.(kernel|bias)")


def _largest(path: str, shape: Shape, mesh: Mesh) -> PartitionSpec:
    """The largest axis of those that the devices along "data" divide, else of all."""
    count = mesh.shape.get("data", 1)
    axes = sorted(range(len(shape)), key=lambda axis: (shape[axis] % count > 0, -shape[axis]))
    return PartitionSpec(*[None] * axes[0], "data") if axes else PartitionSpec()


def _by_heads(path: str, shape: Shape, mesh: Mesh) -> PartitionSpec:
    """Kernels into heads and hidden features by columns, those out of them by rows."""
    found = CUT.search(path)
    if found is None:
        return PartitionSpec()
    _, part, leaf = found.groups()
    if leaf == "bias":
        return PartitionSpec() if part == OUT_OF else PartitionSpec("model")
    return PartitionSpec("model") if part == OUT_OF else PartitionSpec(None, "model")


def _over_length(path: str, shape: Shape, mesh: Mesh) -> PartitionSpec:
    """Examples along "data", where the mesh has it, and what follows them along "sequence"."""
    first = over_examples(path, shape, mesh)
    return first if len(shape) < 2 else PartitionSpec(*(first or (None,)), "sequence")


def _told(about: str, one: Layout) -> Layout:
    object.__setattr__(one, "__doc__", about)  # for `help`: no field, and no part of what is equal
    return one


data_parallel = _told(
    """A model whole on every device; each has its part of the batch, along the axis "data".""",
    layout({...: PartitionSpec()}),
)
fsdp = _told(
    """Leaves and batch cut along the axis "data": fully sharded data parallel.

    Of each leaf the largest axis that the devices divide is cut.
    """,
    layout({...: _largest}),
)
tensor_parallel = _told(
    """Attention and feed-forward layers of the zoo's transformers cut along the axis "model".

    By heads, and by hidden features. The batch is cut along "data" if the mesh has it.
    """,
    layout({...: _by_heads}),
)
sequence_parallel = _told(
    """A model whole on every device, which has its part of the length, along "sequence".

    The length is the second axis of what is in the batch. The examples are cut along "data" if the
    mesh has it.
    """,
    layout({...: PartitionSpec()}, batch=_over_length),
)
