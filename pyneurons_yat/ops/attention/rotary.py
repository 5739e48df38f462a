"""Rotary position embedding: positions as rotations of pairs of features."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..checks import check_flag, check_positive, check_shapes, check_sizes
from ..dtypes import accumulator, result_dtype
from .positions import frequencies_of


def rotary(
    x: ArrayLike,
    *,
    positions: ArrayLike | None = None,
    offset: ArrayLike = 0,
    base: ArrayLike = 10000.0,
    size: int | None = None,
    interleaved: bool = False,
) -> jax.Array:
    """Rotates pairs of features by angles that grow with the position of the token.

    The pair i of features (a, b) at position p, read as the complex number a + b j, becomes

        (a + b j) exp(j p f_i),    f_i = base^(-2 i / size),    i = 0 .. size / 2 - 1.

    Rotations keep norms, and the product of two rotated vectors depends on their positions only
    through the difference: so do dot products and distances, hence dot-product and Yat attention
    of rotated queries and keys.

    Letters: *B batch axes, T tokens, N heads, H head size.

    Args:
        x: (*B, T, N, H): queries or keys, head by head.
        positions: (T,) or (*B, T), any real numbers; 0 to T - 1 by default.
        offset: added to the positions: a number, or one per batch entry (*B). When tokens are
            decoded, it is the number of tokens before them. It may be traced.
        base: above 0; the slowest pair turns once in about 2 pi base tokens. It may be traced.
        size: how many features, from the first, are rotated: even, at most H, which is the
            default. The others pass unchanged.
        interleaved: which features are a pair. False: i and i + size / 2, the two halves
            (GPT-NeoX, Llama in Hugging Face's layout). True: 2 i and 2 i + 1 (the paper).

    Returns:
        The shape and dtype of x.

    Accuracy:
        Angles are computed in float32, also for x of lower precision, in float64 for float64. At
        position p the fastest angle is off by up to p u, with u = 6e-8 in float32: 0.06 at one
        million.

    Gradient:
        In x the inverse rotation; in positions, offset and base by plain autodiff.

    Raises:
        ValueError: a shape does not fit, H is odd and no size given, or size is odd or not in
            [0, H].
        TypeError: an argument is complex or not an array.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> q, k = jax.random.normal(jax.random.key(0), (2, 1, 1, 8))
        >>> early = (pn.rotary(q, offset=5) * pn.rotary(k, offset=2)).sum()
        >>> late = (pn.rotary(q, offset=105) * pn.rotary(k, offset=102)).sum()
        >>> bool(abs(early - late) < 1e-4)  # only the distance of 3 counts
        True

    Source:
        Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding",
        arXiv:2104.09864, equation 34.
    """
    dtype = result_dtype("rotary", x=x)
    result_dtype("rotary", positions=positions, offset=offset, base=base)
    check_positive("rotary", base=base)
    check_shapes("rotary", (), base=base)
    check_flag("rotary", interleaved=interleaved)
    _check_positions(np.shape(x), positions, offset)
    size = _size(np.shape(x)[-1], size)
    return _rotary(x, positions, offset, base, size=size, interleaved=interleaved, dtype=dtype)


def _check_positions(
    shape: tuple[int, ...], positions: ArrayLike | None, offset: ArrayLike
) -> None:
    if len(shape) < 3:
        raise ValueError(f"rotary: x must have shape (*B, T, N, H), got {shape}")
    wanted = (shape[-3:-2], shape[:-2])
    if positions is not None and np.shape(positions) not in wanted:
        raise ValueError(
            f"rotary: positions must have shape {wanted[0]} or {wanted[1]} for x of shape {shape}, "
            f"got {np.shape(positions)}"
        )
    if np.shape(offset) not in ((), shape[:-3]):
        raise ValueError(
            f"rotary: offset must be a number or have shape {shape[:-3]} for x of shape {shape}, "
            f"got {np.shape(offset)}"
        )


def _size(features: int, size: int | None) -> int:
    if size is None and features % 2:
        raise ValueError(
            f"rotary: the head size must be even, got {features}; rotate only the first features "
            f"with size={features - 1}, or choose another head size"
        )
    size = features if size is None else size
    check_sizes("rotary", least=0, size=size)
    if size % 2 or size > features:
        raise ValueError(f"rotary: size must be even and in [0, {features}], got {size}")
    return size


@partial(jax.jit, static_argnames=("size", "interleaved", "dtype"))
def _rotary(x, positions, offset, base, *, size, interleaved, dtype):
    x = jnp.asarray(x, dtype)
    angles = _angles(x.shape, positions, offset, base, size, accumulator(dtype))
    cosine, sine = jnp.cos(angles), jnp.sin(angles)
    a, b = _pairs(x[..., :size], interleaved)
    turned = (a * cosine - b * sine, a * sine + b * cosine)
    joined = jnp.stack(turned, -1 if interleaved else -2).reshape((*x.shape[:-1], size))
    return jnp.concatenate([joined.astype(dtype), x[..., size:]], -1)


def _angles(shape, positions, offset, base, size, dtype):
    """(*B, T, 1, size / 2), with 1s for batch axes along which all positions agree."""
    rank = len(shape)
    if positions is None:
        positions = jnp.arange(shape[-3])
    positions = jnp.asarray(positions, dtype)
    positions = jnp.expand_dims(positions, tuple(range(rank - 2 - positions.ndim)))
    offset = jnp.asarray(offset, dtype)
    if offset.ndim == 0:
        offset = jnp.expand_dims(offset, tuple(range(rank - 3)))
    frequencies = frequencies_of(base, size, dtype).reshape((1,) * (rank - 1) + (-1,))
    return (positions + offset[..., None])[..., None, None] * frequencies


def _pairs(x, interleaved):
    if interleaved:
        return x[..., 0::2], x[..., 1::2]
    half = x.shape[-1] // 2
    return x[..., :half], x[..., half:]
