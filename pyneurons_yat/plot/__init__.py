"""Pictures of runs, models and measurements, with Matplotlib, which the extra `demo` brings.

Each function draws one picture into the axes that it is given, or into new ones, and returns them.
All are readable in grey: shades grow from dark to light, and lines differ by style and marker too.
"""

from .attention_maps import attention_maps
from .bars import bars
from .confusion import confusion
from .decision_regions import decision_regions
from .gram import gram
from .history import history
from .prototypes import prototypes
from .response_field import response_field

__all__ = [
    "attention_maps",
    "bars",
    "confusion",
    "decision_regions",
    "gram",
    "history",
    "prototypes",
    "response_field",
]
