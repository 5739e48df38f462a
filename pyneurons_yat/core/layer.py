"""Layer: a value that makes models, and what is built around a layer."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from dataclasses import replace as with_fields
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from .model import Model, made, noting
from .signatures import (
    Parameter,
    Wrapping,
    check_hashable,
    fixed_by,
    listed,
    options_in,
    route,
    taken_by,
    takes_key,
    with_options,
)


class Box(NamedTuple):
    """A pytree that holds one value; given to a layer, it stands for finished parameters.

    Example:
        >>> import pyneurons_yat as pn
        >>> value, = pn.Box(3)
        >>> value
        3
        >>> neuron = pn.Neuron(pn.Box(([[2.0]], [[1.0]])))  # no key: nothing is drawn
    """

    value: Any


@dataclass(frozen=True)
class Layer(Wrapping):
    """A name and the pure functions that make and run one kind of model.

    A layer is a value: frozen, hashable, equal to any layer of the same name and functions, and
    picklable when its functions are. Calling it makes a `Model`. `bind` builds layers from
    functions; `compose` and `reparam` build them from other layers.

    Attributes:
        name: What errors, profiles and printed models call it.
        create: `create(*args, **keywords) -> parameters`, any pytree of arrays and models.
        apply: `apply(parameters, x, **options) -> y`. If it names a keyword `key`, it receives a
            key in training and `None` in inference, where it is deterministic.
        observe: `observe(parameters, x, **options) -> (y, parameters)`, the call in training of a
            layer whose own leaves move then; `None` for every other. It may take a `key`.
        roles: Pairs of a path below the parameters and the role of what is there.
        doc: What `help` shows for it; by default the docstring of `create`.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> model = pn.YatDense(jax.random.key(0), 3, 2, use_bias=False, epsilon=1e-3)
        >>> model.static  # what `apply` takes is kept beside the parameters
        (('epsilon', 0.001),)
    """

    name: str
    create: Callable[..., Any] = field(repr=False)
    apply: Callable[..., Any] = field(repr=False)
    observe: Callable[..., Any] | None = field(default=None, repr=False)
    roles: tuple[tuple[str, str], ...] = ()
    doc: str | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Takes over the docstring."""
        object.__setattr__(self, "__doc__", self.doc or inspect.getdoc(self.create))

    def __call__(self, *args: Any, **keywords: Any) -> Model:
        """Creates a model: each argument goes to `create` or `apply` or both, where it is named."""
        created, static = route(self, args, keywords)
        boxed = len(args) == 1 and isinstance(args[0], Box)
        if not boxed:
            _check_call(self, args, created)
        check_hashable(self, static)
        if boxed:
            params = _unboxed(self, args[0], created.keys() - dict(static).keys())
        else:
            with noting("while creating {}".format, self.name):
                params = self.create(*args, **created)
        return made(self, params, static)

    def signature(self) -> inspect.Signature:
        """What making a model takes: the arguments of `create`, and the options of the call."""
        options = [p for f in _functions(self) for p in options_in(f) if p.name != "key"]
        return with_options(taken_by(self.create).signature, options).replace(
            return_annotation=Model
        )

    @cached_property
    def options(self) -> tuple[frozenset[str], bool]:
        """The options that may be static configuration, and whether any may."""
        taken = [taken_by(function) for function in _functions(self)]
        names = frozenset().union(*(one.keywords for one in taken)) - {"key"}
        return names, any(one.anything for one in taken)

    @cached_property
    def taken(self) -> tuple[frozenset[str], bool]:
        """The options that `apply` takes, and whether it takes any."""
        taken = taken_by(self.apply)
        return taken.keywords, taken.anything

    @cached_property
    def fixed(self) -> dict[str, Any]:
        """The options of `apply` that are settled when a model is made, with their defaults."""
        return fixed_by(self.create, self.apply)

    def __getstate__(self) -> dict[str, Any]:
        """The fields: what is computed from them is computed again."""
        return {name: self.__dict__[name] for name in (*self.__dataclass_fields__, "__doc__")}

    def __deepcopy__(self, memo: dict[int, Any]) -> "Layer":
        """The layer itself: it is a value, and a copied function would not be equal."""
        return self

    def functions(self) -> tuple[Any, ...]:
        """What the layer is without the roles of its leaves."""
        return self.name, self.create, self.apply, self.observe

    def parts(self, parameters: Any) -> tuple[Any, ...]:
        """What iterating over a model of this layer yields."""
        return (parameters,)

    def part(self, parameters: Any, index: Any) -> Any:
        """What indexing a model of this layer yields."""
        return parameters[index]


