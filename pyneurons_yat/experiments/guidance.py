"""Which epsilon, width and learning rate a Yat layer wants.

A Yat layer and a linear one are trained on digits by Adam, for each epsilon, width and rate.
Nothing is claimed: the result is what the page on guidance recommends.
"""

from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ..core import Model, sequential, value_and_grad
from ..data import Split, digits
from ..learn import accuracy, cross_entropy
from ..neurons import Linear, YatDense
from ..zoo import relu_classifier
from .report import percent
from .seeds import keys
from .study import Row, Study

EPSILONS = (1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0)
RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1)
WIDTHS = (16, 128)


def network(key: jax.Array, width: int, epsilon: float) -> Model:
    """A hidden Yat layer, and a linear one that reads it."""
    hidden, out = jax.random.split(key)
    return sequential(YatDense(hidden, 64, width, epsilon=epsilon), Linear(out, width, 10))


def trained(make: Any, key: jax.Array, rate: jax.Array, train: Split, epochs: int) -> Model:
    """A model after so many epochs of Adam, in batches of 64. The rate is a traced number."""
    for_model, for_order = jax.random.split(key)
    optimizer = optax.adam(rate)
    batches = len(train.x) // 64

    def step(carry: Any, rows: jax.Array) -> tuple[Any, None]:
        model, state = carry
        x, y = jnp.asarray(train.x)[rows], jnp.asarray(train.y)[rows]
        _, gradient = value_and_grad(lambda model: cross_entropy(model(x), y))(model)
        update, state = optimizer.update(gradient, state, model)
        return (optax.apply_updates(model, update), state), None

    orders = jax.vmap(lambda key: jax.random.permutation(key, len(train.x)))
    rows = orders(jax.random.split(for_order, epochs))[:, : batches * 64].reshape(-1, 64)
    model = make(for_model)
    (model, _), _ = jax.lax.scan(step, (model, optimizer.init(model)), rows)
    return model


def grid(make: Any, rates: Any, seeds: int, train: Split, test: Split, epochs: int) -> np.ndarray:
    """Test accuracies (rates, seeds); all runs are one compiled program."""

    @jax.jit
    @partial(jax.vmap, in_axes=(None, 0))
    @partial(jax.vmap, in_axes=(0, None))
    def run(key: jax.Array, rate: jax.Array) -> jax.Array:
        return accuracy(trained(make, key, rate, train, epochs)(jnp.asarray(test.x)), test.y)

    return np.asarray(run(keys(seeds), jnp.asarray(rates)))


def row(label: str, found: np.ndarray, rates: tuple[float, ...]) -> Row:
    """The accuracies at the best rate, and which rates are within a point of it."""
    means = found.mean(axis=1)
    good = [rate for rate, mean in zip(rates, means, strict=True) if mean > means.max() - 0.01]
    span = f"{good[0]:g} to {good[-1]:g}" if len(good) > 1 else f"{good[0]:g}"
    return Row(f"{label}, rates {span}", "%", percent(jnp.asarray(found[means.argmax()])))


def study(
    data: Path | None,
    seeds: int = 5,
    *,
    epsilons: tuple[float, ...] = EPSILONS,
    rates: tuple[float, ...] = RATES,
    widths: tuple[int, ...] = WIDTHS,
    epochs: int = 30,
) -> Study:
    """Test accuracy on digits over epsilon, width and rate; the data come with scikit-learn."""
    train, test = digits()
    how = (rates, seeds, train, test, epochs)
    rows, panels = [], {}
    for width in widths:
        makes = {f"{e:g}": partial(network, width=width, epsilon=e) for e in epsilons}
        makes["ReLU"] = partial(relu_classifier, inputs=64, hidden=width, classes=10)
        found = {label: grid(make, *how) for label, make in makes.items()}
        panels[width] = (list(found), np.stack([a.mean(axis=1) for a in found.values()]))
        for label, accuracies in found.items():
            what = "ReLU" if label == "ReLU" else f"Yat, epsilon {label}"
            rows.append(row(f"{what}, width {width}", accuracies, rates))
    settings = {"seeds": seeds, "epochs": epochs, "batch_size": 64, "rates": list(rates)}
    settings |= {"epsilons": list(epsilons), "widths": list(widths)}
    question = "Which epsilon, width and learning rate does a Yat layer want?"
    notes = (
        "The accuracy is that at the best rate, chosen on the same 360 images; the rates are "
        "those whose mean is within a point of it.",
    )
    picture = partial(draw, panels=panels, rates=rates)
    return Study("guidance", question, tuple(rows), settings, picture, notes)


def draw(figure: Any, panels: dict[int, Any], rates: tuple[float, ...]) -> None:
    """Mean accuracies as a grid of numbers: a panel per width."""
    figure.set_size_inches(4.6 * len(panels), 3.8)
    every = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axes, (width, (labels, means)) in zip(every, panels.items(), strict=True):
        image = axes.imshow(100 * means, cmap="cividis", vmin=80, vmax=100, aspect="auto")
        for (i, j), mean in np.ndenumerate(means):
            color = "white" if mean < 0.9 else "black"
            axes.text(j, i, f"{100 * mean:.1f}", ha="center", va="center", color=color, fontsize=8)
        axes.set(xticks=range(len(rates)), xticklabels=[f"{rate:g}" for rate in rates])
        axes.set(yticks=range(len(labels)), yticklabels=labels)
        axes.set(title=f"{width} neurons", xlabel="learning rate of Adam")
        axes.tick_params(labelsize=8)
    every[0].set_ylabel("epsilon")
    figure.colorbar(image, ax=every, label="test accuracy, %", extend="min")
