"""Data sets, as arrays ready for `fit`."""

from .digits import Split, digits

__all__ = ["Split", "digits"]
