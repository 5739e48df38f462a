"""Metrics: plain functions of (predictions, targets), exact over a data set.

`accuracy` has the shares of what is right, `confusion` what is right and wrong of each class,
`ranking` the order of scores, `perplexity` and `regression` the rest. `examples` checks what they
count. `metric` is the form of a metric of one's own, by what it keeps from batch to batch.
"""

from .accuracy import accuracy, binary_accuracy, top_k_accuracy
from .confusion import binary_confusion_matrix, confusion_matrix, f1, precision, recall
from .metric import Metric, as_metric, told
from .perplexity import perplexity
from .ranking import roc_auc
from .regression import r2

__all__ = [
    "Metric",
    "accuracy",
    "as_metric",
    "binary_accuracy",
    "binary_confusion_matrix",
    "confusion_matrix",
    "f1",
    "perplexity",
    "precision",
    "r2",
    "recall",
    "roc_auc",
    "told",
    "top_k_accuracy",
]
