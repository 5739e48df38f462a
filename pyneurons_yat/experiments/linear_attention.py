"""Linear attention with enough features comes near to exact Yat attention.

The weights of exact attention are (q.k + shift)^2 / (|q - k|^2 + epsilon) of unit vectors, over
their sum. Linear attention has dot products of random features in their place.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..core import Model
from ..neurons import AnchorFeatures, MaclaurinFeatures, RadialFeatures, YatFeatures
from ..ops import linear_attention, yat_attention
from ..ops.lengths import unit
from .seeds import keys
from .study import Row, Study

EPSILON = 0.5
MAPS: dict[str, Callable[..., Model]] = {
    "Yat": partial(YatFeatures, normalize=True),
    "anchor": AnchorFeatures,
    "radial": RadialFeatures,
    "Maclaurin": MaclaurinFeatures,
}
"""The published maps know no shift; that of this library does."""
AVERAGE = "mean of the values"
STYLES = {"Yat": "k-o", "anchor": "k--s", "radial": "k:^", "Maclaurin": "k-.D", AVERAGE: "0.6"}


class Place(NamedTuple):
    """Where an error is measured."""

    head_size: int
    shift: float
    length: int


@partial(jax.jit, static_argnames=("name", "features", "place"))
@partial(jax.vmap, in_axes=(0, None, None, None))
def error(key: jax.Array, name: str, features: int, place: Place) -> jax.Array:
    """|approximate - exact| / |exact|, the median over the queries of a draw.

    The median, since a few denominators of features with signs are near 0 by chance.
    """
    for_tokens, for_map = jax.random.split(key)
    q, k, v = jax.random.normal(for_tokens, (3, place.length, 1, place.head_size))
    options = {"scale": 1.0, "epsilon": EPSILON, "normalizer": "softermax"}
    directions = unit(q, (-1,)), unit(k, (-1,))
    exact = yat_attention(*directions, v, shift=place.shift, **options)
    if name == AVERAGE:
        found = jnp.broadcast_to(v.mean(0, keepdims=True), v.shape)
    else:
        shift = {"shift": place.shift} if place.shift else {}
        phi = MAPS[name](for_map, place.head_size, features, epsilon=EPSILON, **shift)
        found = linear_attention(phi(q), phi(k), v)
    away = jnp.linalg.norm(found - exact, axis=-1) / jnp.linalg.norm(exact, axis=-1)
    return jnp.median(away)


def study(
    data: Path | None,
    seeds: int = 5,
    *,
    counts: tuple[int, ...] = (128, 512, 2048),
    head_sizes: tuple[int, ...] = (16, 64),
    shifts: tuple[float, ...] = (0.0, 1.0),
    length: int = 512,
) -> Study:
    """Error of the outputs by map, number of features, head size and shift; it needs no data."""
    places = [Place(head, shift, length) for shift in shifts for head in head_sizes]
    rows, panels = [], {}
    for place in places:
        names = [*MAPS, AVERAGE] if place.shift == 0 else ["Yat", AVERAGE]
        panels[place] = {name: [] for name in names}
        where = f"shift {place.shift:g}, head size {place.head_size}"
        for name in names:
            for features in counts if name in MAPS else counts[:1]:
                found = 100 * np.asarray(error(keys(seeds), name, features, place))
                told = f", {features} features" if name in MAPS else ""
                rows.append(Row(f"{where}: {name}{told}", "%", tuple(map(float, found))))
                panels[place][name].append(found)
    settings = {"seeds": seeds, "epsilon": EPSILON, "length": length, "features": list(counts)}
    question = "How near does linear attention come to exact Yat attention?"
    notes = ("100% is the error of an output of zeros.",)
    picture = partial(draw, panels=panels, counts=counts)
    return Study("linear-attention", question, tuple(rows), settings, picture, notes)


def draw(figure: Any, panels: dict[Place, Any], counts: tuple[int, ...]) -> None:
    """Mean and range of the error against the number of features, a panel for each place."""
    columns = len({place.head_size for place in panels})
    figure.set_size_inches(4.2 * columns, 3.2 * len(panels) / columns)
    every = figure.subplots(-(-len(panels) // columns), columns, squeeze=False, sharey=True).flat
    for axes, (place, curves) in zip(every, panels.items(), strict=True):
        for name, found in curves.items():
            means = np.array([f.mean() for f in found])
            if name == AVERAGE:
                axes.axhline(means[0], color=STYLES[name], lw=3, label=name)
                continue
            ends = [means - [f.min() for f in found], [f.max() for f in found] - means]
            axes.errorbar(counts, means, ends, fmt=STYLES[name], mfc="w", capsize=3, label=name)
        axes.set(xscale="log", yscale="log", xticks=counts, xticklabels=counts)
        axes.minorticks_off()
        axes.set(title=f"shift {place.shift:g}, heads of {place.head_size}")
        axes.set(xlabel="features", ylabel="error, %")
    every[0].legend(fontsize=8)
