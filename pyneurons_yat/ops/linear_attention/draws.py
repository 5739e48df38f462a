"""What the feature maps draw: matrices and numbers in the order in which a map takes them.

Each function takes a key, the kernel as `quadrature` has it, and sizes, and is one program. A map
is drawn once; what it does with the draws stands in `features`.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from . import quadrature
from .quadrature import Kernel, Plan


@partial(jax.jit, static_argnums=(1, 2, 3))
def yat_draws(
    key: jax.Array, kernel: Kernel, plan: Plan, tail: str
) -> tuple[jax.Array | None, ...]:
    """What `yat_features` takes, for the powers above the plan's degree by a kind of tail.

    The directions are orthogonal in blocks of the kernel's inputs, the exponents stratified.
    """
    for_products, for_tilts, for_times, for_phases = jax.random.split(key, 4)
    rates, table = quadrature.series(kernel, plan.nodes, plan.degree)
    times, decays, scales = _tail(for_times, kernel, plan, tail)
    tilts = _orthogonal(for_tilts, (1, plan.random), kernel.inputs, gaussian=True)[0]
    return (
        jnp.asarray(np.sqrt(table)),
        jnp.asarray(rates),
        _orthogonal(for_products, (plan.degree + 1, plan.random), kernel.inputs),
        tilts * jnp.sqrt(times)[:, None],
        decays,
        scales,
        None if tail == "positive" else _turns(for_phases, plan.random),
    )


def _tail(key, kernel, plan, tail):
    """The u_m, (l_m - u_m) / 2 or (l_m + u_m) / 2, and scale_m of the random features."""
    if not plan.random:
        return jnp.zeros(0), jnp.zeros(0), jnp.zeros(0)
    rates, weights = quadrature.laplace_nodes(kernel, plan.nodes)
    if kernel.normalize:
        weights = weights * np.exp(-rates)
    sizes = quadrature.tail_sizes(kernel, plan.nodes, plan.degree)
    counts = quadrature.allocate(sizes, plan.random)
    node, part = (np.repeat(i.ravel(), counts.ravel()) for i in np.indices(counts.shape))
    order = plan.degree + 1 - part
    within = np.concatenate([np.arange(n) for n in counts.ravel()])
    share = counts[node, part]
    factorial = np.asarray([math.factorial(n) for n in order])
    shifted = np.asarray(quadrature.shifted(kernel))[part]
    size = weights[node] * shifted * rates[node] ** order / factorial
    # Stratified draws of l_i times b ~ Beta(1, order); see `remainder`.
    even = (within + jax.random.uniform(key, node.shape)) / share
    times = rates[node] * (1 - (1 - even) ** np.where(order, 1 / np.maximum(order, 1), np.inf))
    rate = jnp.asarray(0.0 * node if kernel.normalize else rates[node])
    if tail == "positive":
        return times, (rate + times) / 2, jnp.asarray(np.sqrt(size / share))
    return times, (rate - times) / 2, jnp.asarray(np.sqrt(2 * size / share))


@partial(jax.jit, static_argnums=(1, 2, 3, 4))
def anchor_draws(
    key: jax.Array, kernel: Kernel, nodes: int, anchors: int, count: int
) -> tuple[jax.Array, ...]:
    """What `anchor_features` takes, with so many features for each node and anchor."""
    for_anchors, for_directions = jax.random.split(key)
    drawn = jax.random.normal(for_anchors, (anchors, kernel.inputs))
    rates, weights = quadrature.laplace_nodes(kernel, nodes)
    return (
        drawn / jnp.linalg.norm(drawn, axis=1, keepdims=True),
        jax.random.normal(for_directions, (nodes, count, kernel.inputs)),
        jnp.asarray(rates),
        jnp.asarray(np.sqrt(weights * np.exp(-rates) / (anchors * count))),
    )


@partial(jax.jit, static_argnums=(1, 2, 3))
def maclaurin_draws(
    key: jax.Array, kernel: Kernel, features: int, highest: int
) -> tuple[jax.Array, ...]:
    """What `maclaurin_features` takes: signs, scales and degrees, none above the highest."""
    coefficients = np.zeros(highest + 1)
    for j, factor in enumerate(quadrature.shifted(kernel)):
        n = np.arange(j, highest + 1)
        coefficients[j:] += factor / (2 + kernel.epsilon) * (2 / (2 + kernel.epsilon)) ** (n - j)
    total = coefficients.sum()
    for_degrees, for_signs = jax.random.split(key)
    chances = jnp.asarray(coefficients / total, jnp.float32)
    signs = jax.random.rademacher(for_signs, (highest, features, kernel.inputs), float)
    scales = jnp.full(features, math.sqrt(total / features))
    return signs, scales, jax.random.choice(for_degrees, highest + 1, (features,), p=chances)


@partial(jax.jit, static_argnums=(1, 2, 3, 4))
def radial_draws(
    key: jax.Array, kernel: Kernel, nodes: int, products: int, count: int
) -> tuple[jax.Array, ...]:
    """What `radial_features` takes, with so many features for each node and product.

    The nodes stand at x_i / epsilon, as those of vectors without a distance do.
    """
    keys = jax.random.split(key, 5)
    rates, weights = quadrature.laplace_nodes(kernel._replace(distance=0.0), nodes)
    return (
        jax.random.normal(keys[0], (products, kernel.inputs)),
        jax.random.normal(keys[1], (products, kernel.inputs)),
        jax.random.normal(keys[2], (2, products)) * math.sqrt(kernel.shift),
        jax.random.normal(keys[3], (nodes, count, kernel.inputs))
        * jnp.asarray(np.sqrt(rates))[:, None, None],
        _turns(keys[4], nodes, count),
        jnp.asarray(np.sqrt(2 * weights / (count * products))),
    )


def _turns(key, *shape):
    """Angles evenly spread over the circle."""
    return jax.random.uniform(key, shape, maxval=2 * math.pi)


def _orthogonal(key, shape, inputs, gaussian=False):
    """Random vectors (*shape, inputs) of mean square 1, orthogonal in blocks of `inputs`.

    Their length is sqrt(inputs), or, with `gaussian`, that of a normal vector.
    """
    stacks, count = shape
    for_turns, for_lengths = jax.random.split(key)
    blocks = (stacks, -(-count // inputs), inputs, inputs)
    rows = _orthonormal(jax.random.normal(for_turns, blocks)).reshape(stacks, -1, inputs)[:, :count]
    if not gaussian:
        return rows * math.sqrt(inputs)
    drawn = jax.random.normal(for_lengths, (stacks, count, inputs))
    return rows * jnp.linalg.norm(drawn, axis=-1, keepdims=True)


def _orthonormal(blocks):
    """The rows of (..., I, I), made orthonormal one after another; normal ones in even directions.

    By Gram and Schmidt, every projection twice: two batched QR factorisations by LAPACK in one
    program can wait for each other for ever on a CPU of two cores (jaxlib 0.10.2).
    """

    def step(j, rows):
        row = rows[..., j, :]
        earlier = jnp.where(jnp.arange(rows.shape[-2])[:, None] < j, rows, 0)
        for _ in range(2):
            along = jnp.einsum("...ji,...i->...j", earlier, row)
            row = row - jnp.einsum("...ji,...j->...i", earlier, along)
        return rows.at[..., j, :].set(row / jnp.linalg.norm(row, axis=-1, keepdims=True))

    return jax.lax.fori_loop(0, blocks.shape[-2], step, blocks)
