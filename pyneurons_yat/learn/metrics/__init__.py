"""Metrics: numbers that are exact over a data set."""

from .metric import Metric, as_metric, is_mean, told

__all__ = ["Metric", "as_metric", "is_mean", "told"]
