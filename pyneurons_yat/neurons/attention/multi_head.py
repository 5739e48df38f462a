"""MultiHeadAttention: scaled dot-product attention between projections."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike, DTypeLike

from ...core import Model, bind
from ...ops.attention import dot_product_attention, dot_product_attention_weights, dropped_attention
from ...ops.checks import check_sizes
from ..dense import Linear
from .heads import (
    AttentionCache,
    Positions,
    Projection,
    attended,
    check_dropout,
    check_heads,
    created_norms,
    infer,
    training,
)


class MultiHeadAttentionParams(NamedTuple):
    """Four projections, and what normalises queries and keys or None; all models."""

    query: Model
    key: Model
    value: Model
    output: Model
    query_norm: Model | None
    key_norm: Model | None


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
    dtype: DTypeLike = jnp.float32,
) -> MultiHeadAttentionParams:
    """Dot-product attention of several heads, between linear projections.

        y = output(concat_n softmax(q_n k_n^T / sqrt(H) + bias) v_n),    q, k, v = projections

    Letters: *B batch axes, T queries, S keys, N heads, K key and value heads, H head size.

    Args:
        key: A PRNG key.
        inputs: Features of the queries' inputs, at least 1.
        outputs: Features of y, at least 1.
        heads: N, a divisor of qkv_features.
        kv_heads: K, a divisor of N: each key head serves N / K query heads (grouped-query
            attention; 1 is multi-query). N by default.
        qkv_features: N H, the width of all query heads together; `inputs` by default.
        kv_inputs: Features of the keys' and values' inputs; `inputs` by default.
        use_bias: Whether the projections have a bias.
        normalize_qk: Whether each head's queries and keys are normalised, before they are rotated.
            True: to length 1, without parameters. Or a layer that is called with H, such as
            `RMSNorm` or `LayerNorm`, one model for the queries and one for the keys.
        projection: What makes the four projections: a layer, called as
            `projection(key, inputs, outputs, use_bias=..., dtype=...)`. `YatDense` is one;
            `functools.partial(Linear, kernel_init=...)` will do.
        dtype: The dtype of the parameters.

    The model is called as `model(inputs_q, inputs_k=None, inputs_v=None, ...)`, inputs_q
    (*B, T, inputs), the others (*B, S, kv_inputs), and returns (*B, T, outputs). Without inputs_k
    it is self attention; inputs_v is inputs_k by default. Options of the call, of which those that
    are no arrays can be given here too:

        bias, mask: Broadcast to (*B, N, T, S). A bias is added to the scores; a query sees a key
            where the mask is True. A query that sees none gets 0 for its heads.
        is_causal: Whether query t sees only keys s <= t.
        scale: Instead of 1 / sqrt(H).
        rotary: None, "half" or "interleaved": rotary positions, see the function `rotary`.
        rotary_base, offset, positions: For `rotary`. They place the queries and, in self
            attention, the keys; keys of other inputs stand at 0 to S - 1.
        dropout: In `observe` only: the probability of dropping a weight, see below.
        cache: See `decode`, which is how to use it.

    Dropout:
        `observe(model, x, key=key, dropout=0.1)`, or dropout=0.1 given here. Each weight is set to
        0 or divided by 1 - dropout after it was normalised, independently for every entry of
        (*B, N, T, S); inference drops nothing. The weights are then formed, which the plain call
        may avoid, for 128 queries at a time, and formed again in the reverse pass: 128 N S
        numbers per batch entry.

    Returns:
        `MultiHeadAttentionParams(query, key, value, output, query_norm, key_norm)`, models; what
        is not used is None.

    Gradient:
        By autodiff, through `jax.nn.dot_product_attention`, which takes its softmax in float32 and
        keeps the weights (*B, N, T, S), unless dropout is on.

    Raises:
        TypeError: If a size is not an integer.
        ValueError: If a size is below 1, or heads do not divide; at the call if a shape does not
            fit, or dropout is on without a key.

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
        >>> model = pn.MultiHeadAttention(
        ...     jax.random.key(0), 8, 2, heads=1, kv_inputs=10, scale=4.0)
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
        >>> (model, _), _ = jax.lax.scan(step, carry, jax.random.split(jax.random.key(1), 200))
        >>> bool(loss(model, jax.random.key(2)) < 0.01)
        True

    Source:
        Vaswani et al., "Attention Is All You Need", arXiv:1706.03762, section 3.2.2.
    """
    sizes = inputs, outputs, heads, kv_heads, qkv_features, kv_inputs
    project = partial(projection, use_bias=use_bias, dtype=dtype)
    made, size = projections("MultiHeadAttention", project, key, *sizes)
    return MultiHeadAttentionParams(*made, *created_norms(normalize_qk, size))


def projections(
    layer: str,
    project: Projection,
    key: jax.Array,
    inputs: int,
    outputs: int,
    heads: int,
    kv_heads: int | None,
    qkv_features: int | None,
    kv_inputs: int | None,
) -> tuple[tuple[Model, Model, Model, Model], int]:
    """The query, key, value and output projections, and the head size."""
    wide = inputs if qkv_features is None else qkv_features
    kv_heads = heads if kv_heads is None else kv_heads
    kv_inputs = inputs if kv_inputs is None else kv_inputs
    check_sizes(layer, inputs=inputs, outputs=outputs, qkv_features=wide, kv_inputs=kv_inputs)
    check_heads(layer, wide, heads, kv_heads)
    narrow = wide // heads * kv_heads
    one, two, three, four = jax.random.split(key, 4)
    made = (
        project(one, inputs, wide),
        project(two, kv_inputs, narrow),
        project(three, kv_inputs, narrow),
        project(four, wide, outputs),
    )
    return made, wide // heads


def apply(
    params: MultiHeadAttentionParams,
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
    cache: AttentionCache | None = None,
) -> Any:
    """Applies `MultiHeadAttention` to inputs (*B, T, inputs) and (*B, S, kv_inputs)."""
    y, rest = attended(
        "MultiHeadAttention",
        params,
        (inputs_q, inputs_k, inputs_v),
        partial(dot_product_attention, bias=bias, mask=mask, scale=scale),
        infer,
        heads=heads,
        place=Positions(rotary, rotary_base, offset, positions),
        is_causal=is_causal,
        cache=cache,
    )
    return y if cache is None else (y, rest)


def observe(
    params: MultiHeadAttentionParams,
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
) -> tuple[jax.Array, MultiHeadAttentionParams]:
    """Applies `MultiHeadAttention` as in training: with dropout, and its parts in training."""
    check_dropout("MultiHeadAttention", dropout, key)
    key, call = training(key)
    respond = partial(dot_product_attention, scale=scale)
    if dropout:
        weigh = partial(dot_product_attention_weights, scale=scale)
        respond = partial(dropped_attention, key, dropout, weigh)
    return attended(
        "MultiHeadAttention",
        params,
        (inputs_q, inputs_k, inputs_v),
        partial(respond, bias=bias, mask=mask),
        call,
        heads=heads,
        place=Positions(rotary, rotary_base, offset, positions),
        is_causal=is_causal,
    )


MultiHeadAttention = bind("MultiHeadAttention", create, apply, observe)
