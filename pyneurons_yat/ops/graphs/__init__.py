"""Graphs as pytrees of arrays, and what goes over their edges.

Data becomes a graph in `graphs`, and several become one of static shapes in `batches`. `segments`
reduces what arrives at each node, `segment_softmax` weighs it, `propagate` mixes neighbors by the
degrees of the nodes.
"""

from .batches import (
    PaddingMasks,
    add_self_loops,
    batch_graphs,
    node_graphs,
    pad_graph,
    padding_masks,
    unbatch_graphs,
)
from .graphs import GraphsTuple, check_graph, make_graph, message_passing, with_loops
from .propagate import degree_weights, propagate
from .segment_softmax import segment_softermax, segment_softmax
from .segments import segment_reduce

__all__ = [
    "GraphsTuple",
    "PaddingMasks",
    "add_self_loops",
    "batch_graphs",
    "check_graph",
    "degree_weights",
    "make_graph",
    "message_passing",
    "node_graphs",
    "pad_graph",
    "padding_masks",
    "propagate",
    "segment_reduce",
    "segment_softermax",
    "segment_softmax",
    "unbatch_graphs",
    "with_loops",
]
