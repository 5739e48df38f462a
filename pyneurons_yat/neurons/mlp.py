"""MLP: layers one after another, each with what belongs behind it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import jax

from ..core import SEQUENTIAL, sequential
from ..ops.checks import SHARE, check_numbers, check_sizes, is_several, told
from .dense import Linear
from .normalization import Dropout

__all__ = ["MLP"]

Function = Callable[..., Any]
Behind = tuple[Function | None, Function | None, float]  # norm, activation, dropout


def create(
    key: jax.Array,
    sizes: Sequence[int],
    *,
    layer: Function = Linear,
    activation: Function | None = jax.nn.relu,
    norm: Function | None = None,
    dropout: float = 0.0,
    last_layer: Function | None = None,
) -> tuple[Any, ...]:
    """A multi-layer perceptron: layers one after another, each with what belongs behind it.

    layer, norm, activation, dropout; and so on; the last is a layer alone.

    Args:
        key: A PRNG key.
        sizes: The features of x, of each hidden layer, and of y: (784, 128, 10) has two layers.
        layer: What makes a layer of (key, inputs, outputs), such as `pn.YatDense`; options go by
            `functools.partial(pn.YatDense, epsilon=0.1)`.
        activation: A function of one array, or None. Yat neurons need none.
        norm: What makes a norm of features, such as `pn.LayerNorm`, or None.
        dropout: The rate of dropout, between 0 and 1; without any at 0.
        last_layer: As layer, for the last one; by default the same. Yat neurons answer with what is
            seldom below 0, so logits want `last_layer=pn.Linear`.

    The model takes x of shape (*B, inputs) and returns (*B, outputs).

    Returns:
        The parts of a sequential model: it can be indexed and sliced as one, and its leaves have
        paths such as `[0].kernel`.

    Raises:
        TypeError: If a size is not an integer, or layer, norm or activation not a function.
        ValueError: If there are less than two sizes, one is below 1, or dropout is not in [0, 1].

    Example:
        >>> import functools, jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> pn.MLP(jax.random.key(0), (4, 8, 2), norm=pn.LayerNorm, dropout=0.5)
        MLP  74 parameters
          [0]         Linear
          [0].kernel  float32[4,8]
          [0].bias    float32[8]
          [1]         LayerNorm
          [1].scale   float32[8]
          [1].bias    float32[8]
          [2]         relu
          [3]         Dropout(rate=0.5)
          [4]         Linear
          [4].kernel  float32[8,2]
          [4].bias    float32[2]
        >>> layer = functools.partial(pn.YatDense, epsilon=0.1)
        >>> options = {"layer": layer, "activation": None, "last_layer": pn.Linear}
        >>> model = pn.MLP(jax.random.key(0), (4, 16, 16, 3), **options)
        >>> model(jnp.ones((5, 4))).shape, model[:2](jnp.ones((5, 4))).shape
        ((5, 3), (5, 16))
    """
    if not is_several(sizes) or len(sizes) < 2:
        raise ValueError(f"MLP: sizes must be two or more, got {told(sizes)}")
    check_sizes("MLP", **{f"sizes[{place}]": size for place, size in enumerate(sizes)})
    check_numbers("MLP", SHARE, static=True, dropout=dropout)
    functions = {"layer": layer, "activation": activation, "norm": norm, "last_layer": last_layer}
    for name, function in functions.items():
        if not (callable(function) or (function is None and name != "layer")):
            raise TypeError(f"MLP: {name} must be a function, got {told(function)}")
    return sequential(
        *_parts(key, sizes, layer, last_layer or layer, (norm, activation, dropout))
    ).params


def _parts(
    key: jax.Array, sizes: Sequence[int], layer: Function, last_layer: Function, behind: Behind
) -> Iterator[Any]:
    norm, activation, dropout = behind
    *keys, last = jax.random.split(key, len(sizes) - 1)
    for one, (inputs, outputs) in zip(keys, pairwise(sizes[:-1]), strict=True):
        yield layer(one, inputs, outputs)
        if norm is not None:
            yield norm(outputs)
        if activation is not None:
            yield activation
        if dropout:
            yield Dropout(dropout)
    yield last_layer(last, sizes[-2], sizes[-1])


MLP = replace(SEQUENTIAL, name="MLP", create=create)
