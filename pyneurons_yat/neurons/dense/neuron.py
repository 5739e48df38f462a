"""pyneurons' basic neuron: `create` and `apply`, and the layers bound from them.

Weights are drawn around `PHI`, the golden ratio, and biases around `-PHI`.
"""

import secrets
from typing import Any, NamedTuple

import jax
import numpy as np

from ...core import bind, compose
from ...ops import binary, vector
from ...ops.checks import check_sizes

PHI = (1 + 5**0.5) / 2


class NeuronParams(NamedTuple):
    """Weight (inputs, outputs) and bias (1, outputs) of basic neurons."""

    weight: jax.Array
    bias: jax.Array


def param(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Draws an array of normal numbers with mean 0 and standard deviation 0.1.

    Args:
        key: A PRNG key.
        shape: Any shape.

    Returns:
        An array of the default float.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> pn.param(jax.random.key(0), (3, 1)).shape
        (3, 1)
    """
    return 0.1 * jax.random.normal(key, shape)


def weight(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Draws weights: normal numbers around the golden ratio `PHI`, with standard deviation 0.1.

    Args:
        key: A PRNG key.
        shape: Any shape.

    Returns:
        An array of the default float.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> bool(abs(pn.weight(jax.random.key(0), (1000,)).mean() - pn.PHI) < 0.02)
        True
    """
    return param(key, shape) + PHI


def bias(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Draws biases: normal numbers around `-PHI`, with standard deviation 0.1.

    Args:
        key: A PRNG key.
        shape: Any shape.

    Returns:
        An array of the default float.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> bool(abs(pn.bias(jax.random.key(0), (1000,)).mean() + pn.PHI) < 0.02)
        True
    """
    return -weight(key, shape)


def create(key: Any = None, n: Any = None) -> NeuronParams:
    """Creates one neuron: `create(key, n)`, or `create(n)` with a key from the system's entropy.

    Weight and bias are drawn from separate keys. From one key they would be equal but for the sign.

    Args:
        key: A PRNG key. It may be left out, also by position.
        n: The number of inputs, at least 1.

    Returns:
        A tuple `(weight, bias)` of shapes (n, 1) and (1, 1).

    Raises:
        TypeError: If `n` is not an integer.
        ValueError: If `n` is below 1.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> weights, bias = pn.create(jax.random.key(0), 3)
        >>> weights.shape, bias.shape
        ((3, 1), (1, 1))
        >>> pn.create(3).weight.shape
        (3, 1)
    """
    if n is None:
        key, n = None, key
    check_sizes("create", n=n)
    if key is None:
        key = jax.random.key(secrets.randbits(32))
    for_weight, for_bias = jax.random.split(key)
    return NeuronParams(weight(for_weight, (n, 1)), bias(for_bias, (1, 1)))


def apply(neuron: tuple[jax.Array, jax.Array], x: jax.Array) -> jax.Array:
    """Applies a neuron: `x @ weight + bias`.

    Args:
        neuron: A tuple `(weight, bias)` of shapes (n, outputs) and (1, outputs), as `create` makes
            it and `concat` joins it; or with leading axes, as `stack` makes it.
        x: Inputs, (batch, n).

    Returns:
        (batch, outputs), with the leading axes of a stack before them.

    Raises:
        ValueError: If the last axis of x is not n.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> neuron = jnp.array([[1.0], [2.0], [3.0]]), jnp.array([[-1.0]])
        >>> pn.apply(neuron, jnp.array([[1, 2, 3]])).tolist()
        [[13.0]]
    """
    w, b = neuron
    if np.shape(x)[-1:] != w.shape[-2:-1]:
        raise ValueError(
            f"apply: the last axis of x must match the inputs of the neuron, {w.shape[-2]}, "
            f"but x has shape {x.shape}"
        )
    return x @ w + b


Neuron = bind("Neuron", create, apply)

Binary = compose(
    "Binary",
    Neuron,
    binary,
    doc="""A neuron that fires or does not: `binary(x @ weight + bias)`.

    Args:
        key: A PRNG key; without it one from the system's entropy.
        n: The number of inputs.

    Gradient:
        That of the neuron without the step (straight through).

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> pn.Binary(jax.random.key(0), 3)(jnp.array([[1.0, 2.0, 3.0]])).tolist()
        [[1.0]]
    """,
)

Vector = compose(
    "Vector",
    Neuron,
    vector,
    doc="""A neuron that is silent at 0 or fires at a rate from 1 to 2: `vector(x @ weight + bias)`.

    Args:
        key: A PRNG key; without it one from the system's entropy.
        n: The number of inputs.

    Gradient:
        That of the neuron without `vector` (straight through).

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> pn.Vector(jax.random.key(0), 3)(jnp.array([[1.0, 2.0, 3.0]])).tolist()
        [[2.0]]
    """,
)
