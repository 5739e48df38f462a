"""Layers with a kernel, and dropout."""

from ..ops.matrix import (
    Matrix,
    Number,
    check_matrices,
    column_repeat,
    columns_sum,
    elements_sum,
    hadamard,
    ones,
    reciprocal,
    row_repeat,
    rows_sum,
    square,
)


def linear(X: Matrix, W: Matrix, b: Matrix) -> Matrix:
    """A linear layer: Y = X W + 1_N b.

    Letters: N examples, D inputs, K outputs.

    Args:
        X: (N, D), an example per row.
        W: (D, K), the kernel.
        b: (1, K), the bias.

    Returns:
        Y (N, K).
    """
    check_matrices("linear", X=X, W=W, b=b)
    return X @ W + row_repeat(b, X.shape[0])


def linear_backward(X: Matrix, W: Matrix, b: Matrix, DY: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    """The gradients of `linear`: DX = DY W^T, DW = X^T DY, Db = 1_N^T DY.

    The sum over the examples of a batch is in the product X^T DY.

    Returns:
        DX (N, D), DW (D, K), Db (1, K).
    """
    return DY @ W.T, X.T @ DY, columns_sum(DY)


def yat(X: Matrix, W: Matrix, b: Matrix, alpha: Matrix, epsilon: Number) -> Matrix:
    """A layer of Yat neurons: alpha (x . w + b)^2 / (|x - w|^2 + epsilon) for each x and w.

        U = X W + 1_N b
        R = U / (S + epsilon),   where S are the squared distances |x - w|^2
        Y = 1_N alpha (.) U (.) R

    Args:
        X: (N, D), an example per row.
        W: (D, K), a prototype per column.
        b: (1, K), the bias.
        alpha: (1, K), the scale.
        epsilon: a number above 0.

    Returns:
        Y (N, K).
    """
    U, R = _yat_parts(X, W, b, epsilon)
    return hadamard(row_repeat(alpha, X.shape[0]), hadamard(U, R))


def _yat_parts(X: Matrix, W: Matrix, b: Matrix, epsilon: Number) -> tuple[Matrix, Matrix]:
    """The numerator's root U, and R = U / (S + epsilon)."""
    N, K = X.shape[0], W.shape[1]
    U = linear(X, W, b)
    lengths = column_repeat(rows_sum(square(X)), K) + row_repeat(columns_sum(square(W)), N)
    S = lengths - 2 * (X @ W)
    return U, hadamard(U, reciprocal(S + epsilon * ones(N, K, like=X)))


def yat_backward(
    X: Matrix, W: Matrix, b: Matrix, alpha: Matrix, epsilon: Number, DY: Matrix
) -> tuple[Matrix, Matrix, Matrix, Matrix, Number]:
    """The gradients of `yat`.

        P = 1_N alpha (.) DY (.) R,   Q = P (.) R
        DX = 2 (P + Q) W^T - 2 X (.) (Q 1_K 1_D^T)
        DW = 2 X^T (P + Q) - 2 W (.) (1_D 1_N^T Q)
        Db = 2 1_N^T P,   Dalpha = 1_N^T (DY (.) U (.) R),   Depsilon = -1_N^T Q 1_K

    Returns:
        DX (N, D), DW (D, K), Db (1, K), Dalpha (1, K) and the number Depsilon.
    """
    N, D = X.shape
    U, R = _yat_parts(X, W, b, epsilon)
    P = hadamard(row_repeat(alpha, N), hadamard(DY, R))
    Q = hadamard(P, R)
    DX = 2 * (P + Q) @ W.T - 2 * hadamard(X, column_repeat(rows_sum(Q), D))
    DW = 2 * X.T @ (P + Q) - 2 * hadamard(W, row_repeat(columns_sum(Q), D))
    Db = 2 * columns_sum(P)
    Dalpha = columns_sum(hadamard(DY, hadamard(U, R)))
    return DX, DW, Db, Dalpha, -elements_sum(Q)


def dropout(X: Matrix, kept: Matrix, rate: Number) -> Matrix:
    """Dropout in training: Y = X (.) kept / (1 - rate).

    Args:
        X: (N, D).
        kept: (N, D), drawn anew for each batch: 0 with probability rate, else 1.
        rate: a number from 0 to below 1.

    Returns:
        Y (N, D), whose expected value is X.
    """
    return hadamard(X, kept) / (1 - rate)


def dropout_backward(X: Matrix, kept: Matrix, rate: Number, DY: Matrix) -> Matrix:
    """The gradient of `dropout`: DX = DY (.) kept / (1 - rate), so what was dropped gets none.

    Returns:
        DX (N, D).
    """
    return hadamard(DY, kept) / (1 - rate)
