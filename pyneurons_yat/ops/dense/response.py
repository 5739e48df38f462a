"""The response of Yat neurons, given dot products and squared lengths or distances."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ..dtypes import narrow, widen
from ..gradients import checkpoint


class Product(NamedTuple):
    """What a response is made of: two functions of (x, kernel, *places), differentiable by JAX.

    Both give what broadcasts to the shape of the result, in the accumulator's dtype.
    """

    dot: Callable[..., jax.Array]
    squares: Callable[..., jax.Array]
    expanded: bool  # squares are |x|^2 + |w|^2, to which -2 x.w is missing; else |x - w|^2
    at_once: bool = False  # XLA runs both products of a reverse pass at once; only where expanded


def respond(
    product: Product,
    x: jax.Array,
    kernel: jax.Array,
    bias: Any,
    alpha: Any,
    epsilon: Any,
    *places: Any,
) -> jax.Array:
    """Answers `alpha (x.w + bias)^2 / (|x - w|^2 + epsilon)`, in the dtype of x.

    x and kernel have one dtype. The others are in its accumulator's dtype and have the rank of the
    result; bias and alpha may be None. The places are integers, for a product that looks up.

    Kept for the reverse pass: the arguments, and the dot products where the distance is expanded,
    else the distances.

    The product itself is left to JAX, so that under `jax.vmap` the gradient of a kernel which all
    examples share is one product, not one for each of them.
    """
    arrays, wide = (x, kernel), tuple(widen(a, a.dtype, 0) for a in (x, kernel))
    kept, again = (product.dot, product.squares)[:: 1 if product.expanded else -1]

    def finish(first, arrays, wide, places, *scales):
        second = _accumulated(again, arrays, wide, places)
        if not product.expanded:
            return _answer(False, second, first, *scales)
        if product.at_once:
            return _answer(True, first, second, *scales)
        return _answer(False, first, _held(second - (first + first)), *scales)

    def begin(arrays, wide, places):
        return _accumulated(kept, arrays, wide, places)

    # On a mesh JAX cannot lower the loop of the direct distance inside of another checkpoint.
    alone = not product.expanded and not jax.sharding.get_abstract_mesh().empty
    first = (begin if alone else checkpoint(begin))(arrays, wide, places)
    y = checkpoint(finish)(first, arrays, wide, places, bias, alpha, epsilon)
    return narrow(y, x.dtype)


def _accumulated(function: Callable, arrays: Any, wide: Any, places: Any) -> jax.Array:
    """The function of the arrays, with the derivative that it has in the accumulator's dtype.

    `wide` are the same arrays in that dtype. Their tangents are used and their values are not, so
    that the narrow arrays are kept and cotangents are summed in the wide dtype.
    """
    if arrays[0].dtype == wide[0].dtype:
        return function(*wide, *places)

    @jax.custom_jvp
    def value(arrays, wide, places):
        return function(*arrays, *places)

    @value.defjvp
    def tangent(primals, tangents):
        (arrays, _, places), along = primals, tangents[1]
        exact = tuple(a.astype(t.dtype) for a, t in zip(arrays, along, strict=True))
        change = jax.jvp(lambda *exact: function(*exact, *places), exact, along)[1]
        return function(*arrays, *places), change

    return value(arrays, wide, places)


@jax.custom_jvp
def _held(distance: jax.Array) -> jax.Array:
    """An expanded distance, which may come out as 0 or less, held just above 0."""
    return jnp.maximum(distance, float(jnp.finfo(distance.dtype).tiny))


@_held.defjvp
def _held_tangent(primals: Any, tangents: Any) -> tuple[jax.Array, jax.Array]:
    """No gradient passes where it is held."""
    return _held(*primals), jnp.where(primals[0] <= 0, 0, tangents[0])


@jax.custom_jvp
def _ratio(numerator: jax.Array, denominator: jax.Array) -> jax.Array:
    return numerator / denominator


@_ratio.defjvp
def _ratio_tangent(primals: Any, tangents: Any) -> tuple[jax.Array, jax.Array]:
    """That is (dn - r dd) / d. Autodiff divides by the square of d, which is out of range early."""
    ratio = _ratio(*primals)
    return ratio, (tangents[0] - ratio * tangents[1]) / primals[1]


def _parts(
    expanded: bool,
    dot: jax.Array,
    squares: jax.Array,
    bias: Any,
    alpha: Any,
    epsilon: jax.Array,
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """The answer, n = x.w + b, r = n / (|x - w|^2 + epsilon), and r or 0 where that is held."""
    numerator = dot if bias is None else dot + bias
    distance = squares - (dot + dot) if expanded else squares
    ratio = _ratio(numerator, (_held(distance) if expanded else distance) + epsilon)
    y = numerator * ratio  # to divide before multiplying keeps the square from overflowing
    passing = jnp.where(distance <= 0, 0, ratio) if expanded else ratio
    return (y if alpha is None else alpha * y), numerator, ratio, passing


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _answer(
    expanded: bool, dot: jax.Array, squares: jax.Array, bias: Any, alpha: Any, epsilon: jax.Array
) -> jax.Array:
    return _parts(expanded, dot, squares, bias, alpha, epsilon)[0]


@_answer.defjvp
def _answer_tangent(expanded: bool, primals: Any, tangents: Any) -> tuple[jax.Array, jax.Array]:
    """Dy = r (alpha (2 dn - r dd) + n dalpha), where dd is that of the distance plus epsilon.

    With an expanded distance 2 multiplies d_dot before all else. So the two convolutions of a
    reverse pass, which both read its cotangent, are ready at the same time.
    """
    d_dot, d_squares, d_bias, d_alpha, d_epsilon = tangents
    y, numerator, ratio, passing = _parts(expanded, *primals)
    if expanded:
        twice = 2 * d_dot
        inner = twice - passing * (d_squares - twice) - ratio * d_epsilon
        inner = inner if d_bias is None else inner + (d_bias + d_bias)
    else:
        d_numerator = d_dot if d_bias is None else d_dot + d_bias
        inner = (d_numerator + d_numerator) - ratio * (d_squares + d_epsilon)
    if d_alpha is not None:
        inner = primals[3] * inner + numerator * d_alpha
    return y, ratio * inner
