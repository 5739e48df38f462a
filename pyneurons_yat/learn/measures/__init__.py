"""What losses and metrics share: decorators that make them of their formulas.

What came is checked by `checks`, as `arrays` to compute with; the errors are weighed and reduced by
`weights`. `decorators` put these around a formula, for entries, vectors, examples and classes.
"""

from .arrays import computable, real
from .checks import Examples, are_known, class_weights, labels, of_classes, of_one_shape, of_vectors
from .decorators import (
    Measure,
    Shared,
    SharedByClasses,
    SharedByCosts,
    labels_of,
    per_class,
    per_entry,
    per_example,
    per_vector,
    times,
)
from .weights import measured, quotient

__all__ = [
    "Examples",
    "Measure",
    "Shared",
    "SharedByClasses",
    "SharedByCosts",
    "are_known",
    "class_weights",
    "computable",
    "labels",
    "labels_of",
    "measured",
    "of_classes",
    "of_one_shape",
    "of_vectors",
    "per_class",
    "per_entry",
    "per_example",
    "per_vector",
    "quotient",
    "real",
    "times",
]
