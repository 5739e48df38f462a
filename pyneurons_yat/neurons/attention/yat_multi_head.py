"""YatMultiHeadAttention: attention that scores by Yat products, between projections."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike, DTypeLike

from ...core import Model, bind
from ...ops import yat_attention, yat_attention_weights
from ...ops.attention import dropped_attention
from ..dense import Initializer, Linear, check_epsilon, learned_epsilon
from .heads import (
    AttentionCache,
    Positions,
    Projection,
    attended,
    check_dropout,
    created_norms,
    infer,
    training,
)
from .multi_head import projections


class YatAttentionParams(NamedTuple):
    """Projections and norms, models; shift, alpha, shift of epsilon, (N,). Each may be None."""

    query: Model | None
    key: Model | None
    value: Model
    output: Model
    query_norm: Model | None
    key_norm: Model | None
    shift: jax.Array | None
    alpha: jax.Array | None
    epsilon: jax.Array | None


def create(
    key: jax.Array,
    inputs: int,
    outputs: int,
    *,
    heads: int,
    kv_heads: int | None = None,
    qkv_features: int | None = None,
    kv_inputs: int | None = None,
    use_bias: bool = True,
    normalize_qk: bool | Callable[[int], Model] = False,
    projection: Projection = Linear,
    use_shift: bool = True,
    use_alpha: bool = True,
    learnable_epsilon: bool = False,
    epsilon: float = 1e-5,
    shift_init: Initializer = jax.nn.initializers.zeros,
    alpha_init: Initializer | None = None,
    dtype: DTypeLike = jnp.float32,
) -> YatAttentionParams:
    """Yat attention of several heads, between linear projections.

        y = output(concat_n sum_s w_nts v_ns),    w_nt = softmax(score_nt) or softermax(score_nt)
        score_nts = bias_nts
                  + alpha_n (q_nt . k_ns + shift_n)^2 / (|q_nt - k_ns|^2 + epsilon_n) / sqrt(H)

    A query attends to keys that are along it and near it.

    Letters: *B batch axes, T queries, S keys, N heads, K key and value heads, H head size.

    Args:
        key: A PRNG key.
        inputs: As for `MultiHeadAttention`, like all that are not told of here.
        outputs: Features of y.
        heads: N.
        kv_heads: K.
        qkv_features: N H.
        kv_inputs: Features of the keys' and values' inputs.
        use_bias: Whether the projections have a bias.
        normalize_qk: Whether each head's queries and keys are normalised, and by what.
        projection: What makes the four projections: `Linear`, `YatDense`, another layer.
        use_shift: Whether each head has a number inside the square.
        use_alpha: Whether each head has a factor of its scores.
        learnable_epsilon: Whether epsilon is learned, one per head, as in `YatDense`.
        epsilon: Above 0, also at the call. With `learnable_epsilon` where the learned one starts.
        shift_init: `shift_init(key, shape, dtype)`; zeros by default.
        alpha_init: `alpha_init(key, shape, dtype)`; sqrt(2 H) by default, with which the scores of
            independent normal queries and keys have variance 1, as in dot-product attention. With
            alpha = 1 and H = 64 nearly the same weight falls on every key.
        dtype: The dtype of the parameters.

    The model is called as `MultiHeadAttention`, with all options of its call, and:

        normalizer: "softmax" or "softermax", the scores' powers over their sum. A mask is the
            same for both, but a bias belongs to softmax: softermax counts negative scores as 0.
        power: Of softermax, above 0.
        local_window_size, block_size, precision: As for `yat_attention`, which keeps no array of
            size T S. Under dropout, weights are formed as `MultiHeadAttention` tells, in blocks of
            128 queries.

    Returns:
        `YatAttentionParams(query, key, value, output, query_norm, key_norm, shift, alpha,
        epsilon)`: models, then arrays (N,); what is not used is None.

    Gradient:
        As for `yat_attention`.

    Raises:
        TypeError: If a size is not an integer.
        ValueError: If a size is below 1, heads do not divide, or epsilon is not above 0; at the
            call if a shape does not fit, or dropout is on without a key.

    Example:
        Recall: the value that stands beside the same key as the query.

        >>> import jax, jax.numpy as jnp, optax, pyneurons_yat as pn
        >>> def batch(key, n=64):
        ...     one, two, three = jax.random.split(key, 3)
        ...     names = jax.vmap(lambda k: jax.random.permutation(k, jnp.eye(8))[:4])(
        ...         jax.random.split(one, n))
        ...     values = jax.random.normal(two, (n, 4, 2))
        ...     asked = jax.random.randint(three, (n,), 0, 4)
        ...     pick = jnp.arange(n), asked
        ...     return names[pick][:, None], jnp.concatenate([names, values], -1), values[pick]
        >>> model = pn.YatMultiHeadAttention(jax.random.key(0), 8, 2, heads=1, kv_inputs=10)
        >>> def loss(model, key):
        ...     query, memory, value = batch(key)
        ...     return jnp.mean((model(query, memory)[:, 0] - value) ** 2)
        >>> optimizer = optax.adam(0.02)
        >>> @jax.jit
        ... def step(carry, key):
        ...     model, state = carry
        ...     updates, state = optimizer.update(pn.grad(loss)(model, key), state)
        ...     return (optax.apply_updates(model, updates), state), None
        >>> carry = model, optimizer.init(model)
        >>> (model, _), _ = jax.lax.scan(step, carry, jax.random.split(jax.random.key(1), 150))
        >>> bool(loss(model, jax.random.key(2)) < 0.01)
        True

    Source:
        Bouhsine, "Deep Learning 2.0: Artificial Neurons That Matter", arXiv:2411.08085.
    """
    check_epsilon("YatMultiHeadAttention", epsilon)
    for_parts, for_shift, for_alpha = jax.random.split(key, 3)
    sizes = inputs, outputs, heads, kv_heads, qkv_features, kv_inputs
    project = partial(projection, use_bias=use_bias, dtype=dtype)
    made, size = projections("YatMultiHeadAttention", project, for_parts, *sizes)
    if alpha_init is None:
        alpha_init = jax.nn.initializers.constant((2 * size) ** 0.5)
    shift = shift_init(for_shift, (heads,), dtype) if use_shift else None
    alpha = alpha_init(for_alpha, (heads,), dtype) if use_alpha else None
    start = jnp.zeros(heads, dtype) if learnable_epsilon else None
    return YatAttentionParams(*made, *created_norms(normalize_qk, size), shift, alpha, start)


def apply(
    params: YatAttentionParams,
    inputs_q: jax.Array,
    inputs_k: jax.Array | None = None,
    inputs_v: jax.Array | None = None,
    *,
    heads: int,
    bias: jax.Array | None = None,
    mask: jax.Array | None = None,
    is_causal: bool = False,
    scale: ArrayLike | None = None,
    rotary: str | None = None,
    rotary_base: ArrayLike = 10000.0,
    offset: ArrayLike = 0,
    positions: ArrayLike | None = None,
    epsilon: ArrayLike = 1e-5,
    normalizer: str = "softmax",
    power: ArrayLike = 1.0,
    local_window_size: int | tuple[int, int] | None = None,
    block_size: int | None = None,
    precision: Any = None,
    cache: AttentionCache | None = None,
) -> Any:
    """Applies `YatMultiHeadAttention` to inputs (*B, T, inputs) and (*B, S, kv_inputs)."""
    scoring = Scoring(
        params.shift, params.alpha, epsilon, scale, normalizer, power, local_window_size
    )
    y, rest = attended(
        "YatMultiHeadAttention",
        params,
        (inputs_q, inputs_k, inputs_v),
        responding(scoring, params, bias, mask, block_size=block_size, precision=precision),
        infer,
        heads=heads,
        place=Positions(rotary, rotary_base, offset, positions),
        is_causal=is_causal,
        cache=cache,
    )
    return y if cache is None else (y, rest)


def observe(
    params: YatAttentionParams,
    inputs_q: jax.Array,
    inputs_k: jax.Array | None = None,
    inputs_v: jax.Array | None = None,
    *,
    heads: int,
    key: jax.Array | None = None,
    dropout: float = 0.0,
    bias: jax.Array | None = None,
    mask: jax.Array | None = None,
    is_causal: bool = False,
    scale: ArrayLike | None = None,
    rotary: str | None = None,
    rotary_base: ArrayLike = 10000.0,
    offset: ArrayLike = 0,
    positions: ArrayLike | None = None,
    epsilon: ArrayLike = 1e-5,
    normalizer: str = "softmax",
    power: ArrayLike = 1.0,
    local_window_size: int | tuple[int, int] | None = None,
    block_size: int | None = None,
    precision: Any = None,
) -> tuple[jax.Array, YatAttentionParams]:
    """Applies `YatMultiHeadAttention` as in training."""
    check_dropout("YatMultiHeadAttention", dropout, key)
    key, call = training(key)
    scoring = Scoring(
        params.shift, params.alpha, epsilon, scale, normalizer, power, local_window_size
    )
    options = {"block_size": block_size, "precision": precision}
    return attended(
        "YatMultiHeadAttention",
        params,
        (inputs_q, inputs_k, inputs_v),
        responding(scoring, params, bias, mask, key, dropout, **options),
        call,
        heads=heads,
        place=Positions(rotary, rotary_base, offset, positions),
        is_causal=is_causal,
    )


class Scoring(NamedTuple):
    """What goes into the scores and weights of Yat attention, epsilon before it is shifted."""

    shift: jax.Array | None
    alpha: jax.Array | None
    epsilon: ArrayLike
    scale: ArrayLike | None
    normalizer: str
    power: ArrayLike
    local_window_size: int | tuple[int, int] | None = None


def responding(
    scoring: Scoring,
    params: YatAttentionParams,
    bias: jax.Array | None,
    mask: jax.Array | None,
    key: Any = None,
    dropout: float = 0.0,
    *,
    block_size: int | None,
    precision: Any,
) -> Callable[..., jax.Array]:
    """The attention of queries, keys and values, its weights dropped or not."""
    epsilon = learned_epsilon("attention", scoring.epsilon, params.epsilon)
    scoring = scoring._replace(epsilon=epsilon)
    if not dropout:
        options = {"block_size": block_size, "precision": precision}
        return partial(yat_attention, bias=bias, mask=mask, **scoring._asdict(), **options)
    weigh = partial(yat_attention_weights, **scoring._asdict(), precision=precision)
    limits = {"bias": bias, "mask": mask, "block_size": block_size}
    return partial(dropped_attention, key, dropout, weigh, **limits)


YatMultiHeadAttention = bind("YatMultiHeadAttention", create, apply, observe)
