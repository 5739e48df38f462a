"""YatSelfAttention: tokens attend to tokens like them, with no projection of queries and keys."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike, DTypeLike

from ...core import bind
from ...ops.attention import in_rank
from ...ops.checks import check_mask, check_sizes
from ..dense import Linear, check_epsilon
from .heads import (
    AttentionCache,
    Positions,
    Projection,
    attended,
    check_dropout,
    check_heads,
    infer,
    three,
    training,
)
from .yat_multi_head import Scoring, YatAttentionParams, responding


def create(
    key: jax.Array,
    inputs: int,
    outputs: int,
    *,
    heads: int,
    qkv_features: int | None = None,
    use_bias: bool = True,
    projection: Projection = Linear,
    epsilon: float = 1.0,
    dtype: DTypeLike = jnp.float32,
) -> YatAttentionParams:
    """Yat attention without projections of queries and keys: both are the inputs, cut in heads.

        y = output(concat_n sum_s w_nts v_ns),    w_nts = score_nts / sum_s score_nts, s not t
        score_nts = (x_nt . x_ns + shift_n)^2 / (|x_nt - x_ns|^2 + epsilon_n)

    Only the value and the output are projected. Each head has a shift and an epsilon, both positive
    and learned, which are its share of what projections of its own would do. The kernel is positive
    definite, so the layer is a kernel smoother of the values.

    No token sees itself: its own score is (|x|^2 + shift)^2 / epsilon, far above the others. The
    first token of a causal pass sees nothing, and its heads give 0.

    Letters: *B batch axes, T tokens, N heads, H = inputs / N.

    Args:
        key: A PRNG key.
        inputs: Features of x, at least 1.
        outputs: Features of y, at least 1.
        heads: N, a divisor of inputs and of qkv_features.
        qkv_features: The width of all values together; `inputs` by default.
        use_bias: Whether the two projections have a bias.
        projection: What makes the two, as for `MultiHeadAttention`.
        epsilon: Above 0, where the learned one starts. It is 1 by default, since with a small one
            a token sees only its duplicates.
        dtype: The dtype of the parameters.

    The model takes x (*B, T, inputs) and returns (*B, T, outputs). Options of the call, as for
    `YatMultiHeadAttention`: bias, mask, is_causal, scale, rotary, rotary_base, offset, positions,
    power, block_size, precision, dropout (in `observe`), cache (by `decode`); and

        normalizer: "softermax" (the default) or "softmax".
        mask_self: Whether no token sees itself; True by default. Without is_causal it costs a mask
            of T T booleans.

    Returns:
        `YatAttentionParams` with models `value` and `output` and, both (N,), `shift` and `epsilon`;
        the other fields are None. The shift in force is softplus(shift), log 2 at first; epsilon
        is as in `YatDense`.

    Gradient:
        As for `yat_attention`.

    Raises:
        TypeError: If a size is not an integer.
        ValueError: If a size is below 1, heads do not divide, or epsilon is not above 0; at the
            call if a shape does not fit, or dropout is on without a key.

    Example:
        Each token becomes the mean of those that are like it, so noise goes down.

        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> one, two = jax.random.split(jax.random.key(0))
        >>> clean = 4 * jnp.repeat(jnp.eye(4), 8, axis=0)  # 4 kinds of 8 tokens
        >>> noisy = clean + 0.5 * jax.random.normal(one, clean.shape)
        >>> model = pn.YatSelfAttention(two, 4, 4, heads=1, use_bias=False)
        >>> for path in ("value.kernel", "output.kernel"):
        ...     model = pn.replace(model, path, jnp.eye(4))
        >>> before, after = (jnp.mean((y - clean) ** 2) for y in (noisy, model(noisy)))
        >>> bool(after < before / 4)
        True

    Source:
        Bouhsine, "Deep Learning 2.0: Artificial Neurons That Matter", arXiv:2411.08085, for the
        product; Nadaraya, "On Estimating Regression", 1964, for the smoother.
    """
    wide = inputs if qkv_features is None else qkv_features
    check_sizes("YatSelfAttention", inputs=inputs, outputs=outputs, qkv_features=wide)
    for features in (inputs, wide):
        check_heads("YatSelfAttention", features, heads, heads)
    check_epsilon("YatSelfAttention", epsilon)
    for_value, for_output = jax.random.split(key)
    return YatAttentionParams(
        query=None,
        key=None,
        value=projection(for_value, inputs, wide, use_bias=use_bias, dtype=dtype),
        output=projection(for_output, wide, outputs, use_bias=use_bias, dtype=dtype),
        query_norm=None,
        key_norm=None,
        shift=jnp.zeros(heads, dtype),
        alpha=None,
        epsilon=jnp.zeros(heads, dtype),
    )


def apply(
    params: YatAttentionParams,
    x: jax.Array,
    *,
    heads: int,
    bias: jax.Array | None = None,
    mask: jax.Array | None = None,
    is_causal: bool = False,
    mask_self: bool = True,
    scale: ArrayLike | None = None,
    rotary: str | None = None,
    rotary_base: ArrayLike = 10000.0,
    offset: ArrayLike = 0,
    positions: ArrayLike | None = None,
    epsilon: ArrayLike = 1.0,
    normalizer: str = "softermax",
    power: ArrayLike = 1.0,
    block_size: int | None = None,
    precision: Any = None,
    cache: AttentionCache | None = None,
) -> Any:
    """Applies `YatSelfAttention` to x (*B, T, inputs)."""
    scoring = Scoring(_positive(params.shift), None, epsilon, scale, normalizer, power)
    mask = _without_self(mask, x, heads, mask_self and not is_causal and cache is None)
    y, rest = attended(
        "YatSelfAttention",
        params,
        (x, None, None),
        responding(scoring, params, bias, mask, block_size=block_size, precision=precision),
        infer,
        heads=heads,
        place=Positions(rotary, rotary_base, offset, positions),
        is_causal=is_causal,
        cache=cache,
        before=int(mask_self),
    )
    return y if cache is None else (y, rest)


def observe(
    params: YatAttentionParams,
    x: jax.Array,
    *,
    heads: int,
    key: jax.Array | None = None,
    dropout: float = 0.0,
    bias: jax.Array | None = None,
    mask: jax.Array | None = None,
    is_causal: bool = False,
    mask_self: bool = True,
    scale: ArrayLike | None = None,
    rotary: str | None = None,
    rotary_base: ArrayLike = 10000.0,
    offset: ArrayLike = 0,
    positions: ArrayLike | None = None,
    epsilon: ArrayLike = 1.0,
    normalizer: str = "softermax",
    power: ArrayLike = 1.0,
    block_size: int | None = None,
    precision: Any = None,
) -> tuple[jax.Array, YatAttentionParams]:
    """Applies `YatSelfAttention` as in training."""
    check_dropout("YatSelfAttention", dropout, key)
    key, call = training(key)
    scoring = Scoring(_positive(params.shift), None, epsilon, scale, normalizer, power)
    mask = _without_self(mask, x, heads, mask_self and not is_causal)
    options = {"block_size": block_size, "precision": precision}
    return attended(
        "YatSelfAttention",
        params,
        (x, None, None),
        responding(scoring, params, bias, mask, key, dropout, **options),
        call,
        heads=heads,
        place=Positions(rotary, rotary_base, offset, positions),
        is_causal=is_causal,
        before=int(mask_self),
    )


def _positive(shift: jax.Array | None) -> jax.Array | None:
    return None if shift is None else jax.nn.softplus(shift)


def _without_self(
    mask: jax.Array | None, x: jax.Array, heads: int, wanted: bool
) -> jax.Array | None:
    """The mask without its diagonal, in the rank of the scores (*B, N, T, T)."""
    if not wanted:
        return mask
    *batch, length, _ = np.shape(three("YatSelfAttention", x, None, None)[0])
    shape = (*batch, heads, length, length)
    check_mask("YatSelfAttention", mask, shape, name="mask")
    mask = in_rank(mask, shape)
    places = jnp.arange(length)
    others = in_rank(places[:, None] != places[None, :], shape)
    return others if mask is None else others & mask


YatSelfAttention = bind("YatSelfAttention", create, apply, observe)
