"""Matrices of symbols, and the gradients of expressions in them."""

from typing import Any

from ..ops.checks import check_sizes, told


def sympy_of(function: str) -> Any:
    """The package SymPy."""
    try:
        import sympy
    except ImportError as error:
        raise ImportError(
            f'{function}: sympy must be installed, got none; pip install "pyneurons_yat[symbolic]"'
        ) from error
    return sympy


def matrix(name: str, rows: int, columns: int, **assumptions: bool) -> Any:
    """A matrix of symbols, which stand for real numbers.

    Args:
        name: What the symbols are called: `"X"` gives X_11, X_12, ...
        rows: Rows, at least 1.
        columns: Columns, at least 1.
        **assumptions: What SymPy may assume of the symbols, such as `positive=True`.

    Returns:
        A `sympy.Matrix` (rows, columns).

    Raises:
        TypeError: If the name is no string, or a size no integer.
        ValueError: If a size is below 1.
        ImportError: If SymPy is absent; the extra `symbolic` brings it.

    Example:
        >>> from pyneurons_yat import symbolic
        >>> symbolic.matrix("X", 2, 2)
        Matrix([
        [X_11, X_12],
        [X_21, X_22]])
    """
    if not isinstance(name, str):
        raise TypeError(f"symbolic.matrix: name must be a string, got {told(name)}")
    check_sizes("symbolic.matrix", rows=rows, columns=columns)
    sympy, comma = sympy_of("symbolic.matrix"), "," * (max(rows, columns) > 9)
    assumptions = {"real": True} | assumptions

    def entry(row: int, column: int) -> Any:
        return sympy.Symbol(f"{name}_{row + 1}{comma}{column + 1}", **assumptions)

    return sympy.Matrix(rows, columns, entry)


def gradient(expression: Any, X: Any) -> Any:
    """The derivatives of an expression in the entries of a matrix.

    Args:
        expression: An expression of SymPy: one number, such as a loss.
        X: A matrix of symbols, or one symbol.

    Returns:
        The matrix of the shape of X whose entries are the derivatives in those of X; one expression
        if X is one symbol.

    Raises:
        TypeError: If `expression` is a matrix, or X is not of symbols.
        ImportError: If SymPy is absent.

    Example:
        >>> from pyneurons_yat import symbolic
        >>> from pyneurons_yat.ops.matrix import elements_sum, square
        >>> X = symbolic.matrix("X", 1, 2)
        >>> symbolic.gradient(elements_sum(square(X)), X)
        Matrix([[2*X_11, 2*X_12]])
    """
    sympy = sympy_of("symbolic.gradient")
    if hasattr(expression, "shape"):
        raise TypeError(
            f"symbolic.gradient: expression must be one number, got {told(expression)}; "
            "elements_sum makes one of a matrix"
        )
    entries = X if hasattr(X, "applyfunc") else [X]
    if not all(getattr(entry, "is_Symbol", False) for entry in entries):
        raise TypeError(
            f"symbolic.gradient: X must be a symbol or a matrix of symbols, got {told(X)}; "
            "symbolic.matrix makes one"
        )
    if not hasattr(X, "applyfunc"):
        return sympy.diff(expression, X)
    return X.applyfunc(lambda entry: sympy.diff(expression, entry))
