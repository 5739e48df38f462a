"""Positions as sines, and as a bias of attention; `rotary` has them as rotations."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike, DTypeLike

from ..checks import check_flag, check_positive, check_real, check_shapes, check_sizes, check_whole
from ..dtypes import accumulator, result_dtype


def sinusoidal(
    positions: ArrayLike, features: int, *, base: ArrayLike = 10000.0, interleaved: bool = True
) -> jax.Array:
    """Positions as sines and cosines of falling frequency, to be added to the features of tokens.

        y_2i = sin(p f_i),    y_2i+1 = cos(p f_i),    f_i = base^(-2 i / features)

    Letters: *B any axes, F features.

    Args:
        positions: (*B), any real numbers, such as `jnp.arange(T)` or the times of a diffusion.
        features: F, even.
        base: above 0; the slowest wave is about 2 pi base long. It may be traced.
        interleaved: whether sines and cosines alternate, as in the formula; otherwise all sines
            come first.

    Returns:
        (*B, F), in the dtype of positions, of integers in JAX's default. Angles are computed in
        float32, of float64 in float64: at position p they are off by up to 6e-8 p.

    Gradient:
        In positions and base by plain autodiff.

    Raises:
        ValueError: features is odd or below 2, or base not above 0.
        TypeError: an argument is complex or not an array, or features is not whole.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> y = pn.sinusoidal(jnp.arange(3), 4)
        >>> y.shape, y[0].tolist()
        ((3, 4), [0.0, 1.0, 0.0, 1.0])

    Source:
        Vaswani et al., "Attention Is All You Need", arXiv:1706.03762, section 3.5.
    """
    dtype = result_dtype("sinusoidal", positions=positions)
    check_real("sinusoidal", base=base)
    check_positive("sinusoidal", base=base)
    check_shapes("sinusoidal", (), base=base)
    check_sizes("sinusoidal", features=features)
    if features % 2:
        raise ValueError(f"sinusoidal: features must be even, got {features}")
    check_flag("sinusoidal", interleaved=interleaved)
    return _sinusoidal(positions, base, features=features, interleaved=interleaved, dtype=dtype)


@partial(jax.jit, static_argnames=("features", "interleaved", "dtype"))
def _sinusoidal(positions, base, *, features, interleaved, dtype):
    positions = jnp.asarray(positions, accumulator(dtype))
    frequencies = frequencies_of(base, features, positions.dtype)
    angles = positions[..., None] * frequencies.reshape((1,) * positions.ndim + (-1,))
    pair = jnp.stack((jnp.sin(angles), jnp.cos(angles)), -1 if interleaved else -2)
    return pair.reshape((*positions.shape, features)).astype(dtype)


def frequencies_of(base: ArrayLike, size: int, dtype: np.dtype) -> jax.Array:
    """The angles per place of each pair of `size` features, (size / 2,): base^(-2 i / size)."""
    return jnp.asarray(base ** (-np.arange(0, size, 2) / max(size, 1)), dtype)


def alibi(
    heads: int,
    queries: int,
    keys: int,
    *,
    query_offset: ArrayLike = 0,
    dtype: DTypeLike | None = None,
) -> jax.Array:
    """Attention with linear biases: scores fall with the distance, in each head by its own slope.

        bias_nts = -m_n |t + query_offset - s|,    m_n = 2^(-8 n / N) for n = 1 .. N

    That is for a power of 2. Of other numbers N, the first heads have the slopes of the power P
    below, and the others every second one of those of 2 P.

    Letters: N heads, T queries, S keys.

    Args:
        heads: N, at least 1.
        queries: T.
        keys: S.
        query_offset: the place of query 0 among the keys, a whole number; it may be traced.
        dtype: of the bias, to which that of the arrays promotes; JAX's default float for None.

    Returns:
        (N, T, S), for the argument `bias` of any attention here. It is an
        array of that size also where attention itself holds none.

    Raises:
        ValueError: a size is below 1.
        TypeError: a size or the offset is not whole.

    Example:
        >>> import pyneurons_yat as pn
        >>> pn.alibi(2, 1, 3, query_offset=2)[:, 0].tolist()
        [[-0.125, -0.0625, -0.0], [-0.0078125, -0.00390625, -0.0]]

    Source:
        Press, Smith, Lewis, "Train Short, Test Long", arXiv:2108.12409.
    """
    check_sizes("alibi", heads=heads, queries=queries, keys=keys)
    check_whole("alibi", "query_offset", query_offset, ())
    slopes = jnp.asarray(_slopes(heads))[:, None, None]
    away = query_offset + jnp.arange(queries)[:, None] - jnp.arange(keys)[None, :]
    bias = -slopes * jnp.abs(away)[None].astype(slopes.dtype)
    return bias if dtype is None else bias.astype(dtype)


def _slopes(heads: int) -> np.ndarray:
    below = 2 ** math.floor(math.log2(heads))
    first = 2.0 ** (-8 * np.arange(1, below + 1) / below)
    between = 2.0 ** (-4 * np.arange(1, 2 * below + 1, 2) / below)
    return np.concatenate([first, between])[:heads]
