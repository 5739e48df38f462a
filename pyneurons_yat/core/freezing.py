"""freeze and unfreeze: parts of a model that keep their values, and compute what they computed.

What is frozen has the role `"frozen"`, declared by the layer of the innermost model that holds it.
So the role goes along with a part, whichever way it is read from the whole.
"""

from collections.abc import Iterable
from dataclasses import replace as with_fields
from typing import Any

from .checks import check_kind
from .filters import Filter, Place, places, takes
from .model import Model, map_below
from .paths import Keys, covers

FROZEN = "frozen"


def freeze(model: Model, *filters: Filter) -> Model:
    """Freezes leaves and parts of a model: they get the role `"frozen"`.

    What is frozen is not part of `"params"`: `grad`, `fit` and the optimiser do not see it, so
    weight decay does not move it either. A part that is frozen whole computes in training what it
    computes in inference: its dropout does not drop, its statistics do not move.

    Args:
        model: A model.
        *filters: Which leaves, as for `partition`: `"kernel"`, `"[0]"`, `"hidden.kernel"`,
            `"*bias"`, a role, a predicate. A path or a pattern of a part, and `...`, take parts
            without leaves too. No filter means all of the model.

    Returns:
        A model with the same leaves. Its parts are frozen whichever way they are read from it, and
        in whatever they are put.

    Raises:
        TypeError: If `model` is not a model, or a filter is none.
        ValueError: If a filter takes nothing; the message lists what there is.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> model = pn.freeze(pn.Linear(jax.random.key(0), 3, 2), "kernel")
        >>> gradient = pn.grad(lambda model, x: model(x).sum())(model, jax.numpy.ones(3))
        >>> [leaf.shape for leaf in jax.tree.leaves(gradient)]
        [(2,)]
    """
    here = _places("freeze", model)
    now = _frozen(here)
    return _with_frozen(model, now, now | _chosen("freeze", filters, here))


def unfreeze(model: Model, *filters: Filter) -> Model:
    """Unfreezes leaves and parts of a model: they get the role that they have without being frozen.

    Args:
        model: A model.
        *filters: Which leaves, as for `freeze`; a role is that without being frozen, so `"params"`
            leaves frozen statistics as they are. No filter, like `"frozen"`, means all of the
            model; what a layer itself declares as frozen too.

    Returns:
        A model with the same leaves. What is not frozen stays as it is.

    Raises:
        TypeError: If `model` is not a model, or a filter is none.
        ValueError: If a filter takes nothing; the message lists what there is.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> model = pn.freeze(pn.Linear(jax.random.key(0), 3, 2))
        >>> pn.count(pn.select(pn.unfreeze(model, "bias"), "params"))
        2
    """
    now = _frozen(_places("unfreeze", model))
    wanted = () if FROZEN in filters else filters
    thawed = _chosen("unfreeze", wanted, _places("unfreeze", model, but=FROZEN))
    return _with_frozen(model, now, now - thawed)


def frozen_models(tree: Any) -> set[str]:
    """The paths of the models in a tree that are frozen: they compute in training as in inference.

    A model is frozen if the role of its own place is `"frozen"`, which counts for models without
    leaves too, or if it has leaves and each of them has this role.

    Args:
        tree: A model or any pytree.

    Returns:
        Their paths; the path of the tree itself is empty.
    """
    here = places(tree)
    leaves = [at for at in here if not _is_model(at)]
    leafy = _beginnings(at.keys for at in leaves)
    moving = _beginnings(at.keys for at in leaves if at.role != FROZEN)
    parts = [at for at in here if _is_model(at)]
    return {at.path for at in parts if at.role == FROZEN or at.keys in leafy - moving}


def _is_model(at: Place) -> bool:
    return isinstance(at.node, Model)


def _beginnings(many: Iterable[Keys]) -> set[Keys]:
    """Some places, and everything on the way to them."""
    return {keys[:n] for keys in many for n in range(len(keys) + 1)}


def _places(function: str, model: Model, but: str = "") -> list[Place]:
    """The leaves of a model, and those models in it that hold no other."""
    check_kind(function, "model", model, Model)
    here = places(model, but)
    holding = _beginnings(at.keys[:-1] for at in here if _is_model(at) and at.keys)
    return [at for at in here if not _is_model(at) or at.keys not in holding]


def _frozen(here: Iterable[Place]) -> set[Keys]:
    return {at.keys for at in here if at.role == FROZEN}


def _chosen(function: str, filters: tuple[Filter, ...], here: list[Place]) -> set[Keys]:
    fits = takes(function, filters or (...,), here)
    return {at.keys for at, fit in zip(here, fits, strict=True) if fit}


def _with_frozen(model: Model, now: set[Keys], wanted: set[Keys]) -> Model:
    """The model in which what is wanted is frozen, and nothing else."""
    touched = _beginnings(now ^ wanted)

    def changed(keys: Keys, model: Model) -> Model:
        if keys not in touched:
            return model
        parts = map_below(changed, model, keys)
        layer = with_fields(model.layer, roles=_roles(parts, keys, wanted))
        return Model(layer, parts.params, model.static)

    return changed((), model)


def _roles(model: Model, keys: Keys, wanted: set[Keys]) -> tuple[tuple[str, str], ...]:
    """What the layer of a model declares if what is wanted is frozen; inner models are done.

    Of what these hold it speaks only where it declares another role.
    """
    others = tuple(rule for rule in model.layer.roles if rule[1] != FROZEN)
    here = [at for at in places(model) if (*keys, *at.keys) in wanted]
    held = {at.keys for at in places(model) if _is_model(at) and at.keys}
    if not held and len(here) == len(places(model)):
        return (("", FROZEN), *others)
    frozen = [
        (at.path, FROZEN)
        for at in here
        if not _is_model(at)
        and (
            not any(at.keys[:n] in held for n in range(len(at.keys)))
            or any(covers(path, at.keys) for path, _ in others)
        )
    ]
    return (*frozen, *others)
