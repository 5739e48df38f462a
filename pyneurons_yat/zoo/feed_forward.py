"""Feed-forward layers of a transformer block: one hidden layer, plain, gated or of Yat neurons."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from ..core import Model, bind
from ..neurons import Linear, YatDense


class FeedForwardParams(NamedTuple):
    """Two affine models: into the hidden layer, and out of it."""

    hidden: Model
    output: Model


def create(
    key: jax.Array,
    inputs: int,
    outputs: int,
    *,
    hidden: int,
    use_bias: bool = True,
    dtype: DTypeLike = jnp.float32,
) -> FeedForwardParams:
    """A hidden layer with an activation: `output(activation(hidden(x)))`.

    Args:
        key: A PRNG key.
        inputs: Features of x.
        outputs: Features of y.
        hidden: Features of the hidden layer.
        use_bias: Whether both layers have a bias.
        dtype: The dtype of the parameters.

    The model takes x of shape (*B, inputs) and returns (*B, outputs). Option of the call:
    `activation`, relu by default.

    Returns:
        `FeedForwardParams(hidden, output)`.

    Raises:
        TypeError: If a size is not an integer.
        ValueError: If a size is below 1.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from pyneurons_yat.zoo import FeedForward
        >>> FeedForward(jax.random.key(0), 4, 4, hidden=8)(jnp.ones((2, 4))).shape
        (2, 4)

    Source:
        Vaswani et al., "Attention Is All You Need", arXiv:1706.03762, section 3.3.
    """
    one, two = jax.random.split(key)
    options: dict[str, Any] = {"use_bias": use_bias, "dtype": dtype}
    return FeedForwardParams(
        Linear(one, inputs, hidden, **options), Linear(two, hidden, outputs, **options)
    )


def apply(
    params: FeedForwardParams,
    x: jax.Array,
    *,
    activation: Callable[[jax.Array], jax.Array] = jax.nn.relu,
) -> jax.Array:
    """Applies `FeedForward` to x (*B, inputs)."""
    return params.output(activation(params.hidden(x)))


class GatedParams(NamedTuple):
    """Three linear models without bias: two into the hidden layer, one out of it."""

    gate: Model
    value: Model
    output: Model


def create_gated(
    key: jax.Array, inputs: int, outputs: int, *, hidden: int, dtype: DTypeLike = jnp.float32
) -> GatedParams:
    """A gated hidden layer: `output(activation(gate(x)) * value(x))`, with silu a SwiGLU.

    Args:
        key: A PRNG key.
        inputs: Features of x.
        outputs: Features of y.
        hidden: Features of the hidden layer.
        dtype: The dtype of the parameters.

    The model takes x of shape (*B, inputs) and returns (*B, outputs). Option of the call:
    `activation`, silu by default.

    Returns:
        `GatedParams(gate, value, output)`.

    Raises:
        TypeError: If a size is not an integer.
        ValueError: If a size is below 1.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from pyneurons_yat.zoo import GatedFeedForward
        >>> GatedFeedForward(jax.random.key(0), 4, 4, hidden=8)(jnp.ones((2, 4))).shape
        (2, 4)

    Source:
        Shazeer, "GLU Variants Improve Transformer", arXiv:2002.05202.
    """
    one, two, three = jax.random.split(key, 3)
    options: dict[str, Any] = {"use_bias": False, "dtype": dtype}
    return GatedParams(
        Linear(one, inputs, hidden, **options),
        Linear(two, inputs, hidden, **options),
        Linear(three, hidden, outputs, **options),
    )


def apply_gated(
    params: GatedParams,
    x: jax.Array,
    *,
    activation: Callable[[jax.Array], jax.Array] = jax.nn.silu,
) -> jax.Array:
    """Applies `GatedFeedForward` to x (*B, inputs)."""
    return params.output(activation(params.gate(x)) * params.value(x))


class YatFeedForwardParams(NamedTuple):
    """Yat neurons, and the linear model that mixes their answers."""

    hidden: Model
    output: Model


def create_yat(
    key: jax.Array,
    inputs: int,
    outputs: int,
    *,
    hidden: int,
    epsilon: float = 1e-2,
    dtype: DTypeLike = jnp.float32,
) -> YatFeedForwardParams:
    """A hidden layer of Yat neurons, which need no activation: `output(hidden(x))`.

    Args:
        key: A PRNG key.
        inputs: Features of x, whose mean square should be about 1, as after a norm.
        outputs: Features of y.
        hidden: How many Yat neurons.
        epsilon: Of the Yat neurons.
        dtype: The dtype of the parameters.

    The model takes x of shape (*B, inputs) and returns (*B, outputs).

    Returns:
        `YatFeedForwardParams(hidden, output)`.

    Raises:
        TypeError: If a size is not an integer.
        ValueError: If a size is below 1, or epsilon not above 0.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from pyneurons_yat.zoo import YatFeedForward
        >>> YatFeedForward(jax.random.key(0), 4, 4, hidden=8)(jnp.ones((2, 4))).shape
        (2, 4)
    """
    one, two = jax.random.split(key)
    return YatFeedForwardParams(
        YatDense(one, inputs, hidden, epsilon=epsilon, dtype=dtype),
        Linear(two, hidden, outputs, use_bias=False, dtype=dtype),
    )


def apply_yat(params: YatFeedForwardParams, x: jax.Array) -> jax.Array:
    """Applies `YatFeedForward` to x (*B, inputs)."""
    return params.output(params.hidden(x))


FeedForward = bind("FeedForward", create, apply)
GatedFeedForward = bind("GatedFeedForward", create_gated, apply_gated)
YatFeedForward = bind("YatFeedForward", create_yat, apply_yat)
