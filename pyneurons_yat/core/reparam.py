"""reparam: a function before the parameters."""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import Signature
from typing import Any, overload

from .calls import split_key, with_key
from .layer import Around, Layer
from .model import Model
from .parametrise import Parametrise, Selective
from .signatures import Wrapping, taken_by

Function = Callable[..., Any]


@dataclass(frozen=True)
class Reparametrized(Around):
    """The `apply` of `reparam`: the transform, which may take a key, then the layer."""

    transform: Function

    def __call__(self, params: Any, *args: Any, key: Any = None, **options: Any) -> Any:
        first, second = split_key(key, 2)
        params = self.transformed(params, first)
        return with_key(self.layer.apply, second)(params, *args, **options)

    def transformed(self, params: Any, key: Any = None) -> Any:
        """The parameters that the layer is applied to."""
        function = with_key(self.transform, key)
        if isinstance(self.transform, Selective):
            return function(Model(self.layer, params)).params
        return function(params)

    def drawing(self) -> tuple[Function, ...]:
        return (self.transform,)

    def in_training(self, layer: Function, stepping: Function) -> "Reparametrized":
        before = self.transform
        moves = isinstance(before, Parametrise) and before.layer.observe is not None
        after = stepping(before.stepped) if moves else before
        return Reparametrized(layer(self.layer), after)


@dataclass(frozen=True)
class Prepared(Wrapping):
    """The `create` of a layer whose parameters are then parametrised."""

    layer: Layer
    transform: Parametrise

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        params = self.layer.create(*args, **keywords)
        return self.transform.prepared(Model(self.layer, params)).params

    def signature(self) -> Signature:
        return taken_by(self.layer.create).signature


@overload
def reparam(target: Layer, transform: Function) -> Layer: ...
@overload
def reparam(target: Model, transform: Function) -> Model: ...
def reparam(target: Any, transform: Function) -> Any:
    """Maps the parameters of a layer or a model through a function before every call.

    Weight normalization, tying, quantized weights, low-precision compute and DropConnect are each
    one such function. The parameters before the transform are what is stored and trained.

    Args:
        target: A layer or a model.
        transform: `transform(params) -> params`. If it names a keyword `key`, with the default
            `None`, it receives a key in training and `None` in inference. A transform with
            parameters or state of its own is what `parametrise` returns.

    Returns:
        A layer if a layer came, a model if a model came.

    Gradient:
        That of the composition: with respect to the parameters before the transform.

    Raises:
        TypeError: If `target` is neither, or `transform` is no function or, for a layer, not
            hashable; in training, if the transform draws and there is no key.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> def unit_norm(params):
        ...     norms = jnp.linalg.norm(params.kernel, axis=0, keepdims=True)
        ...     return params._replace(kernel=params.kernel / norms)
        >>> Unit = pn.reparam(pn.Linear, unit_norm)
        >>> model = Unit(jax.random.key(0), 3, 2, use_bias=False)
        >>> [round(float(v), 4) for v in jnp.linalg.norm(model(jnp.eye(3)), axis=0)]
        [1.0, 1.0]
    """
    if not isinstance(target, Layer | Model) or not callable(transform):
        raise TypeError(
            "reparam: target must be a layer or a model, and transform a function of the "
            f"parameters, got ({type(target).__name__}, {type(transform).__name__})"
        )
    prepares = isinstance(transform, Parametrise)
    if isinstance(target, Model):
        params = transform.prepared(target).params if prepares else target.params
        transform = transform.settled() if prepares else transform
        return Model(reparam(target.layer, transform), params, target.static)
    _check_hashable(transform)
    create = Prepared(target, transform) if prepares else target.create
    apply = Reparametrized(target, transform)
    return Layer(target.name, create, apply, None, target.roles, target.doc)


def _check_hashable(transform: Function) -> None:
    try:
        hash(transform)
    except TypeError as error:
        raise TypeError(
            f"reparam: transform must be hashable, got a {type(transform).__name__} that is not "
            f"({error}); what it holds belongs in the parameters: transform a model, or parametrise"
        ) from None
