"""Where leaves lie on a mesh of devices.

`layout` says which axes of a mesh each leaf of a model is cut along, `ready` has the usual ones.
`placing` puts trees there: arrays, shapes, what is being traced, what is yet to be made. `table`
tells how a tree lies.
"""

from .layout import Layout, as_layout, layout
from .placing import automatic, placed, put, shard, sharded, shardings
from .ready import data_parallel, fsdp, sequence_parallel, tensor_parallel
from .specs import fitted
from .table import layout_summary

__all__ = [
    "Layout",
    "as_layout",
    "automatic",
    "data_parallel",
    "fitted",
    "fsdp",
    "layout",
    "layout_summary",
    "placed",
    "put",
    "sequence_parallel",
    "shard",
    "sharded",
    "shardings",
    "tensor_parallel",
]