def layers(layer: Layer) -> Iterator[Layer]:
    """A layer, and those that it is built around, from the outside in."""
    yield layer
    if isinstance(layer.apply, Around):
        yield from layers(layer.apply.layer)


def _functions(layer: Layer) -> list[Callable[..., Any]]:
    """The functions of a layer whose options may be static, those that it is built around too."""
    return [f for one in layers(layer) for f in (one.apply, one.observe) if f is not None]


class Parametrization(Layer):
    """The layer of a model that stands in the place of an array, its value."""


@dataclass(frozen=True)
class Around(Wrapping):
    """The `apply` of a layer that is built around another: it takes what that layer takes."""

    layer: Layer

    def signature(self) -> inspect.Signature:
        """That of the inner layer's `apply`; it takes a key if something in it takes one."""
        inner = taken_by(self.layer.apply).signature
        return with_options(inner, [KEY] if any(map(takes_key, self.drawing())) else [])

    def drawing(self) -> tuple[Callable[..., Any], ...]:
        """The functions beside the inner layer that may take a key."""
        return ()

    def in_training(self, layer: Callable[..., Layer], stepping: Callable[..., Any]) -> "Around":
        """The same, built around the inner layer in training."""
        return with_fields(self, layer=layer(self.layer))


KEY = Parameter("key", Parameter.KEYWORD_ONLY, default=None)


def _check_call(layer: Layer, args: tuple[Any, ...], keywords: dict[str, Any]) -> None:
    """Refuses arguments that `create` does not take, and what is no key where a key is wanted."""
    signature = taken_by(layer.create).signature
    wants_key = takes_first_key(layer) and signature.parameters["key"].default is Parameter.empty
    told = f"the call is {layer.name}{_brief(layer)}"
    try:
        given = signature.bind(*args, **keywords).arguments
    except TypeError as error:
        if args and is_key(args[0]) and not wants_key and signature.parameters:
            told = f"it draws nothing, so it takes no key; {told}"
        elif args and wants_key and not is_key(args[0]):
            told = f"the first argument is a key, such as jax.random.key(0); {told}"
        raise TypeError(f"{layer.name}: {error}; {told}") from None
    if wants_key and given["key"] is not None and not is_key(given["key"]):
        came = given["key"]
        came = repr(came) if isinstance(came, int | float) else f"a {type(came).__name__}"
        raise TypeError(
            f"{layer.name}: key must be a PRNG key such as jax.random.key(0), got {came}; {told}"
        )


def takes_first_key(layer: Layer) -> bool:
    """Whether the first argument of a layer is a PRNG key."""
    return next(iter(taken_by(layer.create).signature.parameters), "") == "key"


def is_key(value: Any) -> bool:
    """Whether a value is a PRNG key, or several, of either kind."""
    dtype = getattr(value, "dtype", None)
    if dtype is None:
        return False
    return jnp.issubdtype(dtype, jax.dtypes.prng_key) or dtype == jnp.uint32


def _brief(layer: Layer) -> str:
    """The names of the arguments of a layer's call."""
    stars = {Parameter.VAR_POSITIONAL: "*", Parameter.VAR_KEYWORD: "**"}
    parameters = layer.signature().parameters.values()
    named = [stars.get(p.kind, "") + p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
    options = [f"{p.name}=..." for p in parameters if p.kind is p.KEYWORD_ONLY]
    return f"({', '.join([*named, *options])})"


def _unboxed(layer: Layer, box: Box, unused: set[str]) -> Any:
    if unused:
        raise TypeError(
            f"{layer.name}: a Box holds finished parameters, which {listed(unused)} cannot shape"
        )
    return box.value
