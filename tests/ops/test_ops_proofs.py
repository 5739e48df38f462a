"""The backward equations in batch matrix form: proved in SymPy, and held against the code.

Each equation is written once, in NumPy. On arrays of SymPy symbols it is proved equal to SymPy's
own gradients, for a batch of 2 and 3 features. On arrays of numbers it is what the op must return.
"""

import jax
import numpy as np
import pytest
import sympy
from derivatives import reverse

from pyneurons_yat import ops

LOG = np.vectorize(sympy.log, otypes=[object])


def symbols(name, *shape):
    """An array of positive symbols."""
    names = [name + "_".join(map(str, index)) for index in np.ndindex(*shape)]
    return np.array([sympy.Symbol(n, positive=True) for n in names], object).reshape(shape)


MIRROR = np.array([[1, -1, 1]])


def yat(x, w, b, a, epsilon):
    """The result: x is (B, I), w is (I, O), b and a are (1, O)."""
    n = x @ w + b
    d = (x * x).sum(1, keepdims=True) + (w * w).sum(0, keepdims=True) - 2 * x @ w + epsilon
    return a * n * n / d


def yat_backward(x, w, b, a, epsilon, g):
    """The gradients of sum(g * yat) in x, w, b, a and epsilon."""
    n = x @ w + b
    d = (x * x).sum(1, keepdims=True) + (w * w).sum(0, keepdims=True) - 2 * x @ w + epsilon
    r = n / d
    p = a * g * r
    q = p * r
    return (
        2 * (p + q) @ w.T - 2 * x * q.sum(1, keepdims=True),
        2 * x.T @ (p + q) - 2 * w * q.sum(0, keepdims=True),
        2 * p.sum(0, keepdims=True),
        (g * n * r).sum(0, keepdims=True),
        -q.sum(),
    )


def softermax(x, n, epsilon):
    """The result, rows normalised."""
    return x**n / (epsilon + (x**n).sum(1, keepdims=True))


def softermax_backward(x, n, epsilon, g, log=np.log):
    """The gradients of sum(g * softermax) in x, n and epsilon."""
    total = epsilon + (x**n).sum(1, keepdims=True)
    y = x**n / total
    mean = (g * y).sum(1, keepdims=True)
    return (
        (g - mean) * n * x ** (n - 1) / total,
        ((g - mean) * y * log(x)).sum(),
        -(mean / total).sum(),
    )


def softer_sigmoid(x, n):
    """The result."""
    return x**n / (1 + x**n)


def softer_sigmoid_backward(x, n, g, log=np.log):
    """The gradients of sum(g * softer_sigmoid) in x and n."""
    y = softer_sigmoid(x, n)
    return g * n * x ** (n - 1) / (1 + x**n) ** 2, (g * y * (1 - y) * log(x)).sum()


def score_tanh(x, n):
    """The result."""
    return (x**n - 1) / (x**n + 1)


def score_tanh_backward(x, n, g, log=np.log):
    """The gradients of sum(g * score_tanh) in x and n."""
    y = score_tanh(x, n)
    return 2 * g * n * x ** (n - 1) / (1 + x**n) ** 2, (g * (1 - y * y) / 2 * log(x)).sum()


def soft_tanh(x, n):
    """The result where x is positive, and its mirror image for the middle column."""
    return MIRROR * x**n / (1 + x**n)


def soft_tanh_backward(x, n, g, log=np.log):
    """The gradients of sum(g * soft_tanh) in |x| and n; the middle column of the input is -x."""
    return softer_sigmoid_backward(x, n, MIRROR * g, log)


def is_zero(expression):
    """Whether a rational function of symbols, their logarithms and their n-th powers is 0."""
    symbolic = [p for p in expression.atoms(sympy.Pow) if not p.exp.is_Integer]
    powers = {p: separate(p.base, *sympy.Poly(p.exp, N).all_coeffs()) for p in symbolic}
    return sympy.expand(sympy.fraction(sympy.together(expression.xreplace(powers)))[0]) == 0


