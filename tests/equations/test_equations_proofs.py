"""Every equation is proved: its backward form is SymPy's gradient of its forward form."""

import pytest

from pyneurons_yat import equations, symbolic
from pyneurons_yat.equations import (
    linear,
    linear_backward,
    relu,
    relu_backward,
    squared_error,
    squared_error_gradient,
)
from pyneurons_yat.ops.matrix import columns_mean, columns_sum, hadamard, row_repeat, rows_sum
from pyneurons_yat.symbolic import matrix

sympy = pytest.importorskip("sympy", reason="needs the extra `symbolic`")


F = sympy.Function("f")


def slope(x):
    return F(x).diff(x)


X, TALL, SCORES = matrix("X", 2, 3), matrix("X", 3, 2), matrix("X", 2, 3, positive=True)
W, B, ALPHA, T = matrix("W", 3, 2), matrix("b", 1, 2), matrix("a", 1, 2), matrix("T", 2, 3)
N, EPSILON = sympy.symbols("n epsilon", positive=True)
AL, TL, AR, TR, SLOPE, RATE = sympy.symbols("al tl ar tr slope rate", real=True)

PROOFS = {
    "activation": (X, F, slope),
    "batch_norm": (TALL, matrix("g", 1, 2), matrix("b", 1, 2), EPSILON),
    "cross_entropy": (SCORES, T),
    "dropout": (X, matrix("M", 2, 3), RATE),
    "layer_norm": (X, matrix("g", 1, 3), matrix("b", 1, 3), EPSILON),
    "leaky_relu": (X, SLOPE),
    "linear": (X, W, B),
    "log_softmax": (X,),
    "logistic_cross_entropy": (X, T),
    "negative_log_likelihood": (SCORES, matrix("T", 2, 3, positive=True)),
    "relu": (X,),
    "score_tanh": (SCORES, N),
    "sigmoid": (X,),
    "soft_tanh": (X, N),
    "softer_sigmoid": (SCORES, N),
    "softermax": (SCORES, N, EPSILON),
    "softmax": (X,),
    "softmax_cross_entropy": (X, T),
    "squared_error": (X, T),
    "srelu": (X, AL, TL, AR, TR),
    "standardize": (TALL, EPSILON),
    "tanh": (X,),
    "yat": (X, W, B, ALPHA, EPSILON),
}


def backward_of(name):
    return getattr(equations, f"{name}_backward", None) or getattr(equations, f"{name}_gradient")


@pytest.mark.parametrize("name", PROOFS)
def test_the_backward_equations_are_sympys_gradients(name):
    assert symbolic.proved(getattr(equations, name), backward_of(name), *PROOFS[name])


def test_every_equation_is_proved():
    backward = {name for name in equations.__all__ if name.endswith(("_backward", "_gradient"))}
    assert {*PROOFS} | {backward_of(name).__name__ for name in PROOFS} == {*equations.__all__}
    assert len(backward) == len(PROOFS) == len(equations.__all__) / 2


def network(w, b, v, c, x, t):
    return squared_error(linear(relu(linear(x, w, b)), v, c), t)


def network_backward(w, b, v, c, x, t):
    z = linear(x, w, b)
    h = relu(z)
    dh, dv, dc = linear_backward(h, v, c, squared_error_gradient(linear(h, v, c), t))
    _, dw, db = linear_backward(x, w, b, relu_backward(z, dh))
    return dw, db, dv, dc


def test_a_whole_network_is_proved():
    shapes = {"W": (2, 2), "b": (1, 2), "V": (2, 1), "c": (1, 1), "X": (2, 2), "T": (2, 1)}
    parts = [matrix(name, *shape) for name, shape in shapes.items()]
    assert symbolic.proved(network, network_backward, *parts)


# ------------------------------------------------------------------------- wrong equations


def yat_without_distance(x, w, b, a, epsilon, dy):
    dx, *rest = equations.yat_backward(x, w, b, a, epsilon, dy)
    return dx + 2 * x, *rest


def norm_without_means(x, gamma, beta, epsilon, dy):
    _, *rest = equations.batch_norm_backward(x, gamma, beta, epsilon, dy)
    means = row_repeat(columns_mean(dy), 3)
    return equations.standardize_backward(x, epsilon, dy - means), *rest


def softmax_of_columns(x, dy):
    y = equations.softmax(x)
    return hadamard(y, dy - row_repeat(columns_sum(hadamard(dy, y)), 2))


def linear_by_the_mean(x, w, b, dy):
    dx, dw, _ = linear_backward(x, w, b, dy)
    return dx, dw, columns_mean(dy)


def linear_in_another_shape(x, w, b, dy):
    dx, dw, db = linear_backward(x, w, b, dy)
    return dx, dw, db.T


WRONG = {
    "activation-without its slope": lambda x, f, df, dy: dy,
    "activation-a little more": lambda x, f, df, dy: hadamard(dy, x.applyfunc(df)) * (1 + EPSILON),
    "batch_norm-without a mean": norm_without_means,
    "linear-the mean for the sum": linear_by_the_mean,
    "linear-another shape": linear_in_another_shape,
    "relu-no linear function of DY": lambda x, dy: hadamard(dy, relu_backward(x, dy)),
    "relu-of the other sign": lambda x, dy: dy - relu_backward(x, dy),
    "score_tanh-half of it": equations.softer_sigmoid_backward,
    "softmax-columns for rows": softmax_of_columns,
    "softmax_cross_entropy-targets that sum to 1": lambda y, t: equations.softmax(y) - t,
    "tanh-a part in a billion": lambda x, dy: (
        equations.tanh_backward(x, dy) * (1 + sympy.Rational(1, 10**9))
    ),
    "yat-a term too many": yat_without_distance,
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_equation_is_not_proved(case):
    name = case.split("-")[0]
    assert not symbolic.proved(getattr(equations, name), WRONG[case], *PROOFS[name])


def test_what_one_column_or_row_hides_is_seen():
    """The gradient of softmax sums to 0 in each row; a constant of the row in DY is forgotten."""
    dy = matrix("G", 2, 3)
    shifted = dy + matrix("c", 2, 1) * sympy.ones(1, 3)
    assert symbolic.equal(equations.softmax_backward(X, shifted), equations.softmax_backward(X, dy))
    assert symbolic.equal(rows_sum(equations.softmax_backward(X, dy)), sympy.zeros(2, 1))
