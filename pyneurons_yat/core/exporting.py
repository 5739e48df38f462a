"""exportable: what `jax.export` must know of a tree to write a function that takes or gives it.

`jax.export.export(jax.jit(f))(model, x).serialize()` writes the structure of the arguments. It asks
that each class of a node be registered. `Model` is from the start, named tuples are as they are
met.
"""

import functools
import pickle
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import jax
import jax.export


def exportable(tree: Any) -> Any:
    """Registers the named tuples in a tree for `jax.export`, which then can write it down.

    Models register theirs when they are made, `TrainState` those of the optimiser. A process that
    reads what another has written must have made such trees, or have called this with one.

    A model is written with its layer, which is pickled: its functions must be importable by name.
    As with pickle, deserialise only what you trust.

    Args:
        tree: Any pytree.

    Returns:
        The tree itself.

    Example:
        >>> import jax, jax.numpy as jnp, optax, pyneurons_yat as pn
        >>> model, x = pn.Linear(jax.random.key(0), 3, 2), jnp.ones((1, 3))
        >>> exported = jax.export.export(jax.jit(lambda model, x: model(x)))(model, x)
        >>> exported.in_tree.num_leaves  # exported.serialize() writes it, given flatbuffers
        3
        >>> state = pn.exportable(optax.adam(0.1).init(model))
    """
    for kind in set(_kinds(jax.tree.structure(tree))):
        if issubclass(kind, tuple) and hasattr(kind, "_fields"):
            _register(kind)
    return tree


def _kinds(structure: Any) -> Iterator[type]:
    """The class of every node of a structure."""
    node = structure.node_data()
    if node is not None:
        yield node[0]
    for child in structure.children():
        yield from _kinds(child)


@functools.cache
def _register(kind: type) -> None:
    # Someone else may have registered the class, or another class by this name.
    with suppress(ValueError):
        name = f"{kind.__module__}.{kind.__qualname__}"
        jax.export.register_namedtuple_serialization(kind, serialized_name=name)


def written(metadata: Any) -> bytes:
    """The layer and the static configuration of a model, as bytes."""
    try:
        return pickle.dumps(metadata)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise TypeError(
            f"export: the functions of {metadata[0].name} must be importable by name, got one that "
            f"is not: {error}; define it at the top of a module"
        ) from error
