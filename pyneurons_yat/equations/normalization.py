"""Norms. They share one equation: a layer norm is the batch norm of the transpose."""

from ..ops.matrix import (
    Matrix,
    Number,
    columns_mean,
    columns_sum,
    hadamard,
    row_repeat,
    rsqrt,
    square,
)


def standardize(X: Matrix, epsilon: Number) -> Matrix:
    """Each column, shifted and scaled to mean 0 and variance 1.

        R = X - 1_N mean(X),   Z = R (.) 1_N (mean(R^2) + epsilon)^(-1/2)

    Args:
        X: (N, D).
        epsilon: a number above 0, or 0 where no column is constant.

    Returns:
        Z (N, D).
    """
    R, inverse = _centred(X, epsilon)
    return hadamard(R, inverse)


def _centred(X: Matrix, epsilon: Number) -> tuple[Matrix, Matrix]:
    """X without the mean of each column, and what it is multiplied with."""
    N = X.shape[0]
    R = X - row_repeat(columns_mean(X), N)
    return R, row_repeat(rsqrt(columns_mean(square(R)), epsilon), N)


def standardize_backward(X: Matrix, epsilon: Number, DZ: Matrix) -> Matrix:
    """The gradient of `standardize`.

        DX = (DZ - 1_N mean(DZ) - Z (.) 1_N mean(Z (.) DZ)) (.) 1_N (mean(R^2) + epsilon)^(-1/2)

    Every example moves the mean and the variance of all, so the gradient of one example has a part
    of the gradients of all.

    Returns:
        DX (N, D).
    """
    N = X.shape[0]
    R, inverse = _centred(X, epsilon)
    Z = hadamard(R, inverse)
    means = row_repeat(columns_mean(DZ), N)
    along = hadamard(Z, row_repeat(columns_mean(hadamard(Z, DZ)), N))
    return hadamard(DZ - means - along, inverse)


def batch_norm(X: Matrix, gamma: Matrix, beta: Matrix, epsilon: Number) -> Matrix:
    """Batch norm in training: Y = 1_N gamma (.) Z + 1_N beta, where Z = standardize(X).

    Args:
        X: (N, D).
        gamma: (1, D), the scale.
        beta: (1, D), the bias.
        epsilon: a number above 0.

    Returns:
        Y (N, D).
    """
    N = X.shape[0]
    return hadamard(row_repeat(gamma, N), standardize(X, epsilon)) + row_repeat(beta, N)


def batch_norm_backward(
    X: Matrix, gamma: Matrix, beta: Matrix, epsilon: Number, DY: Matrix
) -> tuple[Matrix, Matrix, Matrix]:
    """The gradients of `batch_norm`.

        DX = that of `standardize` for DZ = 1_N gamma (.) DY
        Dgamma = 1_N^T (DY (.) Z),   Dbeta = 1_N^T DY

    Returns:
        DX (N, D), Dgamma (1, D), Dbeta (1, D).
    """
    DZ = hadamard(row_repeat(gamma, X.shape[0]), DY)
    Dgamma = columns_sum(hadamard(DY, standardize(X, epsilon)))
    return standardize_backward(X, epsilon, DZ), Dgamma, columns_sum(DY)


def layer_norm(X: Matrix, gamma: Matrix, beta: Matrix, epsilon: Number) -> Matrix:
    """Layer norm: as `batch_norm`, but Z = standardize(X^T)^T, row by row.

    Args:
        X: (N, D).
        gamma: (1, D), the scale.
        beta: (1, D), the bias.
        epsilon: a number above 0.

    Returns:
        Y (N, D).
    """
    N = X.shape[0]
    return hadamard(row_repeat(gamma, N), standardize(X.T, epsilon).T) + row_repeat(beta, N)


def layer_norm_backward(
    X: Matrix, gamma: Matrix, beta: Matrix, epsilon: Number, DY: Matrix
) -> tuple[Matrix, Matrix, Matrix]:
    """The gradients of `layer_norm`, which are those of `batch_norm` with X and Z transposed.

    Returns:
        DX (N, D), Dgamma (1, D), Dbeta (1, D).
    """
    DZ = hadamard(row_repeat(gamma, X.shape[0]), DY)
    Dgamma = columns_sum(hadamard(DY, standardize(X.T, epsilon).T))
    return standardize_backward(X.T, epsilon, DZ.T).T, Dgamma, columns_sum(DY)
