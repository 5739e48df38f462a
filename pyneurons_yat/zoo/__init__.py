"""Whole models, written as a user would write them."""

from .classifiers import relu_classifier, yat_classifier

__all__ = ["relu_classifier", "yat_classifier"]
