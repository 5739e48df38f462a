"""How models learn: losses, metrics and fit."""

from .fit import fit, gd, loss
from .history import History
from .losses import accuracy, cross_entropy, mae, mse

__all__ = ["History", "accuracy", "cross_entropy", "fit", "gd", "loss", "mae", "mse"]
