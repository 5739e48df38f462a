"""Initializers by name: functions (key, shape, dtype) -> array, as layers take them."""

import inspect
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.nn import initializers
from jax.typing import DTypeLike

from ..core import Filter, Model
from ..neurons import reinitialize as drawn_anew
from ..neurons import yat_normal
from ..ops.checks import FINITE, NOT_NEGATIVE, check_numbers
from .grammar import parsed
from .tables import arguments, look_up

Initializer = Callable[..., jax.Array]


def uniform(a: float = 0.0, b: float = 1.0) -> Initializer:
    """Even numbers from a to b."""
    check_numbers("Uniform", FINITE, static=True, a=a, b=b)
    return partial(_uniform, a, b)


def _uniform(a: float, b: float, key: Any, shape: Any, dtype: DTypeLike = jnp.float32) -> jax.Array:
    return jax.random.uniform(key, shape, dtype, a, b)


def normal(a: float = 0.0, b: float = 1.0) -> Initializer:
    """Normal numbers of mean a and standard deviation b."""
    check_numbers("Normal", FINITE, static=True, a=a)
    check_numbers("Normal", NOT_NEGATIVE, static=True, b=b)
    return partial(_normal, a, b)


def _normal(a: float, b: float, key: Any, shape: Any, dtype: DTypeLike = jnp.float32) -> jax.Array:
    return a + jnp.asarray(b, dtype) * jax.random.normal(key, shape, dtype)


def _scaled(scale: float, mode: Any, distribution: Any) -> Callable[[], Initializer]:
    return lambda: initializers.variance_scaling(scale, mode, distribution)


def _as_it_is(init: Initializer) -> Callable[[], Initializer]:
    return lambda: init


@cache
def table() -> Mapping[str, Callable[..., Initializer]]:
    """All initializers: those of nerva, and those of JAX and of this library."""
    xavier_uniform, xavier_normal = (_scaled(1, "fan_avg", d) for d in ("uniform", "normal"))
    he_uniform, he_normal = (_scaled(2, "fan_in", d) for d in ("uniform", "normal"))
    own = {
        "XavierUniform": xavier_uniform,
        "XavierNormal": xavier_normal,
        "HeUniform": he_uniform,
        "HeNormal": he_normal,
        "Uniform": uniform,
        "Normal": normal,
        "Zero": _as_it_is(initializers.zeros),
        "Xavier": xavier_uniform,  # as older versions of nerva's manual call three of them
        "XavierNormalized": xavier_normal,
        "He": he_normal,
        "zeros": _as_it_is(initializers.zeros),
        "ones": _as_it_is(initializers.ones),
        "yat_normal": _as_it_is(yat_normal),
    }
    theirs = {name: f for name, f in vars(initializers).items() if inspect.isfunction(f)}
    return own | {name: f for name, f in sorted(theirs.items()) if name not in own}


def initializer(text: str | Initializer) -> Initializer:
    """An initializer by name, as `kernel_init` and its kin take it.

        XavierUniform        even between -+ sqrt(6 / (I + O))
        XavierNormal         normal, of the variance 2 / (I + O)
        HeUniform            even between -+ sqrt(6 / I)
        HeNormal             normal, of the variance 2 / I
        Uniform(a=0, b=1)    even from a to b
        Normal(a=0, b=1)     normal, of the mean a and the standard deviation b
        Zero                 0

    The names and meanings are nerva's: its normal numbers are not truncated. `Xavier`,
    `XavierNormalized` and `He` are older names of the uniform, the normal, and He's normal. Those
    of `jax.nn.initializers` work too, `glorot_normal` and `truncated_normal(0.02)`, and
    `yat_normal`.

    Letters: I inputs of a neuron, O outputs of the layer, read off the kernel (..., I, O).

    Args:
        text: The name and its arguments; or an initializer, as it is.

    Returns:
        `init(key, shape, dtype) -> array`.

    Raises:
        TypeError: If the arguments are not those of the name; the message lists them.
        ValueError: If there is no such name; the message lists what there is. If text is no name,
            or an argument is out of its range.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> init = pn.by_name.initializer("Uniform(-0.1, 0.1)")
        >>> model = pn.Linear(jax.random.key(0), 64, 10, kernel_init=init)
        >>> bool(abs(model.kernel).max() <= 0.1)
        True

    Source:
        The nerva libraries, whose manual lists the names.
    """
    if callable(text):
        return text
    call = parsed("initializer", text)
    make = look_up("initializer", "an initializer", table(), call)
    return make(**arguments("initializer", call, make))


def reinitialize(key: jax.Array, model: Model, values: Mapping[Filter, Any]) -> Model:
    """Draws leaves of a model anew, by initializers with names.

    It is `pn.reinitialize`, which takes the same initializers as functions.

    Args:
        key: A PRNG key.
        model: A model.
        values: From a filter, as for `partition`, to the name of an initializer, or to one.

    Returns:
        A model with the same structure.

    Raises:
        TypeError: As for `initializer` and `pn.reinitialize`.
        ValueError: As for `initializer` and `pn.reinitialize`.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> model = pn.Linear(jax.random.key(0), 64, 10, bias_init=jax.nn.initializers.ones)
        >>> key = jax.random.key(1)
        >>> model = pn.by_name.reinitialize(key, model, {"*kernel": "HeNormal", "*bias": "Zero"})
        >>> bool(abs(model.kernel.std() - (2 / 64) ** 0.5) < 0.02), float(model.bias.sum())
        (True, 0.0)
    """
    if isinstance(values, Mapping):
        values = {one: initializer(value) for one, value in values.items()}
    return drawn_anew(key, model, values)
