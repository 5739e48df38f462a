"""Metrics: numbers that are exact over a data set."""

from .accuracy import accuracy, binary_accuracy, top_k_accuracy
from .metric import Metric, as_metric, is_mean, told

__all__ = [
    "Metric",
    "accuracy",
    "as_metric",
    "binary_accuracy",
    "is_mean",
    "told",
    "top_k_accuracy",
]
