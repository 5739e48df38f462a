"""What numbers do: arrays in, arrays out."""

from . import vjp
from .dropout import dropout
from .gate import yat_gate
from .linear import linear
from .modes import forward_mode
from .normalisation import batch_norm, group_norm, layer_norm, moments, rms_norm
from .softermax import softermax
from .softplus import inverse_softplus
from .squash import score_tanh, soft_tanh, softer_sigmoid
from .threshold import abs, binary, relu, relu1, relun, vector
from .yat import yat, yat_scores

__all__ = [
    "abs",
    "batch_norm",
    "binary",
    "dropout",
    "forward_mode",
    "group_norm",
    "inverse_softplus",
    "layer_norm",
    "linear",
    "moments",
    "relu",
    "relu1",
    "relun",
    "rms_norm",
    "score_tanh",
    "soft_tanh",
    "softer_sigmoid",
    "softermax",
    "vector",
    "vjp",
    "yat",
    "yat_gate",
    "yat_scores",
]
