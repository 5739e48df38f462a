"""tie: one parameter in several places."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from .checks import check_kind
from .filters import Filter, leaf_places, taken
from .layer import Around, Layer
from .model import Model
from .paths import find, has_place, in_full, normalise, replace, within

Function = Callable[..., Any]
Ties = tuple[tuple[str, str, Function | None], ...]


@dataclass(frozen=True)
class Tied(Around):
    """The `apply` of `tie`: the places are filled, then the layer is applied."""

    ties: Ties

    def __call__(self, params: Any, *args: Any, **options: Any) -> Any:
        return self.layer.apply(self.filled(params), *args, **options)

    def filled(self, params: Any) -> Any:
        """The parameters with what is stored elsewhere put into the empty places."""
        for target, source, function in self.ties:
            value = find("tie", params, source)
            params = replace(params, target, value if function is None else function(value))
        return params


def tie(model: Model, mapping: Mapping[Filter, str | tuple[str, Function]]) -> Model:
    """Makes parameters of a model the same as others of it.

    The parameter at the target is dropped. At every call, what is at the source stands in its
    place. So there is one leaf: the optimizer sees it once, `count` counts it once, and files hold
    it once.

    Args:
        model: A model.
        mapping: From the path of a target to the path of its source. Both are leaves, or subtrees
            of one structure. If the source fits only after a function, map to a pair of path and
            function, such as `("embed.table", jax.numpy.transpose)`. A target that is no path but
            another filter, such as `"*kernel"`, stands for each leaf that it takes beside the
            source.

    Returns:
        A model without leaves at the targets. It computes as if it had them.

    Gradient:
        In the source, the sum of the gradients of all its uses.

    Raises:
        TypeError: If `model` is not a model, or mapping not a mapping.
        ValueError: If a path does not exist, a filter takes nothing, a target is a source or lies
            in one, or the shapes differ.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> one, two = jax.random.split(jax.random.key(0))
        >>> model = pn.sequential({"in": pn.Linear(one, 3, 3), "out": pn.Linear(two, 3, 3)})
        >>> tied = pn.tie(model, {"['out'].kernel": "['in'].kernel"})
        >>> pn.count(model), pn.count(tied)
        (24, 15)
    """
    check_kind("tie", "model", model, Model)
    check_kind("tie", "mapping", mapping, Mapping, "; it maps targets to sources")
    params = model.params
    ties = tuple(tie for pair in mapping.items() for tie in _ties(model, *pair))
    _check_apart(ties)
    for target, source, function in ties:
        _check_alike(params, target, source, function)
        params = replace(params, target, None)
    layer = model.layer
    tied = Layer(layer.name, layer.create, Tied(layer, ties), None, layer.roles, layer.doc)
    return Model(tied, params, model.static)


def _ties(
    model: Model, target: Filter, source: str | tuple[str, Function]
) -> Iterator[tuple[str, str, Function | None]]:
    """The ties of one entry: of a place, or of every leaf that a filter takes, but the source."""
    path, function = (source, None) if isinstance(source, str) else source
    path = in_full("tie", model.params, path)
    if isinstance(target, str) and has_place(model.params, normalise(target)):
        yield in_full("tie", model.params, target), path, function
        return
    here = leaf_places(model)
    for at, takes in zip(here, taken("tie", target, here), strict=True):
        if takes and not within(at.path, path):
            yield at.path, path, function


def _check_apart(ties: Ties) -> None:
    targets = [target for target, _, _ in ties]
    for target, source, _ in ties:
        others = [other for other in targets if within(other, source) or within(source, other)]
        others += [other for other in targets if other != target and within(other, target)]
        if others:
            raise ValueError(
                f"tie: {others[0]!r} is a target and cannot be used by another tie, of {target!r} "
                f"to {source!r}; tie both to one source"
            )


def _check_alike(params: Any, target: str, source: str, function: Function | None) -> None:
    here, there = find("tie", params, target), find("tie", params, source)
    there = there if function is None else jax.eval_shape(function, there)
    shapes = [list(map(np.shape, jax.tree.leaves(tree))) for tree in (here, there)]
    if jax.tree.structure(here) != jax.tree.structure(there) or shapes[0] != shapes[1]:
        raise ValueError(
            f"tie: {target!r} has shapes {shapes[0]} and {source!r} has {shapes[1]}; give a "
            "function that makes them equal: (source, jax.numpy.transpose)"
        )
