"""How models leave the process."""

from .files import load, save
from .known import know
from .state_dicts import from_state_dict, to_state_dict

__all__ = ["from_state_dict", "know", "load", "save", "to_state_dict"]
