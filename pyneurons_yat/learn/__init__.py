"""How models learn: losses, metrics, fit, and training as a function of a state."""

from .fit import fit, gd, loss
from .history import History
from .losses import accuracy, cross_entropy, mae, mse
from .state import LossScale, TrainState, moving_average, train_step

__all__ = [
    "History",
    "LossScale",
    "TrainState",
    "accuracy",
    "cross_entropy",
    "fit",
    "gd",
    "loss",
    "mae",
    "moving_average",
    "mse",
    "train_step",
]
