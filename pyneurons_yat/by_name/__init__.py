"""What is meant by a name: layers, optimizers and all that a training run is made of, from strings.

`grammar` reads a name and its arguments, `tables` finds what it stands for. The names are those of
the nerva libraries, with their meanings, of optax, of JAX, and of this library. Of `layers`,
`activations` and `initializers` `networks` makes a model, which `fit` trains by what is found in
`losses`, `schedules`, `optimization` and `pruning`. An unknown name is an error that lists the
known ones.
"""

from .activations import activation
from .initializers import initializer, reinitialize
from .layers import layer
from .losses import loss
from .networks import network
from .optimization import optimizer, optimizers
from .pruning import pruning
from .schedules import schedule

__all__ = [
    "activation",
    "initializer",
    "layer",
    "loss",
    "network",
    "optimizer",
    "optimizers",
    "pruning",
    "reinitialize",
    "schedule",
]
