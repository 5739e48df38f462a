"""How models learn: losses, metrics, fit, and training as a function of a state."""

from .average import moving_average
from .evaluate import evaluate
from .fit import fit
from .gradient_descent import gd, loss
from .history import History
from .keeping import save_with
from .loss_scale import LossScale
from .losses import accuracy, binary_accuracy, binary_cross_entropy, cross_entropy, l1, mae, mse
from .metrics import Metric
from .session import DivergenceError
from .train_step import TrainState, train_step

__all__ = [
    "DivergenceError",
    "History",
    "LossScale",
    "Metric",
    "TrainState",
    "accuracy",
    "binary_accuracy",
    "binary_cross_entropy",
    "cross_entropy",
    "evaluate",
    "fit",
    "gd",
    "l1",
    "loss",
    "mae",
    "moving_average",
    "mse",
    "save_with",
    "train_step",
]
