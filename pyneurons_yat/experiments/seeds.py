"""One model per seed, trained side by side: a training run under `jax.vmap`."""

from collections.abc import Callable
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

    It is `fit` for several seeds at once: all runs are one compiled program. A last smaller batch
    is left out; each epoch leaves out other examples.

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
    step = train_step(loss, optimizer)
    batches = len(x) // batch_size

    def run(key: jax.Array, x: jax.Array, y: jax.Array) -> tuple[Model, jax.Array]:
        for_model, for_order, for_steps = jax.random.split(key, 3)

        def one_epoch(state: Any, key: jax.Array) -> tuple[Any, jax.Array]:
            order = jax.random.permutation(key, len(x))[: batches * batch_size]

            def one_step(state: Any, rows: jax.Array) -> tuple[Any, jax.Array]:
                state, metrics = step(state, (x[rows], y[rows]))
                return state, metrics["loss"]

            state, losses = jax.lax.scan(one_step, state, order.reshape(batches, batch_size))
            return state, losses.mean()

        state = TrainState.create(make(for_model), optimizer, for_steps)
        state, losses = jax.lax.scan(one_epoch, state, jax.random.split(for_order, epochs))
        return state.model, losses

    run = jax.jit(jax.vmap(run, in_axes=(0, None, None)))
    return run(keys(seeds), jnp.asarray(x), jnp.asarray(y))
