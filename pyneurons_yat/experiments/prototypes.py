"""Yat prototypes survive a change of every weight's sign, linear ones do not.

One layer from 784 pixels to 10 classes is trained by cross entropy; its kernel's ten columns are
the prototypes. Then the sign of every weight of the kernel is changed, and nothing else.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from ..core import Model, replace
from ..data import Split
from ..learn import accuracy, cross_entropy
from ..neurons import Linear, YatDense
from .report import percent
from .seeds import fit_seeds
from .sources import mnist
from .study import Row, Study

PAPER = "arXiv:2411.08085"
EPSILONS = (1e-5, 1e-2, 1.0, 10.0, 100.0, 1000.0, 10_000.0)


class Outcome(NamedTuple):
    """Accuracy by seed before and after the change of signs (S,)."""

    before: jax.Array
    after: jax.Array


def flipped(model: Model) -> Model:
    """The model with the sign of every weight of its kernel changed."""
    return replace(model, "kernel", -model.kernel)


def measure(
    make: Callable[..., Model], train: Split, test: Split, seeds: int, **how: Any
) -> Outcome:
    """Trains a layer for each seed, and tests it before and after the change of signs."""
    optimizer = optax.adam(how.pop("rate"))
    models, _ = fit_seeds(optimizer, make, *train, seeds=seeds, loss=cross_entropy, **how)

    @jax.jit
    @partial(jax.vmap, in_axes=(0, None, None))
    def tested(model: Model, x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
        return accuracy(model(x), y), accuracy(flipped(model)(x), y)

    return Outcome(*tested(models, jnp.asarray(test.x), jnp.asarray(test.y)))


def study(
    data: Path | None,
    seeds: int = 5,
    *,
    epsilons: tuple[float, ...] = EPSILONS,
    epochs: int = 20,
    batch_size: int = 128,
    rate: float = 3e-3,
    examples: int | None = None,
) -> Study:
    """Accuracy of linear and Yat prototypes before and after the change of signs."""
    train, test = (Split(s.x[:examples].reshape(-1, 784), s.y[:examples]) for s in mnist(data))
    how = {"seeds": seeds, "epochs": epochs, "batch_size": batch_size, "rate": rate}
    linear = measure(lambda key: Linear(key, 784, 10), train, test, **how)
    rows = [
        Row("linear, before", "%", percent(linear.before), 91.88, PAPER),
        Row("linear, after", "%", percent(linear.after), 0.01, PAPER),
    ]
    for epsilon in epsilons:
        yat = measure(lambda key, e=epsilon: YatDense(key, 784, 10, epsilon=e), train, test, **how)
        rows.append(
            Row(f"Yat, epsilon {epsilon:g}, before", "%", percent(yat.before), 92.18, PAPER)
        )
        rows.append(Row(f"Yat, epsilon {epsilon:g}, after", "%", percent(yat.after), 87.87, PAPER))
    question = (
        "What do linear and Yat prototypes of MNIST know once every weight's sign is changed?"
    )
    return Study("prototypes", question, tuple(rows), {**how, "epsilons": list(epsilons)})
