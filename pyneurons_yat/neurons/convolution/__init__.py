"""Layers whose filters slide over the spatial axes.

`convolution` has the affine ones and the shapes of kernels, `yat_convolution` those of Yat neurons.
"""

from .convolution import Conv, ConvTranspose
from .yat_convolution import YatConv, YatConvTranspose

__all__ = [
    "Conv",
    "ConvTranspose",
    "YatConv",
    "YatConvTranspose",
]
