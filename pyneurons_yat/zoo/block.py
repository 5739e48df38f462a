"""Block: what transformers repeat, as an encoder, as a decoder, and as one with a memory."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from ..core import Model, bind
from ..neurons import Dropout, RMSNorm, YatMultiHeadAttention
from ..ops.checks import check_flag
from .feed_forward import YatFeedForward

Function = Callable[..., Any]


class BlockParams(NamedTuple):
    """Norms, attention to itself and to a memory, feed-forward and dropout: models, or None."""

    attention_norm: Model | None
    attention: Model
    memory_norm: Model | None
    memory: Model | None
    feed_norm: Model | None
    feed: Model
    dropout: Model


def create(
    key: jax.Array,
    features: int,
    *,
    heads: int,
    kv_heads: int | None = None,
    hidden: int | None = None,
    memory: bool = False,
    attention: Function = YatMultiHeadAttention,
    feed: Function = YatFeedForward,
    norm: Function | None = RMSNorm,
    use_bias: bool = False,
    rotary: str | None = "half",
    dropout: float = 0.0,
    dtype: DTypeLike = jnp.float32,
) -> BlockParams:
    """A block: `x + attention(norm(x))`, then `x + feed(norm(x))`, each sum with dropout.

    With `memory`, `x + memory(norm(x), m)` comes in between: attention from x to other tokens m,
    as in the decoder of an encoder-decoder.

    Args:
        key: A PRNG key.
        features: Features of x, y and m.
        heads: Heads of the attention.
        kv_heads: Key and value heads; as many as heads by default.
        hidden: Hidden features of the feed-forward layer; 4 times the features by default.
        memory: Whether there is attention to a memory.
        attention: A layer that is created as `MultiHeadAttention` is.
        feed: A layer that is created as `YatFeedForward` is.
        norm: A layer that is created from a number of features; None for no norm.
        use_bias: Whether the projections of the attention have a bias.
        rotary: How positions are told: "half", "interleaved" or None. Not to the memory.
        dropout: The rate of dropout on what attention and feed-forward layer add.
        dtype: The dtype of the parameters.

    The model takes x of shape (*B, T, features) and returns the same shape; each position sees
    those up to its own, or all with `is_causal=False`. With `memory` it takes x and m
    (*B, S, features), of which each position sees all.

    Returns:
        `BlockParams`.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from pyneurons_yat.zoo import Block
        >>> Block(jax.random.key(0), 8, heads=2)(jnp.ones((5, 8))).shape
        (5, 8)
        >>> decoder = Block(jax.random.key(0), 8, heads=2, memory=True)
        >>> decoder(jnp.ones((5, 8)), jnp.ones((3, 8))).shape
        (5, 8)
    """
    check_flag("Block", memory=memory)
    one, two, *more = jax.random.split(key, 3 if memory else 2)
    options: dict[str, Any] = {"heads": heads, "kv_heads": kv_heads, "use_bias": use_bias}
    options["dtype"] = dtype
    hidden = 4 * features if hidden is None else hidden

    def made(layer: Function | None) -> Model | None:
        return None if layer is None else layer(features, dtype=dtype)

    return BlockParams(
        made(norm),
        attention(one, features, features, rotary=rotary, **options),
        made(norm) if memory else None,
        attention(more[0], features, features, **options) if memory else None,
        made(norm),
        feed(two, features, features, hidden=hidden, dtype=dtype),
        Dropout(dropout),
    )


def apply(
    params: BlockParams,
    x: jax.Array,
    memory: jax.Array | None = None,
    mask: jax.Array | None = None,
    memory_mask: jax.Array | None = None,
    *,
    is_causal: bool = True,
    cache: Any = None,
) -> Any:
    """Applies `Block` to x (*B, T, features).

    Args:
        params: The parts.
        x: (*B, T, features).
        memory: (*B, S, features), of a block with attention to a memory.
        mask: Booleans that broadcast to (*B, heads, T, T), True where a position sees another.
        memory_mask: The same for the memory, (*B, heads, T, S).
        is_causal: Whether a position sees only those up to its own.
        cache: From `attention_cache`, of the tokens before; it then comes back, after y.
    """
    if (memory is None) != (params.memory is None):
        raise ValueError(
            "Block: memory must be given if the block was made with memory=True, and only then, "
            f"got {'none' if memory is None else 'one'}"
        )
    seen = params.attention(
        normal(params.attention_norm, x), mask=mask, is_causal=is_causal, cache=cache
    )
    y, cache = (seen, None) if cache is None else seen
    x = x + params.dropout(y)
    if params.memory is not None:
        y = params.memory(normal(params.memory_norm, x), memory, mask=memory_mask)
        x = x + params.dropout(y)
    x = x + params.dropout(params.feed(normal(params.feed_norm, x)))
    return x if cache is None else (x, cache)


def normal(norm: Model | None, x: jax.Array) -> jax.Array:
    """What a norm makes of x; none changes nothing."""
    return x if norm is None else norm(x)


def through(blocks: Model, x: jax.Array, *others: Any, cache: Any = None, **options: Any) -> Any:
    """What repeated blocks make of x, one after another, and the caches of all, or None.

    Args:
        blocks: What `repeat` made.
        x: (*B, T, features).
        *others: Further arrays, which all blocks get.
        cache: Caches with the blocks along their first axis, or None.
        **options: Of each block's call.
    """
    if cache is None:
        return blocks(x, *others, **options), None

    def step(x: jax.Array, each: Any) -> tuple[jax.Array, Any]:
        block, cache = each
        return block(x, *others, cache=cache, **options)

    return jax.lax.scan(step, x, (blocks.each, cache))


Block = bind("Block", create, apply)
