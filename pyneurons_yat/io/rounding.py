"""Rounding: weights that a file holds as integers and a step per output."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..core import OnLeaves
from ..core.filters import leaf_places
from ..ops.quantization import Steps, stepped
from .entries import Entry, taken
from .leaves import Found


def rounded(tree: Any, bits: int) -> dict[str, Steps]:
    """The weights of a tree that become smaller as integers and steps, by path.

    Weights are floating arrays of two axes or more that are trained or frozen. One that holds NaN
    or infinity stays as it is, and a layer under `repeat` has steps for each copy.
    """
    here = leaf_places(tree)
    chosen = {at.path for at in here if at.role in ("params", "frozen") and _is_weight(at.node)}
    if not chosen:
        return {}
    found = OnLeaves(stepped, lambda path, _: path in chosen, (bits,))(tree)
    leaves = jax.tree.leaves(found, is_leaf=lambda node: isinstance(node, Steps))
    pairs = {at.path: (at.node, one) for at, one in zip(here, leaves, strict=True)}
    return {
        path: steps
        for path, (leaf, steps) in pairs.items()
        if path in chosen and _smaller(leaf, steps)
    }


def _is_weight(leaf: Any) -> bool:
    floating = jnp.issubdtype(getattr(leaf, "dtype", np.dtype(object)), jnp.floating)
    return floating and leaf.ndim > 1 and bool(jnp.isfinite(leaf).all())


def _smaller(leaf: Any, steps: Steps) -> bool:
    return sum(one.nbytes for one in steps) < leaf.nbytes


def unrounded(multiples: Entry, step: Entry, dtype: str) -> Found:
    """The weights, in a dtype."""

    def part(index: Any) -> np.ndarray:
        size = np.broadcast_to(taken(step), multiples.shape)[index]
        return (taken(multiples, index).astype(step.dtype) * size).astype(dtype)

    return Found(np.dtype(dtype), multiples.shape, part)
