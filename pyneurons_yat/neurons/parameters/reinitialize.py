"""reinitialize: leaves of a model drawn anew."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from ...core import Filter, Model
from ...core.checks import check_kind
from ...core.filters import leaf_places, takers
from ...ops.checks import check_floating, check_key
from ..dense import Initializer, drawn


def reinitialize(key: jax.Array, model: Model, initializers: Mapping[Filter, Initializer]) -> Model:
    """Draws leaves of a model anew, by initializers of one's choice.

    Args:
        key: A PRNG key. Each leaf has a key of its own, whatever else is drawn.
        model: A model.
        initializers: From a filter, as for `partition` (a role, a path, a pattern, `...`), to a
            function `init(key, shape, dtype) -> array`; `jax.nn.initializers` has many. A leaf is
            drawn by the first that takes it; one that none takes stays as it is.

    Returns:
        A model of the same structure, shapes and dtypes.

    Raises:
        TypeError: If initializers is no mapping, an initializer no function, or a leaf that is to
            be drawn is not floating.
        ValueError: If a filter takes nothing, or nothing that those before it have left; the
            message lists what there is. If an initializer returns another shape, or cannot draw the
            leaf's: the error's note names the leaf.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> init = jax.nn.initializers
        >>> model = pn.Linear(jax.random.key(0), 3, 2)
        >>> drawn = {"*kernel": init.orthogonal(), "*bias": init.constant(0.1)}
        >>> model = pn.reinitialize(jax.random.key(1), model, drawn)
        >>> (model.kernel.T @ model.kernel).round(3).tolist(), model.bias.round(3).tolist()
        ([[1.0, 0.0], [0.0, 1.0]], [0.1, 0.1])
    """
    check_key("reinitialize", key)
    check_kind("reinitialize", "model", model, Model)
    check_kind("reinitialize", "initializers", initializers, Mapping)
    here, inits = leaf_places(model), list(initializers.values())
    found = takers("reinitialize", (*initializers, ...), here)
    leaves, structure = jax.tree.flatten(model)
    keys = jax.random.split(key, max(len(leaves), 1))[: len(leaves)]
    drawn_anew = [
        _drawn(place.path, inits[i], one, leaf) if i < len(inits) else leaf
        for place, i, one, leaf in zip(here, found, keys, leaves, strict=True)
    ]
    return jax.tree.unflatten(structure, drawn_anew)


def _drawn(path: str, init: Initializer, key: jax.Array, leaf: Any) -> jax.Array:
    """A leaf drawn anew; an error's note says which."""
    dtype = getattr(leaf, "dtype", type(leaf))
    try:
        check_floating("reinitialize", dtype)
        return drawn("reinitialize", "the initializer", init, key, jnp.shape(leaf), dtype)
    except (TypeError, ValueError) as error:
        error.add_note(f"while drawing the leaf at {path or 'the root'!r}")
        raise
