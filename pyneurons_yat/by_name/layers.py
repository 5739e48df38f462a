"""Layers by name, those of the library and those of nerva."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import jax

from .. import neurons
from ..core import Layer, Model, compose, concat
from . import activations
from .grammar import Call, parsed
from .initializers import Initializer
from .tables import arguments, look_up

SIZES = ("key", "inputs", "outputs", "features", "num_embeddings", "n")
"""The arguments of a layer that its caller fills in."""


@dataclass(frozen=True)
class NamedLayer:
    """A layer with its options, as `layer` finds it.

    Attributes:
        name: What it is called.
        sized: Whether it has outputs of its own, so that its result may be of another size.
        make: `make(weights, key, inputs, outputs) -> model`.
    """

    name: str
    sized: bool
    make: Callable[..., Model]

    def __call__(
        self,
        key: jax.Array,
        inputs: int,
        outputs: int | None = None,
        *,
        weights: Initializer | None = None,
    ) -> Model:
        """A model of `inputs` features, drawn from a key; `weights` draws its kernel."""
        if self.sized and outputs is None:
            raise TypeError(f"layer: outputs must be given for {self.name}, got None")
        return self.make(weights, key, inputs, outputs)


@cache
def table() -> Mapping[str, Layer]:
    """All layers but linear ones with an activation: those of nerva, and those of this library."""
    found = {name: getattr(neurons, name) for name in neurons.__all__}
    ours = {name: value for name, value in found.items() if isinstance(value, Layer)}
    return {"Linear": neurons.Linear, "BatchNormalization": neurons.BatchNorm} | ours


def layer(text: str) -> NamedLayer:
    """A layer by name.

        Linear                     the affine layer
        ReLU, SReLU(al=0.2), ...   the affine layer, then an activation, as `activation` names it
        GLU                        the affine layer of twice as many outputs, then `jax.nn.glu`
        BatchNormalization         `pn.BatchNorm` with nerva's epsilon, 1e-7
        YatDense, LayerNorm, ...   any layer of this library

    The first are nerva's names, with its meanings. In brackets stand the arguments of a layer but
    for its key and sizes: `YatDense(epsilon=1e-3)`, `Conv([3, 3], strides=2)`, `Dropout(0.5)`.

    Args:
        text: The name and its arguments.

    Returns:
        `layer(key, inputs, outputs=None, *, weights=None) -> model`; `weights` is an initializer
        of its kernel. Its attribute `sized` tells whether it has outputs of its own.

    Raises:
        TypeError: If the arguments are not those of the name; the message lists them.
        ValueError: If there is no such name; the message lists what there is. If text is no name.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> model = pn.by_name.layer("LeakyReLU(0.1)")(jax.random.key(0), 3, 2)
        >>> model(jax.numpy.ones(3)).shape, pn.by_name.layer("LayerNorm").sized
        ((2,), False)
    """
    call = parsed("layer", text)
    if call.name in table() and call.name not in activations.LEARNING:
        return _of_the_library(call, table()[call.name])
    look_up("layer", "a layer", dict.fromkeys(names(), print), call)
    return NamedLayer(call.name, True, partial(_activated, activations.named("layer", call)))


def names() -> list[str]:
    """All names of layers."""
    return list(dict.fromkeys([*table(), *activations.table()]))


def _of_the_library(call: Call, found: Layer) -> NamedLayer:
    parameters = inspect.signature(found).parameters
    sizes = [name for name in SIZES if name in parameters]
    if call.name == "BatchNormalization":
        call = call._replace(options={"epsilon": 1e-7, **call.options})
    options = arguments("layer", call, found, hidden=sizes)
    sized = "outputs" in sizes or "n" in sizes or len(sizes) > 2
    return NamedLayer(call.name, sized, partial(_made, found, sizes, options))


def _made(
    found: Layer,
    sizes: list[str],
    options: dict[str, Any],
    weights: Initializer | None,
    key: jax.Array,
    inputs: int,
    outputs: Any,
) -> Model:
    """A model of a layer of the library; of one that is a single neuron, as many side by side."""
    if weights is not None:
        options = {**options, _option_for_weights(found): weights}
    if "n" in sizes:
        keys = jax.random.split(key, outputs)
        return concat([found(one, inputs, **options) for one in keys])
    features = inputs if outputs is None else outputs
    known = {"key": key, "inputs": inputs, "num_embeddings": inputs, "outputs": outputs}
    return found(**{name: known.get(name, features) for name in sizes}, **options)


def _option_for_weights(found: Layer) -> str:
    parameters = inspect.signature(found).parameters
    for name in ("kernel_init", "embedding_init"):
        if name in parameters:
            return name
    raise TypeError(
        f"layer: weights must be left out for {found.name}, which has no kernel of its own to draw"
    )


def _activated(
    activation: activations.Activation,
    weights: Initializer | None,
    key: jax.Array,
    inputs: int,
    outputs: int,
) -> Model:
    """The affine layer, then an activation; a gated one halves what it gets."""
    wide = 2 * outputs if getattr(activation, "func", activation) is jax.nn.glu else outputs
    options: dict[str, Any] = {} if weights is None else {"kernel_init": weights}
    return compose(neurons.Linear(key, inputs, wide, **options), activation)
