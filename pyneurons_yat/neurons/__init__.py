"""Layers: create/apply pairs, bound."""

from .initializers import yat_normal
from .linear import Linear
from .neuron import PHI, Binary, Neuron, Vector, apply, bias, create, param, weight
from .yat_dense import YatDense, YatNMN

__all__ = [
    "PHI",
    "Binary",
    "Linear",
    "Neuron",
    "Vector",
    "YatDense",
    "YatNMN",
    "apply",
    "bias",
    "create",
    "param",
    "weight",
    "yat_normal",
]
