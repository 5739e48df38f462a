"""Layers that normalize, gate or drop features.

Data meets `normalization` first; `yat_normalization` amplifies its output near a prototype;
`dropout` sets numbers to 0 in training.
"""

from .dropout import Dropout
from .normalization import BatchNorm, GroupNorm, LayerNorm, RMSNorm
from .yat_normalization import YatBatchNorm, YatLayerNorm

__all__ = [
    "BatchNorm",
    "Dropout",
    "GroupNorm",
    "LayerNorm",
    "RMSNorm",
    "YatBatchNorm",
    "YatLayerNorm",
]
