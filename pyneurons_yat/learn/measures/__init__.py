"""What losses and metrics share: decorators that make them of their formulas.

What came is checked by `checks`, as `arrays` to compute with; the errors are weighed and reduced by
`weights`, and add up over batches by `sums`. `decorators` put these around a formula, for entries,
vectors, examples and classes.
"""

from .arrays import computable, real, spread
from .checks import Examples, are_known, class_weights, labels, of_classes, of_one_shape, of_vectors
from .decorators import (
    Measure,
    Reduction,
    Shared,
    SharedByClasses,
    SharedByCosts,
    labels_of,
    named_after,
    per_class,
    per_entry,
    per_example,
    per_vector,
    reducing,
    times,
)
from .sums import Sums, adding_up, sums_of
from .weights import Errors, quotient, reduced, totals, weighed

__all__ = [
    "Errors",
    "Examples",
    "Measure",
    "Reduction",
    "Shared",
    "SharedByClasses",
    "SharedByCosts",
    "Sums",
    "adding_up",
    "are_known",
    "class_weights",
    "computable",
    "labels",
    "labels_of",
    "named_after",
    "of_classes",
    "of_one_shape",
    "of_vectors",
    "per_class",
    "per_entry",
    "per_example",
    "per_vector",
    "quotient",
    "real",
    "reduced",
    "reducing",
    "spread",
    "sums_of",
    "times",
    "totals",
    "weighed",
]
