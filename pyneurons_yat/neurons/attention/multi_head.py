"""MultiHeadAttention: scaled dot-product attention between projections."""

from typing import Any, NamedTuple

import jax

from ...core import Model, bind, options_of
from ...ops.attention import dot_product_attention, dot_product_attention_weights
from .heads import Kind, attended, attention_parts

DOT = Kind("MultiHeadAttention", dot_product_attention, dot_product_attention_weights)


class MultiHeadAttentionParams(NamedTuple):
    """Four projections, and what normalises queries and keys or None; all models."""

    query: Model
    key: Model
    value: Model
    output: Model
    query_norm: Model | None
    key_norm: Model | None


@options_of(attention_parts)
def create(key: jax.Array, inputs: int, outputs: int, **options: Any) -> MultiHeadAttentionParams:
    """Dot-product attention of several heads, between linear projections.

        y = output(concat_n softmax(q_n k_n^T / sqrt(H) + bias) v_n),    q, k, v = projections

    Letters: *B batch axes, T queries, S keys, N heads, K key and value heads, H head size.

    Args:
        key: A PRNG key.
        inputs: Features of the queries' inputs, at least 1.
        outputs: Features of y, at least 1.

    The model is called as `model(inputs_q, inputs_k=None, inputs_v=None, ...)`, inputs_q
    (*B, T, inputs), the others (*B, S, kv_inputs), and returns (*B, T, outputs). Without inputs_k
    it is self attention; inputs_v is inputs_k by default.

    Returns:
        `MultiHeadAttentionParams(query, key, value, output, query_norm, key_norm)`, models; what
        is not used is None.

    Gradient:
        By autodiff, through `jax.nn.dot_product_attention`, which takes its softmax in float32 and
        keeps the weights (*B, N, T, S), unless dropout is on.

    Raises:
        TypeError: If a size is not an integer; in training, if dropout is on and there is no key.
        ValueError: If a size is below 1, or heads do not divide; at the call if a shape does not
            fit.

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
    return MultiHeadAttentionParams(
        **attention_parts(DOT.layer, key, inputs, outputs, **options)[0]
    )


@options_of(attended, dot_product_attention, without=["query_offset"])
def apply(
    params: MultiHeadAttentionParams,
    inputs_q: jax.Array,
    inputs_k: jax.Array | None = None,
    inputs_v: jax.Array | None = None,
    **options: Any,
) -> Any:
    """Applies `MultiHeadAttention` to inputs (*B, T, inputs) and (*B, S, kv_inputs)."""
    return attended(DOT, params, (inputs_q, inputs_k, inputs_v), **options)


MultiHeadAttention = bind("MultiHeadAttention", create, apply)
