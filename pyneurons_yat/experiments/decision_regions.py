"""A few Yat prototypes part classes of the plane that linear prototypes cannot part.

One layer with a neuron per class, linear or Yat, then a network with four hidden neurons, ReLU or
Yat, on three sets of points: moons, blobs and rings.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from .. import plot
from ..core import Model
from ..data import Split
from ..learn import accuracy, cross_entropy
from ..neurons import Linear, YatDense
from ..zoo import relu_classifier, yat_classifier
from .report import percent
from .seeds import fit_seeds
from .study import Row, Study

HIDDEN = 4
MODELS: dict[str, Callable[[jax.Array, int], Model]] = {
    "linear layer": lambda key, classes: Linear(key, 2, classes),
    "Yat layer": lambda key, classes: YatDense(key, 2, classes),
    "4 ReLU, linear": lambda key, classes: relu_classifier(key, 2, HIDDEN, classes),
    "4 Yat, linear": lambda key, classes: yat_classifier(key, 2, HIDDEN, classes),
}
CLASSES = {"moons": 2, "blobs": 3, "rings": 2}


def points(name: str, examples: int, seed: int) -> Split:
    """Points of the plane (N, 2) of one of the three kinds, and their classes (N,)."""
    from sklearn import datasets

    make = {
        "moons": partial(datasets.make_moons, noise=0.15),
        "blobs": partial(datasets.make_blobs, centers=[(-1, 0), (1, 0), (0, 1.7)], cluster_std=0.4),
        "rings": partial(datasets.make_circles, noise=0.1, factor=0.45),
    }
    x, y = make[name](examples, random_state=seed)
    return Split(x.astype(np.float32), y.astype(np.int32))


def study(
    data: Path | None = None,
    seeds: int = 5,
    *,
    names: tuple[str, ...] = tuple(CLASSES),
    examples: int = 400,
    steps: int = 1500,
    rate: float = 0.02,
) -> Study:
    """Test accuracy by seed, and the regions of the first seed; the points are drawn."""
    optimizer = optax.adam(rate)
    how = {"seeds": seeds, "epochs": steps, "batch_size": examples}
    rows, drawn = [], {}
    for name in names:
        train, test = points(name, examples, 0), points(name, 2000, 1)
        for kind, make in MODELS.items():
            models, _ = fit_seeds(
                optimizer,
                lambda key, m=make, n=name: m(key, CLASSES[n]),
                *train,
                loss=cross_entropy,
                **how,
            )
            rows.append(Row(f"{name}, {kind}", "%", percent(tested(models, test))))
            drawn[name, kind] = jax.tree.map(lambda leaf: leaf[0], models), test
    settings = {"seeds": seeds, "training points": examples, "test points": 2000, "steps": steps}
    settings |= {"rate": rate, "optimizer": "adam", "batch": "all points"}
    notes = (
        "All seeds see the same points; a seed draws the first weights.",
        "The networks with four hidden neurons have equally many parameters.",
    )
    question = "Which regions of the plane do a few linear, ReLU and Yat neurons give to a class?"
    picture = partial(draw, drawn=drawn)
    return Study("decision-regions", question, tuple(rows), settings, picture, notes)


def tested(models: Model, test: Split) -> jax.Array:
    """The accuracy of each of the stacked models (S,)."""
    both = jax.vmap(lambda model, x, y: accuracy(model(x), y), in_axes=(0, None, None))
    return jax.jit(both)(models, jnp.asarray(test.x), jnp.asarray(test.y))


def draw(figure: Any, drawn: dict[tuple[str, str], tuple[Model, Split]]) -> None:
    """The regions of the first seed, a row per set of points and a column per model."""
    names = list(dict.fromkeys(name for name, _ in drawn))
    figure.set_size_inches(2.7 * len(MODELS), 2.6 * len(names))
    panels = figure.subplots(len(names), len(MODELS), squeeze=False)
    for (name, kind), (model, test) in drawn.items():
        axes = panels[names.index(name), list(MODELS).index(kind)]
        plot.decision_regions(model, test.x[:150], test.y[:150], resolution=120, ax=axes)
        right = 100 * float(accuracy(model(jnp.asarray(test.x)), jnp.asarray(test.y)))
        axes.set_title(f"{name}, {kind}: {right:.1f}%", fontsize="small")
        if (name, kind) != next(iter(drawn)):
            axes.get_legend().remove()
        axes.label_outer()
        axes.tick_params(labelbottom=True)
