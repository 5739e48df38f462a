"""Networks by name."""

from collections.abc import Sequence
from typing import Any

import jax

from ..core import Model, sequential
from ..neurons import Dropout
from ..ops.checks import check_sizes
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
) -> Model:
    """A network, one layer after another, by names.

    Args:
        key: A PRNG key.
        layers: Names as for `layer`, with semicolons between them or as a sequence.
        sizes: The size of the input, and the outputs of each layer that has any: all but norms,
            dropout and their like. `"64;128;10"`, with commas too, or a sequence of integers.
        weights: Names as for `initializer`: one for all layers that have outputs, or one for each.
        dropouts: Rates of dropout behind the layers that have outputs: one rate for all but the
            last, or one for each.

    Returns:
        A sequential model with a part for each layer, at the paths `[0]`, `[1]`, ...

    Raises:
        TypeError: As for `layer` and `initializer`.
        ValueError: As for `layer` and `initializer`; if the numbers of layers, sizes, weights and
            dropouts do not fit.

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
    inits = iter(_weights(weights, count))
    rates = iter(_rates(dropouts, count))
    return sequential(*_parts(key, made, widths, inits, rates))


def _parts(
    key: jax.Array, made: list[NamedLayer], widths: list[int], inits: Any, rates: Any
) -> Any:
    inputs, *outputs = widths
    later = iter(outputs)
    for one, own_key in zip(made, jax.random.split(key, len(made)), strict=True):
        if not one.sized:
            yield one(own_key, inputs)
            continue
        size = next(later)
        part, rate = one(own_key, inputs, size, weights=next(inits)), next(rates)
        yield sequential(part, Dropout(rate)) if rate else part
        inputs = size


def _weights(given: Any, count: int) -> list[Initializer | None]:
    items = [given] if given is None or callable(given) else several("network", "weights", given)
    items = spread("network", "weights", items, count, "layer with outputs")
    return [None if item is None else initializer(item) for item in items]


def _rates(given: Any, count: int) -> list[float]:
    rates = numbers("network", "dropouts", float, given)
    if len(rates) == 1 and count > 1:
        return [*rates * (count - 1), 0.0]
    return spread("network", "dropouts", rates, count, "layer with outputs")
