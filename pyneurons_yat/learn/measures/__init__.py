"""What losses and metrics share: checks of what came, weights, and the reduction to a number."""

from .checks import (
    ClassMeasure,
    Measure,
    are_known,
    check_labels,
    class_weights,
    of_classes,
    of_one_shape,
    quotient,
    reduced,
    weighed,
)

__all__ = [
    "ClassMeasure",
    "Measure",
    "are_known",
    "check_labels",
    "class_weights",
    "of_classes",
    "of_one_shape",
    "quotient",
    "reduced",
    "weighed",
]
