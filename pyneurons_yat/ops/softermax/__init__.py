"""Softermax and its relatives: scores normalized or squashed by their powers.

Data meets `power` first, the powers that neither overflow nor underflow. `softermax` divides by
their sum over an axis; `squash` takes one score at a time.
"""

from .power import ignored, nonnegative, safe_log, scaled_power
from .softermax import softermax
from .squash import inverse_softplus, score_tanh, soft_tanh, softer_sigmoid

__all__ = [
    "ignored",
    "inverse_softplus",
    "nonnegative",
    "safe_log",
    "scaled_power",
    "score_tanh",
    "soft_tanh",
    "softer_sigmoid",
    "softermax",
]
