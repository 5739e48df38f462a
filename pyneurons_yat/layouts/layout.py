"""A layout: along which axes of a mesh the leaves of a model are cut, and the arrays of a batch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import EllipsisType
from typing import Any

from jax.sharding import Mesh, PartitionSpec

from ..core import Filter
from ..core.checks import check_kind
from ..core.filters import Where

Shape = tuple[int, ...]
Spec = PartitionSpec | Callable[[str, Shape, Mesh], PartitionSpec]
"""Along which axes of a mesh those of an array are cut, or what says so: (path, shape, mesh)."""


@dataclass(frozen=True)
class Layout:
    """What `layout` returns; equal to any made of equal parts.

    Attributes:
        leaves: Pairs of a filter and a spec. A leaf lies as the first filter that takes it says.
        batch: The spec of every array of a batch, which has the examples along its first axis.

    Example:
        >>> import pyneurons_yat as pn
        >>> isinstance(pn.fsdp, pn.Layout)
        True
    """

    leaves: tuple[tuple[Filter, Spec], ...]
    batch: Spec


def over_examples(path: str, shape: Shape, mesh: Mesh) -> PartitionSpec:
    """The examples of a batch along the axis "data", where the mesh has it."""
    return PartitionSpec("data") if "data" in mesh.axis_names else PartitionSpec()


def layout(mapping: Mapping[Filter, Spec], *, batch: Spec = over_examples) -> Layout:
    """Says along which axes of a mesh the leaves of a model are cut.

    Args:
        mapping: From a filter, as for `partition`, to a spec: a role, a path, a pattern of one,
            `...` for all, or a function `(path, leaf) -> bool`. Paths are those inside of a model,
            so the optimizer's averages of a leaf lie where the leaf does. A leaf is placed by the
            first filter that takes it; one that none takes lies whole on every device.

            A spec is a `jax.sharding.PartitionSpec`, or a function of the leaf's path, its shape
            and the mesh that returns one. It speaks of the leaf as its layer made it: the axis
            along which `repeat` stacks copies is not counted, and not cut.
        batch: The spec of every array of a batch `(x, y)`, whose paths begin with `[0]` and `[1]`;
            the examples along the mesh's axis "data", if it has one, by default.

    Returns:
        A `Layout`, for `shard` and its kin, `fit` and `train_step`. These take the mapping as well.

    Raises:
        TypeError: If the mapping is none, or a spec neither a `PartitionSpec` nor a function.

    Example:
        >>> import pyneurons_yat as pn
        >>> from jax.sharding import PartitionSpec as P
        >>> columns = pn.layout({"*kernel": P(None, "model"), "*bias": P("model")})
        >>> columns == pn.layout({"*kernel": P(None, "model"), "*bias": P("model")})
        True
    """
    check_kind("layout", "mapping", mapping, Mapping)
    for one, spec in [*mapping.items(), ("the batch", batch)]:
        if not (isinstance(spec, PartitionSpec) or callable(spec)):
            raise TypeError(
                f"layout: the spec of {_told(one)} must be a PartitionSpec or a function "
                f"(path, shape, mesh) -> PartitionSpec, got a {type(spec).__name__}; write "
                'PartitionSpec(None, "model")'
            )
    each = [(f, spec) for one, spec in mapping.items() for f in _filters(one)]
    return Layout(tuple(each), batch)


def _filters(one: Filter) -> tuple[Filter, ...]:
    return one.filters if isinstance(one, Where) else (one,)


def as_layout(function: str, given: Any) -> Layout:
    """A layout, or one of the mapping that a caller gave."""
    if isinstance(given, Layout):
        return given
    if isinstance(given, Mapping):
        return layout(given)
    raise TypeError(
        f"{function}: layout must be a Layout or a mapping from filters to specs, got a "
        f"{type(given).__name__}; pn.fsdp is one"
    )


def _told(one: Any) -> str:
    return "..." if isinstance(one, EllipsisType) else str(one)
