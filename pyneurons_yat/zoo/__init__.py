"""Whole models, written as a user would write them."""

from .classifiers import relu_classifier, yat_classifier
from .graphs import drop_half, fit_nodes, node_classifier, smooth

__all__ = [
    "drop_half",
    "fit_nodes",
    "node_classifier",
    "relu_classifier",
    "smooth",
    "yat_classifier",
]
