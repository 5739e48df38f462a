"""Which entries of a sparse kernel go, and where new ones come.

A rule of pruning is any function from values (K, O) to booleans of that shape: what is to go.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..checks import NOT_NEGATIVE, SHARE, check_fit, check_numbers, dtype_of
from .kernel import AT_ONCE, SparseKernel

Rule = Callable[[jax.Array], jax.Array]


def prune_magnitude(share: float) -> Rule:
    """A rule of pruning: the smallest entries go, by their magnitude.

    Args:
        share: How large a part of all entries, from 0 to 1.

    Returns:
        A function from values to booleans, for `rewire`.

    Raises:
        ValueError: share is not from 0 to 1.
        TypeError: share is not a number.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> pn.prune_magnitude(0.5)(jnp.array([[3.0, -0.1], [0.2, -4.0]])).tolist()
        [[False, True], [True, False]]

    Source:
        Evci et al., "Rigging the Lottery", arXiv:1911.11134.
    """
    check_numbers("prune_magnitude", SHARE, static=True, share=share)
    return partial(_smallest, share=share)


def prune_set(share: float) -> Rule:
    """A rule of pruning, that of SET: what is nearest to 0 goes, on either side.

    Args:
        share: How large a part of the positive entries, of which the smallest go, and of the
            negative ones, of which the largest go; from 0 to 1. An entry of 0 goes too.

    Returns:
        A function from values to booleans, for `rewire`.

    Raises:
        ValueError: share is not from 0 to 1.
        TypeError: share is not a number.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> pn.prune_set(0.5)(jnp.array([[3.0, -0.1], [0.2, -4.0]])).tolist()
        [[False, True], [True, False]]

    Source:
        Mocanu et al., "Scalable training of artificial neural networks with adaptive sparse
        connectivity inspired by network science", 2018.
    """
    check_numbers("prune_set", SHARE, static=True, share=share)
    return partial(_nearest_of_each_sign, share=share)


def prune_threshold(threshold: float) -> Rule:
    """A rule of pruning: entries whose magnitude is below a threshold go.

    Args:
        threshold: At least 0.

    Returns:
        A function from values to booleans, for `rewire`.

    Raises:
        ValueError: threshold is below 0 or infinite.
        TypeError: threshold is not a number.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> pn.prune_threshold(0.2)(jnp.array([[3.0, -0.1], [0.2, -4.0]])).tolist()
        [[False, True], [False, False]]
    """
    check_numbers("prune_threshold", NOT_NEGATIVE, static=True, threshold=threshold)
    return partial(_below, threshold=threshold)


@partial(jax.jit, static_argnames="share")
def _smallest(values: jax.Array, share: float) -> jax.Array:
    return _lowest_part(abs(values), jnp.ones_like(values, bool), share)


@partial(jax.jit, static_argnames="share")
def _nearest_of_each_sign(values: jax.Array, share: float) -> jax.Array:
    sides = [_lowest_part(abs(values), side, share) for side in (values > 0, values < 0)]
    return sides[0] | sides[1] | (values == 0)


@jax.jit
def _below(values: jax.Array, threshold: float) -> jax.Array:
    return abs(values) < threshold


def _lowest_part(values: jax.Array, among: jax.Array, share: float) -> jax.Array:
    """The lowest of some entries: the nearest number to that share of them."""
    order = jnp.argsort(jnp.where(among, values, jnp.inf), axis=None)
    rank = jnp.zeros_like(order).at[order].set(jnp.arange(order.size, dtype=order.dtype))
    count = jnp.round(share * jnp.sum(among)).astype(order.dtype)
    return among & (rank.reshape(values.shape) < count)


def gone_of(function: str, rule: Any, values: jax.Array) -> jax.Array:
    """What a rule of pruning says of values, which must be booleans of their shape."""
    if not callable(rule):
        raise TypeError(
            f"{function}: prune must be a function of values to booleans, got "
            f"{type(rule).__name__}; prune_magnitude(0.3) is one"
        )
    gone: Any = rule(values)
    if not jnp.issubdtype(dtype_of(function, "the result of prune", gone), jnp.bool_):
        raise TypeError(f"{function}: prune must return booleans, got {gone.dtype}")
    check_fit(function, "the result of prune", gone, np.shape(values), "have")
    return gone


@jax.jit
def regrown(
    key: jax.Array, kernel: SparseKernel, gone: jax.Array, fresh: jax.Array
) -> SparseKernel:
    """The kernel with new entries in the place of those that are gone.

    A new one lies at an input to which its output has no entry yet and had none, drawn evenly. Only
    where there are not enough of these does it take the place of one that is gone.

    Args:
        key: A PRNG key.
        kernel: Of values and indices (K, O).
        gone: (K, O), booleans.
        fresh: (K, O), the values of new entries.
    """
    values, indices, inputs = kernel

    def column(of_column):
        key, places, gone = of_column
        turn = jax.random.uniform(key, (inputs.size,))
        turn = turn.at[places].add(jnp.where(gone, 1, 2).astype(turn.dtype))
        free = jnp.argsort(turn)[: places.size].astype(places.dtype)
        return jnp.where(gone, free[jnp.cumsum(gone) - 1], places)

    keys = jax.random.split(key, indices.shape[1])
    places = jax.lax.map(column, (keys, indices.T, gone.T), batch_size=AT_ONCE).T
    return SparseKernel(jnp.where(gone, fresh.astype(values.dtype), values), places, inputs)
