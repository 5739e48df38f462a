"""reparam: a function before the parameters."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, overload

import jax

from .keywords import keywords_of
from .model import Around, Layer, Model
from .observe import observe_layer, split_key, with_key
from .roles import leaves_with_roles

Function = Callable[..., Any]


@dataclass(frozen=True)
class Reparametrised(Around):
    """Inference of `reparam`: the transform, then the layer."""

    transform: Function

    def __call__(self, params: Any, *args: Any, **options: Any) -> Any:
        return self.layer.apply(self.transform(params), *args, **options)


@dataclass(frozen=True)
class ReparametrisedObserve(Reparametrised):
    """Training-time call of `reparam`: what the layer moved goes back into the raw parameters."""

    def __call__(self, params: Any, *args: Any, key: Any = None, **options: Any) -> tuple[Any, Any]:
        first, second = split_key(key, 2)
        before = with_key(self.transform, first)(params)
        y, after = observe_layer(self.layer, before, *args, key=second, **options)
        return y, _carry_back(self.layer, params, before, after)

    def keywords(self) -> tuple[set[str], bool]:
        names, takes_any = keywords_of(self.layer.observe or self.layer.apply)
        return names | {"key"}, takes_any

    def differs(self) -> bool:
        return super().differs() or "key" in keywords_of(self.transform)[0]


def _carry_back(layer: Layer, raw: Any, before: Any, after: Any) -> Any:
    """The raw parameters with the leaves that the layer's own observe moved.

    What the transform made of a parameter is not one of them, although it may come back as another
    array, as from `jax.checkpoint`.
    """
    leaves, structure = jax.tree.flatten(after)
    same = jax.tree.structure(raw) == structure
    stored = jax.tree.leaves(raw if same else before)
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
    return jax.tree.unflatten(structure, [new.astype(r.dtype) if m else r for r, new, m in each])


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
            `None`, it receives a key in `observe` and none in inference.

    Returns:
        A layer if a layer came, a model if a model came.

    Gradient:
        That of the composition: with respect to the parameters before the transform.

    Raises:
        TypeError: If `target` is neither.

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
        return Model(reparam(target.layer, transform), target.params, target.static)
    if not isinstance(target, Layer) or not callable(transform):
        raise TypeError(
            "reparam takes (layer or model, function of the parameters), but "
            f"({type(target).__name__}, {type(transform).__name__}) came"
        )
    apply, seen = Reparametrised(target, transform), ReparametrisedObserve(target, transform)
    return Layer(target.name, target.create, apply, seen, target.roles, target.doc)
