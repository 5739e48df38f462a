"""Activations: functions of each entry, so the gradient is one more product of entries."""

from collections.abc import Callable
from typing import Any

from ..ops import matrix
from ..ops.matrix import (
    Matrix,
    Number,
    apply,
    elements_sum,
    exp,
    hadamard,
    log,
    ones,
    power,
    reciprocal,
    square,
    step,
)


def _one(X: Matrix) -> Matrix:
    """The ones of the shape of X."""
    return ones(*X.shape, like=X)


def activation(X: Matrix, f: Callable[[Any], Any], df: Callable[[Any], Any]) -> Matrix:
    """Any function of each entry: Y = f(X).

    Args:
        X: (N, D).
        f: the function: of an array, entry by entry, such as `jnp.sin`; of symbols, of one entry,
            such as `sympy.sin`, or a `sympy.Function("f")` of which nothing is known.
        df: its derivative, likewise.

    Returns:
        Y (N, D).
    """
    return apply(f, X)


def activation_backward(
    X: Matrix, f: Callable[[Any], Any], df: Callable[[Any], Any], DY: Matrix
) -> Matrix:
    """The gradient of `activation`: DX = DY (.) f'(X).

    Returns:
        DX (N, D).
    """
    return hadamard(DY, apply(df, X))


def relu(X: Matrix) -> Matrix:
    """ReLU: Y = X (.) [X > 0].

    Returns:
        Y, of the shape of X, as for every activation here.
    """
    return hadamard(X, step(X))


def relu_backward(X: Matrix, DY: Matrix) -> Matrix:
    """The gradient of `relu`: DX = DY (.) [X > 0].

    Returns:
        DX, of the shape of X, as for every activation here.
    """
    return hadamard(DY, step(X))


def leaky_relu(X: Matrix, slope: Number) -> Matrix:
    """Leaky ReLU: x where x > 0, else slope x; AllReLU is the same function.

    Y = slope X + (1 - slope) X (.) [X > 0]
    """
    return slope * X + (1 - slope) * hadamard(X, step(X))


def leaky_relu_backward(X: Matrix, slope: Number, DY: Matrix) -> tuple[Matrix, Number]:
    """The gradients of `leaky_relu`; the slope is trained in a PReLU.

    DX = slope DY + (1 - slope) DY (.) [X > 0],   Dslope = sum(DY (.) X (.) [X <= 0])
    """
    DX = slope * DY + (1 - slope) * hadamard(DY, step(X))
    return DX, elements_sum(hadamard(DY, hadamard(X, _one(X) - step(X))))


def sigmoid(X: Matrix) -> Matrix:
    """The logistic function: Y = 1 / (1 + exp(-X))."""
    return reciprocal(_one(X) + exp(-X))


def sigmoid_backward(X: Matrix, DY: Matrix) -> Matrix:
    """The gradient of `sigmoid`: DX = DY (.) Y (.) (1 - Y)."""
    Y = sigmoid(X)
    return hadamard(DY, hadamard(Y, _one(X) - Y))


def tanh(X: Matrix) -> Matrix:
    """The hyperbolic tangent of each entry."""
    return matrix.tanh(X)


def tanh_backward(X: Matrix, DY: Matrix) -> Matrix:
    """The gradient of `tanh`: DX = DY (.) (1 - Y^2)."""
    return hadamard(DY, _one(X) - square(tanh(X)))


def srelu(X: Matrix, al: Number, tl: Number, ar: Number, tr: Number) -> Matrix:
    """S-shaped ReLU: x in the middle, of slope al left of tl and of slope ar right of tr.

    L = [X <= tl],   R = [X > tl] (.) [X >= tr]
    Y = X + (al - 1) (X - tl) (.) L + (ar - 1) (X - tr) (.) R
    """
    left, right, L, R = _srelu_parts(X, tl, tr)
    return X + (al - 1) * hadamard(left, L) + (ar - 1) * hadamard(right, R)


def _srelu_parts(X: Matrix, tl: Number, tr: Number) -> tuple[Matrix, Matrix, Matrix, Matrix]:
    """X - tl, X - tr, and where X is left of tl and right of tr."""
    left, right = X - tl * _one(X), X - tr * _one(X)
    return left, right, _one(X) - step(left), hadamard(step(left), _one(X) - step(-right))


def srelu_backward(
    X: Matrix, al: Number, tl: Number, ar: Number, tr: Number, DY: Matrix
) -> tuple[Matrix, Number, Number, Number, Number]:
    """The gradients of `srelu`, whose four numbers are trained.

    DX = DY + (al - 1) DY (.) L + (ar - 1) DY (.) R
    Dal = sum(DY (.) (X - tl) (.) L),   Dtl = (1 - al) sum(DY (.) L)
    Dar = sum(DY (.) (X - tr) (.) R),   Dtr = (1 - ar) sum(DY (.) R)
    """
    left, right, L, R = _srelu_parts(X, tl, tr)
    at_left, at_right = hadamard(DY, L), hadamard(DY, R)
    DX = DY + (al - 1) * at_left + (ar - 1) * at_right
    Dal, Dtl = elements_sum(hadamard(at_left, left)), (1 - al) * elements_sum(at_left)
    Dar, Dtr = elements_sum(hadamard(at_right, right)), (1 - ar) * elements_sum(at_right)
    return DX, Dal, Dtl, Dar, Dtr


def softer_sigmoid(X: Matrix, n: Number) -> Matrix:
    """The softer sigmoid of entries above 0: Y = X^n / (1 + X^n)."""
    return hadamard(power(X, n), reciprocal(_one(X) + power(X, n)))


def softer_sigmoid_backward(X: Matrix, n: Number, DY: Matrix) -> tuple[Matrix, Number]:
    """The gradients of `softer_sigmoid`.

    DX = n DY (.) X^(n - 1) / (1 + X^n)^2,   Dn = sum(DY (.) Y (.) (1 - Y) (.) log X)
    """
    Y = softer_sigmoid(X, n)
    slope = hadamard(power(X, n - 1), power(_one(X) + power(X, n), -2))
    Dn = elements_sum(hadamard(DY, hadamard(hadamard(Y, _one(X) - Y), log(X))))
    return n * hadamard(DY, slope), Dn


def score_tanh(X: Matrix, n: Number) -> Matrix:
    """The softer tanh of entries above 0: Y = (X^n - 1) / (X^n + 1)."""
    return hadamard(power(X, n) - _one(X), reciprocal(power(X, n) + _one(X)))


def score_tanh_backward(X: Matrix, n: Number, DY: Matrix) -> tuple[Matrix, Number]:
    """The gradients of `score_tanh`, twice those of `softer_sigmoid`."""
    return softer_sigmoid_backward(X, n, 2 * DY)


def soft_tanh(X: Matrix, n: Number) -> Matrix:
    """The odd softer tanh of entries that are not 0: Y = sign(X) (.) |X|^n / (1 + |X|^n)."""
    S = 2 * step(X) - _one(X)
    return hadamard(S, softer_sigmoid(hadamard(S, X), n))


def soft_tanh_backward(X: Matrix, n: Number, DY: Matrix) -> tuple[Matrix, Number]:
    """The gradients of `soft_tanh`: those of `softer_sigmoid` at |X|, of which S = sign(X) goes in.

    DX = S (.) DA,   where DA, Dn are the gradients at A = |X| for S (.) DY
    """
    S = 2 * step(X) - _one(X)
    DA, Dn = softer_sigmoid_backward(hadamard(S, X), n, hadamard(S, DY))
    return hadamard(S, DA), Dn
