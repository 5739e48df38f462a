"""Layers by name, those of the library and those of nerva."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import jax

from .. import neurons
from ..core import Layer, Model, compose, concat
from . import activations
from .grammar import parsed
from .initializers import Initializer
from .tables import arguments, look_up

SIZES = ("key", "inputs", "outputs", "features", "num_embeddings", "n")
"""The arguments of a layer that its caller fills in."""

SPARSE = {neurons.Linear: neurons.SparseLinear, neurons.YatDense: neurons.SparseYatDense}


@dataclass(frozen=True)
class NamedLayer:
    """A layer with its options, as `layer` finds it.

    Attributes:
        name: What it is called.
        layer: The layer of the library.
        options: Its arguments but for its key and sizes.
        activation: What follows it, if anything.
    """

    name: str
    layer: Layer
    options: Mapping[str, Any]
    activation: activations.Activation | None = None

    @property
    def sized(self) -> bool:
        """Whether it has outputs of its own, so that its result may be of another size."""
        sizes = _sizes(self.layer)
        return "outputs" in sizes or "n" in sizes or len(sizes) > 2

    def __call__(
        self,
        key: jax.Array,
        inputs: int,
        outputs: int | None = None,
        *,
        weights: Initializer | None = None,
        density: float = 1.0,
    ) -> Model:
        """A model of `inputs` features, drawn from a key.

        Args:
            key: A PRNG key.
            inputs: The size of the last axis of x.
            outputs: That of the result, where the layer is `sized`.
            weights: An initializer of its kernel.
            density: The share of the weights that are there; with less than 1 the layer is sparse.
        """
        if self.sized and outputs is None:
            raise TypeError(f"layer: outputs must be given for {self.name}, got None")
        wide = 2 * (outputs or 0) if self.activation is jax.nn.glu else outputs
        layer, options = self.layer, dict(self.options)
        if weights is not None:
            options[_option_for_weights(layer)] = weights
        if density != 1:
            layer, options["density"] = self._sparse(), density
        model = _made(layer, options, key, inputs, wide)
        return model if self.activation is None else compose(model, self.activation)

    def _sparse(self) -> Layer:
        if self.layer not in SPARSE:
            raise ValueError(
                f"layer: density must be 1 for {self.name}, which has no sparse form; Linear, "
                "YatDense and what begins with Linear have one"
            )
        return SPARSE[self.layer]


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
        `layer(key, inputs, outputs=None, *, weights=None, density=1.0) -> model`. `weights` is an
        initializer of its kernel. With a density below 1 the layer is sparse, `SparseLinear` or
        `SparseYatDense`. The attribute `sized` tells whether it has outputs of its own.

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
    if call.name not in table() or call.name in activations.LEARNING:
        look_up("layer", "a layer", dict.fromkeys(names(), None), call)
        return NamedLayer(call.name, neurons.Linear, {}, activations.named("layer", call))
    found = table()[call.name]
    if call.name == "BatchNormalization":
        call = call._replace(options={"epsilon": 1e-7, **call.options})
    options = arguments("layer", call, found, hidden=_sizes(found))
    return NamedLayer(call.name, found, options)


def names() -> list[str]:
    """All names of layers."""
    return list(dict.fromkeys([*table(), *activations.table()]))


def _sizes(found: Layer) -> list[str]:
    """The arguments of a layer that its caller fills in."""
    parameters = inspect.signature(found).parameters
    return [name for name in SIZES if name in parameters]


def _option_for_weights(found: Layer) -> str:
    parameters = inspect.signature(found).parameters
    for name in ("kernel_init", "embedding_init"):
        if name in parameters:
            return name
    raise TypeError(
        f"layer: weights must be left out for {found.name}, which has no kernel of its own to draw"
    )


def _made(
    found: Layer, options: dict[str, Any], key: jax.Array, inputs: int, outputs: Any
) -> Model:
    """A model; of a layer that is a single neuron, as many side by side as there are outputs."""
    sizes = _sizes(found)
    if "n" in sizes:
        return concat([found(one, inputs, **options) for one in jax.random.split(key, outputs)])
    features = inputs if outputs is None else outputs
    known = {"key": key, "inputs": inputs, "num_embeddings": inputs, "outputs": outputs}
    return found(**{name: known.get(name, features) for name in sizes}, **options)
