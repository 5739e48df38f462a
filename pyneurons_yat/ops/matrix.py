"""The operations that equations in batch matrix form are written with.

A batch is a matrix X with one example per row. Everything is a matrix: a row is (1, n), a column is
(m, 1), and nothing is broadcast in silence. What stands in a row for all examples is repeated in
the open, and its gradient is then a sum, as is to be seen in the equation.

Each operation takes arrays, and SymPy's matrices too, where it means the same of symbols. So an
equation is written once, runs as code, and is proved as it stands; see `pyneurons_yat.symbolic`.

=============================  ==========================================  ======================
operation                      result                                      in formulas
=============================  ==========================================  ======================
`X @ Y`, `X.T`                 product, transpose                          X Y, X^T
`hadamard(X, Y)`               products of entries                         X (.) Y
`zeros(m, n)` `ones(m, n)`     all entries 0, or 1                         0, 1
`identity(n)`                  ones on the diagonal                        I
`diagonal(X)`                  (n, 1), the diagonal of X (n, n)            diag(X)
`diag(x)`                      (n, n), with the row or column x on it      Diag(x)
`row_repeat(x, m)`             (m, n), the row x (1, n), m times           1_m x
`column_repeat(x, n)`          (m, n), the column x (m, 1), n times        x 1_n^T
`elements_sum(X)`              a number                                    1_m^T X 1_n
`columns_sum(X)`               (1, n), the sum of each column              1_m^T X
`rows_sum(X)`                  (m, 1), the sum of each row                 X 1_n
`columns_mean` `rows_mean`     likewise                                    1_m^T X / m, X 1_n / n
`columns_max` `rows_max`       likewise                                    max
`apply(f, X)`                  f of each entry                             f(X)
`exp` `log` `sqrt` `tanh`      of each entry
`reciprocal(X)`                1 / x of each entry                         1 / X
`square(X)` `power(X, p)`      x^2, x^p of each entry
`rsqrt(X, epsilon)`            1 / sqrt(x + epsilon) of each entry         X^(-1/2)
`log_sigmoid(X)`               -log(1 + exp(-x)) of each entry
`step(X)`                      1 where x > 0, else 0                       [X > 0]
`absolute(X)` `clip(X, a, b)`  |x|, x held in [a, b]
=============================  ==========================================  ======================

Numbers multiply matrices: `2 * X`, `X / n`. They are not added to them; `X + ones(m, n, like=X)` is
what that would say. Of the matrices made from nothing, `like` says of which kind they are.

    >>> import jax.numpy as jnp
    >>> from pyneurons_yat.ops import matrix
    >>> X = jnp.array([[1.0, 2.0], [3.0, 4.0]])
    >>> matrix.columns_sum(X).tolist(), matrix.rows_sum(X).tolist()
    ([[4.0, 6.0]], [[3.0], [7.0]])
    >>> matrix.row_repeat(matrix.columns_mean(X), 2).tolist()
    [[2.0, 3.0], [2.0, 3.0]]

Source:
    Wesselink et al., "Batch Matrix-form Equations and Implementation of Multilayer Perceptrons",
    arXiv:2511.11918, whose table this follows.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from .checks import check_sizes

Matrix: TypeAlias = Any  # a jax.Array of two axes, or a matrix of SymPy
Number: TypeAlias = Any  # a number, an array of no axes, or an expression of SymPy


def is_symbolic(X: Any) -> bool:
    """Whether X is a matrix of SymPy."""
    return hasattr(X, "applyfunc")


def check_matrices(function: str, **matrices: Matrix) -> None:
    """Refuses what is no matrix."""
    for name, X in matrices.items():
        shape = np.shape(X)
        if len(shape) != 2:
            raise ValueError(
                f"{function}: {name} must be a matrix, got shape {shape}; of a vector make a row, "
                "x[None, :], or a column, x[:, None]"
            )


def check_same_shape(function: str, **matrices: Matrix) -> None:
    """Refuses two matrices that differ in shape."""
    check_matrices(function, **matrices)
    one, other = (tuple(X.shape) for X in matrices.values())
    if one != other:
        raise ValueError(
            f"{function}: {' and '.join(matrices)} must have one shape, got {one} and {other}; "
            "row_repeat and column_repeat repeat a row and a column"
        )


def _whole(function: str, name: str, *matrices: Matrix, **options: Any) -> Matrix:
    """A function of jax.numpy; of symbols NumPy's, to which these are objects."""
    check_matrices(function, **dict(zip("XY", matrices, strict=False)))
    symbolic = next(filter(is_symbolic, matrices), None)
    if symbolic is None:
        return getattr(jnp, name)(*matrices, **options)
    entries = [np.array(X.tolist(), object) for X in matrices]
    return type(symbolic)(getattr(np, name)(*entries, **options))


