"""Arrays as losses and metrics compute with them."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike


def real(function: str, name: str, value: ArrayLike) -> jax.Array:
    """The value as an array of real numbers."""
    try:
        array = jnp.asarray(value)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{function}: {name} must be an array of real numbers, got {type(value).__name__}: "
            f"{error}"
        ) from error
    if not (jnp.issubdtype(array.dtype, jnp.floating) or jnp.issubdtype(array.dtype, jnp.integer)):
        raise TypeError(f"{function}: {name} must be real numbers, got dtype {array.dtype}")
    return array


def computable(*arrays: jax.Array) -> tuple[list[jax.Array], Any]:
    """The arrays in the dtype to compute in, at least float32, and the dtype of the result."""
    dtype = jnp.result_type(*arrays, float)
    return [array.astype(jnp.promote_types(dtype, jnp.float32)) for array in arrays], dtype


def spread(function: str, weight: ArrayLike, values: jax.Array) -> jax.Array:
    """The weight of every entry."""
    weight = real(function, "weight", weight)
    if weight.shape != values.shape[: weight.ndim]:
        raise ValueError(
            f"{function}: weight must have the shape {values.shape} of the errors or a leading "
            f"part of it, got {weight.shape}"
        )
    trailing = tuple(range(weight.ndim, values.ndim))
    return jnp.broadcast_to(jnp.expand_dims(weight, trailing), values.shape)
