"""What a Yat layer costs beside GELU, by XLA's cost analysis of the compiled layers."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from pyneurons_yat import zoo

Function = Callable[..., jax.Array]


class Cost(NamedTuple):
    """What a compiled function does.

    Attributes:
        name: Of the layer, and whether it is its gradient.
        products: Operations of its two products.
        others: Operations beside them.
        transcendentals: How many exponentials and the like.
        traffic: Bytes read and written, as XLA counts them behind its fusions.
    """

    name: str
    products: float
    others: float
    transcendentals: float
    traffic: float


def costs(tokens: int, features: int, hidden: int) -> list[Cost]:
    """The feed-forward layer of Yat neurons and that with GELU, forward and with gradients."""
    x = jax.ShapeDtypeStruct((tokens, features), jnp.float32)
    layers = {
        "Yat": zoo.YatFeedForward,
        "GELU": partial(zoo.FeedForward, use_bias=False, activation=jax.nn.gelu),
    }
    found = []
    for name, layer in layers.items():
        make = partial(layer, inputs=features, outputs=features, hidden=hidden)
        model = jax.eval_shape(make, jax.random.key(0))
        products = 4.0 * tokens * features * hidden
        found.append(cost(f"{name}, forward", lambda m, x: m(x), products, model, x))
        gradient = jax.grad(lambda m, x: jnp.sum(m(x) ** 2), argnums=(0, 1))
        found.append(cost(f"{name}, with gradients", gradient, 3 * products, model, x))
    return found


def cost(name: str, function: Function, products: float, *shapes: object) -> Cost:
    """The cost of a function on some shapes."""
    found = jax.jit(function).lower(*shapes).compile().cost_analysis() or {}
    others = found.get("flops", 0.0) - products
    return Cost(
        name, products, others, found.get("transcendentals", 0.0), found.get("bytes accessed", 0.0)
    )
