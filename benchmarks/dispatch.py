"""The cost of one call: a compiled model of three small layers against a tuple of its arrays.

The arithmetic is `pn.yat` on a batch of one with width 8, in every contender, so that what differs
is how the weights travel into the compiled function.
"""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp

import pyneurons_yat as pn

from .harness import Case, Contender, Target, peer

ROUNDS = 25
WIDTH = 8
LAYERS = 3
BASELINE = "bare tuple"
FORMULA = f"{LAYERS} x pn.yat, width {WIDTH}"
EQUINOX = ("equinox filter_jit", "equinox jax.jit")
FLAX = ("flax nnx.jit", "flax nnx.cached_partial", "flax split, jax.jit, merge")
TARGETS = (
    Target("pyneurons_yat", BASELINE, "<=", 1.3),
    Target("flax nnx.jit", "pyneurons_yat", ">=", 10),
)


def cases() -> Iterator[Case]:
    """One case: the same model, held in different ways."""
    model, x = make_model(), jnp.ones((1, WIDTH), jnp.float32)
    weights = [(part.params.kernel, part.params.bias, part.params.alpha) for part in model]
    contenders = [
        contender("pyneurons_yat", jax.jit(call_model), model, x),
        contender(BASELINE, jax.jit(call_tuple), tuple(weights), x),
        *peer("equinox", "equinox", EQUINOX, lambda: equinox(weights, x)),
        *peer("flax.nnx", "flax", FLAX, lambda: flax(weights, x)),
    ]
    yield Case(f"dispatch of {LAYERS} layers", BASELINE, contenders, TARGETS)


def make_model() -> pn.Model:
    """Three YatDense layers, one after another."""
    keys = jax.random.split(jax.random.key(0), LAYERS)
    return pn.sequential(*(pn.YatDense(key, WIDTH, WIDTH, use_alpha=True) for key in keys))


def contender(name: str, function: Callable[..., Any], *arguments: Any) -> Contender:
    """A compiled function and its arguments, the result awaited at each call."""
    return Contender(name, FORMULA, lambda: function(*arguments).block_until_ready())


def call_model(model: Callable[..., Any], x: jax.Array) -> jax.Array:
    """What a user writes."""
    return model(x)


def call_tuple(weights: Any, x: jax.Array) -> jax.Array:
    """The same arithmetic on bare arrays."""
    for kernel, bias, alpha in weights:
        x = pn.yat(x, kernel, bias, alpha)
    return x


def equinox(weights: Any, x: jax.Array) -> list[Contender]:
    """The model as equinox modules, under equinox's jit and under JAX's."""
    import equinox as eqx

    class Layer(eqx.Module):
        kernel: jax.Array
        bias: jax.Array
        alpha: jax.Array

        def __call__(self, x: jax.Array) -> jax.Array:
            return pn.yat(x, self.kernel, self.bias, self.alpha)

    class Network(eqx.Module):
        layers: tuple[Layer, ...]

        def __call__(self, x: jax.Array) -> jax.Array:
            for layer in self.layers:
                x = layer(x)
            return x

    network = Network(tuple(Layer(*arrays) for arrays in weights))
    return [
        contender(EQUINOX[0], eqx.filter_jit(call_model), network, x),
        contender(EQUINOX[1], jax.jit(call_model), network, x),
    ]


def flax(weights: Any, x: jax.Array) -> list[Contender]:
    """The model as flax nnx modules, under nnx's jit and under two that are faster."""
    from flax import nnx

    class Layer(nnx.Module):
        def __init__(self, kernel: jax.Array, bias: jax.Array, alpha: jax.Array):
            self.kernel, self.bias, self.alpha = map(nnx.Param, (kernel, bias, alpha))

        def __call__(self, x: jax.Array) -> jax.Array:
            return pn.yat(x, self.kernel[...], self.bias[...], self.alpha[...])

    network = nnx.Sequential(*(Layer(*arrays) for arrays in weights))
    graph, state = nnx.split(network)

    def call_merged(state: Any, x: jax.Array) -> jax.Array:
        return nnx.merge(graph, state)(x)

    compiled = nnx.jit(call_model)
    return [
        contender(FLAX[0], compiled, network, x),
        contender(FLAX[1], nnx.cached_partial(compiled, network), x),
        contender(FLAX[2], jax.jit(call_merged), state, x),
    ]
