"""PositionEmbed: a learned vector for each position, added to the token that stands there."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike, DTypeLike

from ...core import bind
from ...ops.checks import check_floating, check_sizes, check_whole, is_known
from ...ops.dense import look_up
from .embed import EmbedParams
from .initializers import Initializer, drawn

NAME = "PositionEmbed"
small = jax.nn.initializers.normal(0.02)


def create(
    key: jax.Array,
    length: int,
    features: int,
    *,
    embedding_init: Initializer = small,
    dtype: DTypeLike = jnp.float32,
) -> EmbedParams:
    """Learned positions: `y_t = x_t + embedding_p` of the position p of each token.

    Args:
        key: A PRNG key.
        length: How many positions there are, at least 1.
        features: Features of x, at least 1.
        embedding_init: `embedding_init(key, shape, dtype)`; by default normal numbers of standard
            deviation 0.02, as in BERT and GPT-2.
        dtype: The dtype of the parameters.

    The model takes x (*B, T, features) and returns the same shape. A position that is negative, or
    not below length, is an IndexError outside `jax.jit`; where it is traced it gives NaN.

    Returns:
        `EmbedParams(embedding)` of shape (length, features).

    Gradient:
        Row p receives the sum over all tokens at p.

    Raises:
        TypeError: If a size is not an integer, dtype not floating, or positions are not whole.
        ValueError: If a size is below 1, or a shape does not fit.
        IndexError: If a position is out of range.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.PositionEmbed(jax.random.key(0), 16, 4)
        >>> x = jnp.zeros((2, 5, 4))
        >>> bool((model(x)[0] == model.embedding[:5]).all())
        True
        >>> bool((model(x, offset=3)[0] == model.embedding[3:8]).all())
        True

    Source:
        Gehring et al., "Convolutional Sequence to Sequence Learning", arXiv:1705.03122.
    """
    check_sizes(NAME, length=length, features=features)
    check_floating(NAME, dtype)
    shape = (length, features)
    return EmbedParams(drawn(NAME, "embedding_init", embedding_init, key, shape, dtype))


def apply(
    params: EmbedParams,
    x: ArrayLike,
    *,
    offset: ArrayLike = 0,
    positions: ArrayLike | None = None,
) -> jax.Array:
    """Adds to x (*B, T, features) the vectors of its positions.

    Args:
        params: The table.
        x: (*B, T, features).
        offset: The position of the first token, a whole number; it may be traced.
        positions: (T,) or (*B, T), the positions of all tokens before the offset is added; 0 to
            T - 1 by default.
    """
    shape, features = np.shape(x), params.embedding.shape[-1]
    if len(shape) < 2 or shape[-1] != features:
        raise ValueError(f"{NAME}: x must have shape (*B, T, {features}), got {shape}")
    check_whole(NAME, "offset", offset, ())
    if positions is None:  # known under jit too, if the length is
        positions = (np if is_known(shape[-2]) else jnp).arange(shape[-2])
    check_whole(NAME, "positions", positions)
    if np.shape(positions) not in (shape[-2:-1], shape[:-1]):
        raise ValueError(
            f"{NAME}: positions must have shape {shape[-2:-1]} or {shape[:-1]} for x of shape "
            f"{shape}, got {np.shape(positions)}"
        )
    rows = look_up(NAME, params.embedding, positions + offset)  # pyright: ignore[reportOperatorIssue]
    return jnp.add(x, jnp.expand_dims(rows, tuple(range(len(shape) - rows.ndim))))


PositionEmbed = bind(NAME, create, apply)
