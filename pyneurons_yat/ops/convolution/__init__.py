"""Convolution and transposed convolution, affine and Yat; pooling and upsampling.

Data meets `padding` first, which checks the arguments and makes windows of them; `windows` says
where those lie and what they see; `convolution` and `yat_convolution` are the ops, `pooling` those
without a kernel. `adaptive` pools to given sizes, `upsampling` is the way back.
"""

from .adaptive import (
    adaptive_average_pool,
    adaptive_max_pool,
    global_average_pool,
    global_max_pool,
)
from .convolution import conv, conv_transpose
from .pooling import average_pool, max_pool, max_unpool
from .upsampling import upsample
from .windows import exchanged
from .yat_convolution import yat_conv, yat_conv_transpose

__all__ = [
    "adaptive_average_pool",
    "adaptive_max_pool",
    "average_pool",
    "conv",
    "conv_transpose",
    "exchanged",
    "global_average_pool",
    "global_max_pool",
    "max_pool",
    "max_unpool",
    "upsample",
    "yat_conv",
    "yat_conv_transpose",
]
