"""A transformer that turns one sequence into another: an encoder, and a decoder that attends to it.

Letters: *B batch axes, S tokens of the source, T tokens of the target, F features.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike, DTypeLike

from ..core import Model, bind, options_of, repeat
from ..learn import cross_entropy
from ..neurons import Embed, Linear, RMSNorm
from ..ops.checks import check_flag, check_whole
from .block import Block, Function, normal, through
from .block import create as create_block
from .transformer import embedded, scores


class EncoderDecoderParams(NamedTuple):
    """Embeddings, blocks and norms of both sides, output layer: models, None for what is not.

    The target's embedding is the source's where it is None, and the output layer is that of the
    target. `blocks` are those of the decoder.
    """

    embed: Model
    encoder: Model
    encoder_norm: Model | None
    target_embed: Model | None
    blocks: Model
    norm: Model | None
    output: Model | None


class Memory(NamedTuple):
    """What the encoder made of a source: features (*B, S, F), and which are seen, or None.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from pyneurons_yat.zoo import EncoderDecoder
        >>> model = EncoderDecoder(jax.random.key(0), 5, 8, blocks=1, heads=2)
        >>> model(jnp.array([[3, 1, 4]])).features.shape
        (1, 3, 8)
    """

    features: jax.Array
    mask: jax.Array | None


@options_of(create_block, without=["memory"])
def create(
    key: jax.Array,
    vocabulary: int,
    features: int,
    *,
    blocks: int,
    target_vocabulary: int | None = None,
    tied: bool = True,
    remat: Any = False,
    norm: Function | None = RMSNorm,
    dtype: DTypeLike = jnp.float32,
    **options: Any,
) -> EncoderDecoderParams:
    """An encoder-decoder transformer: it reads a source, and scores every next token of a target.

    Each block of the decoder attends to the target so far, and then to what the encoder made of
    the whole source.

    Args:
        key: A PRNG key.
        vocabulary: How many tokens there are.
        features: Features of the residual stream.
        blocks: How many blocks the encoder has, and the decoder; each side is run by a scan.
        target_vocabulary: How many tokens the target has. By default both sides share the
            vocabulary, and the embedding.
        tied: Whether the output layer is the embedding of the target; otherwise it is a `Linear`
            without bias.
        remat: As for `repeat`.
        norm: As for `Block`; also behind the blocks of each side.
        dtype: The dtype of the parameters.

    The model takes a source, integers (*B, S), and a target (*B, T), and returns scores
    (*B, T, vocabulary) of the token after each of the target's. The source alone gives what the
    encoder made of it, a `Memory`, which may come in the place of the source. `translate` samples,
    and `translation_loss` is what to minimise.

    Returns:
        `EncoderDecoderParams(embed, encoder, encoder_norm, target_embed, blocks, norm, output)`.

    Raises:
        TypeError: If a size is not an integer, or an option unknown.
        ValueError: If a size is below 1, or heads do not divide the features.

    Example:
        >>> import jax, jax.numpy as jnp, optax, pyneurons_yat as pn
        >>> from pyneurons_yat.zoo import EncoderDecoder, translate, translation_loss
        >>> model = EncoderDecoder(jax.random.key(0), 4, 16, blocks=1, heads=2)
        >>> source = jnp.array([[1, 2, 3], [3, 1, 2], [2, 3, 1]])
        >>> target = source[:, ::-1]
        >>> model, _ = pn.fit(
        ...     optax.adam(1e-2), model, source, target, loss=translation_loss, epochs=60,
        ...     progress=False)
        >>> translate(model, jax.random.key(1), source, 3, temperature=0.0).tolist()
        [[3, 2, 1], [2, 1, 3], [1, 3, 2]]

    Source:
        Vaswani et al., "Attention Is All You Need", arXiv:1706.03762, figure 1, with the norms in
        front, and rotary positions.
    """
    check_flag("EncoderDecoder", tied=tied)
    one, two, three, four, five = jax.random.split(key, 5)
    layer, own = repeat(Block, blocks, remat=remat), target_vocabulary is not None
    words = vocabulary if target_vocabulary is None else target_vocabulary
    options = {"norm": norm, "dtype": dtype, **options}

    def behind() -> Model | None:
        return None if norm is None else norm(features, dtype=dtype)

    return EncoderDecoderParams(
        Embed(one, vocabulary, features, dtype=dtype),
        layer(two, features, is_causal=False, **options),
        behind(),
        Embed(three, words, features, dtype=dtype) if own else None,
        layer(four, features, memory=True, **options),
        behind(),
        None if tied else Linear(five, features, words, use_bias=False, dtype=dtype),
    )


def apply(
    params: EncoderDecoderParams,
    source: jax.Array | Memory,
    target: jax.Array | None = None,
    *,
    lengths: ArrayLike | None = None,
    cache: Any = None,
) -> Any:
    """Applies `EncoderDecoder` to a source (*B, S) and a target (*B, T).

    Args:
        params: The parts.
        source: Integers (*B, S), or the `Memory` that came of them.
        target: Integers (*B, T); None for the memory itself.
        lengths: Integers (*B,), the number of tokens of each source; the others are not seen.
        cache: From `caches`, of the tokens of the target before; it comes back, after the scores.
    """
    memory = source if isinstance(source, Memory) else encoded(params, source, lengths)
    if target is None:
        return memory
    embed = params.embed if params.target_embed is None else params.target_embed
    seen = memory.features, None, memory.mask
    x, cache = through(params.blocks, embedded(embed, target), *seen, cache=cache)
    y = scores(params.output, embed, normal(params.norm, x))
    return y if cache is None else (y, cache)


def encoded(params: EncoderDecoderParams, source: jax.Array, lengths: Any) -> Memory:
    """What the encoder makes of a source (*B, S), of which so many tokens count."""
    mask = None
    if lengths is not None:
        check_whole("EncoderDecoder", "lengths", lengths, source.shape[:-1])
        ends = jnp.asarray(lengths)[..., None, None, None]
        places = jnp.arange(source.shape[-1]).reshape((1,) * (ends.ndim - 1) + (-1,))
        mask = places < ends
    x = params.encoder(embedded(params.embed, source), None, mask)
    return Memory(normal(params.encoder_norm, x), mask)


EncoderDecoder = bind("EncoderDecoder", create, apply)


def translation_loss(model: Model, source: jax.Array, target: jax.Array) -> jax.Array:
    """The cross entropy of a target, token by token, given the source and the tokens before.

    Before the first stands token 0, as in `translate`.

    Args:
        model: An `EncoderDecoder`.
        source: Integers (*B, S).
        target: Integers (*B, T).

    Returns:
        A scalar, in nats per token.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from pyneurons_yat.zoo import EncoderDecoder, translation_loss
        >>> model = EncoderDecoder(jax.random.key(0), 5, 8, blocks=1, heads=2)
        >>> tokens = jnp.array([[3, 1, 4]])
        >>> translation_loss(model, tokens, tokens).shape
        ()
    """
    before = jnp.concatenate([jnp.zeros_like(target[..., :1]), target[..., :-1]], -1)
    return cross_entropy(model(source, before), target)
