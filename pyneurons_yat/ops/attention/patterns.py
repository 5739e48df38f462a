"""Masks of attention: who may see whom, by order, by padding, and by patterns that are sparse.

All are booleans, True where a query sees a key, and broadcast to the scores (*B, N, T, S). They
are for the argument `mask` of any attention here, and go together by `combine_masks`, `&` and `|`.
A mask is an array of its size even where attention itself holds nothing of size T S: one byte for
each pair. `yat_attention` reads no block of keys that a mask hides from a whole block of queries,
on a CPU; `is_causal` and `local_window_size` need no array and leave out blocks everywhere.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..checks import check_key, check_mask, check_real, check_sizes, check_whole
from .masks import both


def make_attention_mask(
    queries: ArrayLike,
    keys: ArrayLike | None = None,
    pairwise: Callable[[jax.Array, jax.Array], jax.Array] = jnp.logical_and,
) -> jax.Array:
    """Who sees whom, by what is known of each token: such as which are padding.

        mask_ts = pairwise(queries_t, keys_s)

    Letters: *B any batch axes, T queries, S keys.

    Args:
        queries: (*B, T), such as True for tokens and False for padding.
        keys: (*B, S); the queries by default.
        pairwise: a function of (*B, T, 1) and (*B, 1, S); by default both must be true. With
            `jnp.equal` and the numbers of sequences that are packed into one, each sees its own.

    Returns:
        Booleans (*B, 1, T, S).

    Raises:
        ValueError: the batch axes differ.
        TypeError: an argument is no array.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> pn.make_attention_mask(jnp.array([1, 1, 0])).astype(int).tolist()
        [[[1, 1, 0], [1, 1, 0], [0, 0, 0]]]
        >>> pn.make_attention_mask(jnp.array([1, 1, 2]), pairwise=jnp.equal).astype(int).tolist()
        [[[1, 1, 0], [1, 1, 0], [0, 0, 1]]]

    Source:
        Flax, where it has the same name.
    """
    keys = queries if keys is None else keys
    check_real("make_attention_mask", queries=queries, keys=keys)
    if not 1 <= np.ndim(queries) == np.ndim(keys) or np.shape(queries)[:-1] != np.shape(keys)[:-1]:
        raise ValueError(
            "make_attention_mask: queries and keys must have shapes (*B, T) and (*B, S) with the "
            f"same batch axes, got {np.shape(queries)} and {np.shape(keys)}"
        )
    mask = pairwise(jnp.asarray(queries)[..., :, None], jnp.asarray(keys)[..., None, :])
    return jnp.expand_dims(mask, -3).astype(bool)


def make_causal_mask(x: ArrayLike) -> jax.Array:
    """Who sees whom if no token sees those behind it.

        mask_ts = s <= t

    `is_causal=True` says it to any attention here, without an array.

    Args:
        x: (*B, T), of which only the shape counts.

    Returns:
        Booleans (*B, 1, T, T).

    Raises:
        ValueError: x has no axis.
        TypeError: x is no array.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> pn.make_causal_mask(jnp.ones(3)).astype(int).tolist()
        [[[1, 0, 0], [1, 1, 0], [1, 1, 1]]]

    Source:
        Flax, where it has the same name.
    """
    check_real("make_causal_mask", x=x)
    if np.ndim(x) == 0:
        raise ValueError("make_causal_mask: x must have shape (*B, T), got ()")
    places = jnp.broadcast_to(jnp.arange(np.shape(x)[-1]), np.shape(x))
    return make_attention_mask(places, pairwise=jnp.greater_equal)


def combine_masks(*masks: ArrayLike | None) -> jax.Array | None:
    """One mask of several: a query sees a key if all of them say so.

    Args:
        *masks: booleans that broadcast to each other; None hides nothing.

    Returns:
        Booleans, or None if all are None.

    Raises:
        ValueError: the shapes do not fit.
        TypeError: a mask is not boolean.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> tokens = jnp.array([True, True, False])
        >>> causal, padding = pn.make_causal_mask(tokens), pn.make_attention_mask(tokens)
        >>> pn.combine_masks(causal, None, padding).astype(int).tolist()
        [[[1, 0, 0], [1, 1, 0], [0, 0, 0]]]

    Source:
        Flax, where it has the same name.
    """
    given = [mask for mask in masks if mask is not None]
    shapes = [np.shape(mask) for mask in given]
    try:
        together = np.broadcast_shapes(*shapes)
    except ValueError:
        raise ValueError(
            f"combine_masks: masks must broadcast to each other, got shapes {shapes}"
        ) from None
    for mask in given:
        check_mask("combine_masks", mask, together, name="each mask")
    ranked = (jnp.expand_dims(m, tuple(range(len(together) - np.ndim(m)))) for m in given)
    return both(*map(jnp.asarray, ranked))


def strided_mask(queries: int, keys: int, stride: int, *, query_offset: ArrayLike = 0) -> jax.Array:
    """The strided pattern of the Sparse Transformer: what is near, and every `stride`-th place.

        mask_ts = |d| <= stride  or  d is a multiple of stride,    d = t + query_offset - s

    With `is_causal=True` at the call it is the published one. A stride near sqrt(S) leaves some
    2 sqrt(S) keys to each query.

    Letters: T queries, S keys.

    Args:
        queries: T.
        keys: S.
        stride: at least 1.
        query_offset: the place of query 0 among the keys, a whole number; it may be traced.

    Returns:
        Booleans (T, S).

    Raises:
        ValueError: a size is below 1.
        TypeError: a size or the offset is not whole.

    Example:
        >>> import pyneurons_yat as pn
        >>> pn.strided_mask(1, 8, 3, query_offset=7)[0].astype(int).tolist()
        [0, 1, 0, 0, 1, 1, 1, 1]

    Source:
        Child et al., "Generating Long Sequences with Sparse Transformers", arXiv:1904.10509,
        section 4.3.
    """
    rows, columns = _places("strided_mask", queries, keys, query_offset, stride=stride)
    away = rows - columns
    return (jnp.abs(away) <= stride) | (away % stride == 0)


def fixed_mask(
    queries: int, keys: int, stride: int, *, summary: int = 1, query_offset: ArrayLike = 0
) -> jax.Array:
    """The fixed pattern of the Sparse Transformer: the own block, and the ends of all blocks.

    Places are cut into blocks of `stride`. A query sees its own block, and of every block the last
    `summary` places, in which others can gather what the block holds. With `is_causal=True` at the
    call it is the published one.

    Letters: T queries, S keys.

    Args:
        queries: T.
        keys: S.
        stride: places in a block, at least 1.
        summary: how many places at the end of a block all see, from 1 to `stride`.
        query_offset: the place of query 0 among the keys, a whole number; it may be traced.

    Returns:
        Booleans (T, S).

    Raises:
        ValueError: a size is out of its range.
        TypeError: a size or the offset is not whole.

    Example:
        >>> import pyneurons_yat as pn
        >>> pn.fixed_mask(1, 8, 3, query_offset=4)[0].astype(int).tolist()
        [0, 0, 1, 1, 1, 1, 0, 0]

    Source:
        Child et al., "Generating Long Sequences with Sparse Transformers", arXiv:1904.10509,
        section 4.3.
    """
    sizes = {"stride": stride, "summary": summary}
    rows, columns = _places("fixed_mask", queries, keys, query_offset, **sizes)
    if summary > stride:
        raise ValueError(f"fixed_mask: summary must be at most stride {stride}, got {summary}")
    own = rows // stride == columns // stride
    return own | (columns % stride >= stride - summary)


def _places(function: str, queries: int, keys: int, offset: Any, **sizes: int) -> Any:
    """The places of queries (T, 1) and keys (1, S), after the checks of all sizes."""
    check_sizes(function, queries=queries, keys=keys, **sizes)
    check_whole(function, "query_offset", offset, ())
    return offset + jnp.arange(queries)[:, None], jnp.arange(keys)[None, :]


def block_mask(blocks: ArrayLike, block_size: int, queries: int, keys: int) -> jax.Array:
    """A mask of blocks: which block of keys each block of queries sees.

        mask_ts = blocks[t // block_size, s // block_size]

    Letters: T queries, S keys; the last block of each may be shorter.

    Args:
        blocks: booleans (*B, T / block_size, S / block_size), rounded up.
        block_size: how many queries, and keys, make a block.
        queries: T.
        keys: S.

    Returns:
        Booleans (*B, T, S).

    Raises:
        ValueError: a size is below 1, or the shape does not fit.
        TypeError: a size is not whole, or blocks are not boolean.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> pn.block_mask(jnp.eye(2, dtype=bool), 2, 3, 4).astype(int).tolist()
        [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1]]
    """
    check_sizes("block_mask", block_size=block_size, queries=queries, keys=keys)
    counts = -(-queries // block_size), -(-keys // block_size)
    check_mask("block_mask", blocks, (*np.shape(blocks)[:-2], *counts), name="blocks", fit="have")
    wide = jnp.repeat(jnp.repeat(jnp.asarray(blocks), block_size, -2), block_size, -1)
    return wide[..., :queries, :keys]


def big_bird_mask(
    key: jax.Array,
    queries: int,
    keys: int,
    block_size: int,
    *,
    window: int = 3,
    global_blocks: int = 1,
    random_blocks: int = 1,
) -> jax.Array:
    """The pattern of BigBird: blocks that are near, a few that all see, and a few drawn at random.

    Letters: T queries, S keys.

    Args:
        key: a PRNG key, for the blocks that are drawn.
        queries: T.
        keys: S.
        block_size: how many queries, and keys, make a block.
        window: how many blocks of keys around its own a block of queries sees, an odd number.
        global_blocks: how many blocks, the first, see all and are seen by all.
        random_blocks: how many of the blocks that it does not see yet each block of queries sees
            too, or all of them if they are fewer.

    Returns:
        Booleans (T, S).

    Raises:
        ValueError: a size is out of its range, or window even.
        TypeError: a size is not whole, or key is no PRNG key.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> mask = pn.big_bird_mask(jax.random.key(0), 64, 64, 8)
        >>> mask.shape, mask[32].sum().item()  # 3 blocks that are near, 1 global, 1 random
        ((64, 64), 40)

    Source:
        Zaheer et al., "Big Bird: Transformers for Longer Sequences", arXiv:2007.14062.
    """
    check_key("big_bird_mask", key)
    check_sizes("big_bird_mask", queries=queries, keys=keys, block_size=block_size, window=window)
    check_sizes("big_bird_mask", least=0, global_blocks=global_blocks, random_blocks=random_blocks)
    if window % 2 == 0:
        raise ValueError(f"big_bird_mask: window must be odd, got {window}")
    rows = jnp.arange(-(-queries // block_size))[:, None]
    columns = jnp.arange(-(-keys // block_size))[None, :]
    seen = (jnp.abs(rows - columns) <= window // 2) | (jnp.minimum(rows, columns) < global_blocks)
    draws = jnp.where(seen, -1.0, jax.random.uniform(key, seen.shape))
    order = jnp.argsort(jnp.argsort(-draws, -1), -1)
    return block_mask(seen | (order < random_blocks), block_size, queries, keys)
