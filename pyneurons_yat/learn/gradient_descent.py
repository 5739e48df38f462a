"""One step of gradient descent, as pyneurons takes it: `loss`, `gd`, the first form of `fit`."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..core import Model, grad, merge, partition
from ..core.checks import check_kind
from .descent import conjugate
from .losses import mae
from .metrics import told


def loss(model: Model, x: Any, y: Any) -> jax.Array:
    """The loss of pyneurons: the mean absolute error of `model(x)` against y.

    Args:
        model: A model.
        x: Its input.
        y: Targets of the shape of `model(x)`.

    Returns:
        A scalar.

    Gradient:
        As for `mae`.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.Neuron(pn.Box((jnp.ones((1, 1)), jnp.zeros((1, 1)))))
        >>> float(pn.loss(model, jnp.array([[2.0]]), jnp.array([[5.0]])))
        3.0
    """
    return mae(model(x), y)


def gd(learning_rate: Any, weight: jax.Array, gradient: jax.Array) -> jax.Array:
    """One step of gradient descent: `weight - learning_rate * gradient`.

    Args:
        learning_rate: A number.
        weight: An array.
        gradient: An array of the same shape.

    Returns:
        The moved weight.

    Example:
        >>> import pyneurons_yat as pn
        >>> pn.gd(0.5, 3.0, 2.0)
        2.0
    """
    return weight - learning_rate * gradient


def one_step(learning_rate: Any, model: Model, x: Any, y: Any) -> Model:
    """The first form of `fit`: a step of gradient descent on the mean absolute error."""
    _check_rate(learning_rate)
    check_kind("fit", "model", model, Model, "; bind makes one")
    return _descend(learning_rate, model, x, y)


def _check_rate(learning_rate: Any) -> None:
    numeric = isinstance(learning_rate, int | float | np.number | np.ndarray | jax.Array)
    if not numeric or jnp.issubdtype(jnp.result_type(learning_rate), jnp.complexfloating):
        raise TypeError(
            "fit: optimizer must be a learning rate, a real number, or an optax optimizer such as "
            f"optax.adam(1e-3), got {told(learning_rate)}"
        )
    if shape := jnp.shape(learning_rate):
        raise ValueError(
            f"fit: learning_rate must be one number, got shape {shape}; use jax.vmap to try many"
        )


@jax.jit
def _descend(learning_rate: Any, model: Model, x: Any, y: Any) -> Model:
    gradient = conjugate(grad(loss)(model, x, y))
    params, rest = partition(model, "params", ...)
    return merge(jax.tree.map(partial(_moved, learning_rate), params, gradient), rest)


def _moved(learning_rate: Any, weight: jax.Array, gradient: jax.Array) -> jax.Array:
    return gd(learning_rate, weight, gradient).astype(weight.dtype)
