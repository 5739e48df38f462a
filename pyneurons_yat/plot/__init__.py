"""Pictures of training runs and models, with matplotlib."""

from .pictures import learning_curves, prototypes, training

__all__ = ["learning_curves", "prototypes", "training"]
