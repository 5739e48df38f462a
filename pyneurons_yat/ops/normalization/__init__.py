"""Normalization of rows, of groups and over batches, and the Yat gate behind it.

Data meets `normalization` first, which checks it; `standardize` brings it to mean 0 and variance 1;
`yat_gate` amplifies what is near a prototype.
"""

from .normalization import batch_norm, group_norm, layer_norm, moments, rms_norm
from .yat_gate import yat_gate

__all__ = [
    "batch_norm",
    "group_norm",
    "layer_norm",
    "moments",
    "rms_norm",
    "yat_gate",
]
