"""YatSelfAttention: tokens attend to tokens like them, with no projection of queries and keys."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike, DTypeLike

from ...core import Size, bind, options_of
from ...ops import yat_attention, yat_attention_weights
from ...ops.attention import in_rank
from ...ops.checks import POSITIVE, check_flag, check_mask, check_numbers
from ..dense import learned_epsilon
from .heads import Kind, attended, attention_parts, check_heads, three
from .yat_multi_head import YatAttentionParams

NAME = "YatSelfAttention"
NOT_ITS_OWN = "shift", "alpha", "query_offset", "local_window_size", "dilation"


@options_of(attention_parts, without=["kv_heads", "kv_inputs", "normalize_qk"])
def create(
    key: jax.Array,
    inputs: int,
    outputs: int,
    *,
    heads: Size,
    epsilon: float = 1.0,
    dtype: DTypeLike = jnp.float32,
    **options: Any,
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
        epsilon: Above 0, where the learned one starts. It is 1 by default, since with a small one
            a token sees only its duplicates.

    The model takes x (*B, T, inputs) and returns (*B, T, outputs).

    Returns:
        `YatAttentionParams` with models `value` and `output` and, both (N,), `shift` and `epsilon`;
        the other fields are None. The shift in force is softplus(shift), log 2 at first; epsilon
        is as in `YatDense`.

    Gradient:
        As for `yat_attention`.

    Raises:
        TypeError: If a size is not an integer; in training, if dropout is on and there is no key.
        ValueError: If a size is below 1, heads do not divide, or epsilon is not above 0; at the
            call if a shape does not fit.

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
    check_numbers(NAME, POSITIVE, epsilon=epsilon)
    options = {"heads": heads, "dtype": dtype, **options}
    parts, _ = attention_parts(NAME, key, inputs, outputs, ("value", "output"), **options)
    check_heads(NAME, inputs, heads, heads)
    zeros = jnp.zeros(heads, dtype)
    return YatAttentionParams(**parts, shift=zeros, alpha=None, epsilon=zeros)


@options_of(attended, yat_attention, without=NOT_ITS_OWN)
def apply(
    params: YatAttentionParams,
    x: jax.Array,
    *,
    heads: Size,
    mask: ArrayLike | None = None,
    is_causal: bool = False,
    mask_self: bool = True,
    epsilon: ArrayLike = 1.0,
    normalizer: str = "softermax",
    cache: Any = None,
    **options: Any,
) -> Any:
    """Applies `YatSelfAttention` to x (*B, T, inputs).

    Args:
        params: The parameters.
        x: (*B, T, inputs).
        mask_self: Whether no token sees itself. Without is_causal it costs a mask of T T booleans.
        normalizer: "softermax", score^power over its sum, or "softmax", exp(score) over its sum.
    """
    check_flag(NAME, mask_self=mask_self)
    mask = _without_self(mask, x, heads, mask_self and not is_causal and cache is None)
    own = {
        "shift": None if params.shift is None else jax.nn.softplus(params.shift),
        "epsilon": learned_epsilon(NAME, epsilon, params.epsilon),
        "normalizer": normalizer,
    }
    course = {"heads": heads, "mask": mask, "is_causal": is_causal, "cache": cache}
    kind = Kind(NAME, yat_attention, yat_attention_weights, before=int(mask_self))
    return attended(kind, params, (x, None, None), **course, **own, **options)


def _without_self(
    mask: ArrayLike | None, x: jax.Array, heads: int, wanted: bool
) -> ArrayLike | None:
    """The mask without its diagonal, in the rank of the scores (*B, N, T, T)."""
    if not wanted:
        return mask
    *batch, length, _ = np.shape(three(NAME, x, None, None)[0])
    shape = (*batch, heads, length, length)
    check_mask(NAME, mask, shape, name="mask")
    mask = in_rank(mask, shape)
    places = jnp.arange(length)
    others = in_rank(places[:, None] != places[None, :], shape)
    return others if mask is None else others & mask


YatSelfAttention = bind(NAME, create, apply)
