"""Names: how a file calls a function, a class or a layer, and what is found by such a name.

A name leads to what the library or JAX has for computing: to what a room of the library or a module
of JAX shows (`pyneurons_yat.neurons.Linear`, `jax.nn.relu`), or to what a module of the library
defines (`pyneurons_yat.core.compose.Composed`). Nothing else is ever found, so no file can make
`load` call a function that does more than compute.
"""

import sys
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp

from .. import core, ops
from ..core import Layer
from ..core.layer import layers

LIBRARY = __name__.partition(".")[0]
SHOWN: dict[str, Any] = {
    "jax.nn": jax.nn,
    "jax.numpy": jnp,
    "jax.numpy.linalg": jnp.linalg,
    "jax.lax": jax.lax,
    "jax.checkpoint_policies": jax.checkpoint_policies,
}
"""The modules whose public names a file may hold; `know` adds the rooms."""
FILES_AND_SETTINGS = {
    *("fromfile", "load", "printoptions", "save", "savez", "set_printoptions"),
    *("model_cards", "pretrained"),
}
"""What `jax.numpy` and the rooms have beside functions that compute."""


def know(*rooms: ModuleType) -> None:
    """Adds rooms whose layers and functions a file may name, as rooms do not know each other.

    Args:
        *rooms: Modules with an `__all__`, whose functions compute and do nothing else.
    """
    SHOWN.update((room.__name__, room) for room in rooms)


know(core, ops)


def name_of(value: Any) -> str | None:
    """What a file calls a function, a class or a layer; `None` if it has no name there."""
    own = value.name if isinstance(value, Layer) else getattr(value, "__name__", None)
    if own is None:  # an object that JAX shows, such as a policy
        own = next((key for key, one in vars(jax.checkpoint_policies).items() if one is value), "")
    places = [*SHOWN, getattr(value, "__module__", None)]
    names = (f"{place}.{own}" for place in places)
    return next((name for name in names if _same(named(name), value)), None)


def _same(found: Any, value: Any) -> bool:
    """Whether it is the very value or, of layers, one that differs in its roles alone."""
    if isinstance(found, Layer) and isinstance(value, Layer):
        return type(found) is type(value) and found.functions() == value.functions()
    return found is not None and found is value


def named(name: str) -> Any:
    """What a name leads to; `None` if it leads nowhere."""
    place, _, own = name.rpartition(".")
    if own in FILES_AND_SETTINGS:
        return None
    if place not in SHOWN:
        return _defined(place, own)
    public = getattr(SHOWN[place], "__all__", dir(SHOWN[place]))
    if own.startswith("_") or own not in public:
        return None
    found = getattr(SHOWN[place], own, None)
    defined = str(getattr(found, "__module__", None))
    return found if defined.partition(".")[0] in (LIBRARY, "jax") else None


def _defined(place: str, own: str) -> Any:
    """What a module inside of a known room of the library defines itself."""
    room = ".".join(place.split(".")[:2])
    if room not in SHOWN or not room.startswith(LIBRARY):
        return None
    found = getattr(sys.modules.get(place), own, None)
    defined = getattr(found, "__module__", None), getattr(found, "__qualname__", None)
    return found if defined == (place, own) else None


def kind_of(layer: Layer) -> str | None:
    """The public name of a layer of the library, or of the one that it is built around."""
    names = map(name_of, layers(layer))
    return next((name.rpartition(".")[2] for name in names if name), None)
