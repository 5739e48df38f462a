"""Sampling tokens: from scores, and on and on from transformers."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ..core import Model
from ..ops.checks import NOT_NEGATIVE, check_numbers, check_positive, check_share, check_sizes
from .transformer import caches


def sample(
    key: jax.Array,
    scores: jax.Array,
    *,
    temperature: Any = 1.0,
    top_k: int | None = None,
    top_p: Any = None,
) -> jax.Array:
    """Draws tokens from softmax(scores / temperature), or from its likeliest part.

    Args:
        key: A PRNG key.
        scores: (*B, V).
        temperature: Above 0 flattens (> 1) or sharpens (< 1); 0 takes the likeliest token.
        top_k: Only the k likeliest tokens, and those as likely as the last of them.
        top_p: Only the likeliest tokens whose probabilities, after temperature and top_k, first
            sum to p; between 0 and 1. The likeliest always stays.

    Returns:
        Integers (*B,).

    Raises:
        ValueError: If temperature is a number below 0, top_k below 1 or top_p not in (0, 1].

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from pyneurons_yat.zoo import sample
        >>> scores = jnp.log(jnp.array([[0.1, 0.2, 0.7]]))
        >>> keys = jax.random.split(jax.random.key(0), 3)
        >>> {int(sample(key, scores, top_k=2)[0]) for key in keys[:2]} <= {1, 2}
        True
        >>> sample(keys[2], scores, temperature=0.0).tolist()
        [2]

    Source:
        Fan, Lewis, Dauphin, arXiv:1805.04833 (top k); Holtzman et al., arXiv:1904.09751 (top p).
    """
    _check("sample", temperature, top_k, top_p)
    wide = scores.astype(jnp.promote_types(scores.dtype, jnp.float32))
    cold = jnp.asarray(temperature) == 0
    wide = wide / jnp.where(cold, 1, temperature)
    if top_k is not None:
        least = jax.lax.top_k(wide, min(top_k, wide.shape[-1]))[0][..., -1:]
        wide = jnp.where(wide < least, -jnp.inf, wide)
    if top_p is not None:
        wide = jnp.where(_beyond(wide, top_p), -jnp.inf, wide)
    return jnp.where(cold, jnp.argmax(wide, -1), jax.random.categorical(key, wide))


def _check(function: str, temperature: Any, top_k: int | None, top_p: Any) -> None:
    check_numbers(function, NOT_NEGATIVE, temperature=temperature)
    if top_k is not None:
        check_sizes(function, top_k=top_k)
    if top_p is not None:
        check_share(function, top_p=top_p)
        check_positive(function, top_p=top_p)


def _beyond(scores: jax.Array, top_p: Any) -> jax.Array:
    """Which tokens come after those that sum to top_p, the likeliest first."""
    order = jnp.argsort(-scores, -1)
    share = jax.nn.softmax(jnp.take_along_axis(scores, order, -1))
    before = jnp.cumsum(share, -1) - share
    return jnp.take_along_axis(before >= top_p, jnp.argsort(order, -1), -1)


def generate(
    model: Model,
    key: jax.Array,
    tokens: ArrayLike,
    steps: int,
    *,
    temperature: Any = 1.0,
    top_k: int | None = None,
    top_p: Any = None,
) -> jax.Array:
    """Continues tokens by a `Transformer`, one after another, with a key-value cache.

    Args:
        model: A `Transformer`.
        key: A PRNG key.
        tokens: Integers (*B, T), at least one.
        steps: How many tokens to add; static under `jax.jit`.
        temperature: As for `sample`.
        top_k: As for `sample`.
        top_p: As for `sample`.

    Returns:
        Integers (*B, T + steps): the tokens and their continuation.

    Raises:
        TypeError: If tokens are not integers, or steps is none.
        ValueError: If there is no token, steps is below 0, or an option out of range.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from pyneurons_yat.zoo import Transformer, generate
        >>> model = Transformer(jax.random.key(0), 5, 8, blocks=2, heads=2)
        >>> generate(model, jax.random.key(1), jnp.array([[3, 1]]), 4).shape
        (1, 6)
    """
    tokens = _checked("generate", "tokens", tokens, steps, temperature, top_k, top_p)
    how = (temperature, top_k, top_p)
    start = caches(model, tokens.shape[:-1], tokens.shape[-1] + steps)
    new = _generate(model, None, key, tokens, start, steps, *how)
    return jnp.concatenate([tokens, new], -1)


def translate(
    model: Model,
    key: jax.Array,
    source: ArrayLike,
    steps: int,
    *,
    lengths: ArrayLike | None = None,
    temperature: Any = 1.0,
    top_k: int | None = None,
    top_p: Any = None,
) -> jax.Array:
    """Writes a target to a source by an `EncoderDecoder`, token by token, from token 0 on.

    Args:
        model: An `EncoderDecoder`.
        key: A PRNG key.
        source: Integers (*B, S), at least one.
        steps: How many tokens to write; static under `jax.jit`.
        lengths: Integers (*B,), the number of tokens of each source.
        temperature: As for `sample`.
        top_k: As for `sample`.
        top_p: As for `sample`.

    Returns:
        Integers (*B, steps), without the 0 in front.

    Raises:
        TypeError: If source or lengths are not integers, or steps is none.
        ValueError: If there is no token, steps is below 0, or an option out of range.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from pyneurons_yat.zoo import EncoderDecoder, translate
        >>> model = EncoderDecoder(jax.random.key(0), 5, 8, blocks=1, heads=2)
        >>> translate(model, jax.random.key(1), jnp.array([[3, 1, 4]]), 6).shape
        (1, 6)
    """
    source = _checked("translate", "source", source, steps, temperature, top_k, top_p)
    start = caches(model, source.shape[:-1], 1 + steps)
    memory, first = _read(model, source, lengths), jnp.zeros_like(source[..., :1])
    return _generate(model, memory, key, first, start, steps, temperature, top_k, top_p)


@jax.jit
def _read(model: Model, source: jax.Array, lengths: Any) -> Any:
    return model(source, lengths=lengths)


def _checked(
    function: str, name: str, tokens: Any, steps: int, temperature: Any, top_k: Any, top_p: Any
) -> jax.Array:
    """The tokens as an array; what cannot be gone on from is refused."""
    _check(function, temperature, top_k, top_p)
    tokens = jnp.asarray(tokens)
    if not jnp.issubdtype(tokens.dtype, jnp.integer):
        raise TypeError(f"{function}: {name} must be integers, got {tokens.dtype}")
    if tokens.ndim == 0 or tokens.shape[-1] == 0:
        raise ValueError(f"{function}: {name} must be (*B, T), at least one, got {tokens.shape}")
    check_sizes(function, least=0, steps=steps)
    return tokens


@partial(jax.jit, static_argnames=("steps", "top_k"))
def _generate(
    model: Model,
    memory: Any,
    key: jax.Array,
    tokens: jax.Array,
    cache: Any,
    steps: int,
    temperature: Any,
    top_k: int | None,
    top_p: Any,
) -> jax.Array:
    """So many new tokens (*B, steps) behind those given, by a model with a memory or without."""
    draw = partial(sample, temperature=temperature, top_k=top_k, top_p=top_p)
    read = partial(model, *(() if memory is None else (memory,)))
    scores, cache = read(tokens, cache=cache)

    def step(carry: Any, key: jax.Array) -> tuple[Any, jax.Array]:
        scores, cache = carry
        token = draw(key, scores).astype(tokens.dtype)
        scores, cache = read(token[..., None], cache=cache)
        return (scores[..., -1, :], cache), token

    start = scores[..., -1, :], cache
    _, new = jax.lax.scan(step, start, jax.random.split(key, steps))
    return jnp.moveaxis(new, 0, -1)
