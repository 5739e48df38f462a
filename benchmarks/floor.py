"""How much of a training step is its matrix products: floors of the four end-to-end runs.

The floor of a step is a program that does the matrix products of its plain network and nothing
else: those of the forward pass and, of the same shapes, the two of each one's gradient. Products
are independent of each other, except for those along time, and their factors lie ready in the
layout that the product wants. A step is forward, backward and adam. What a step computes beyond
the products of the plain network, be it products again, is not in the floor.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from . import peers
from .harness import Absent, Case, Contender, Target
from .steps import PLAIN, YAT, Trainer, ours
from .tasks import Product, Size, Task, tasks

ROUNDS = 15
FLOOR = "the products alone"
GOAL = 1 / 0.6
KINDS = ("plain_jax", "flax")
WHY = {
    "mlp": "a step is under a millisecond, mostly dispatch and adam; plain JAX is at 4.4 itself",
    "cnn": "norms and the response go over each image again; with ReLU it is 1.3",
    "gru": "gates and their gradients go over each small product; plain JAX is at 2.0 itself",
    "gpt": "scores are computed twice and take ten passes; plain JAX with GELU is at 2.5 itself",
}


def cases(size: Size = Size()) -> Iterator[Case]:  # noqa: B008 - a tuple
    """One for each run."""
    for task in tasks(size):
        yield case(task)


def case(task: Task) -> Case:
    """The steps of the Yat network and of the plain one over the products of the plain one."""
    rows = [Contender(FLOOR, "", products(task.products))]
    rows += [one.contender for one in ours(task)]
    rows += [as_row(one) for name in KINDS for one in peers.of(name, task)]
    targets = [Target(name, FLOOR, "<=", GOAL, why=WHY[task.kind]) for name in (YAT, PLAIN)]
    return Case(f"floor of the {task.name}", FLOOR, rows, targets)


def as_row(found: Trainer | Absent) -> Contender | Absent:
    """A row of a table of times."""
    return found.contender if isinstance(found, Trainer) else found


def products(wanted: tuple[Product, ...]) -> Callable[[], Any]:
    """A call that does the products and those of their gradients."""
    generator = np.random.default_rng(0)

    def normal(shape: tuple[int, ...]) -> jax.Array:
        return jnp.asarray(generator.normal(size=shape), jnp.float32)

    kinds, factors = [], []
    for product in wanted:
        shape = jax.eval_shape(operation(product), *map(jnp.zeros, (product.left, product.right)))
        for _ in range(1 if product.chained else product.count):
            kinds.append(product)
            factors.append(tuple(map(normal, (product.left, product.right, shape.shape))))

    @jax.jit
    def compute(factors: Any) -> Any:
        return [
            (chain if product.chained else apart)(product, *given)
            for product, given in zip(kinds, factors, strict=True)
        ]

    return lambda: jax.block_until_ready(compute(factors))


def operation(product: Product) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """The product of two factors."""
    if product.equation == "conv":
        layout = ("NHWC", "HWIO", "NHWC")
        return partial(
            jax.lax.conv_general_dilated,
            window_strides=(2, 2),
            padding="SAME",
            dimension_numbers=layout,
        )
    return partial(jnp.einsum, product.equation)


def apart(product: Product, left: jax.Array, right: jax.Array, cotangent: jax.Array) -> Any:
    """The product and the gradients of its factors, the left one's only if that is no data."""
    multiply = operation(product)
    if product.first:
        y, pull = jax.vjp(lambda right: multiply(left, right), right)
    else:
        y, pull = jax.vjp(multiply, left, right)
    return y, pull(cotangent)


def chain(product: Product, left: jax.Array, right: jax.Array, cotangent: jax.Array) -> Any:
    """The products of a loop over time, then those of its reverse, then one for the weights.

    What a step hands on is a slice of its product; the weights' gradient is one product for all.
    """
    multiply, steps, width = operation(product), product.count, product.left[-1]

    def forward(h: jax.Array, _: Any) -> tuple[jax.Array, jax.Array]:
        return multiply(h, right)[:, :width], h

    def reverse(g: jax.Array, _: Any) -> tuple[jax.Array, None]:
        h = jnp.einsum("to,io->ti", g, right)
        return jnp.concatenate([h] * (g.shape[-1] // width), axis=-1), None

    h, states = jax.lax.scan(forward, left, length=steps)
    g, _ = jax.lax.scan(reverse, cotangent, length=steps)
    rows = states.reshape(-1, width)
    return h, g, jnp.einsum("ti,to->io", rows, jnp.tile(g, (steps, 1)))
