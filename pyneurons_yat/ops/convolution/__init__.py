"""Convolution and transposed convolution, affine and Yat.

Data meets `padding` first, which checks the arguments and makes windows of them; `windows` says
where those lie and what they see; `convolution` and `yat_convolution` are the ops.
"""

from .convolution import conv, conv_transpose
from .windows import exchanged
from .yat_convolution import yat_conv, yat_conv_transpose

__all__ = [
    "conv",
    "conv_transpose",
    "exchanged",
    "yat_conv",
    "yat_conv_transpose",
]
