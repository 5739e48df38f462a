"""Where a step must not stand in a compiled loop: with a convolution, on a CPU.

Inside of a loop, XLA takes the gradient of a convolution 5 to 10 times slower there than outside.
"""

from typing import Any

import jax


def slow_in_loops(traced: Any) -> bool:
    """Whether a traced function is slow inside a compiled loop here."""
    return jax.default_backend() == "cpu" and _convolves(traced.jaxpr)


def _convolves(jaxpr: Any) -> bool:
    return any(
        eqn.primitive.name == "conv_general_dilated" or any(map(_convolves, _inner(eqn)))
        for eqn in jaxpr.eqns
    )


def _inner(eqn: Any) -> list[Any]:
    """The programs that an equation of a program calls."""
    values = jax.tree.leaves(list(eqn.params.values()), is_leaf=lambda v: hasattr(v, "eqns"))
    return [getattr(v, "jaxpr", v) for v in values if hasattr(v, "eqns") or hasattr(v, "jaxpr")]
