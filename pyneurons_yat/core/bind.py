"""bind: from plain functions to a layer, or from parameters to a model."""

from collections.abc import Callable, Mapping
from functools import partial
from inspect import getdoc
from types import NoneType
from typing import Any, overload

from multipledispatch import Dispatcher

from .checks import check_kind, holds_arrays
from .docstrings import documented
from .functions import as_value
from .layer import Layer
from .model import Model, made
from .paths import normalise
from .signatures import options_in, taken_by

Function = Callable[..., Any]


@overload
def bind(
    name: str,
    create: Function,
    apply: Function,
    observe: Function | None = None,
    *,
    roles: Mapping[str, str] | None = None,
    doc: str | None = None,
) -> Layer: ...
@overload
def bind(create: Function, apply: Function, /, **keywords: Any) -> Layer: ...
@overload
def bind(params: Any, apply: Function, /, **keywords: Any) -> Model: ...
def bind(*args: Any, **keywords: Any) -> Any:
    """Binds functions to a layer, or parameters and a function to a model.

    Three forms:

        bind(name, create, apply, observe=None, *, roles=None, doc=None) -> Layer
        bind(create, apply, ...) -> Layer, named "Model"
        bind(params, apply, ...) -> Model, with parameters you already have

    Args:
        name: What errors, profiles and printed models call it.
        create: `create(key, ..., *, options) -> params`. Its keyword-only arguments shape the
            parameters. A layer will do, and then the parameters are a model of that layer.
        apply: `apply(params, x, *, options) -> y`. Its keyword-only arguments shape the
            computation. They can be given when the model is made and overridden at each call. A
            keyword `key`, with the default `None`, receives a fresh key at each call in training.
            Models among the parameters are called, and know themselves what training means.
        observe: `observe(params, x, *, options) -> (y, params)`: the call in training, for a layer
            whose own leaves move then, as the statistics of a batch norm do. No other layer wants
            one. A keyword `key` receives a key here too.
        roles: A mapping from a path below the parameters to the role of the leaves there, such as
            `{"mean": "batch_stats"}`. By default an inexact array is `"params"`, any other
            `"buffers"`.
        doc: What `help` shows for the layer; by default the docstring of `create`. What the
            docstrings of `apply` and `observe` tell of their options is added.
        params: Any pytree that is not callable, or a model, or the arrays of a module of another
            library, which are callable too.

    Returns:
        A `Layer`, a value: the same name and functions bound again give an equal layer. Functions
        are compared by identity, so a function defined anew each time means a compilation each
        time; a `functools.partial` is compared by its function and options.

    Raises:
        TypeError: If the arguments fit none of the forms.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> def create(key, inputs, outputs):
        ...     return jax.random.normal(key, (inputs, outputs))
        >>> def apply(kernel, x, *, gain=1.0):
        ...     return gain * (x @ kernel)
        >>> Matrix = pn.bind("Matrix", create, apply)
        >>> model = Matrix(jax.random.key(0), 3, 2, gain=2.0)
        >>> model(jax.numpy.ones((5, 3))).shape
        (5, 2)
        >>> Matrix == pn.bind("Matrix", create, apply)
        True
    """
    try:
        return _bind(*args, **keywords)
    except NotImplementedError:
        came = ", ".join(type(arg).__name__ for arg in args)
        raise TypeError(
            "bind takes (name, create, apply), (create, apply) or (params, apply), each with an "
            f"optional observe behind it and roles by keyword, got ({came})"
        ) from None


_bind = Dispatcher("bind")
Optional = (Callable, NoneType)


@_bind.register(str, Callable, Callable)
@_bind.register(str, Callable, Callable, Optional)
def _named(
    name: str,
    create: Function,
    apply: Function,
    observe: Function | None = None,
    *,
    roles: Mapping[str, str] | None = None,
    doc: str | None = None,
) -> Layer:
    if roles is not None:
        check_kind("bind", "roles", roles, Mapping)
    if observe is not None:
        _refuse_positional_key(name, observe)
    pairs = ((normalise(path), role) for path, role in (roles or {}).items())
    calls = [apply] if observe is None else [apply, observe]
    options = [p.name for call in calls for p in options_in(call) if p.name != "key"]
    doc = documented(doc or getdoc(create), calls, options, "Options of the call")
    create, apply, observe = map(as_value, (create, apply, observe))
    return Layer(name, create, apply, observe, tuple(sorted(pairs, reverse=True)), doc)


def _refuse_positional_key(name: str, observe: Function) -> None:
    """Refuses `observe(params, x, key=None)`, which would never be handed a key."""
    if "key" in taken_by(observe).positionals[2:]:
        raise TypeError(
            f"bind: in the observe of {name} key must be keyword-only: observe(params, x, *, key)"
        )


@_bind.register(Callable, Callable)
@_bind.register(Callable, Callable, Optional)
def _anonymous(
    create: Function, apply: Function, observe: Function | None = None, **keywords: Any
) -> Layer | Model:
    if holds_arrays(create) and not isinstance(create, partial):  # a module of another library
        return _with_params(create, apply, observe, **keywords)
    return _named(Model.__name__, create, apply, observe, **keywords)


@_bind.register(Model, Callable)
@_bind.register(Model, Callable, Optional)
@_bind.register(object, Callable)
@_bind.register(object, Callable, Optional)
def _with_params(
    params: Any, apply: Function, observe: Function | None = None, **keywords: Any
) -> Model:
    if isinstance(params, str):
        raise NotImplementedError
    return made(_named(Model.__name__, identity, apply, observe, **keywords), params)


def identity(x: Any) -> Any:
    """The function that changes nothing.

    Args:
        x: Anything.

    Returns:
        The same.

    Example:
        >>> import pyneurons_yat as pn
        >>> pn.identity(3)
        3
    """
    return x
