"""reparam: a function before the parameters."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, overload

import jax

from .calls import observe_layer, split_key, takes_key, with_key
from .model import Around, AroundObserve, Layer, Model
from .parametrise import Parametrise
from .roles import leaves_with_roles
from .signatures import Wrapping, keywords_of, positionals_of

Function = Callable[..., Any]


@dataclass(frozen=True)
class Reparametrised(Around):
    """Inference of `reparam`: the transform, then the layer."""

    transform: Function

    def __call__(self, params: Any, *args: Any, **options: Any) -> Any:
        return self.layer.apply(self.transform(params), *args, **options)


@dataclass(frozen=True)
class ReparametrisedObserve(AroundObserve, Reparametrised):
    """Training-time call of `reparam`: what the layer moved goes back into the raw parameters."""

    def __call__(self, params: Any, *args: Any, key: Any = None, **options: Any) -> tuple[Any, Any]:
        first, second = split_key(key, 2)
        if first is None and takes_key(self.transform):
            name = getattr(self.transform, "__name__", type(self.transform).__name__)
            raise TypeError(f"{name}: in training it needs a key: pn.observe(model, x, key=key)")
        if isinstance(self.transform, Parametrise):
            params = self.transform.observed(params, first)
        before = with_key(self.transform, first)(params)
        y, after = observe_layer(self.layer, before, *args, key=second, **options)
        owns = self.transform.owns if isinstance(self.transform, Parametrise) else _nothing
        return y, _carry_back(self.layer, owns, params, before, after)

    def differs(self) -> bool:
        moves = isinstance(self.transform, Parametrise) and self.transform.differs()
        return moves or super().differs() or takes_key(self.transform)


@dataclass(frozen=True)
class Prepared(Wrapping):
    """The `create` of a layer whose parameters are then parametrised."""

    create: Function
    transform: Parametrise

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        return self.transform.prepared(self.create(*args, **keywords))

    def keywords(self) -> tuple[set[str], bool]:
        return keywords_of(self.create)

    def positionals(self) -> list[str]:
        return positionals_of(self.create)


def _nothing(_: Any) -> bool:
    return False


def _carry_back(
    layer: Layer, owns: Callable[[Any], bool], raw: Any, before: Any, after: Any
) -> Any:
    """The raw parameters with the leaves that the layer's own observe moved.

    `owns` tells in the place of which nodes the transform has put arrays. What it made of a
    parameter is not one of the moved leaves, although it may come back as another array, as from
    `jax.checkpoint`.
    """
    leaves, structure = jax.tree.flatten(after)
    places, kept_structure = jax.tree.flatten(raw, is_leaf=owns)
    same = kept_structure == structure
    stored = places if same else jax.tree.leaves(before)
    given = leaves_with_roles(Model(layer, before))
    moved = [
        new is not was and (role != "params" or was is kept)
        for new, (_, was, role), kept in zip(leaves, given, stored, strict=True)
    ]
    if not any(moved):
        return raw
    if not same:
        raise TypeError(
            f"reparam: observing {layer.name} moved its parameters, but its transform changes "
            "their structure, so they cannot go back; keep the structure, or transform an inner "
            "model"
        )
    each = zip(stored, leaves, moved, strict=True)
    back = [r if owns(r) or not m else new.astype(r.dtype) for r, new, m in each]
    return jax.tree.unflatten(kept_structure, back)


@overload
def reparam(target: Layer, transform: Function) -> Layer: ...
@overload
def reparam(target: Model, transform: Function) -> Model: ...
def reparam(target: Any, transform: Function) -> Any:
    """Maps the parameters of a layer or a model through a function before every call.

    Weight normalisation, tying, quantised weights, low-precision compute and DropConnect are each
    such a function. What is stored and trained are the parameters before the transform.

    Args:
        target: A layer or a model.
        transform: `transform(params) -> params`. If it names a keyword `key`, with the default
            `None`, it receives a key in `observe`, which then wants one, and none in inference. Or
            what `parametrise` returns, for a transform with parameters or state of its own.

    Returns:
        A layer if a layer came, a model if a model came.

    Gradient:
        That of the composition: with respect to the parameters before the transform.

    Raises:
        TypeError: If `target` is neither; in `observe`, if the transform takes a key and there is
            none.

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
    if isinstance(target, Model):
        params = target.params
        if isinstance(transform, Parametrise):
            params = transform.prepared(params)
        return Model(reparam(target.layer, transform), params, target.static)
    if not isinstance(target, Layer) or not callable(transform):
        raise TypeError(
            "reparam takes (layer or model, function of the parameters), but "
            f"({type(target).__name__}, {type(transform).__name__}) came"
        )
    apply, seen = Reparametrised(target, transform), ReparametrisedObserve(target, transform)
    create = Prepared(target.create, transform) if isinstance(transform, Parametrise) else None
    return Layer(target.name, create or target.create, apply, seen, target.roles, target.doc)
