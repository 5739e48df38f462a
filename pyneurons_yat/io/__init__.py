"""How models leave the process: as files that are read again, and as programs that run elsewhere.

`files` holds `save` and `load`; `exporting` makes programs, of `jax_programs` or `onnx_programs`,
that `seals` close.
"""

from .exporting import export, load_exported
from .files import load, save
from .known import know
from .state_dicts import from_state_dict, to_state_dict

__all__ = [
    "export",
    "from_state_dict",
    "know",
    "load",
    "load_exported",
    "save",
    "to_state_dict",
]
