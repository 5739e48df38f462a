"""Transforms of parameters, for `reparam`, and parameters drawn anew.

`transforms` are functions of the parameters alone; `parametrizations` have parameters or state of
their own. `reinitialize` draws parameters anew.
"""

from .parametrizations import mask, spectral_norm, weight_norm
from .reinitialize import reinitialize
from .transforms import cast, drop_connect, positive, quantize, stop, ternary, unit_norm

__all__ = [
    "cast",
    "drop_connect",
    "mask",
    "positive",
    "quantize",
    "reinitialize",
    "spectral_norm",
    "stop",
    "ternary",
    "unit_norm",
    "weight_norm",
]
