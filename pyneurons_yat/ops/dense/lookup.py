"""Rows of a table by their numbers."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ..checks import check_index, dtype_of
from ..sharding import follow


def look_up(function: str, table: jax.Array, ids: ArrayLike) -> jax.Array:
    """The rows (*B, F) of a table (V, F) by their ids (*B,), which count from 0.

    An id that is out of range is an error in the name of `function`, or NaN if it is traced.
    """
    dtype = dtype_of(function, "ids", ids)
    if isinstance(ids, bool) or not jnp.issubdtype(dtype, jnp.integer):
        raise TypeError(
            f"{function}: ids must be integers, got {dtype}; to score vectors against the rows, "
            "call attend(model, query)"
        )
    check_index(function, "ids", ids, 0, table.shape[0] - 1)
    ids, table = jnp.asarray(ids), jnp.asarray(table)
    sharding = follow(ids, range(ids.ndim), last=table)
    return table.at[ids].get(mode="fill", wrap_negative_indices=False, out_sharding=sharding)
