"""How models leave the process."""

from .files import load, save
from .known import know

__all__ = ["know", "load", "save"]
