"""The one file that uses what JAX does not promise: how state leaves a traced function.

JAX's mutable arrays (`jax.new_ref`) can be read and written inside `jit`, `scan`, `cond`,
`checkpoint` and `custom_vjp`, but not be differentiated or batched through from outside. What JAX
calls discharging makes a pure function of a traced one: values of the refs in, values out.
"""

from jax._src.core import trace_state_clean as outside_of_traces
from jax._src.state.discharge import discharge_state
from jax.extend.core import ClosedJaxpr

__all__ = ["discharged", "outside_of_traces"]


def discharged(closed: ClosedJaxpr) -> ClosedJaxpr:
    """The jaxpr without refs: each is an array among the inputs and, last, the outputs."""
    try:
        return discharge_state(closed)
    except TypeError:  # JAX 0.10.0 and 0.10.1
        return ClosedJaxpr(*discharge_state(closed.jaxpr, closed.consts))  # pyright: ignore[reportCallIssue]
