"""The Yat kernel as a sum over Laplace nodes, and how many features each of its parts should get.

With c = distance + epsilon and (x_i, w_i) the Gauss-Laguerre nodes and weights,

    1 / (|q - k|^2 + epsilon) = integral_0^inf exp(-t (|q - k|^2 + epsilon)) dt
        ~ sum_i (w_i / c) exp(x_i (distance - |q - k|^2) / c)
        = sum_i a_i exp(-l_i |q|^2 / 2) exp(-l_i |k|^2 / 2) exp(l_i q.k),

where l_i = 2 x_i / c are the rates and a_i = (w_i / c) exp(x_i distance / c). The sum over R nodes
is exact to order 2 R - 1 in |q - k|^2 around `distance`, nowhere above the left side, and tends to
it as R grows: every derivative of exp has one sign, and so has the error of the quadrature.

Everything here is NumPy in float64 and depends on sizes and numbers alone.
"""

import functools
import math
from typing import NamedTuple

import numpy as np

MOST_NODES = 8  # how many the planner considers
HIGHEST_DEGREE = 8  # of the powers held exactly
ANGLES = 400  # points of the mean over a sphere


class Kernel(NamedTuple):
    """(q.k + shift)^2 / (|q - k|^2 + epsilon), for vectors of `inputs` entries.

    `distance` is the squared distance that is typical of q and k, and half of it their typical
    squared length. `normalize` says that all vectors have length 1.
    """

    inputs: int
    shift: float
    epsilon: float
    distance: float
    normalize: bool


class Plan(NamedTuple):
    """How a number of features is spent: nodes, highest exact power of q.k, random features."""

    nodes: int
    degree: int
    random: int


