"""Layers: create/apply pairs, bound."""

from .attention import AttentionCache, attention_cache, decode
from .cell import bind_cell, initial_carry
from .cells import GRUCell, LSTMCell, SimpleCell
from .conv import Conv, ConvTranspose
from .dropout import Dropout
from .embed import Embed, YatEmbed, attend
from .features import YatFeatures
from .graph import GraphConv, YatGraphConv
from .graph_attention import YatGraphAttention
from .initializers import yat_normal
from .linear import Linear
from .multi_head_attention import MultiHeadAttention
from .neuron import PHI, Binary, Neuron, Vector, apply, bias, create, param, weight
from .normalisation import BatchNorm, GroupNorm, LayerNorm, RMSNorm
from .parametrisations import mask, spectral_norm, weight_norm
from .published_features import AnchorFeatures, MaclaurinFeatures, RadialFeatures
from .rnn import GRU, LSTM, RNN
from .scan_cell import scan_cell
from .transforms import cast, drop_connect, positive, quantize, stop, ternary, unit_norm
from .yat_attention import YatMultiHeadAttention
from .yat_cells import YatGRUCell, YatLSTMCell, YatSimpleCell
from .yat_conv import YatConv, YatConvTranspose
from .yat_dense import YatDense, YatNMN
from .yat_normalisation import YatBatchNorm, YatLayerNorm
from .yat_self_attention import YatSelfAttention

__all__ = [
    "AnchorFeatures",
    "AttentionCache",
    "BatchNorm",
    "Binary",
    "Conv",
    "ConvTranspose",
    "Dropout",
    "Embed",
    "GRU",
    "GRUCell",
    "GraphConv",
    "GroupNorm",
    "LSTM",
    "LSTMCell",
    "LayerNorm",
    "Linear",
    "MaclaurinFeatures",
    "MultiHeadAttention",
    "Neuron",
    "PHI",
    "RMSNorm",
    "RNN",
    "RadialFeatures",
    "SimpleCell",
    "Vector",
    "YatBatchNorm",
    "YatConv",
    "YatConvTranspose",
    "YatDense",
    "YatEmbed",
    "YatFeatures",
    "YatGRUCell",
    "YatGraphAttention",
    "YatGraphConv",
    "YatLSTMCell",
    "YatLayerNorm",
    "YatMultiHeadAttention",
    "YatNMN",
    "YatSelfAttention",
    "YatSimpleCell",
    "apply",
    "attend",
    "attention_cache",
    "bias",
    "bind_cell",
    "cast",
    "create",
    "decode",
    "drop_connect",
    "initial_carry",
    "mask",
    "param",
    "positive",
    "quantize",
    "scan_cell",
    "spectral_norm",
    "stop",
    "ternary",
    "unit_norm",
    "weight",
    "weight_norm",
    "yat_normal",
]
