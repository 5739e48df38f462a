"""Layers on graphs: convolution over neighbors, and attention among them.

`convolution` mixes the neighbors and then applies a dense layer; `yat_attention` weighs each of
them by its Yat score.
"""

from .convolution import GraphConv, YatGraphConv
from .yat_attention import YatGraphAttention

__all__ = [
    "GraphConv",
    "YatGraphAttention",
    "YatGraphConv",
]
