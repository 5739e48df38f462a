"""Data sets, as arrays ready for `fit`."""

from .citations import Citations, citations
from .digits import Split, digits

__all__ = ["Citations", "Split", "citations", "digits"]
