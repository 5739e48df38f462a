"""Losses: plain functions of (predictions, targets)."""

from .classification import (
    accuracy,
    binary_accuracy,
    binary_cross_entropy,
    cross_entropy,
    l1,
    mae,
    mse,
)

__all__ = [
    "accuracy",
    "binary_accuracy",
    "binary_cross_entropy",
    "cross_entropy",
    "l1",
    "mae",
    "mse",
]
