"""Activations by name: functions of one array, and models that learn."""

import inspect
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import jax

from .. import ops
from ..core import Model
from ..neurons import PReLU, SReLU
from .grammar import Call, parsed
from .tables import arguments, look_up

Activation = Callable[[Any], jax.Array]
OURS = (
    "all_relu", "binary", "prelu", "score_tanh", "soft_tanh", "softer_sigmoid", "softermax",
    "srelu", "trelu", "vector",
)  # fmt: skip
OF_JAX = (
    "celu", "elu", "gelu", "glu", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh",
    "identity", "leaky_relu", "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu",
    "sigmoid", "silu", "soft_sign", "softmax", "softplus", "sparse_plus", "sparse_sigmoid",
    "squareplus", "swish", "tanh",
)  # fmt: skip


def srelu(al: float = 0.0, tl: float = 0.0, ar: float = 0.0, tr: float = 1.0) -> Model:
    """One S-shaped rectifier, which learns its slopes and thresholds."""
    return SReLU(al=al, tl=tl, ar=ar, tr=tr)


def prelu(alpha: float = 0.25) -> Model:
    """One rectifier, which learns its slope on the left."""
    return PReLU(alpha=alpha)


LEARNING: Mapping[str, Callable[..., Model]] = {"SReLU": srelu, "PReLU": prelu}


@cache
def table() -> Mapping[str, Callable[..., Any]]:
    """All activations: those of nerva, of `jax.nn`, and of this library."""
    own = {
        "ReLU": jax.nn.relu,
        "Sigmoid": jax.nn.sigmoid,
        "Softmax": jax.nn.softmax,
        "LogSoftmax": jax.nn.log_softmax,
        "HyperbolicTangent": jax.nn.tanh,
        "LeakyReLU": ops.prelu,
        "AllReLU": ops.all_relu,
        "TReLU": ops.trelu,
        **LEARNING,
        "GLU": jax.nn.glu,
    }
    of_jax = {name: getattr(jax.nn, name) for name in OF_JAX}
    return own | of_jax | {name: getattr(ops, name) for name in OURS}


def activation(text: str | Activation) -> Activation:
    """An activation by name.

        ReLU   Sigmoid   Softmax   LogSoftmax   HyperbolicTangent   GLU
        LeakyReLU(alpha)   AllReLU(alpha)   TReLU(epsilon)
        SReLU(al=0, tl=0, ar=0, tr=1)   PReLU(alpha=0.25)

    The names are nerva's, with its meanings, and torch's. Those of `jax.nn` work too, `gelu` and
    `elu(alpha=0.5)`, and those of this library, `soft_tanh(n=2)`. `relu` is the usual one, not the
    straight-through `pn.relu`. `SReLU` and `PReLU` learn their numbers, `srelu` and `prelu` do not.

    Args:
        text: The name and its arguments; or a function, as it is.

    Returns:
        A function of one array, or a model that is called like one.

    Raises:
        TypeError: If the arguments are not those of the name; the message lists them.
        ValueError: If there is no such name; the message lists what there is. If text is no name.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> pn.by_name.activation("AllReLU(0.5)")(jnp.array([-2.0, 3.0])).tolist()
        [-1.0, 3.0]
    """
    return text if callable(text) else named("activation", parsed("activation", text))


def named(function: str, call: Call) -> Activation:
    """The activation that a call names."""
    found = look_up(function, "an activation", table(), call)
    if call.name in LEARNING:
        return found(**arguments(function, call, found))
    first = next(iter(inspect.signature(found).parameters))
    options = arguments(function, call, found, hidden=[first])
    return partial(found, **options) if options else found
