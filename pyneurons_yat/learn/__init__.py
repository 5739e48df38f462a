"""How models learn: losses, metrics, fit, and training as a function of a state."""

from .average import moving_average
from .fit import fit, gd, loss
from .history import History
from .loss_scale import LossScale
from .losses import accuracy, binary_accuracy, binary_cross_entropy, cross_entropy, l1, mae, mse
from .train_step import TrainState, train_step

__all__ = [
    "History",
    "LossScale",
    "TrainState",
    "accuracy",
    "binary_accuracy",
    "binary_cross_entropy",
    "cross_entropy",
    "fit",
    "gd",
    "l1",
    "loss",
    "mae",
    "moving_average",
    "mse",
    "train_step",
]
