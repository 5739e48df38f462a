"""Narrowing: a model whose weights stand in a program as integers, or in a narrower dtype."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..core import Model
from ..core.filters import leaf_places
from ..ops.checks import check_floating
from ..ops.quantization import Steps, check_bits
from .rounding import rounded

STORED = ("params", "frozen")
"""The roles of what is narrowed; running statistics keep their dtype."""


def narrowed(model: Callable[..., Any], dtype: Any, bits: int | None) -> Callable[..., Any]:
    """A function that computes what a model does, of weights that are stored narrower.

    Args:
        model: A model; a function too if nothing is to be narrowed.
        dtype: In which weights are stored and computed with, and inputs are taken; None to keep
            theirs. Outputs come in the dtype that they had.
        bits: Of the integers that stand for weights, as in `save(quantize=)`; None for none.
    """
    if dtype is None and bits is None:
        return model
    if not isinstance(model, Model):
        raise TypeError(
            "export: model must be a Model where dtype or quantize is given, got a "
            f"{type(model).__name__}; pn.bind(model, apply) makes one of what calls a model"
        )
    if bits is not None:
        check_bits("export", bits)
    small = model if dtype is None else _cast(model, dtype)
    steps = {} if bits is None else rounded(small, bits)

    def call(*inputs: Any) -> Any:
        y = _filled(small, steps)(*(_in(dtype, x) for x in inputs))
        wide = jax.eval_shape(model, *inputs)
        return jax.tree.map(lambda one, like: one.astype(like.dtype), y, wide)

    return call


def _cast(model: Model, dtype: Any) -> Model:
    check_floating("export", dtype)
    leaves = [
        at.node.astype(dtype) if at.role in STORED and _is_floating(at.node) else at.node
        for at in leaf_places(model)
    ]
    return jax.tree.unflatten(jax.tree.structure(model), leaves)


def _is_floating(leaf: Any) -> bool:
    return jnp.issubdtype(getattr(leaf, "dtype", np.dtype(object)), jnp.floating)


def _filled(model: Model, steps: dict[str, Steps]) -> Model:
    """The model with weights that are computed, inside the program, from integers and steps."""
    leaves = [
        _weights(steps[at.path], at.node.dtype) if at.path in steps else at.node
        for at in leaf_places(model)
    ]
    return jax.tree.unflatten(jax.tree.structure(model), leaves)


def _weights(steps: Steps, dtype: Any) -> jax.Array:
    return (jnp.asarray(steps.multiples).astype(steps.step.dtype) * steps.step).astype(dtype)


def _in(dtype: Any, x: Any) -> Any:
    """Inputs, the floating ones in a dtype."""
    if dtype is None:
        return x
    return jax.tree.map(lambda leaf: leaf.astype(dtype) if _is_floating(leaf) else leaf, x)