def laplace_nodes(kernel: Kernel, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """The rates l_i and weights a_i of the sum above."""
    with np.errstate(all="ignore"):
        x, w = np.polynomial.laguerre.laggauss(nodes)
    if not (np.isfinite(w).all() and np.isfinite(x).all()):
        raise ValueError(f"{nodes} nodes are more than float64 can hold; take at most 180")
    scale = kernel.distance + kernel.epsilon
    return 2 * x / scale, w / scale * np.exp(x * kernel.distance / scale)


def shifted(kernel: Kernel) -> tuple[float, float, float]:
    """(s + shift)^2 as the coefficients of s^0, s^1, s^2."""
    return kernel.shift**2, 2 * kernel.shift, 1.0


def powers(kernel: Kernel, rates: np.ndarray, degree: int) -> np.ndarray:
    """The coefficients of s^n in (s + shift)^2 exp(l_i s), n = 0, ..., degree: (R, degree + 1)."""
    table = np.zeros((len(rates), degree + 1))
    for j, factor in enumerate(shifted(kernel)):
        for n in range(j, degree + 1):
            table[:, n] += factor * rates ** (n - j) / math.factorial(n - j)
    return table


def remainder(y: np.ndarray, order: int) -> np.ndarray:
    """The sum of y^n / n! over n >= order, for y >= 0, as the random features see it.

    It is y^order / order! times the mean of exp(b y) over b ~ Beta(1, order). One draw in place of
    the mean has a root mean square of y^order / order! sqrt(mean of exp(2 b y)): that is returned.
    """
    factorial = math.factorial(order)
    twice = sum((2 * y) ** n * factorial / math.factorial(n + order) for n in range(80))
    return y**order / factorial * np.sqrt(twice)


def tail_sizes(kernel: Kernel, nodes: int, degree: int) -> np.ndarray:
    """How large a random feature of the powers above `degree` is: (nodes, 3).

    Row i, column j is the part of node i that comes from s^j in (s + shift)^2: the root mean
    square of phi(q) phi(k) if it has one feature; with M features it is 1 / sqrt(M) of that.
    """
    rates, weights = laplace_nodes(kernel, nodes)
    square = kernel.distance / 2
    weights = weights * np.exp(-rates * square)
    columns = [
        weights * factor * square**j * remainder(rates * square, degree + 1 - j)
        for j, factor in enumerate(shifted(kernel))
    ]
    return np.stack(columns, axis=1)


def monomial_count(inputs: int, degree: int) -> int:
    """The number of monomials of one degree."""
    return math.comb(inputs + degree - 1, degree)


def lowest_degree(kernel: Kernel) -> int:
    """The lowest power of q.k in the kernel."""
    return 0 if kernel.shift else 2


def exact_count(kernel: Kernel, nodes: int, degree: int) -> int:
    """How many features hold the powers up to `degree` without error."""
    copies = 1 if kernel.normalize else nodes  # the lengths of unit vectors tell no nodes apart
    degrees = range(lowest_degree(kernel), degree + 1)
    return copies * sum(monomial_count(kernel.inputs, n) for n in degrees)


def allocate(sizes: np.ndarray, total: int) -> np.ndarray:
    """Splits `total` features in proportion to the sizes, at least one for each above 0."""
    sizes = sizes / sizes.sum()
    counts = np.where(sizes > 0, np.maximum(1, np.floor(sizes * total)), 0).astype(int)
    while counts.sum() != total:
        step = 1 if counts.sum() < total else -1
        wanted = np.where(counts > (step < 0), step * (sizes * total - counts), -np.inf)
        counts[np.unravel_index(np.argmax(wanted), counts.shape)] += step
    return counts


def series(kernel: Kernel, nodes: int, degree: int) -> tuple[np.ndarray, np.ndarray]:
    """The rates l_i, and the a_i c_in of the powers that occur: (R,) and (R, K).

    Of unit vectors the nodes are one, with rate 0: exp(-l_i |x|^2 / 2) is the same number.
    """
    rates, weights = laplace_nodes(kernel, nodes)
    table = weights[:, None] * powers(kernel, rates, degree)[:, lowest_degree(kernel) :]
    if not kernel.normalize:
        return rates, table
    return np.zeros(1), (np.exp(-rates)[:, None] * table).sum(0, keepdims=True)


def bias(kernel: Kernel, plan: Plan) -> float:
    """The mean squared error of the features' mean, of q and k evenly spread over a sphere."""
    angle = (np.arange(ANGLES) + 0.5) * np.pi / ANGLES
    density = np.sin(angle) ** max(kernel.inputs - 2, 0)
    square = kernel.distance / 2
    dot = square * np.cos(angle)
    wanted = (dot + kernel.shift) ** 2 / (2 * square - 2 * dot + kernel.epsilon)
    if plan.random:
        rates, weights = laplace_nodes(kernel, plan.nodes)
        nodes = weights[:, None] * np.exp(rates[:, None] * (dot - square)[None])
        got = (dot + kernel.shift) ** 2 * nodes.sum(0)
    else:
        rates, table = series(kernel, plan.nodes, plan.degree)
        degrees = np.arange(lowest_degree(kernel), plan.degree + 1)
        coefficients = (np.exp(-rates * square)[:, None] * table).sum(0)
        got = (coefficients[:, None] * dot[None] ** degrees[:, None]).sum(0)
    return float(np.sum(density * (wanted - got) ** 2) / density.sum())


def expected_error(kernel: Kernel, plan: Plan) -> float:
    """The mean squared error of a plan: its bias, and the variance of what is drawn.

    M unbiased features of a kernel with value T at q = k have a mean square of at least T^2 / M,
    whatever they are: it is the square of all of M eigenvalues, whose sum is T.
    """
    if not plan.random:
        return bias(kernel, plan)
    drawn = tail_sizes(kernel, plan.nodes, plan.degree).sum() ** 2 / plan.random
    return bias(kernel, plan) + drawn


def make_plan(
    kernel: Kernel, features: int, nodes: int | None, degree: int | None, tail: bool
) -> Plan:
    """The plan of least expected error among those that fit; None leaves a choice open."""
    first = 1 if tail else lowest_degree(kernel)
    fitting = []
    for r in range(1, MOST_NODES + 1) if nodes is None else (nodes,):
        p = first if degree is None else degree
        while _least(kernel, r, p, tail) <= features:
            drawn = features - exact_count(kernel, r, p) if tail else 0
            fitting.append(Plan(r, p, drawn))
            p += 1
            if degree is not None or p > HIGHEST_DEGREE:
                break
    if not fitting:
        least = _least(kernel, nodes or 1, first if degree is None else degree, tail)
        raise ValueError(
            f"YatFeatures: features must be at least {least} for these options, got {features}; "
            "ask for more, or for fewer nodes or a lower degree"
        )
    return min(fitting, key=functools.partial(expected_error, kernel))


def _least(kernel: Kernel, nodes: int, degree: int, tail: bool) -> int:
    drawn = nodes * np.count_nonzero(shifted(kernel)) if tail else 0
    return exact_count(kernel, nodes, degree) + int(drawn)
