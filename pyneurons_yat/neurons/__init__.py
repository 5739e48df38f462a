"""Layers: create/apply pairs, bound."""

from .attention import AttentionCache, attention_cache, decode
from .conv import Conv, ConvTranspose
from .dropout import Dropout
from .embed import Embed, YatEmbed, attend
from .graph import GraphConv, YatGraphConv
from .graph_attention import YatGraphAttention
from .initializers import yat_normal
from .linear import Linear
from .multi_head_attention import MultiHeadAttention
from .neuron import PHI, Binary, Neuron, Vector, apply, bias, create, param, weight
from .normalisation import BatchNorm, GroupNorm, LayerNorm, RMSNorm
from .parametrisations import mask, spectral_norm, weight_norm
from .transforms import (
    cast,
    drop_connect,
    positive,
    quantize,
    stop,
    ternary,
    unit_norm,
)
from .yat_attention import YatMultiHeadAttention
from .yat_conv import YatConv, YatConvTranspose
from .yat_dense import YatDense, YatNMN
from .yat_normalisation import YatBatchNorm, YatLayerNorm
from .yat_self_attention import YatSelfAttention

__all__ = [
    "AttentionCache",
    "BatchNorm",
    "Binary",
    "Conv",
    "ConvTranspose",
    "Dropout",
    "Embed",
    "GraphConv",
    "GroupNorm",
    "LayerNorm",
    "Linear",
    "MultiHeadAttention",
    "Neuron",
    "PHI",
    "RMSNorm",
    "Vector",
    "YatBatchNorm",
    "YatConv",
    "YatConvTranspose",
    "YatDense",
    "YatEmbed",
    "YatGraphAttention",
    "YatGraphConv",
    "YatLayerNorm",
    "YatMultiHeadAttention",
    "YatNMN",
    "YatSelfAttention",
    "apply",
    "attend",
    "attention_cache",
    "bias",
    "cast",
    "create",
    "decode",
    "drop_connect",
    "mask",
    "param",
    "positive",
    "quantize",
    "spectral_norm",
    "stop",
    "ternary",
    "unit_norm",
    "weight",
    "weight_norm",
    "yat_normal",
]
