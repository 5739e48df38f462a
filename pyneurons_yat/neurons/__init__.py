"""Layers: create/apply pairs, bound."""

from .dropout import Dropout
from .initializers import yat_normal
from .linear import Linear
from .neuron import PHI, Binary, Neuron, Vector, apply, bias, create, param, weight
from .normalisation import BatchNorm, GroupNorm, LayerNorm, RMSNorm
from .yat_dense import YatDense, YatNMN
from .yat_normalisation import YatBatchNorm, YatLayerNorm

__all__ = [
    "PHI",
    "BatchNorm",
    "Binary",
    "Dropout",
    "GroupNorm",
    "LayerNorm",
    "Linear",
    "Neuron",
    "RMSNorm",
    "Vector",
    "YatBatchNorm",
    "YatDense",
    "YatLayerNorm",
    "YatNMN",
    "apply",
    "bias",
    "create",
    "param",
    "weight",
    "yat_normal",
]
