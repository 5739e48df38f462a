"""How ops say what their derivative is.

Most rules are tangents, `jax.custom_jvp`, which JAX turns into the reverse pass: both modes work,
and so does `jax.vmap`. `checkpoint` keeps of them what the reverse pass cannot compute again. A
rule that is written backwards, since its forward pass cannot be reversed, is `custom_gradient`; it
refuses forward mode, unless `forward_mode` is on.
"""

import contextlib
import functools
import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import source_info_util
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from .checks import check_flag

_forward_mode = jax.make_user_context(default_value=False)


class forward_mode(contextlib.AbstractContextManager[None]):  # noqa: N801
    """Switches the ops with a reverse rule to their plain definition, so that forward mode works.

    Two ops carry a reverse rule of their own, which keeps little in memory, and which JAX cannot
    run forwards. `yat_attention`, also as `ring_attention`, and so `YatMultiHeadAttention` and
    `YatSelfAttention`, wants this for `jax.jvp`, `jax.jacfwd`, `jax.linearize` and `jax.hessian`;
    `linear_attention` wants it for all of these but `jax.hessian`. Everything else can be
    differentiated either way as it is: dense, convolutional and recurrent layers, norms, softermax
    and its relatives. And
    `jax.jacrev(jax.grad(f))` is a Hessian that needs it nowhere.

    `forward_mode(True)` as a statement of its own switches at once and until further notice, as
    for a whole notebook; in a `with` it is undone at the end. The flag belongs to the thread, and
    is part of the key of `jax.jit`'s cache: a function that was compiled before is compiled once
    more, and neither is used for the other.

    Args:
        flag: True for the plain definitions, False for the reverse rules (the default).

    Gradient:
        The same up to rounding in both modes. Reverse mode keeps more arrays while it is on.

    Raises:
        TypeError: flag is neither True nor False.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> def attend(scale):
        ...     return pn.yat_attention(scale * x, x, x).sum()
        >>> x = jnp.ones((2, 1, 3))
        >>> with pn.forward_mode(True):
        ...     slope = jax.jacfwd(attend)(1.0)
        >>> round(float(slope), 4)
        0.0
    """

    def __init__(self, flag: bool = True) -> None:
        """Switches."""
        check_flag("forward_mode", flag=flag)
        self._context = _forward_mode(bool(flag))
        self._context.__enter__()

    def __enter__(self) -> None:
        """Nothing is left to do."""

    def __exit__(self, *error: object) -> None:
        """Switches back."""
        self._context.__exit__(*error)


def checkpoint(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, of whose inside the reverse pass keeps nothing: it computes it again.

    XLA may well share what both passes compute, so nothing is computed twice in one program.
    """
    return jax.checkpoint(function, prevent_cse=False)


def custom_gradient(
    backward: Callable, forward: Callable | None = None, static: tuple[int, ...] = ()
) -> Callable[[Callable], Callable]:
    """Gives a plain definition a reverse rule, used unless `forward_mode` is on.

    What is differentiated should come through `reverse_only`, so that errors say what to do.

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


# ---------------------------------------------------- a reverse rule says that it is one


def reverse_only(name: str, tree: Any) -> Any:
    """The arguments of an op, whose tangents only reverse mode may use.

    Forward mode is told what to do, and in which layer: the scope in which this is called.
    """
    if _forward_mode.value:
        return tree
    scopes = re.sub(r"\w+\(|\)", "", str(source_info_util.current_name_stack())).split("/")
    place = f"{name} in {scopes[-1]}" if scopes[-1] else name

    def guard(leaf):
        inexact = isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jnp.inexact)
        return _guard_p.bind(leaf, place=place) if inexact else leaf

    return jax.tree.map(guard, tree)


def _same(x, *, place):
    return x


def _guarded(primals, tangents, *, place):
    (x,), (tangent,) = primals, tangents
    return x, tangent if type(tangent) is ad.Zero else _tangent_p.bind(tangent, place=place)


# The identity, whose tangent is the primitive below. Exporters, which go by names, know it by this.
_guard_p = Primitive("copy")
_guard_p.def_impl(_same)
_guard_p.def_abstract_eval(_same)
ad.primitive_jvps[_guard_p] = _guarded
batching.defvectorized(_guard_p)
mlir.register_lowering(_guard_p, mlir.lower_fun(_same, multiple_results=False))


def _refuse(*_, place, **__):
    raise TypeError(
        f"{place}: the derivative must be taken in reverse mode, got forward mode (jax.jvp, "
        "jax.jacfwd, jax.linearize, jax.hessian); put it into `with pn.forward_mode(True):`, or "
        "write pn.forward_mode(True) once for a whole notebook"
    )


_tangent_p = Primitive("reverse_only_tangent")  # may be traced and transposed, but never computed
_tangent_p.def_impl(_refuse)
_tangent_p.def_abstract_eval(_same)
ad.deflinear2(_tangent_p, lambda cotangent, x, *, place: [cotangent])
batching.primitive_batchers[_tangent_p] = _refuse
mlir.register_lowering(_tangent_p, _refuse)


# ------------------------------------------- a wider dtype, whose gradients do not overflow


def widened(x: jax.Array, dtype: Any, back: Callable[..., jax.Array]) -> jax.Array:
    """The array in a wider dtype; a gradient comes back as `back(gradient, dtype of x)`."""
    return _widen_p.bind(x, dtype=jnp.dtype(dtype), back=back)


def _converted(x, *, dtype, back):
    return x.astype(dtype)


_widen_p = Primitive("widen")
_widen_p.def_impl(_converted)
_widen_p.def_abstract_eval(lambda x, *, dtype, **_: x.update(dtype=dtype, weak_type=False))
ad.deflinear2(_widen_p, lambda gradient, x, *, dtype, back: [back(gradient, x.aval.dtype)])
batching.defvectorized(_widen_p)
mlir.register_lowering(_widen_p, mlir.lower_fun(_converted, multiple_results=False))
