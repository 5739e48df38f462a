"""Derivatives as whole programs: an eager one is many small programs, and each is compiled."""

import jax
import numpy as np
from jax.test_util import check_vjp


def reverse(function):
    """A jitted function from a tuple of arguments and a cotangent to the value and gradients."""

    @jax.jit
    def value_and_gradients(arguments, cotangent):
        y, pull = jax.vjp(function, *arguments)
        return y, pull(cotangent)

    return value_and_gradients


def check_reverse(value, reverse, arguments):
    """The gradients of `reverse` agree with finite differences of the value."""

    def vjp(*arguments):
        y, _ = reverse(arguments, value(*arguments))
        return y, lambda cotangent: reverse(arguments, cotangent)[1]

    arguments = jax.tree.map(np.asarray, arguments)  # check_vjp's own sums are then NumPy's
    check_vjp(value, vjp, arguments, atol=1e-5, rtol=1e-5)


def check_second_reverse(function, value, gradients, arguments):
    """The same of the gradients, with the value as the cotangent; `gradients` is `reverse`'s."""

    def first(*arguments):
        y, pull = jax.vjp(function, *arguments)
        return pull(y)

    def known(*arguments):  # the same, of programs that are there
        return gradients(arguments, value(*arguments))[1]

    check_reverse(known, reverse(first), arguments)
