"""compose: functions after a layer or a model.

What a composed layer keeps is a value (a layer and a tuple of functions), never a closure, so that
the same composition made twice is equal and compiles once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, overload

from multipledispatch import Dispatcher

from .calls import split_key, with_key
from .checks import check_plain
from .description import title
from .functions import as_value
from .layer import Around, Layer
from .model import Model
from .sequential import sequential
from .signatures import shown

Function = Callable[..., Any]


@dataclass(frozen=True)
class Composed(Around):
    """The `apply` of `compose`: the layer, then the functions; those that take a key get one."""

    functions: tuple[Function, ...]

    def title(self, name: str) -> str:
        chain = " | ".join([title(self.layer), *map(shown, self.functions)])
        return chain if name == _chain(self.layer, self.functions) else f"{name}: {chain}"

    def __call__(self, params: Any, *args: Any, key: Any = None, **options: Any) -> Any:
        first, *keys = split_key(key, 1 + len(self.functions))
        y = with_key(self.layer.apply, first)(params, *args, **options)
        for function, one in zip(self.functions, keys, strict=True):
            y = with_key(function, one)(y)
        return y

    def drawing(self) -> tuple[Function, ...]:
        return self.functions


@overload
def compose(name: str, layer: Layer, /, *functions: Function, doc: str | None = None) -> Layer: ...
@overload
def compose(layer: Layer, /, *functions: Function) -> Layer: ...
@overload
def compose(model: Model, /, *parts: Model | Function) -> Model: ...
def compose(*args: Any, **keywords: Any) -> Any:
    """Maps the output of a layer or a model through functions.

    Three forms:

        compose(name, layer, *functions, doc=None) -> Layer
        compose(layer, *functions)       -> Layer, named after all of them
        compose(model, *parts)           -> Model; a part may be a model too

    Args:
        name: The name of the new layer.
        layer: A layer, whose parameters stay as they are.
        model: A model, whose parameters stay as they are. If a part is a model too, the result is
            `sequential(model, *parts)`.
        functions: Functions of one argument. One that names a keyword `key`, with the default
            `None`, receives a key in training and `None` in inference. `jax.nn.relu` is the usual
            ReLU; `pn.relu` is straight-through. Options go by `functools.partial`, as in
            `sequential`.
        doc: What `help` shows for the new layer; by default the docstring of `layer.create`.

    Returns:
        A layer equal to any made from equal parts, or a model.

    Raises:
        TypeError: If the arguments fit none of the forms, or a model or layer stands where a
            function was wanted.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> Binary = pn.compose("Binary", pn.Neuron, pn.binary)
        >>> model = Binary(jax.random.key(0), 3)
        >>> float(model(jax.numpy.array([[1.0, 2.0, 3.0]]))[0, 0])
        1.0
    """
    try:
        return _compose(*args, **keywords)
    except NotImplementedError:
        came = ", ".join(type(arg).__name__ for arg in args)
        raise TypeError(
            "compose takes (name, layer, *functions), (layer, *functions) or (model, *parts), "
            f"got ({came})"
        ) from None


_compose = Dispatcher("compose")


@_compose.register(str, Layer, [Callable])
def _compose_named(name: str, layer: Layer, *functions: Function, doc: str | None = None) -> Layer:
    for function in functions:
        if isinstance(function, (Model, Layer)):
            raise TypeError(
                f"compose: what follows the layer of {name} must be plain functions, got a "
                f"{type(function).__name__}; put models one after another with sequential"
            )
        check_plain("compose", f"what follows the layer of {name}", function)
    composed = Composed(layer, tuple(map(as_value, functions)))
    return Layer(name, layer.create, composed, None, layer.roles, doc or layer.doc)


@_compose.register(Layer, [Callable])
def _compose_layer(layer: Layer, *functions: Function) -> Layer:
    return _compose_named(_chain(layer, functions), layer, *functions)


def _chain(layer: Layer, functions: tuple[Function, ...]) -> str:
    named = [getattr(f, "__name__", type(f).__name__) for f in map(as_value, functions)]
    return " | ".join([layer.name, *named])


@_compose.register(Model, [Callable])
def _compose_model(model: Model, *parts: Model | Function) -> Model:
    if any(isinstance(part, Model) for part in parts):
        return sequential(model, *parts)
    return Model(_compose_layer(model.layer, *parts), model.params, model.static)
