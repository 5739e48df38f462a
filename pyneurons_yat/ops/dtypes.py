"""The dtypes in which the ops take, accumulate and return numbers."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike, DTypeLike

from .checks import check_real
from .gradients import widened


def result_dtype(function: str, **arguments: ArrayLike | None) -> np.dtype:
    """The floating dtype of a result: JAX's promotion, with integers as the default float.

    Python numbers do not promote: a bfloat16 array with a Python float stays bfloat16.
    """
    values = [value for value in arguments.values() if value is not None]
    check_real(function, **{k: v for k, v in arguments.items() if v is not None})
    dtype = jnp.result_type(*values)
    return dtype if jnp.issubdtype(dtype, jnp.floating) else jnp.result_type(dtype, float)


def as_index(function: str, name: str, value: ArrayLike) -> jax.Array:
    """Integers that count or point, as an array of int32 or int64.

    Narrower ones could neither be compared with a size that they cannot hold, nor moved beyond it.
    """
    with jax.ensure_compile_time_eval():  # what is known stays so inside of jit
        index = (
            jnp.zeros(np.shape(value), jnp.int32) if 0 in np.shape(value) else jnp.asarray(value)
        )
        if not jnp.issubdtype(index.dtype, jnp.integer):
            raise TypeError(f"{function}: {name} must be integers, got {index.dtype}")
        return index.astype(jnp.int64 if index.dtype.itemsize > 4 else jnp.int32)


def accumulator(dtype: DTypeLike) -> np.dtype:
    """The dtype of products and reductions: float64 for float64, else float32."""
    return np.dtype(np.float64 if dtype == np.float64 else np.float32)


def widen(value: ArrayLike, dtype: DTypeLike, rank: int) -> jax.Array:
    """The value in the accumulator's dtype, with leading axes of size 1 up to `rank`.

    A gradient that is out of a smaller dtype's range becomes its largest finite number.
    """
    wide, value = accumulator(dtype), jnp.asarray(value)
    small = jnp.issubdtype(value.dtype, jnp.floating) and value.dtype.itemsize < 4
    value = widened(value, wide, saturate) if small else value.astype(wide)
    return jnp.expand_dims(value, tuple(range(rank - value.ndim)))


def narrow(value: jax.Array, dtype: DTypeLike) -> jax.Array:
    """The accumulated value in the dtype of the result, saturated where that is smaller."""
    return value if value.dtype == dtype else saturate(value, dtype)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def saturate(value: jax.Array, dtype: DTypeLike) -> jax.Array:
    """The value in `dtype`; what is out of its range becomes its largest finite number.

    A gradient passes as if nothing had been out of range.
    """
    limits = jnp.finfo(dtype)
    return jnp.clip(value, float(limits.min), float(limits.max)).astype(dtype)


@saturate.defjvp
def _saturated_tangent(dtype, primals, tangents):
    return saturate(primals[0], dtype), tangents[0].astype(dtype)


def sum_to(value: jax.Array, like: jax.Array) -> jax.Array:
    """The cotangent of `like`, of the same rank, that was broadcast to the shape of `value`.

    It is the sum over the axes along which `like` has size 1, and inside `jax.shard_map` also
    over the devices that share `like`.
    """
    _, pull = jax.vjp(lambda small: small + jnp.zeros_like(value), like)
    return pull(value)[0]
