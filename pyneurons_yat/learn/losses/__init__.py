"""Losses: plain functions of (predictions, targets).

All of them check shapes and broadcast nothing: a target of shape (3,) beside a prediction of shape
(3, 1) is an error, not a (3, 3) table of differences. They compute in at least float32, and have
the promoted dtype of predictions and targets (labels do not count); that of integers is the default
float. They are finite at any finite logits.

A weight of 0 leaves an entry out: an error there that is infinite or NaN counts as 0, and so does
its gradient. The mean over no entry, or over weights that are all 0, is 0 with the gradient 0.

`regression` is of numbers, `binary` of yes or no, `classification` of one class out of many,
`distributions` of all of them, `vectors` of directions and distances, `sequences` of labels in
order. `logarithms` are those of probabilities that may be 0.
"""

from .binary import binary_cross_entropy, focal, hinge
from .classification import cross_entropy, multiclass_hinge, negative_log_likelihood
from .distributions import kl_divergence
from .logarithms import clamped_log
from .regression import huber, l1, mae, mse
from .sequences import ctc
from .vectors import cosine_distance, cosine_embedding, cosine_similarity, triplet

__all__ = [
    "binary_cross_entropy",
    "clamped_log",
    "cosine_distance",
    "cosine_embedding",
    "cosine_similarity",
    "cross_entropy",
    "ctc",
    "focal",
    "hinge",
    "huber",
    "kl_divergence",
    "l1",
    "mae",
    "mse",
    "multiclass_hinge",
    "negative_log_likelihood",
    "triplet",
]
