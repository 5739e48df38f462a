"""What `symbolic` calls equal is proved by algebra; what differs or is no SymPy is refused."""

import sys

import numpy as np
import pytest

import pyneurons_yat as pn
from pyneurons_yat.ops.matrix import elements_sum, square
from pyneurons_yat.symbolic import equal, gradient, matrix, proved

sp = pytest.importorskip("sympy", reason="needs the extra `symbolic`")

X, Y = sp.symbols("x y", real=True)
P, Q = sp.symbols("p q", positive=True)
M = sp.Symbol("m", integer=True)
Z, N = sp.symbols("z n")
F = sp.Function("f")

EQUAL = {
    "fractions": (1 / (1 + X) + 1 / (1 - X), 2 / (1 - X**2)),
    "exponentials": (sp.exp(X + Y, evaluate=False), sp.exp(X) * sp.exp(Y)),
    "half exponentials": ((sp.exp(X / 2) + 1) ** 2, sp.exp(X) + 2 * sp.exp(X / 2) + 1),
    "symbolic powers": (P ** (N + 2) - P**N, P**N * (P - 1) * (P + 1)),
    "roots": (1 / sp.sqrt(X**2 + 1) ** 3, sp.sqrt(X**2 + 1) / (X**2 + 1) ** 2),
    "nested roots": (sp.sqrt(1 + sp.sqrt(X**2 + 2)) ** 4 - 2 * sp.sqrt(X**2 + 2), X**2 + 3),
    "roots of one sum written twice": (
        1 / sp.sqrt((X + Y) ** 2 + 1),
        1 / sp.sqrt(X**2 + 2 * X * Y + Y**2 + 1),
    ),
    "numbers": ((1 + sp.sqrt(2)) ** 2, 3 + 2 * sp.sqrt(2)),
    "logarithms": (sp.log(P**2 * Q), 2 * sp.log(P) + sp.log(Q)),
    "hyperbolic": (sp.tanh(X), (sp.exp(2 * X) - 1) / (sp.exp(2 * X) + 1)),
    "trigonometric": (sp.sin(2 * X), 2 * sp.sin(X) * sp.cos(X)),
    "cases": (
        (Y * sp.Piecewise((X, X > 0), (-X, True)) + 1)
        * (Y * sp.Piecewise((X, X > 0), (-X, True)) - 1),
        X**2 * Y**2 - 1,
    ),
    "opposite cases": (
        sp.Piecewise((1, X > 0), (0, True)),
        1 - sp.Piecewise((1, X <= 0), (0, True)),
    ),
    "an unknown function": (sp.diff(F(X) ** 2, X), 2 * F(X) * sp.diff(F(X), X)),
    "integers": (sp.cos(2 * sp.pi * M), 1),
    "what simplify knows": (sp.gamma(X + 1), X * sp.gamma(X)),
    "a half": (0.5 * X, X / 2),
}
DIFFERENT = {
    "a linearization": (sp.exp(X), 1 + X),
    "a part in 10^20": (X, X * sp.Rational(10**20 + 1, 10**20)),
    "a root of a square": (sp.sqrt(Z**2), Z),
    "a logarithm of a square": (sp.log(Z**2), 2 * sp.log(Z)),
    "roots of a product": (sp.sqrt(Z * N), sp.sqrt(Z) * sp.sqrt(N)),
    "one case of two": (sp.Piecewise((X, X > 0), (-X, True)), X),
    "unknown functions": (F(X), F(Y)),
    "a floating tenth": (0.1 * X, X / 10),
    "no number": (sp.nan, sp.nan),
}


@pytest.mark.parametrize("case", EQUAL)
def test_what_is_equal_is_proved(case):
    assert equal(*EQUAL[case])
    assert not equal(EQUAL[case][0], EQUAL[case][1] + sp.Rational(1, 10**6) * X)


@pytest.mark.parametrize("case", DIFFERENT)
def test_what_differs_is_not_proved(case):
    assert not equal(*DIFFERENT[case])


def test_what_numbers_cannot_tell_apart_is_not_equal(monkeypatch):
    """Sampling may end the search for a proof, but it is none: here no sample tells."""
    monkeypatch.setattr("pyneurons_yat.symbolic.proofs._differs", lambda *_: False)
    assert not equal(sp.exp(X), 1 + X)
    assert not equal(X * (X - 1), 0)


def test_products_that_do_not_commute_are_kept_apart():
    a, b = sp.symbols("a b", commutative=False)
    assert not equal(a * b, b * a)


def test_matrices_are_equal_entry_by_entry():
    A = matrix("A", 2, 2)
    assert equal(A * A.inv(), sp.eye(2))
    assert equal(A, sp.ImmutableMatrix(A))
    assert equal(sp.Matrix([[1, 2]]), np.array([[1, 2]]))
    assert not equal(A, A.T)
    assert not equal(sp.ones(2, 3), sp.ones(3, 2))


def test_the_gradient_has_the_shape_of_what_it_is_taken_in():
    A = matrix("A", 2, 3)
    loss = elements_sum(square(A)) * P
    assert gradient(loss, A) == 2 * P * A
    assert gradient(loss, P) == elements_sum(square(A))
    assert type(gradient(loss, sp.ImmutableMatrix(A))) is sp.ImmutableMatrix


def test_the_symbols_of_a_matrix_are_real_and_named_from_one():
    A = matrix("A", 2, 11, positive=True)
    assert [A[0, 0].name, A[1, 10].name] == ["A_1,1", "A_2,11"]
    assert matrix("A", 1, 1)[0].is_real
    assert matrix("A", 1, 1)[0].is_positive is None
    assert A[0].is_positive
    assert matrix("z", 1, 1, real=False)[0].is_real is False


EXPRESSION = "must be a matrix or an expression of SymPy, got"
SYMBOLS = "X must be a symbol or a matrix of symbols, got"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: equal("x", 1), TypeError, f"equal: A {EXPRESSION} 'x'"),
        (lambda: equal(1, [1]), TypeError, rf"equal: B {EXPRESSION} \[1\]"),
        (lambda: equal(sp.true, 1), TypeError, f"equal: A {EXPRESSION} a BooleanTrue"),
        (lambda: equal(X, sp.eye(2)), TypeError, "equal: A and B must be two matrices or two exp"),
        (lambda: gradient(sp.eye(2), X), TypeError, "gradient: expression must be one number, go"),
        (lambda: gradient(X, 2 * X), TypeError, f"gradient: {SYMBOLS} a Mul"),
        (lambda: gradient(X, sp.eye(2)), TypeError, f"gradient: {SYMBOLS} an array of shape"),
        (lambda: gradient(X, None), TypeError, f"gradient: {SYMBOLS} None; symbolic.matrix makes"),
        (lambda: matrix(3, 2, 2), TypeError, "matrix: name must be a string, got 3"),
        (lambda: matrix("X", 0, 2), ValueError, "matrix: rows must be at least 1, got 0"),
        (lambda: matrix("X", 1, 1.5), TypeError, "matrix: columns must be an integer, got float"),
        (lambda: proved(square, lambda x, dy: (), sp.eye(2)), ValueError, "of the 1 arguments, g"),
        (lambda: proved(square, lambda x, dy: (x, x), sp.eye(2)), ValueError, "arguments, got 2"),
        (lambda: proved(square, lambda x, dy: x, sp.eye(2)), TypeError, SYMBOLS),
    ],
)
def test_what_is_not_of_sympy_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_without_sympy_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sympy", None)
    with pytest.raises(ImportError, match=r'pip install "pyneurons_yat\[symbolic\]"'):
        pn.symbolic.matrix("X", 2, 2)
