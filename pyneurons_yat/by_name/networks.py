"""Networks by name."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import jax

from ..core import Model, sequential
from ..neurons import Dropout
from ..ops import erdos_renyi
from ..ops.checks import check_sizes, told
from .grammar import numbers, several, spread
from .initializers import Initializer, initializer
from .layers import NamedLayer, layer


def network(
    key: jax.Array,
    layers: str | Sequence[str],
    sizes: str | Sequence[int],
    *,
    weights: str | Sequence[str | Initializer] | Initializer | None = None,
    dropouts: str | float | Sequence[float] = 0.0,
    densities: str | float | Sequence[float] = 1.0,
    overall_density: float | None = None,
) -> Model:
    """A network, one layer after another, by names.

    Args:
        key: A PRNG key.
        layers: Names as for `layer`, with semicolons between them or as a sequence.
        sizes: The size of the input, and the outputs of each layer that has any: all but norms,
            dropout and their like. `"64;128;10"`, with commas too, or a sequence of integers.
        weights: Names as for `initializer`: one for all layers that have outputs, or one for each.
        dropouts: Rates of dropout behind the layers that have outputs: one rate for all but the
            last, or one for each. nerva drops weights: `reparam(part, drop_connect(rate))` does.
        densities: The shares of weights that are there, above 0 and at most 1: one for all layers
            that have outputs, or one for each. With less than 1 a layer is sparse.
        overall_density: The share in all of them together, which `erdos_renyi` deals out.

    Returns:
        A sequential model with a part for each layer, at the paths `[0]`, `[1]`, ...

    Raises:
        TypeError: As for `layer` and `initializer`.
        ValueError: As for `layer` and `initializer`; if the numbers of layers, sizes, weights,
            dropouts and densities do not fit, or a layer that should be sparse has no such form.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> layers, sizes = "YatDense;BatchNormalization;SReLU;Linear", "64;128;32;10"
        >>> model = pn.by_name.network(jax.random.key(0), layers, sizes, weights="XavierNormal")
        >>> model(jax.numpy.ones((5, 64))).shape
        (5, 10)
    """
    made = [layer(text) for text in several("network", "layers", layers)]
    widths = numbers("network", "sizes", int, sizes)
    check_sizes("network", **{f"the size at {i}": width for i, width in enumerate(widths)})
    count = sum(one.sized for one in made)
    if len(widths) != count + 1:
        raise ValueError(
            f"network: sizes must be {count + 1}, that of the input and the outputs of {count} "
            f"layers, got {len(widths)}"
        )
    each = zip(
        widths[1:],
        _weights(weights, count),
        _rates(dropouts, count),
        _densities(densities, overall_density, widths),
        strict=True,
    )
    return sequential(*_parts(key, made, widths[0], each))


def _parts(key: jax.Array, made: list[NamedLayer], inputs: int, each: Iterator[Any]) -> Any:
    for one, own_key in zip(made, jax.random.split(key, len(made)), strict=True):
        if not one.sized:
            yield one(own_key, inputs)
            continue
        outputs, init, rate, density = next(each)
        part = one(own_key, inputs, outputs, weights=init, density=density)
        yield sequential(part, Dropout(rate)) if rate else part
        inputs = outputs


def _weights(given: Any, count: int) -> list[Initializer | None]:
    items = [given] if given is None or callable(given) else several("network", "weights", given)
    items = spread("network", "weights", items, count, "layer with outputs")
    return [None if item is None else initializer(item) for item in items]


def _rates(given: Any, count: int) -> list[float]:
    rates = numbers("network", "dropouts", float, given)
    if len(rates) == 1 and count > 1:
        return [*rates * (count - 1), 0.0]
    return spread("network", "dropouts", rates, count, "layer with outputs")


def _densities(given: Any, overall: float | None, widths: list[int]) -> list[float]:
    found = numbers("network", "densities", float, given)
    if overall is None:
        return spread("network", "densities", found, len(widths) - 1, "layer with outputs")
    if found != [1.0]:
        raise ValueError(
            f"network: densities must be left out where overall_density is given, got {told(given)}"
        )
    return erdos_renyi(list(pairwise(widths)), overall)
