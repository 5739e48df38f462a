"""Dropout: in training, numbers set to 0 at random."""

from numbers import Real
from typing import Any

import jax
from jax.typing import ArrayLike

from ...core import Layer, Model
from ...ops import dropout


class DropoutLayer(Layer):
    """The layer of `Dropout`: its rate may be given by position, though it is an option."""

    def __call__(self, rate: float, **keywords: Any) -> Model:
        """Makes the model, which has no parameters."""
        if not (isinstance(rate, Real) and 0 <= rate <= 1):
            raise ValueError(f"Dropout: rate must be between 0 and 1, but {rate!r} came")
        return super().__call__(rate=rate, **keywords)


def create() -> tuple[()]:
    """In training, sets each number to 0 with a probability and scales up the others.

    `observe` drops and wants a key; inference returns x as it is.

    Args:
        rate: The probability of dropping, between 0 and 1.
        broadcast_axes: Axes along which all numbers share one decision; `(1, 2)` drops whole
            channels of images (batch, height, width, channels).

    Returns:
        A model without parameters.

    Gradient:
        That of x where it was kept, times 1 / (1 - rate), and 0 where it was dropped.

    Raises:
        TypeError: In training, if there is no key.
        ValueError: If rate is a number outside of [0, 1], or x has no such axis.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.Dropout(0.5)
        >>> y, _ = pn.observe(model, jnp.ones(1000), key=jax.random.key(0))
        >>> sorted(set(y.tolist())), bool(abs(y.mean() - 1) < 0.1)
        ([0.0, 2.0], True)
        >>> model(jnp.ones(2)).tolist()
        [1.0, 1.0]

    Source:
        Srivastava et al., "Dropout", Journal of Machine Learning Research 15, 2014.
    """
    return ()


def apply(params: tuple[()], x: jax.Array) -> jax.Array:
    """Returns x."""
    return x


def observe(
    params: tuple[()],
    x: jax.Array,
    *,
    key: jax.Array | None = None,
    rate: ArrayLike = 0.5,
    broadcast_axes: int | tuple[int, ...] = (),
) -> tuple[jax.Array, tuple[()]]:
    """Drops."""
    if isinstance(rate, Real) and rate == 0:
        return x, params
    if key is None:
        raise TypeError("Dropout: in training it needs a key: pn.observe(model, x, key=key)")
    return dropout(x, rate, key=key, broadcast_axes=broadcast_axes), params


Dropout = DropoutLayer("Dropout", create, apply, observe)
