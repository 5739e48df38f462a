"""Linear attention with few features comes near to exact Yat attention, and a GPT learns with it.

The weights of exact attention are (q.k)^2 / (|q - k|^2 + epsilon) of unit vectors, over their sum.
Linear attention has dot products of random features in their place, of four maps: `YatFeatures`,
and the published anchor, radial and Maclaurin features.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from ..core import Model, bind
from ..neurons import AnchorFeatures, Linear, MaclaurinFeatures, RadialFeatures, YatFeatures
from ..ops import linear_attention, rotary, yat_attention
from .language import Size, Text, read, train
from .seeds import keys
from .study import Row, Study

EPSILON = 0.5
MAPS: dict[str, Callable[..., Model]] = {
    "Yat": partial(YatFeatures, normalize=True),
    "anchor": AnchorFeatures,
    "radial": RadialFeatures,
    "Maclaurin": MaclaurinFeatures,
}
STYLES = {"Yat": "k-o", "anchor": "k--s", "radial": "k:^", "Maclaurin": "k-.D"}
FEATURES = (64, 256, 1024)
LENGTHS = (128, 512, 2048)
HEADS = (16, 32, 64)
SIZE = Size(blocks=2, features=64, heads=2, length=64, batch=12, steps=300)


class Place(NamedTuple):
    """Where an error is measured: features of the map, length, head size."""

    features: int = 256
    length: int = 512
    head: int = 32


def unit(x: jax.Array) -> jax.Array:
    """Vectors of length 1."""
    return x * jax.lax.rsqrt(jnp.sum(jnp.square(x), -1, keepdims=True) + 1e-6)


def exact(q: jax.Array, k: jax.Array, v: jax.Array, *, is_causal: bool = False) -> jax.Array:
    """Attention with every weight formed."""
    options = {"scale": 1.0, "epsilon": EPSILON, "normalizer": "softermax"}
    return yat_attention(unit(q), unit(k), v, is_causal=is_causal, **options)


@partial(jax.jit, static_argnames=("make", "place"))
@partial(jax.vmap, in_axes=(0, None, None))
def error(key: jax.Array, make: Callable[..., Model] | None, place: Place) -> jax.Array:
    """|approximate - exact| over |exact| of standard normal queries, keys and values.

    Without a map it is the error of the mean of the values: attention without any weights.
    """
    one, two = jax.random.split(key)
    q, k, v = jax.random.normal(one, (3, place.length, 1, place.head))
    wanted = exact(q, k, v)
    if make is None:
        found = jnp.broadcast_to(v.mean(0, keepdims=True), v.shape)
    else:
        phi = make(two, place.head, place.features, epsilon=EPSILON)
        found = linear_attention(phi(q), phi(k), v)
    return jnp.linalg.norm(found - wanted) / jnp.linalg.norm(wanted)


class LinearAttentionParams(NamedTuple):
    """Projections, and the map of queries and keys; without it attention is exact."""

    inner: Model
    output: Model
    phi: Model | None


def create(
    key: jax.Array,
    inputs: int,
    outputs: int,
    *,
    heads: int,
    kv_heads: int | None = None,
    use_bias: bool = True,
    rotary: str | None = None,
    dtype: DTypeLike = jnp.float32,
    make: Callable[..., Model] | None = None,
    features: int = 256,
) -> LinearAttentionParams:
    """Causal attention as a block wants it, linear with a map, exact without one."""
    if kv_heads not in (None, heads) or rotary != "half":
        raise ValueError(
            f'LinearAttention: kv_heads must be {heads} or None and rotary "half", got {kv_heads} '
            f"and {rotary!r}; MultiHeadAttention has other forms"
        )
    one, two, three = jax.random.split(key, 3)
    size, options = inputs // heads, {"use_bias": use_bias, "dtype": dtype}
    phi = None if make is None else make(three, size, features, epsilon=EPSILON, dtype=dtype)
    inner = Linear(one, inputs, 3 * heads * size, **options)
    return LinearAttentionParams(inner, Linear(two, heads * size, outputs, **options), phi)


def apply(
    params: LinearAttentionParams,
    x: jax.Array,
    *,
    heads: int,
    is_causal: bool = True,
    mask: None = None,
    cache: None = None,
) -> jax.Array:
    """Applies the attention to x (*B, T, inputs)."""
    if mask is not None or cache is not None:
        raise ValueError("LinearAttention: mask and cache must be None, got one")
    parts = jnp.split(params.inner(x), 3, -1)
    q, k, v = (part.reshape(*part.shape[:-1], heads, -1) for part in parts)
    q, k = rotary(q), rotary(k)
    if params.phi is None:
        y = exact(q, k, v, is_causal=is_causal)
    else:
        y = linear_attention(params.phi(q), params.phi(k), v, is_causal=is_causal)
    return params.output(y.reshape(*x.shape[:-1], -1))


LinearAttention = bind("LinearAttention", create, apply)


def errors(seeds: int, **places: tuple[int, ...]) -> dict[str, dict[str, list[Row]]]:
    """By what varies (features, length or head) and by map, a row for each of its values."""
    drawn = keys(seeds)

    def row(varied: str, name: str, value: int) -> Row:
        place = Place(**{varied: value})
        found = error(drawn, MAPS.get(name), place)
        told = f"{place.features} features, " if name in MAPS else ""
        label = f"{name}, {told}length {place.length}, head size {place.head}: error"
        return Row(label, "%", tuple(100 * float(each) for each in found))

    names = [*MAPS, "mean of the values"]
    return {
        varied: {n: [row(varied, n, value) for value in values] for n in names}
        for varied, values in places.items()
    }


def study(
    data: Path | None,
    seeds: int = 5,
    *,
    gpt_seeds: int | None = None,
    counts: tuple[int, ...] = FEATURES,
    lengths: tuple[int, ...] = LENGTHS,
    head_sizes: tuple[int, ...] = HEADS,
    trained: tuple[int, ...] = (64, 256),
    **sizes: Any,
) -> Study:
    """Errors of outputs against exact attention, and validation losses of small GPTs.

    The GPTs take most of the time: they can have fewer seeds, or none with 0 and no text.
    """
    count, size = seeds if gpt_seeds is None else gpt_seeds, SIZE._replace(**sizes)
    places = {"features": counts, "length": lengths, "head": head_sizes}
    found = errors(seeds, **places)
    rows = {
        row.label: row for maps in found.values() for several in maps.values() for row in several
    }
    learned = learning(read(data), count, size, trained) if count else []
    question = "How many features bring linear attention near to exact Yat attention?"
    settings = {"seeds": seeds, "gpt_seeds": count, "epsilon": EPSILON, **size._asdict()}
    settings |= {"counts": list(counts), "lengths": list(lengths), "head_sizes": list(head_sizes)}
    picture = partial(draw, found=found, places=places)
    return Study("linear-attention", question, (*rows.values(), *learned), settings, picture)


def learning(text: Text, seeds: int, size: Size, counts: tuple[int, ...]) -> list[Row]:
    """Validation losses of GPTs with exact attention and with that of two maps."""

    def row(label: str, make: Callable[..., Model] | None, count: int) -> Row:
        attention = partial(LinearAttention, make=make, features=count)
        runs = [train(text, size, seed, points=1, attention=attention) for seed in range(seeds)]
        return Row(f"GPT, {label}: validation loss", "nats", tuple(run.loss for run in runs))

    maps = [(name, count) for name in ("Yat", "anchor") for count in counts]
    others = [row(f"{name}, {count} features", MAPS[name], count) for name, count in maps]
    return [row("exact attention", None, 1), *others]


def draw(figure: Any, found: dict[str, dict[str, list[Row]]], places: dict[str, Any]) -> None:
    """Mean errors against features, length and head size; bars are deviations over the seeds."""
    figure.set_size_inches(9, 3.6)
    labels = {"features": "features", "length": "length (tokens)", "head": "head size"}
    axes = figure.subplots(1, len(found), sharey=True)
    for axis, (varied, maps) in zip(axes, found.items(), strict=True):
        for name, rows in maps.items():
            means = [np.mean(row.values) for row in rows]
            spread = [np.std(row.values) for row in rows]
            style = STYLES.get(name, "-")
            color = {} if name in STYLES else {"color": "0.6", "lw": 3}
            axis.errorbar(places[varied], means, spread, fmt=style, mfc="w", label=name, **color)
        axis.set(xlabel=labels[varied], xscale="log", yscale="log")
        axis.set_xticks(places[varied], places[varied])
        axis.minorticks_off()
    axes[0].set_ylabel("error of the outputs (%)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=5)
