"""Which derivative an op uses: its own reverse rule, or autodiff of its plain definition."""

import contextlib
import functools
from collections.abc import Callable

import jax

_forward_mode = jax.make_user_context(default_value=False)


def forward_mode(flag: bool = True) -> contextlib.AbstractContextManager[None]:
    """Switches every op to its plain definition, so that forward mode works.

    The ops carry their own reverse rules, which keep little in memory. JAX refuses `jax.jvp`
    of a function with such a rule. Inside this context the ops are plain `jax.numpy`, which
    can be differentiated either way. The flag is part of the key of `jax.jit`'s cache, so a
    function that was compiled outside is compiled once more inside, and neither is used for
    the other.

    Args:
        flag: True for the plain definitions, False for the reverse rules (the default).

    Returns:
        A context manager.

    Gradient:
        The same up to rounding in both modes. Reverse mode keeps more arrays inside the context.

    Example:
        >>> import jax
        >>> from pyneurons_yat.ops import forward_mode, softer_sigmoid
        >>> with forward_mode(True):
        ...     slope = jax.jacfwd(softer_sigmoid)(1.0)
        >>> round(float(slope), 4)
        0.25
    """
    return _forward_mode(bool(flag))


def custom_gradient(
    backward: Callable, forward: Callable | None = None, static: tuple[int, ...] = ()
) -> Callable[[Callable], Callable]:
    """Gives a plain definition a reverse rule, used unless `forward_mode` is on.

    Args:
        backward: `backward(*static, residuals, gradient)`, one cotangent per traced argument.
        forward: `forward(*args)` returns the value and the residuals; its value is also what is
            computed where no gradient is asked for. By default the value is the plain one, the
            residuals are the traced arguments, and nothing else is kept.
        static: positions of the arguments that are not traced; they come first.

    Returns:
        A decorator for the plain definition.
    """

    def decorate(plain: Callable) -> Callable:
        def keep_arguments(*args):
            return plain(*args), args[len(static) :]

        def value(*args):
            return (forward or keep_arguments)(*args)[0]

        custom = jax.custom_vjp(functools.wraps(plain)(value), nondiff_argnums=static)
        custom.defvjp(forward or keep_arguments, backward)

        @functools.wraps(plain)
        def choose(*args):
            return (plain if _forward_mode.value else custom)(*args)

        return choose

    return decorate
