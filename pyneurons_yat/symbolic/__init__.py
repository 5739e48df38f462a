"""Proofs of gradients with SymPy: matrices of symbols, gradients by them, and what is equal.

    >>> from pyneurons_yat import symbolic
    >>> X, W = symbolic.matrix("X", 2, 3), symbolic.matrix("W", 3, 2)
    >>> loss = sum(X @ W)
    >>> symbolic.gradient(loss, X).shape
    (2, 3)

It needs SymPy, which the extra `symbolic` brings and which is imported when it is first used.
`pyneurons_yat.equations` has the equations of layers, and `pyneurons_yat.ops.matrix` what they are
written with; both take matrices of symbols as they take arrays.
"""

from .matrices import gradient, matrix
from .proofs import equal, proved

__all__ = ["equal", "gradient", "matrix", "proved"]
