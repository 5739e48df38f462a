"""Where a step must not stand in a compiled loop: with a convolution, on a CPU.

Inside of a loop, XLA takes the gradient of a convolution 5 to 10 times slower there than outside.
"""

from typing import Any

import jax

from ..core.jaxprs import inner_jaxprs


def slow_in_loops(traced: Any) -> bool:
    """Whether a traced function is slow inside a compiled loop here."""
    return jax.default_backend() == "cpu" and _convolves(traced.jaxpr)


def _convolves(jaxpr: Any) -> bool:
    return any(
        eqn.primitive.name == "conv_general_dilated"
        or any(_convolves(inner) for value in eqn.params.values() for inner in inner_jaxprs(value))
        for eqn in jaxpr.eqns
    )
