"""The response of Yat neurons, given a dot product and a squared distance."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ..dtypes import narrow, sum_to, widen
from ..gradients import custom_gradient


class Product(NamedTuple):
    """How dot products and squared distances are computed. Static, so it must be hashable.

    Both functions give the shape of the result, in the accumulator's dtype, and are
    differentiable.
    """

    dot: Callable[..., jax.Array]  # dot(options, x, kernel)
    distance: Callable[..., jax.Array]  # distance(options, x, kernel, dot)
    options: Any
    expanded: bool  # the distance is |x|^2 + |w|^2 - 2 x.w, which may round below 0
    apart: bool = False  # pull the dot product's whole gradient first; only where expanded


def _dot_and_distance(product, x, kernel):
    dot = product.dot(product.options, x, kernel)
    return dot, product.distance(product.options, x, kernel, dot)


def _distance_from(product, dot, x, kernel):
    return product.distance(product.options, x, kernel, dot)


def _parts(product, dot, distance, bias, epsilon):
    """The numerator n = x.w + b and the ratio r = n / (|x - w|^2 + epsilon)."""
    if product.expanded:  # held just above 0, where no gradient passes
        distance = jnp.maximum(distance, float(jnp.finfo(distance.dtype).tiny))
    numerator = dot if bias is None else dot + bias
    return numerator, numerator / (distance + epsilon)


def _forward(product, x, kernel, bias, alpha, epsilon):
    dot, distance = _dot_and_distance(product, x, kernel)
    numerator, ratio = _parts(product, dot, distance, bias, epsilon)
    y = numerator * ratio  # to divide before multiplying keeps the square from overflowing
    y = narrow(y if alpha is None else alpha * y, x.dtype)
    return y, (x, kernel, bias, alpha, epsilon, dot if product.expanded else distance)


def _backward(product, residuals, gradient):
    x, kernel, bias, alpha, epsilon, kept = residuals
    if product.expanded:
        dot, distance = kept, product.distance(product.options, x, kernel, kept)
    else:
        dot, distance = product.dot(product.options, x, kernel), kept
    numerator, ratio = _parts(product, dot, distance, bias, epsilon)
    unscaled = widen(gradient, x.dtype, 0) * ratio
    scaled = unscaled if alpha is None else alpha * unscaled
    d_dot, d_epsilon = scaled + scaled, -scaled * ratio
    wide = widen(x, x.dtype, 0), widen(kernel, x.dtype, 0)
    d_distance = jnp.where(distance <= 0, 0, d_epsilon) if product.expanded else d_epsilon
    if product.apart:  # then XLA runs the two convolutions of a reverse pass at the same time
        _, pull_dot = jax.vjp(partial(product.dot, product.options), *wide)
        _, pull_squares = jax.vjp(partial(_distance_from, product, dot), *wide)
        parts = pull_dot(2 * (scaled - d_distance)), pull_squares(d_distance)
        dx, dkernel = jax.tree.map(jnp.add, *parts)
    else:
        _, pull = jax.vjp(partial(_dot_and_distance, product), *wide)
        dx, dkernel = pull((d_dot, d_distance))
    return (
        narrow(dx, x.dtype),
        narrow(dkernel, kernel.dtype),
        None if bias is None else sum_to(d_dot, bias),
        None if alpha is None else sum_to(unscaled * numerator, alpha),
        sum_to(d_epsilon, epsilon),
    )


@custom_gradient(_backward, _forward, static=(0,))
def respond(product, x, kernel, bias, alpha, epsilon):
    """Answers `alpha (dot + bias)^2 / (distance + epsilon)`, in the dtype of x.

    x and kernel have one dtype. The others are in its accumulator's dtype and have the rank of the
    result; bias and alpha may be None. Kept for the reverse pass: the arguments, and the dot
    products where the distance is expanded, else the distances.
    """
    return _forward(product, x, kernel, bias, alpha, epsilon)[0]