def _each(name: str, X: Matrix) -> Matrix:
    """A function of each entry that has one name in jax.numpy and in SymPy."""
    check_matrices(name, X=X)
    if is_symbolic(X):
        import sympy

        return X.applyfunc(getattr(sympy, name))
    return getattr(jnp, name)(X)


# -------------------------------------------------------------------------- made from nothing


def zeros(rows: int, columns: int, *, like: Matrix | None = None) -> Matrix:
    """The matrix of zeros; symbolic if `like` is, else of its dtype."""
    return _filled("zeros", rows, columns, like)


def ones(rows: int, columns: int, *, like: Matrix | None = None) -> Matrix:
    """The matrix of ones; symbolic if `like` is, else of its dtype."""
    return _filled("ones", rows, columns, like)


def identity(size: int, *, like: Matrix | None = None) -> Matrix:
    """The identity matrix; symbolic if `like` is, else of its dtype."""
    check_sizes("identity", size=size)
    return diag(ones(size, 1, like=like))


def _filled(function: str, rows: int, columns: int, like: Matrix | None) -> Matrix:
    check_sizes(function, rows=rows, columns=columns)
    if is_symbolic(like):
        return getattr(type(like), function)(rows, columns)
    dtype = None if like is None else jnp.result_type(like)
    return getattr(jnp, function)((rows, columns), dtype)


# -------------------------------------------------------------------------------- rearranged


def diagonal(X: Matrix) -> Matrix:
    """The diagonal of a square matrix (n, n), as a column (n, 1)."""
    check_matrices("diagonal", X=X)
    if X.shape[0] != X.shape[1]:
        raise ValueError(f"diagonal: X must be square, got shape {tuple(X.shape)}")
    return X.diagonal().T if is_symbolic(X) else jnp.diagonal(X)[:, None]


def diag(x: Matrix) -> Matrix:
    """The square matrix with a row or a column on its diagonal, and zeros elsewhere."""
    check_matrices("diag", x=x)
    if 1 not in x.shape:
        raise ValueError(f"diag: x must be a row or a column, got shape {tuple(x.shape)}")
    return type(x).diag(*x) if is_symbolic(x) else jnp.diag(jnp.ravel(x))


def row_repeat(x: Matrix, rows: int) -> Matrix:
    """A row (1, n), repeated to (rows, n)."""
    check_matrices("row_repeat", x=x)
    if x.shape[0] != 1:
        raise ValueError(f"row_repeat: x must be a row (1, n), got shape {tuple(x.shape)}")
    return _whole("row_repeat", "broadcast_to", x, shape=(rows, x.shape[1]))


def column_repeat(x: Matrix, columns: int) -> Matrix:
    """A column (m, 1), repeated to (m, columns)."""
    check_matrices("column_repeat", x=x)
    if x.shape[1] != 1:
        raise ValueError(f"column_repeat: x must be a column (m, 1), got shape {tuple(x.shape)}")
    return _whole("column_repeat", "broadcast_to", x, shape=(x.shape[0], columns))


# ------------------------------------------------------------------------------------ summed


def elements_sum(X: Matrix) -> Number:
    """The sum of all entries."""
    check_matrices("elements_sum", X=X)
    return sum(X) if is_symbolic(X) else jnp.sum(X)