def separate(base, times, plus):
    """base**(times * n + plus), with one symbol for base**n."""
    return sympy.Symbol(f"{base}^n") ** times * base**plus


def disproved(forward, backward, arguments, unit, **options):
    """The entries in which the backward equations differ from SymPy's gradients.

    The gradients are linear in g, so it is enough to prove them for each unit matrix.
    """
    y = forward(*arguments)
    wrong = []
    for index in np.ndindex(y.shape):
        gradients = backward(*arguments, unit(y.shape, index), **options)
        for position, (argument, gradient) in enumerate(zip(arguments, gradients, strict=True)):
            entries = zip(np.ravel(argument), np.ravel(gradient), strict=True)
            for place, (symbol, entry) in enumerate(entries):
                if not is_zero(sympy.diff(y[index], symbol) - entry):
                    wrong.append((index, position, place))
    return wrong


def unit_matrix(shape, index):
    unit = np.zeros(shape, int).astype(object)
    unit[index] = sympy.Integer(1)
    return unit


X, W, N, EPSILON = symbols("x", 2, 3), symbols("w", 3, 2), *symbols("n", 1), *symbols("e", 1)
PROOFS = {
    "yat": (yat, yat_backward, (X, W, symbols("b", 1, 2), symbols("a", 1, 2), EPSILON), {}),
    "softermax": (softermax, softermax_backward, (X, N, EPSILON), {"log": LOG}),
    "softer_sigmoid": (softer_sigmoid, softer_sigmoid_backward, (X, N), {"log": LOG}),
    "score_tanh": (score_tanh, score_tanh_backward, (X, N), {"log": LOG}),
    "soft_tanh": (soft_tanh, soft_tanh_backward, (X, N), {"log": LOG}),
}


@pytest.mark.parametrize("name", PROOFS)
def test_the_backward_equations_are_sympys_gradients(name):
    forward, backward, arguments, options = PROOFS[name]
    assert disproved(forward, backward, arguments, unit_matrix, **options) == []


def test_a_wrong_equation_is_not_proved():
    def wrong(x, n, g, log):
        dx, dn = softer_sigmoid_backward(x, n, g, log)
        return dx * (1 + x / 1000), dn

    found = disproved(softer_sigmoid, wrong, (X, N), unit_matrix, log=LOG)
    assert {position for _, position, _ in found} == {0}
    assert len(found) == X.size


RNG = np.random.default_rng(0)
NUMBERS = [RNG.uniform(0.3, 2, shape) for shape in ((2, 3), (3, 2), (1, 2), (1, 2))]
POWER, SMALL = 1.7, 0.2


def yat_scores(x, kernel, *scales):
    return ops.yat_scores(x, kernel.T, *scales[:2], epsilon=scales[2])


BOUND = {
    "yat-expanded": (yat_backward, lambda *a: ops.yat(*a[:4], epsilon=a[4])),
    "yat-direct": (yat_backward, lambda *a: ops.yat(*a[:4], epsilon=a[4], distance="direct")),
    "yat_scores": (yat_backward, yat_scores),
    "softermax": (softermax_backward, lambda x, n, e: ops.softermax(x, n=n, epsilon=e)),
    "softer_sigmoid": (softer_sigmoid_backward, ops.softer_sigmoid),
    "score_tanh": (score_tanh_backward, ops.score_tanh),
    "soft_tanh": (soft_tanh_backward, lambda x, n: ops.soft_tanh(x * MIRROR, n)),
}


@pytest.mark.parametrize("name", BOUND)
def test_the_code_returns_what_the_equations_say(name):
    backward, op = BOUND[name]
    arguments = {3: (NUMBERS[0], POWER, SMALL), 2: (NUMBERS[0], POWER), 5: (*NUMBERS, SMALL)}[
        5 if name.startswith("yat") else 3 if name == "softermax" else 2
    ]
    g = RNG.normal(size=jax.eval_shape(op, *arguments).shape)
    _, gradients = reverse(op)(arguments, g)
    for got, wanted in zip(gradients, backward(*arguments, g), strict=True):
        np.testing.assert_allclose(got, wanted, 1e-11)
