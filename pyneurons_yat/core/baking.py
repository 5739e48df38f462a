"""bake: a model in which transformed parameters are replaced by their values."""

from dataclasses import replace as with_fields
from typing import Any

import jax

from .checks import check_kind
from .filters import places
from .freezing import FROZEN, frozen_models
from .layer import Around, Layer, layers
from .model import Model, map_below
from .parametrise import is_parametrised
from .paths import has_place
from .reparam import Reparametrized
from .repeat import CreateRepeated, Repeated
from .tie import Tied


def bake(model: Model) -> Model:
    """Puts the values of transformed parameters in the place of what they are computed from.

    What `reparam` put around a layer is gone afterwards, and the parameters are what the layer was
    applied to: low-rank updates are merged into their kernels, pruned weights are 0, spectral norm
    is divided out, `cast` leaves parameters of the other dtype. The layers themselves stay, batch
    norm and its statistics too. Where parameters are tied and then transformed, each gets a value
    of its own.

    Args:
        model: A model. One that is stacked for `jax.vmap` is baked within it.

    Returns:
        A model that computes in inference what `model` does. It has the structure of the model
        before `reparam`, but for the roles: a leaf that is computed from frozen ones alone is
        frozen.

    Gradient:
        That of the transforms.

    Raises:
        TypeError: If `model` is not a model.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> pruned = pn.reparam(pn.Linear(jax.random.key(0), 10, 10), pn.mask(0.2))
        >>> final = pn.bake(pruned)
        >>> final
        Linear  110 parameters
          .kernel  float32[10,10]
          .bias    float32[10]
        >>> int((final.kernel != 0).sum()), bool((final(jnp.eye(10)) == pruned(jnp.eye(10))).all())
        (20, True)
    """
    check_kind("bake", "model", model, Model)
    return _baked((), model)


def _baked(_: Any, model: Model) -> Model:
    layer, params = _unwrapped(model.layer, model.params)
    if layer is not model.layer:
        layer = with_fields(layer, roles=_roles(model, params))
    if isinstance(params, Repeated) and isinstance(layer.create, CreateRepeated):
        params = Repeated(jax.vmap(bake)(params.each))
        if params.each.layer != model.params.each.layer:
            create = CreateRepeated(params.each.layer, layer.create.n)
            layer = with_fields(layer, create=create)
    return map_below(_baked, Model(layer, params, model.static))


def _unwrapped(layer: Layer, params: Any) -> tuple[Layer, Any]:
    """The layer without transforms of its parameters, and the parameters that it is applied to."""
    apply = layer.apply
    if not isinstance(apply, Around):
        return layer, params
    if isinstance(apply, Reparametrized):
        return _unwrapped(apply.layer, apply.transformed(params))
    if isinstance(apply, Tied) and _transforms(apply.layer):
        return _unwrapped(apply.layer, apply.filled(params))
    inner, params = _unwrapped(apply.layer, params)
    if inner is apply.layer:
        return layer, params
    return with_fields(layer, create=inner.create, apply=with_fields(apply, layer=inner)), params


def _transforms(layer: Layer) -> bool:
    """Whether a layer, or one that it is built around, transforms its parameters."""
    return any(isinstance(one.apply, Reparametrized) for one in layers(layer))


def _roles(model: Model, params: Any) -> tuple[tuple[str, str], ...]:
    """The roles of a model for its new parameters: where they are, and what was frozen whole."""
    rigid = frozen_models(model)
    values = [at.path for at in places(model) if is_parametrised(at.node) and at.path in rigid]
    rules = [*((path, FROZEN) for path in values), *model.layer.roles]
    return tuple(dict.fromkeys(rule for rule in rules if has_place(params, rule[0])))
