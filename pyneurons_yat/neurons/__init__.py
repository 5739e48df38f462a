"""Layers: create/apply pairs, bound. What there is in a family, its own face says."""

from .activations import *
from .attention import *
from .convolution import *
from .dense import *
from .graphs import *
from .linear_attention import *
from .mlp import *
from .normalization import *
from .parameters import *
from .recurrent import *
from .sparse import *

# Each import above binds its module as well.
FAMILIES = activations, attention, convolution, dense, graphs
FAMILIES += linear_attention, mlp, normalization, parameters, recurrent, sparse
__all__ = sorted(name for family in FAMILIES for name in family.__all__)
