"""A decoder-only transformer, as a user would write it: blocks of a layer, repeated."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from ..core import Model, bind, options_of, repeat
from ..neurons import Embed, Linear, RMSNorm, attend, attention_cache
from ..ops.checks import check_flag
from .block import Block, Function, normal, through
from .block import create as create_block


class TransformerParams(NamedTuple):
    """Embedding, blocks, the norm behind them; the output layer, None if it is the embedding."""

    embed: Model
    blocks: Model
    norm: Model | None
    output: Model | None


@options_of(create_block, without=["memory"])
def create(
    key: jax.Array,
    vocabulary: int,
    features: int,
    *,
    blocks: int,
    tied: bool = True,
    remat: Any = False,
    norm: Function | None = RMSNorm,
    dtype: DTypeLike = jnp.float32,
    **options: Any,
) -> TransformerParams:
    """A decoder-only transformer: embedding, blocks, norm, and scores of every next token.

    Args:
        key: A PRNG key.
        vocabulary: How many tokens there are.
        features: Features of the residual stream.
        blocks: How many blocks; they are run by a scan, so compiling does not take longer for more.
        tied: Whether the output layer is the embedding; otherwise it is a `Linear` without bias.
        remat: As for `repeat`.
        norm: As for `Block`; also behind the blocks.
        dtype: The dtype of the parameters.

    The model takes tokens, integers (*B, T), and returns scores (*B, T, vocabulary) of the next
    token after each. `extend` goes on from a cache, and `generate` samples.

    Returns:
        `TransformerParams(embed, blocks, norm, output)`.

    Raises:
        TypeError: If a size is not an integer, or an option unknown.
        ValueError: If a size is below 1, or heads do not divide the features.

    Example:
        >>> import jax, jax.numpy as jnp, optax, pyneurons_yat as pn
        >>> from pyneurons_yat.zoo import Transformer
        >>> model = Transformer(jax.random.key(0), 4, 16, blocks=2, heads=2)
        >>> tokens = jnp.arange(17)[None] % 4  # 0 1 2 3 0 1 2 3 ...
        >>> model, history = pn.fit(
        ...     optax.adam(1e-2), model, tokens[:, :-1], tokens[:, 1:], loss=pn.cross_entropy,
        ...     epochs=20, progress=False)
        >>> model(tokens)[0, -1].argmax().tolist()
        1
    """
    check_flag("Transformer", tied=tied)
    one, two, three = jax.random.split(key, 3)
    layer = repeat(Block, blocks, remat=remat)
    output = None if tied else Linear(three, features, vocabulary, use_bias=False, dtype=dtype)
    return TransformerParams(
        Embed(one, vocabulary, features, dtype=dtype),
        layer(two, features, norm=norm, dtype=dtype, **options),
        None if norm is None else norm(features, dtype=dtype),
        output,
    )


def apply(params: TransformerParams, tokens: jax.Array, *, cache: Any = None) -> Any:
    """Applies `Transformer` to tokens (*B, T).

    Args:
        params: The parts.
        tokens: Integers (*B, T).
        cache: From `caches`, of the tokens before; it then comes back, after the scores.
    """
    x, cache = through(params.blocks, embedded(params.embed, tokens), cache=cache)
    y = scores(params.output, params.embed, normal(params.norm, x))
    return y if cache is None else (y, cache)


def embedded(embed: Model, tokens: jax.Array) -> jax.Array:
    """The rows of the table, scaled to unit mean square: they have a length of about 1."""
    x = embed(tokens)
    return x * jnp.sqrt(jnp.asarray(x.shape[-1], x.dtype))


def scores(output: Model | None, embed: Model, x: jax.Array) -> jax.Array:
    """Scores of all tokens, by the output layer or else by the embedding."""
    return attend(embed, x) if output is None else output(x)


Transformer = bind("Transformer", create, apply)


def caches(model: Model, batch_shape: tuple[int, ...], length: int) -> Any:
    """Empty caches of all blocks that decode, with room for `length` tokens.

    Args:
        model: A `Transformer`, or an `EncoderDecoder`.
        batch_shape: The batch axes of the tokens to come.
        length: How many tokens there is room for.

    Returns:
        An `AttentionCache` whose arrays have the blocks along their first axis.

    Example:
        >>> import jax
        >>> from pyneurons_yat.zoo import Transformer, caches
        >>> model = Transformer(jax.random.key(0), 5, 8, blocks=3, heads=2)
        >>> caches(model, (), 10).key.shape
        (3, 10, 2, 4)
    """

    def of_block(block: Model) -> Any:
        return attention_cache(block.attention, batch_shape, length)

    return jax.vmap(of_block)(model.blocks.each)


def extend(model: Model, tokens: jax.Array, cache: Any) -> tuple[jax.Array, Any]:
    """Scores after new tokens, given the caches of those before: equal to the full pass.

    Args:
        model: A `Transformer`.
        tokens: Integers (*B, T), the next tokens.
        cache: From `caches` or an earlier call.

    Returns:
        Scores (*B, T, vocabulary), and the caches with the new tokens. Scores are NaN once there
        is no room.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from pyneurons_yat.zoo import Transformer, caches, extend
        >>> model = Transformer(jax.random.key(0), 5, 8, blocks=2, heads=2)
        >>> tokens = jnp.array([3, 1, 4])
        >>> _, cache = extend(model, tokens[:2], caches(model, (), 3))
        >>> last, cache = extend(model, tokens[2:], cache)
        >>> bool(jnp.allclose(last, model(tokens)[2:], atol=1e-5))
        True
    """
    return model(tokens, cache=cache)
