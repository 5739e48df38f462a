"""Attention in linear time, by feature maps of the Yat kernel.

`quadrature` plans a map, from sizes and numbers alone, and `draws` draws it. Data meets `features`
first, which maps queries and keys; then `sums`, all at once or in causal chunks;
`linear_attention` is the quotient.
"""

from . import draws, quadrature
from .features import anchor_features, maclaurin_features, radial_features, yat_features
from .linear_attention import LinearState, linear_attention, linear_attention_step, linear_state

__all__ = [
    "LinearState",
    "anchor_features",
    "draws",
    "linear_attention",
    "linear_attention_step",
    "linear_state",
    "maclaurin_features",
    "quadrature",
    "radial_features",
    "yat_features",
]
