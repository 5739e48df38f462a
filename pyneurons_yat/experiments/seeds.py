"""One model per seed, trained side by side: a training run under `jax.vmap`."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ..core import Model
from ..learn import TrainState, train_step

Loss = Callable[..., Any]


def keys(seeds: int) -> jax.Array:
    """The keys of the seeds 0, 1, ...: (seeds,)."""
    return jax.vmap(jax.random.key)(np.arange(seeds))


def fit_seeds(
    optimizer: optax.GradientTransformation,
    make: Callable[[jax.Array], Model],
    x: Any,
    y: Any,
    *,
    seeds: int,
    loss: Loss,
    epochs: int,
    batch_size: int,
) -> tuple[Model, jax.Array]:
    """Trains one model per seed on the same examples, each in an order of its own.

    Args:
        optimizer: An optax optimizer.
        make: `make(key) -> model`.
        x: Inputs, the examples along the first axis.
        y: Targets, likewise.
        seeds: How many models, S.
        loss: As `train_step` takes it.
        epochs: Passes over the examples.
        batch_size: Examples per step, at most all.

    Returns:
        The models, stacked along a first axis S, and the mean loss of each epoch (S, epochs).
    """
    for_models, for_runs = jax.vmap(jax.random.split, out_axes=1)(keys(seeds))
    how = {"loss": loss, "epochs": epochs, "batch_size": batch_size}
    return fit_stacked(optimizer, jax.vmap(make)(for_models), for_runs, x, y, **how)


def fit_stacked(
    optimizer: optax.GradientTransformation,
    models: Model,
    keys: jax.Array,
    x: Any,
    y: Any,
    *,
    loss: Loss,
    epochs: int,
    batch_size: int,
) -> tuple[Model, jax.Array]:
    """Trains models that are stacked along a first axis (S,), each by the key (S,) of its run.

    It is `fit` for several models at once: all runs are one compiled program, which serves again
    for models of the same structure. A last smaller batch is left out; each epoch leaves out other
    examples. Models of the same key see the same batches.
    """
    return _runs(optimizer, loss, epochs, batch_size, models, keys, jnp.asarray(x), jnp.asarray(y))


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _runs(
    optimizer: Any, loss: Loss, epochs: int, size: int, models: Model, keys: Any, *data: jax.Array
) -> tuple[Model, jax.Array]:
    run = partial(_run, train_step(loss, optimizer), optimizer, epochs, size)
    return jax.vmap(run, in_axes=(0, 0, None, None))(models, keys, *data)


def _run(
    step: Any,
    optimizer: Any,
    epochs: int,
    size: int,
    model: Model,
    key: jax.Array,
    x: jax.Array,
    y: jax.Array,
) -> tuple[Model, jax.Array]:
    batches = len(x) // size
    for_steps, for_order = jax.random.split(key)

    orders = jax.vmap(lambda key: jax.random.permutation(key, len(x)))
    rows = orders(jax.random.split(for_order, epochs))[:, : batches * size]

    def one_step(state: TrainState, rows: jax.Array) -> tuple[TrainState, jax.Array]:
        state, metrics = step(state, (x[rows], y[rows]))
        return state, metrics["loss"]

    state = TrainState.create(model, optimizer, for_steps)
    state, losses = jax.lax.scan(one_step, state, rows.reshape(-1, size))
    return state.model, losses.reshape(epochs, batches).mean(1)
