"""Layers: create/apply pairs, bound."""

from .conv import Conv, ConvTranspose
from .dropout import Dropout
from .graph import GraphConv, YatGraphConv
from .graph_attention import YatGraphAttention
from .initializers import yat_normal
from .linear import Linear
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
from .yat_conv import YatConv, YatConvTranspose
from .yat_dense import YatDense, YatNMN
from .yat_normalisation import YatBatchNorm, YatLayerNorm

__all__ = [
    "BatchNorm",
    "Binary",
    "Conv",
    "ConvTranspose",
    "Dropout",
    "GraphConv",
    "GroupNorm",
    "LayerNorm",
    "Linear",
    "Neuron",
    "PHI",
    "RMSNorm",
    "Vector",
    "YatBatchNorm",
    "YatConv",
    "YatConvTranspose",
    "YatDense",
    "YatGraphAttention",
    "YatGraphConv",
    "YatLayerNorm",
    "YatNMN",
    "apply",
    "bias",
    "cast",
    "create",
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
