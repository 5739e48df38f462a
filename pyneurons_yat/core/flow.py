"""flowing: on a mesh, what runs through a model lies where the step that traces it says.

The compiler spreads a step over a mesh by what it is told of arguments and results. Between them it
may gather a batch rather than a kernel, which is larger as soon as examples are many. So the step
says in between as well how a batch lies: where copies of a layer follow one another, and at the
end.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import jax

Lay = Callable[[jax.Array], jax.Array]

_lay = jax.make_user_context(default_value=None)


def flow(lay: Lay | None) -> AbstractContextManager[Any]:
    """While it is open, what flows is given to a function; hashable, as JAX traces anew by it."""
    return _lay(lay)


def flowing(tree: Any) -> Any:
    """Arrays that flow through a model, each where it shall lie; as they are where nobody says."""
    lay = _lay.value
    return tree if lay is None else jax.tree.map(lay, tree)
