"""parametrise: an array of a model as the value of a small model in its place."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from .calls import split_key
from .checks import check_kind
from .filters import Filter, places, taken
from .layer import Layer, Parametrization
from .model import Model
from .repeat import Repeated
from .signatures import takes_key
from .training import observe


class Selective:
    """A transform that chooses leaves by a filter; it takes a whole model, so that roles count."""


@dataclass(frozen=True)
class OnLeaves(Selective):
    """A transform for `reparam`: a function on each floating array that a filter takes.

    Inside a `repeat` it is applied copy by copy.

    Attributes:
        function: `function(array, *arguments)`, an array of the same shape.
        pattern: Which arrays, a filter as for `partition`.
        arguments: Hashable, so that transforms made alike are equal.
    """

    function: Callable[..., Any]
    pattern: Filter = "*"
    arguments: tuple[Any, ...] = ()

    def __call__(self, params: Any) -> Any:
        """The parameters with the function applied to what the filter takes."""
        chosen = matching(self.pattern, params)
        return _mapped(lambda leaf: self.function(leaf, *self.arguments), chosen, params)


@dataclass(frozen=True)
class Parametrise(Selective):
    """What `parametrise` returns."""

    layer: Layer
    pattern: Filter

    def prepared(self, params: Any) -> Any:
        """The parameters with a model in the place of each array that the filter takes."""
        return _mapped(self.layer, matching(self.pattern, params), params)

    def settled(self) -> "Parametrise":
        """The transform for parameters that are prepared."""
        return self

    def __call__(self, params: Any) -> Any:
        """The parameters with the values of these models."""
        nodes = jax.tree.leaves(params, is_leaf=self.owns)
        owned = {i for i, node in enumerate(nodes) if self.owns(node)}
        return _mapped(lambda node: node(), owned, params, self.owns)

    def stepped(self, params: Any, *, key: Any = None) -> tuple[Any, Any]:
        """In training: the parameters with the values of these models, and with them moved."""
        key = key if takes_key(self.layer.observe) else None
        nodes, structure = jax.tree.flatten(params, is_leaf=self.owns)
        each = zip(nodes, split_key(key, len(nodes)), _copies(params, self.owns), strict=True)
        both = [_observed(*one) if self.owns(one[0]) else (one[0], one[0]) for one in each]
        values, moved = ([pair[i] for pair in both] for i in (0, 1))
        return jax.tree.unflatten(structure, values), jax.tree.unflatten(structure, moved)

    def owns(self, node: Any) -> bool:
        """Whether a node is a model that this transform put there."""
        return is_parametrised(node) and node.layer.functions() == self.layer.functions()


def parametrise(layer: Layer, pattern: Filter) -> Parametrise:
    """A transform for `reparam` that computes arrays from parameters or state of their own.

    In the place of each array whose path fits stands a model of `layer`, created from the array:
    `create(array)`. At every call of the whole, `apply(params)` gives the array. If the layer
    defines `observe(params) -> (array, params)`, training moves the model. Its roles count. Inside
    a `repeat` each copy of the array has a model of its own, stacked as the copies are.

    Args:
        layer: A layer whose `create` takes an array and whose `apply` takes no input.
        pattern: Which arrays, a filter as for `partition`: `"*kernel"`, `"hidden.kernel"`, a role.

    Returns:
        A transform: `reparam(target, parametrise(layer, pattern))`.

    Raises:
        TypeError: If `layer` is not a layer.
        ValueError: When the model is made, if the filter takes no floating array.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> def create(array):
        ...     return {"log": jnp.log(abs(array)), "sign": jnp.sign(array)}
        >>> def apply(params):
        ...     return params["sign"] * jnp.exp(params["log"])
        >>> log_scale = pn.parametrise(pn.bind("LogScale", create, apply), "*kernel")
        >>> model = pn.Linear(jax.random.key(0), 3, 2)
        >>> logarithmic = pn.reparam(model, log_scale)
        >>> logarithmic
        Linear  14 parameters
          .kernel          LogScale
          .kernel['log']   float32[3,2]
          .kernel['sign']  float32[3,2]
          .bias            float32[2]
        >>> x = jnp.ones((1, 3))
        >>> bool(jnp.allclose(logarithmic(x), model(x), rtol=1e-5))
        True

        Low-rank adaptation: to each kernel of a trained model, now frozen, a product of two small
        matrices is added, and these train.

        >>> def create(kernel):
        ...     inputs, outputs = kernel.shape
        ...     down = jax.random.normal(jax.random.key(inputs), (inputs, 2))
        ...     return {"down": down, "kernel": kernel, "up": jnp.zeros((2, outputs))}
        >>> def apply(params):
        ...     return params["kernel"] + params["down"] @ params["up"]
        >>> LowRank = pn.bind("LowRank", create, apply, roles={"['kernel']": "frozen"})
        >>> adapted = pn.freeze(pn.reparam(model, pn.parametrise(LowRank, "*kernel")), "bias")
        >>> x = jax.random.normal(jax.random.key(1), (50, 3))
        >>> y, tuned = jnp.roll(model(x), 1, axis=1), adapted
        >>> for _ in range(100):
        ...     tuned = pn.fit(0.1, tuned, x, y)
        >>> bool(pn.loss(tuned, x, y) < 0.3 * pn.loss(model, x, y))
        True
        >>> bool((tuned.kernel["kernel"] == model.kernel).all())
        True
    """
    check_kind("parametrise", "layer", layer, Layer)
    fields = (layer.name, layer.create, layer.apply, layer.observe, layer.roles, layer.doc)
    return Parametrise(Parametrization(*fields), pattern)


def is_parametrised(node: Any) -> bool:
    """Whether a node is a model that stands in the place of an array."""
    return isinstance(node, Model) and isinstance(node.layer, Parametrization)


def matching(pattern: Filter, params: Any) -> set[int]:
    """The positions of the floating leaves that a filter takes, at least one.

    What stands in the place of an array is taken for itself alone, not for the array.
    """
    here = places(params)
    apart = frozenset(at.keys for at in here if is_parametrised(at.node))
    leaves = [at for at in here if not isinstance(at.node, Model)]
    floats = {
        i: at
        for i, at in enumerate(leaves)
        if jnp.issubdtype(getattr(at.node, "dtype", type(at.node)), jnp.floating)
    }
    fits = taken("reparam", pattern, list(floats.values()), apart)
    return {i for i, fit in zip(floats, fits, strict=True) if fit}


def _mapped(
    function: Callable[[Any], Any], chosen: set[int], params: Any, stop: Any = lambda _: False
) -> Any:
    """The function of the chosen leaves, copy by copy in a `repeat`. `stop` is for `is_leaf`."""
    leaves, structure = jax.tree.flatten(params, is_leaf=stop)
    each = enumerate(zip(leaves, _copies(params, stop), strict=True))
    return jax.tree.unflatten(
        structure,
        [_over(function, axes)(leaf) if i in chosen else leaf for i, (leaf, axes) in each],
    )


def _over(function: Callable[..., Any], axes: int) -> Callable[..., Any]:
    for _ in range(axes):
        function = jax.vmap(function)
    return function


def _observed(node: Model, key: Any, axes: int) -> tuple[Any, Model]:
    """Value and model after its training-time call, or those of all its copies."""
    if key is None:
        return _over(observe, axes)(node)
    keys = jax.random.split(key, jax.tree.leaves(node)[0].shape[:axes]) if axes else key
    return _over(lambda node, key: observe(node, key=key), axes)(node, keys)


def _copies(tree: Any, stop: Callable[[Any], bool], axes: int = 0) -> list[int]:
    """Of each leaf, how many of its first axes count the copies of a `repeat`."""
    if isinstance(tree, Model):
        tree = tree.params
    axes += isinstance(tree, Repeated)

    def holds(node: Any) -> bool:
        return node is not tree and isinstance(node, Model | Repeated)

    found = []
    for node in jax.tree.leaves(tree, is_leaf=lambda node: stop(node) or holds(node)):
        found += _copies(node, stop, axes) if holds(node) and not stop(node) else [axes]
    return found
