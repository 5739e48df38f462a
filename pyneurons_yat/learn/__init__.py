"""How models learn: losses, metrics, fit, and training as a function of a state."""

from .average import moving_average
from .evaluate import evaluate
from .fit import fit
from .gradient_descent import gd, loss
from .history import History
from .loss_scale import LossScale
from .losses import (
    binary_cross_entropy,
    cosine_distance,
    cosine_embedding,
    cosine_similarity,
    cross_entropy,
    ctc,
    focal,
    hinge,
    huber,
    kl_divergence,
    l1,
    mae,
    mse,
    multiclass_hinge,
    negative_log_likelihood,
    triplet,
)
from .memory import StepMemory, memory
from .metrics import (
    Metric,
    accuracy,
    binary_accuracy,
    binary_confusion_matrix,
    confusion_matrix,
    f1,
    perplexity,
    precision,
    r2,
    recall,
    roc_auc,
    top_k_accuracy,
)
from .optimizer_by_path import optimizer_by_path
from .predict import predict
from .rewiring import rewire
from .session import DivergenceError
from .train_step import TrainState, train_step

__all__ = [
    "DivergenceError",
    "History",
    "LossScale",
    "Metric",
    "StepMemory",
    "TrainState",
    "accuracy",
    "binary_accuracy",
    "binary_confusion_matrix",
    "binary_cross_entropy",
    "confusion_matrix",
    "cosine_distance",
    "cosine_embedding",
    "cosine_similarity",
    "cross_entropy",
    "ctc",
    "evaluate",
    "f1",
    "fit",
    "focal",
    "gd",
    "hinge",
    "huber",
    "kl_divergence",
    "l1",
    "loss",
    "mae",
    "memory",
    "moving_average",
    "mse",
    "multiclass_hinge",
    "negative_log_likelihood",
    "optimizer_by_path",
    "perplexity",
    "precision",
    "predict",
    "r2",
    "recall",
    "rewire",
    "roc_auc",
    "top_k_accuracy",
    "train_step",
    "triplet",
]
