"""Dense layers: affine, Yat, and the basic neuron of pyneurons.

`initializers` draws weights for Yat neurons, `yat_parameters` all that such a layer learns. Data
meets `embed` first where it is ids, then `linear`, `yat_dense` or `neuron`.
"""

from .embed import Embed, YatEmbed, attend
from .initializers import Initializer, drawn, yat_normal
from .linear import Linear, check_floating, lecun_normal
from .neuron import PHI, Binary, Neuron, Vector, apply, bias, create, param, weight
from .yat_dense import YatDense, YatNMN
from .yat_parameters import balanced, check_epsilon, draw, learned_epsilon

__all__ = [
    "Binary",
    "Embed",
    "Initializer",
    "Linear",
    "Neuron",
    "PHI",
    "Vector",
    "YatDense",
    "YatEmbed",
    "YatNMN",
    "apply",
    "attend",
    "balanced",
    "bias",
    "check_epsilon",
    "check_floating",
    "create",
    "draw",
    "drawn",
    "learned_epsilon",
    "lecun_normal",
    "param",
    "weight",
    "yat_normal",
]
