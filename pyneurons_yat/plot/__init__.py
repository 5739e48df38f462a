"""Pictures of training runs and models, with matplotlib."""

from .pictures import comparison, learning_curves, prototypes

__all__ = ["comparison", "learning_curves", "prototypes"]
