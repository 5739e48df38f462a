"""Dense layers: affine, Yat, and the basic neuron of pyneurons.

`initializers` draws weights, `yat_parameters` all that a layer of Yat neurons learns. Data meets
`embed` first where it is ids, and `position_embed` where order counts; then `linear`, `yat_dense`
or `neuron`, or `einsum` along any axes.
"""

from .einsum import Einsum
from .embed import Embed, YatEmbed, attend
from .initializers import (
    Initializer,
    drawn,
    lecun_normal,
    one_program,
    yat_normal,
)
from .linear import Linear, LinearParams, draw_linear
from .neuron import PHI, Binary, Neuron, Vector, apply, bias, create, param, weight
from .position_embed import PositionEmbed
from .yat_dense import YatDense, YatNMN
from .yat_parameters import (
    YatParams,
    answer,
    draw,
    draw_factors,
    learned_epsilon,
    settling,
)

__all__ = [
    "Binary",
    "Einsum",
    "Embed",
    "Initializer",
    "Linear",
    "LinearParams",
    "Neuron",
    "PHI",
    "PositionEmbed",
    "Vector",
    "YatDense",
    "YatEmbed",
    "YatNMN",
    "YatParams",
    "answer",
    "apply",
    "attend",
    "bias",
    "create",
    "draw",
    "draw_factors",
    "draw_linear",
    "drawn",
    "learned_epsilon",
    "lecun_normal",
    "one_program",
    "param",
    "settling",
    "weight",
    "yat_normal",
]
