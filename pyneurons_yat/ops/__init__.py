"""What numbers do: arrays in, arrays out."""

from . import vjp
from .linear import linear
from .modes import forward_mode
from .softermax import softermax
from .softplus import inverse_softplus
from .squash import score_tanh, soft_tanh, softer_sigmoid
from .threshold import abs, binary, relu, relu1, relun, vector
from .yat import yat, yat_scores

__all__ = [
    "abs",
    "binary",
    "forward_mode",
    "inverse_softplus",
    "linear",
    "relu",
    "relu1",
    "relun",
    "score_tanh",
    "soft_tanh",
    "softer_sigmoid",
    "softermax",
    "vector",
    "vjp",
    "yat",
    "yat_scores",
]
