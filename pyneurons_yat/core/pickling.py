"""Pickling of functions that JAX wraps in an object, such as `jax.nn.relu`.

Python pickles a function by its name, but what `jax.jit`, `jax.custom_jvp` and `jax.custom_vjp`
return by its contents, which fails, since the function inside no longer has the name to itself. The
reducer here writes such an object by its name where that name leads to it, and leaves all others as
they were, so models that are composed with them can be pickled. `model.py` registers it.
"""

import sys
from functools import reduce
from typing import Any


def by_name(function: Any) -> Any:
    """The qualified name of a module's function object, or its ordinary reduction."""
    name = getattr(function, "__qualname__", "")
    try:
        found = reduce(getattr, name.split("."), sys.modules[function.__module__])
    except (AttributeError, KeyError):
        found = None
    return name if found is function else object.__reduce_ex__(function, 4)
