"""Dropout: in training, numbers set to 0 at random."""

from typing import Any

import jax
from jax.typing import ArrayLike

from ...core import bind, options_of
from ...ops import dropout
from ...ops.checks import SHARE, check_numbers


def create(rate: float) -> tuple[()]:
    """In training, sets each number to 0 with a probability and scales up the others.

    Training draws from its key; inference returns x as it is.

    Args:
        rate: The probability of dropping, between 0 and 1.

    Returns:
        A model without parameters.

    Gradient:
        That of x where it was kept, times 1 / (1 - rate), and 0 where it was dropped.

    Raises:
        TypeError: If rate is no number; in training, if there is no key and rate is not 0.
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
    check_numbers("Dropout", SHARE, static=True, rate=rate)
    return ()


@options_of(dropout)
def apply(
    params: tuple[()],
    x: jax.Array,
    *,
    rate: ArrayLike,
    broadcast_axes: int | tuple[int, ...] = (),
    key: Any = None,
) -> jax.Array:
    """Returns x; with a key some of it is 0."""
    if key is None or (isinstance(rate, int | float) and rate == 0):
        return x
    return dropout(x, rate, key=key, broadcast_axes=broadcast_axes)


Dropout = bind("Dropout", create, apply)
