"""Functions of whole rows: softmax, its logarithm, and the softermax of scores above 0."""

from ..ops.matrix import (
    Matrix,
    Number,
    check_same_shape,
    column_repeat,
    elements_sum,
    exp,
    hadamard,
    log,
    ones,
    power,
    reciprocal,
    rows_max,
    rows_sum,
)


def softmax(X: Matrix) -> Matrix:
    """The softmax of each row: Y = E / (E 1_D 1_D^T), where E = exp(X - max of the row).

    The largest entry is taken away so that nothing overflows; it cancels.

    Args:
        X: (N, D).

    Returns:
        Y (N, D), whose rows sum to 1.
    """
    D = X.shape[1]
    E = exp(X - column_repeat(rows_max(X), D))
    return hadamard(E, column_repeat(reciprocal(rows_sum(E)), D))


def softmax_backward(X: Matrix, DY: Matrix) -> Matrix:
    """The gradient of `softmax`: DX = Y (.) (DY - (DY (.) Y) 1_D 1_D^T).

    Returns:
        DX (N, D), whose rows sum to 0: what all of a row have in common does not matter.
    """
    Y = softmax(X)
    return hadamard(Y, DY - column_repeat(rows_sum(hadamard(DY, Y)), X.shape[1]))


def log_softmax(X: Matrix) -> Matrix:
    """The logarithm of `softmax`: Y = Z - log(exp(Z) 1_D) 1_D^T, where Z = X - max of the row.

    Args:
        X: (N, D).

    Returns:
        Y (N, D).
    """
    D = X.shape[1]
    Z = X - column_repeat(rows_max(X), D)
    return Z - column_repeat(log(rows_sum(exp(Z))), D)


def log_softmax_backward(X: Matrix, DY: Matrix) -> Matrix:
    """The gradient of `log_softmax`: DX = DY - softmax(X) (.) (DY 1_D 1_D^T).

    Returns:
        DX (N, D).
    """
    check_same_shape("log_softmax_backward", X=X, DY=DY)
    return DY - hadamard(softmax(X), column_repeat(rows_sum(DY), X.shape[1]))


def softermax(X: Matrix, n: Number, epsilon: Number) -> Matrix:
    """The softermax of each row of scores above 0: Y = X^n / (T 1_D^T), T = X^n 1_D + epsilon.

    Args:
        X: (N, D), above 0.
        n: the power.
        epsilon: a number above 0.

    Returns:
        Y (N, D).
    """
    return hadamard(power(X, n), column_repeat(_inverse_totals(X, n, epsilon), X.shape[1]))


def _inverse_totals(X: Matrix, n: Number, epsilon: Number) -> Matrix:
    """1 / T, (N, 1)."""
    return reciprocal(rows_sum(power(X, n)) + epsilon * ones(X.shape[0], 1, like=X))


def softermax_backward(
    X: Matrix, n: Number, epsilon: Number, DY: Matrix
) -> tuple[Matrix, Number, Number]:
    """The gradients of `softermax`.

        M = (DY (.) Y) 1_D
        DX = n X^(n - 1) (.) (DY - M 1_D^T) / (T 1_D^T)
        Dn = sum(Y (.) (DY - M 1_D^T) (.) log X),   Depsilon = -sum(M / T)

    Returns:
        DX (N, D) and the numbers Dn and Depsilon.
    """
    D, Y, inverse = X.shape[1], softermax(X, n, epsilon), _inverse_totals(X, n, epsilon)
    M = rows_sum(hadamard(DY, Y))
    rest = DY - column_repeat(M, D)
    DX = n * hadamard(power(X, n - 1), hadamard(rest, column_repeat(inverse, D)))
    Dn = elements_sum(hadamard(hadamard(Y, rest), log(X)))
    return DX, Dn, -elements_sum(hadamard(M, inverse))
