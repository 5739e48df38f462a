"""What numbers do: arrays in, arrays out."""

from . import vjp as vjp
from .activations import all_relu, prelu, srelu, trelu
from .attention import rotary, yat_attention, yat_attention_weights
from .convolution import conv, conv_transpose, yat_conv, yat_conv_transpose
from .dense import linear, yat, yat_pairs, yat_scores
from .dropout import dropout
from .gradients import forward_mode
from .graphs import (
    GraphsTuple,
    PaddingMasks,
    add_self_loops,
    batch_graphs,
    degree_weights,
    make_graph,
    message_passing,
    node_graphs,
    pad_graph,
    padding_masks,
    propagate,
    segment_reduce,
    segment_softermax,
    segment_softmax,
    unbatch_graphs,
)
from .linear_attention import (
    LinearState,
    anchor_features,
    linear_attention,
    linear_attention_step,
    linear_state,
    maclaurin_features,
    radial_features,
    yat_features,
)
from .normalization import batch_norm, group_norm, layer_norm, moments, rms_norm, yat_gate
from .recurrence import recurrence
from .softermax import inverse_softplus, score_tanh, soft_tanh, softer_sigmoid, softermax
from .straight_through import abs, binary, relu, relu1, relun, vector

__all__ = [
    "GraphsTuple",
    "LinearState",
    "PaddingMasks",
    "abs",
    "add_self_loops",
    "all_relu",
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
    "prelu",
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
    "srelu",
    "trelu",
    "unbatch_graphs",
    "vector",
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