def columns_sum(X: Matrix) -> Matrix:
    """The sum of each column, as a row (1, n)."""
    return _whole("columns_sum", "sum", X, axis=0, keepdims=True)


def rows_sum(X: Matrix) -> Matrix:
    """The sum of each row, as a column (m, 1)."""
    return _whole("rows_sum", "sum", X, axis=1, keepdims=True)


def columns_mean(X: Matrix) -> Matrix:
    """The mean of each column, as a row (1, n)."""
    return columns_sum(X) / X.shape[0]


def rows_mean(X: Matrix) -> Matrix:
    """The mean of each row, as a column (m, 1)."""
    return rows_sum(X) / X.shape[1]


def columns_max(X: Matrix) -> Matrix:
    """The largest entry of each column, as a row (1, n)."""
    check_matrices("columns_max", X=X)
    if is_symbolic(X):
        import sympy

        return type(X)([[sympy.Max(*X.col(column)) for column in range(X.shape[1])]])
    return jnp.max(X, axis=0, keepdims=True)


def rows_max(X: Matrix) -> Matrix:
    """The largest entry of each row, as a column (m, 1)."""
    return columns_max(X.T).T


# ---------------------------------------------------------------------------- entry by entry


def hadamard(X: Matrix, Y: Matrix) -> Matrix:
    """The products of entries of two matrices of one shape."""
    check_same_shape("hadamard", X=X, Y=Y)
    return _whole("hadamard", "multiply", X, Y)


def apply(function: Callable[[Any], Any], X: Matrix) -> Matrix:
    """The function of each entry; of an array, one that takes the array does so at once."""
    check_matrices("apply", X=X)
    return X.applyfunc(function) if is_symbolic(X) else function(X)


def exp(X: Matrix) -> Matrix:
    """The exponential of each entry."""
    return _each("exp", X)


def log(X: Matrix) -> Matrix:
    """The natural logarithm of each entry."""
    return _each("log", X)


def sqrt(X: Matrix) -> Matrix:
    """The square root of each entry."""
    return _each("sqrt", X)


def tanh(X: Matrix) -> Matrix:
    """The hyperbolic tangent of each entry."""
    return _each("tanh", X)


def reciprocal(X: Matrix) -> Matrix:
    """1 / x of each entry."""
    return apply(lambda x: 1 / x, X)


def square(X: Matrix) -> Matrix:
    """x^2 of each entry."""
    return hadamard(X, X)


def power(X: Matrix, exponent: Number) -> Matrix:
    """x^exponent of each entry."""
    return apply(lambda x: x**exponent, X)


def rsqrt(X: Matrix, epsilon: Number = 0) -> Matrix:
    """1 / sqrt(x + epsilon) of each entry."""
    return reciprocal(sqrt(apply(lambda x: x + epsilon, X)))


def log_sigmoid(X: Matrix) -> Matrix:
    """-log(1 + exp(-x)) of each entry; of an array without overflow."""
    check_matrices("log_sigmoid", X=X)
    if not is_symbolic(X):
        return jax.nn.log_sigmoid(X)
    return -log(exp(-X) + ones(*X.shape, like=X))


def step(X: Matrix) -> Matrix:
    """1 where x > 0, else 0, of each entry. Its derivative is taken as 0."""
    check_matrices("step", X=X)
    if is_symbolic(X):
        import sympy

        return X.applyfunc(lambda x: sympy.Piecewise((1, x > 0), (0, True)))
    return jnp.where(jnp.asarray(X) > 0, 1, 0).astype(jnp.result_type(X))


def absolute(X: Matrix) -> Matrix:
    """|x| of each entry; its derivative at 0 is taken as -1."""
    return 2 * hadamard(X, step(X)) - X


def clip(X: Matrix, low: Number, high: Number) -> Matrix:
    """Each entry, but low where it is below that, and high where it is above that."""
    check_matrices("clip", X=X)
    if is_symbolic(X):
        import sympy

        return X.applyfunc(lambda x: sympy.Piecewise((low, x < low), (high, x > high), (x, True)))
    return jnp.clip(X, low, high)
