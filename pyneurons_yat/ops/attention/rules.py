"""The derivatives of attention: a reverse rule for the first, the plain definition for others."""

from collections.abc import Callable
from typing import Any

import jax

from ..gradients import custom_gradient, reverse_only
from .arguments import Inputs

Found = tuple[jax.Array, jax.Array, jax.Array, jax.Array]


def with_rules(
    name: str,
    plain: Callable[[Any, Inputs, Any], jax.Array],
    compute: Callable[[Any, Inputs, Any], Found],
    gradients: Callable[..., Inputs],
) -> Callable[[Any, Inputs, Any], jax.Array]:
    """Attention that is computed in blocks, also its gradients, and is plain in forward mode.

    Args:
        name: what errors call it.
        plain: the plain definition, of what is static, the inputs, and what bounds them.
        compute: the same in blocks: the result, in its dtype and in that of the accumulator, and
            two numbers per query.
        gradients: the gradients of the inputs, of all of these, and of the result's gradient.
    """
    pull = _with_plain_gradients(plain, gradients)

    def backward(options, residuals, gradient):
        return pull(options, *residuals, gradient), None

    # `compute` has a rule of its own for the sake of second derivatives, which go through `keep`:
    # JAX cannot reverse its loops.
    run: Any = jax.custom_vjp(compute, nondiff_argnums=(0,))

    def run_forward(options, inputs, bounds):
        found = run(options, inputs, bounds)
        return found, (inputs, bounds, *found[1:])

    def run_backward(options, residuals, gradients):
        return backward(options, residuals, gradients[0])

    def keep(options, inputs, bounds):
        y, *rows = run(options, *reverse_only(name, (inputs, bounds)))
        return y, (inputs, bounds, *rows)

    run.defvjp(run_forward, run_backward)
    return custom_gradient(backward, keep, static=(0,))(plain)


def _with_plain_gradients(plain, gradients):
    """The gradients, whose own are those of the plain definition.

    In it result and rows follow from the inputs, so there are none in them.
    """

    def backward(options, residuals, gradient):
        inputs, bounds, _, _, _, pushed = residuals

        def plain_gradients(inputs, pushed):
            return jax.vjp(lambda x: plain(options, x, bounds), inputs)[1](pushed)[0]

        _, pull = jax.vjp(plain_gradients, inputs, pushed)
        by_inputs, by_pushed = pull(gradient)
        return by_inputs, None, None, None, None, by_pushed

    return custom_gradient(backward, static=(0,))(gradients)
