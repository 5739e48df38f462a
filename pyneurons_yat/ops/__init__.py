"""What numbers do: arrays in, arrays out."""

from . import vjp
from .attention import yat_attention, yat_attention_weights
from .conv import conv, conv_transpose
from .dropout import dropout
from .feature_maps import anchor_features, maclaurin_features, radial_features, yat_features
from .gate import yat_gate
from .graph_batches import (
    PaddingMasks,
    add_self_loops,
    batch_graphs,
    node_graphs,
    pad_graph,
    padding_masks,
    unbatch_graphs,
)
from .graphs import GraphsTuple, make_graph, message_passing
from .linear import linear
from .linear_attention import LinearState, linear_attention, linear_attention_step, linear_state
from .modes import forward_mode
from .normalisation import batch_norm, group_norm, layer_norm, moments, rms_norm
from .propagate import degree_weights, propagate
from .recurrence import recurrence
from .rotary import rotary
from .segment import segment_reduce
from .segment_softmax import segment_softermax, segment_softmax
from .softermax import softermax
from .softplus import inverse_softplus
from .squash import score_tanh, soft_tanh, softer_sigmoid
from .threshold import abs, binary, relu, relu1, relun, vector
from .yat import yat, yat_scores
from .yat_conv import yat_conv, yat_conv_transpose
from .yat_pairs import yat_pairs

__all__ = [
    "GraphsTuple",
    "LinearState",
    "PaddingMasks",
    "abs",
    "add_self_loops",
    "anchor_features",
    "batch_graphs",
    "batch_norm",
    "binary",
    "conv",
    "conv_transpose",
    "degree_weights",
    "dropout",
    "forward_mode",
    "group_norm",
    "inverse_softplus",
    "layer_norm",
    "linear",
    "linear_attention",
    "linear_attention_step",
    "linear_state",
    "maclaurin_features",
    "make_graph",
    "message_passing",
    "moments",
    "node_graphs",
    "pad_graph",
    "padding_masks",
    "propagate",
    "radial_features",
    "recurrence",
    "relu",
    "relu1",
    "relun",
    "rms_norm",
    "rotary",
    "score_tanh",
    "segment_reduce",
    "segment_softermax",
    "segment_softmax",
    "soft_tanh",
    "softer_sigmoid",
    "softermax",
    "unbatch_graphs",
    "vector",
    "vjp",
    "yat",
    "yat_attention",
    "yat_attention_weights",
    "yat_conv",
    "yat_conv_transpose",
    "yat_features",
    "yat_gate",
    "yat_pairs",
    "yat_scores",
]
