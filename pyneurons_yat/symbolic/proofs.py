"""What is equal, and which backward equations give the gradients of which forward ones."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..ops.checks import told
from ..ops.matrix import elements_sum, hadamard
from .matrices import gradient, sympy_of
from .normal_form import is_zero

DIGITS = 30


def equal(A: Any, B: Any) -> bool:
    """Whether two matrices, or two expressions, are proved equal, entry by entry.

    True is a proof: the difference was brought to 0 by rules of algebra that hold wherever both
    sides are defined. Numbers are never put in to find it. False says that no proof was found. So
    it is of all that differs, and it may be of what is equal by rules that SymPy does not know.

    An expression with cases, such as a step, is proved in each case. A floating number is the
    binary fraction that it is: 0.5 is a half, and 0.1 is not `sympy.Rational(1, 10)`.

    Args:
        A: A matrix of SymPy, or an expression or a number.
        B: Likewise.

    Returns:
        True or False; False where the shapes differ.

    Raises:
        TypeError: If one is a matrix and the other is not.
        ImportError: If SymPy is absent; the extra `symbolic` brings it.

    Example:
        >>> from pyneurons_yat import symbolic
        >>> from pyneurons_yat.ops.matrix import columns_sum, square
        >>> X, Y = symbolic.matrix("X", 2, 3), symbolic.matrix("Y", 2, 3)
        >>> symbolic.equal(square(X + Y) - square(X - Y), 4 * X.multiply_elementwise(Y))
        True
        >>> symbolic.equal(square(X + Y), square(X) + square(Y))
        False
        >>> symbolic.equal(columns_sum(X.T), X)
        False
    """
    sympy = sympy_of("symbolic.equal")
    one, other = _entries(sympy, "A", A), _entries(sympy, "B", B)
    if (one.shape == ()) != (other.shape == ()):
        raise TypeError(
            "symbolic.equal: A and B must be two matrices or two expressions, got "
            f"{told(A)} and {told(B)}"
        )
    if one.shape != other.shape:
        return False
    return all(_vanishes(sympy, a - b) for a, b in zip(one.flat, other.flat, strict=True))


def _entries(sympy: Any, name: str, side: Any) -> np.ndarray:
    """The entries of a matrix, or an expression as the one entry of an array of no axes."""
    if getattr(side, "shape", ()):
        return np.array(sympy.Matrix(side).applyfunc(partial(_exact, sympy)).tolist(), object)
    try:
        expression = sympy.sympify(side, strict=True)
    except sympy.SympifyError:
        expression = None
    if not isinstance(expression, sympy.Expr):
        raise TypeError(
            f"symbolic.equal: {name} must be a matrix or an expression of SymPy, got {told(side)}"
        )
    return np.array(_exact(sympy, expression), object)


def _exact(sympy: Any, expression: Any) -> Any:
    """With fractions for floating numbers, which SymPy would round."""
    return expression.xreplace({n: sympy.Rational(n) for n in expression.atoms(sympy.Float)})


def _vanishes(sympy: Any, difference: Any) -> bool:
    """Whether an expression is proved to be 0, at last by the rules that SymPy has."""
    if is_zero(sympy, difference):
        return True
    return not _differs(sympy, difference) and sympy.simplify(difference) == 0


def _differs(sympy: Any, difference: Any) -> bool:
    """Whether some numbers show that an expression is not 0, so that no proof need be sought."""
    symbols = sorted(difference.free_symbols, key=str)
    value = difference.subs({s: _some(sympy, s, i) for i, s in enumerate(symbols)}).evalf(DIGITS)
    return bool(value.is_number and value.is_finite and abs(value) > 10.0 ** (-DIGITS / 2))


def _some(sympy: Any, symbol: Any, number: int) -> Any:
    """A number for a symbol, as its assumptions allow."""
    size = sympy.Rational(7 + 3 * number, 1 if symbol.is_integer else 11 + 2 * number)
    return -size if symbol.is_negative else size


def proved(forward: Callable[..., Any], backward: Callable[..., Any], *arguments: Any) -> bool:
    """Whether backward equations are proved to give the gradients of forward ones.

        forward(*arguments) -> Y
        backward(*arguments, DY) -> the gradients of sum(DY (.) Y) in the first arguments

    DY is a matrix of symbols, so the proof is one for every DY. A loss gives one number instead of
    a matrix Y, and its `backward` takes no DY. How many gradients there are says which arguments
    have one; the others are constants.

    Args:
        forward: Functions of matrices of symbols, such as those of `pyneurons_yat.equations`.
        backward: Its gradients: a matrix, or a tuple of them.
        *arguments: Matrices of symbols or symbols; the constants may be anything.

    Returns:
        True if each gradient is `equal` to SymPy's.

    Raises:
        TypeError: If an argument with a gradient is not of symbols.
        ValueError: If there is no gradient, or there are more than arguments.
        ImportError: If SymPy is absent.

    Example:
        >>> from pyneurons_yat import symbolic
        >>> def scaled(X, c):
        ...     return c * X
        >>> def scaled_backward(X, c, DY):
        ...     return c * DY, sum(X.multiply_elementwise(DY))
        >>> X, (c,) = symbolic.matrix("X", 2, 3), symbolic.matrix("c", 1, 1)
        >>> symbolic.proved(scaled, scaled_backward, X, c)
        True
        >>> symbolic.proved(scaled, lambda X, c, DY: c * X, X, c)
        False
    """
    sympy = sympy_of("symbolic.proved")
    Y = forward(*arguments)
    if hasattr(Y, "shape"):
        DY = Y.applyfunc(lambda _: sympy.Dummy("DY", real=True))
        total, gradients = elements_sum(hadamard(DY, Y)), backward(*arguments, DY)
    else:
        total, gradients = Y, backward(*arguments)
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    if not 0 < len(gradients) <= len(arguments):
        raise ValueError(
            "symbolic.proved: backward must return a gradient for some of the "
            f"{len(arguments)} arguments, got {len(gradients)}"
        )
    pairs = zip(arguments, gradients, strict=False)
    return all(equal(gradient(total, argument), given) for argument, given in pairs)
