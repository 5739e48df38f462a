"""Losses: one number for predictions Y and targets T, summed over the batch, and its gradient.

The mean over a batch of N examples is that number, and that gradient, divided by N.
"""

from ..ops.matrix import (
    Matrix,
    Number,
    check_same_shape,
    column_repeat,
    elements_sum,
    hadamard,
    log,
    log_sigmoid,
    reciprocal,
    rows_sum,
    square,
)
from .activations import sigmoid
from .softmax import log_softmax, softmax


def squared_error(Y: Matrix, T: Matrix) -> Number:
    """L = sum((Y - T)^2)."""
    check_same_shape("squared_error", Y=Y, T=T)
    return elements_sum(square(Y - T))


def squared_error_gradient(Y: Matrix, T: Matrix) -> Matrix:
    """DY = 2 (Y - T)."""
    check_same_shape("squared_error_gradient", Y=Y, T=T)
    return 2 * (Y - T)


def cross_entropy(Y: Matrix, T: Matrix) -> Number:
    """L = -sum(T (.) log Y), for probabilities Y."""
    return -elements_sum(hadamard(T, log(Y)))


def cross_entropy_gradient(Y: Matrix, T: Matrix) -> Matrix:
    """DY = -T / Y."""
    return -hadamard(T, reciprocal(Y))


def softmax_cross_entropy(Y: Matrix, T: Matrix) -> Number:
    """L = -sum(T (.) log_softmax(Y)), for logits Y and targets T, one-hot or shares."""
    return -elements_sum(hadamard(T, log_softmax(Y)))


def softmax_cross_entropy_gradient(Y: Matrix, T: Matrix) -> Matrix:
    """DY = softmax(Y) (.) (T 1_K 1_K^T) - T; where the rows of T sum to 1, softmax(Y) - T."""
    check_same_shape("softmax_cross_entropy_gradient", Y=Y, T=T)
    return hadamard(softmax(Y), column_repeat(rows_sum(T), Y.shape[1])) - T


def logistic_cross_entropy(Y: Matrix, T: Matrix) -> Number:
    """L = -sum(T (.) log sigmoid(Y))."""
    return -elements_sum(hadamard(T, log_sigmoid(Y)))


def logistic_cross_entropy_gradient(Y: Matrix, T: Matrix) -> Matrix:
    """DY = T (.) sigmoid(Y) - T."""
    return hadamard(T, sigmoid(Y)) - T


def negative_log_likelihood(Y: Matrix, T: Matrix) -> Number:
    """L = -sum(log((Y (.) T) 1_K)), for probabilities Y and one-hot targets T."""
    return -elements_sum(log(rows_sum(hadamard(Y, T))))


def negative_log_likelihood_gradient(Y: Matrix, T: Matrix) -> Matrix:
    """DY = -T / ((Y (.) T) 1_K 1_K^T)."""
    return -hadamard(T, column_repeat(reciprocal(rows_sum(hadamard(Y, T))), Y.shape[1]))
