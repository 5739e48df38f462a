"""YatMultiHeadAttention: attention that scores by Yat products, between projections."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike, DTypeLike

from ...core import Model, Size, bind, options_of
from ...ops import yat_attention, yat_attention_weights
from ..dense import Initializer, draw_factors, learned_epsilon
from .heads import Kind, attended, attention_parts

YAT = Kind("YatMultiHeadAttention", yat_attention, yat_attention_weights)


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


@options_of(attention_parts)
def create(
    key: jax.Array,
    inputs: int,
    outputs: int,
    *,
    heads: Size,
    use_shift: bool = True,
    use_alpha: bool = True,
    learnable_epsilon: bool = False,
    epsilon: float = 1e-5,
    shift_init: Initializer = jax.nn.initializers.zeros,
    alpha_init: Initializer | None = None,
    dtype: DTypeLike = jnp.float32,
    **options: Any,
) -> YatAttentionParams:
    """Yat attention of several heads, between linear projections.

        y = output(concat_n sum_s w_nts v_ns),    w_nt = softmax(score_nt) or softermax(score_nt)
        score_nts = bias_nts
                  + alpha_n (q_nt . k_ns + shift_n)^2 / (|q_nt - k_ns|^2 + epsilon_n) / sqrt(H)

    A query attends to keys that are along it and near it.

    Letters: *B batch axes, T queries, S keys, N heads, K key and value heads, H head size.

    Args:
        key: A PRNG key.
        inputs: Features of the queries' inputs, at least 1.
        outputs: Features of y, at least 1.
        use_shift: Whether each head has a number inside the square.
        use_alpha: Whether each head has a factor of its scores.
        learnable_epsilon: Whether epsilon is learned, one per head, as in `YatDense`.
        epsilon: Above 0, also at the call. With `learnable_epsilon` where the learned one starts.
        shift_init: `shift_init(key, shape, dtype)`; zeros by default.
        alpha_init: `alpha_init(key, shape, dtype)`; sqrt(2 H) by default, with which the scores of
            independent normal queries and keys have variance 1, as in dot-product attention. With
            alpha = 1 and H = 64 nearly the same weight falls on every key.

    The model is called as `model(inputs_q, inputs_k=None, inputs_v=None, ...)`, inputs_q
    (*B, T, inputs), the others (*B, S, kv_inputs), and returns (*B, T, outputs). Without inputs_k
    it is self attention; inputs_v is inputs_k by default.

    Returns:
        `YatAttentionParams(query, key, value, output, query_norm, key_norm, shift, alpha,
        epsilon)`: models, then arrays (N,); what is not used is None.

    Gradient:
        As for `yat_attention`, which keeps no array of size T S, nor does dropout.

    Raises:
        TypeError: If a size is not an integer; in training, if dropout is on and there is no key.
        ValueError: If a size is below 1, heads do not divide, or epsilon is not above 0; at the
            call if a shape does not fit.

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
    for_parts, *for_factors = jax.random.split(key, 3)
    options = {"heads": heads, "dtype": dtype, **options}
    parts, size = attention_parts(YAT.layer, for_parts, inputs, outputs, **options)
    if alpha_init is None:
        alpha_init = jax.nn.initializers.constant((2 * size) ** 0.5)
    own = {"use_bias": use_shift, "use_alpha": use_alpha, "learnable_epsilon": learnable_epsilon}
    inits = {"bias_init": shift_init, "alpha_init": alpha_init}
    rest = {"epsilon": epsilon, "dtype": dtype}
    factors = draw_factors(YAT.layer, for_factors, heads, "shift", **own, **inits, **rest)
    shift, alpha, start = factors
    return YatAttentionParams(**parts, shift=shift, alpha=alpha, epsilon=start)


@options_of(attended, yat_attention, without=["shift", "alpha", "query_offset"])
def apply(
    params: YatAttentionParams,
    inputs_q: jax.Array,
    inputs_k: jax.Array | None = None,
    inputs_v: jax.Array | None = None,
    *,
    epsilon: ArrayLike = 1e-5,
    **options: Any,
) -> Any:
    """Applies `YatMultiHeadAttention` to inputs (*B, T, inputs) and (*B, S, kv_inputs)."""
    epsilon = learned_epsilon(YAT.layer, epsilon, params.epsilon)
    options = {"shift": params.shift, "alpha": params.alpha, "epsilon": epsilon, **options}
    return attended(YAT, params, (inputs_q, inputs_k, inputs_v), **options)


YatMultiHeadAttention = bind("YatMultiHeadAttention", create, apply)
