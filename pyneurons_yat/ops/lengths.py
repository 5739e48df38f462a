"""Lengths of vectors, and vectors of length 1, of numbers whose squares may leave the range.

Vectors lie along some axes, by default along all but the last: the weights of each output.
"""

import jax
import jax.numpy as jnp

from .dtypes import accumulator

Axes = tuple[int, ...] | None


def extent(array: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    """The largest magnitude of each vector, and 1 where it is 0 or too small to divide by.

    What is divided by it can be squared. It has no gradient: that of a length is right without it.
    """
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(array), axes, keepdims=True, initial=0))
    return jnp.where(largest < jnp.finfo(array.dtype).tiny, 1, largest)


def lengths(array: jax.Array, axes: Axes = None) -> jax.Array:
    """The length of each vector, and 1 where it is 0."""
    _, length, scale = _taken_apart(array, axes)
    return (length * scale).astype(array.dtype)


def unit(array: jax.Array, axes: Axes = None) -> jax.Array:
    """The vectors divided by their length. One of zeros stays so, with the gradient of itself."""
    scaled, length, _ = _taken_apart(array, axes)
    return (scaled / length).astype(array.dtype)


def _taken_apart(array, axes):
    """Vectors divided by their extent, the length of that, and the extent, all accumulated."""
    array = array.astype(accumulator(array.dtype))
    axes = tuple(range(array.ndim - 1)) if axes is None else axes
    scale = extent(array, axes)
    scaled = array / scale
    square = jnp.sum(jnp.square(scaled), axes, keepdims=True)
    return scaled, jnp.sqrt(jnp.where(square == 0, 1, square)), scale
