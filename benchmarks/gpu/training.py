"""A GPT on characters, trained in float32, in bfloat16 and in float16, Yat and plain."""

import time
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import pyneurons_yat as pn
from pyneurons_yat import zoo

from ..tasks import VOCABULARY, Task, gpt
from .settings import Setting, in_time

NETWORKS: dict[str, dict[str, Any]] = {
    "Yat": {},
    "plain": {
        "attention": pn.MultiHeadAttention,
        "feed": partial(zoo.FeedForward, use_bias=False, activation=jax.nn.gelu),
    },
}
RUNS = (
    ("Yat", jnp.float32),
    ("Yat", jnp.bfloat16),
    ("Yat", jnp.float16),
    ("plain", jnp.bfloat16),
)
OPTIMIZER = optax.adam(1e-3)
LAST = 20  # steps whose mean is told


class Trained(NamedTuple):
    """What became of a network.

    Attributes:
        network: "Yat" or "plain".
        dtype: Of what is computed; parameters are float32.
        steps: How many were taken.
        first: The loss before the first of them.
        last: The mean loss of the last of them.
        left_out: Steps whose gradient was not finite.
        seconds: Of a step, the median of those after the first.
        tokens: Per second.
        foretold: Bytes that `memory` had told before.
        peak: Bytes that the device then held at most; None where it does not tell, or where another
            training took more before.
    """

    network: str
    dtype: str
    steps: int
    first: float
    last: float
    left_out: int
    seconds: float
    tokens: float
    foretold: int
    peak: int | None


def trainings(setting: Setting) -> Iterator[Trained]:
    """Yat neurons in each dtype, and what they take the place of in bfloat16."""
    task = gpt(setting.network)
    for name, dtype in in_time(setting, RUNS):
        yield trained(setting, task, name, dtype)


class Run(NamedTuple):
    """Losses and seconds of the steps of a training, and how many of them were left out."""

    losses: list[float]
    seconds: list[float]
    left_out: int


def trained(setting: Setting, task: Task, name: str, dtype: Any) -> Trained:
    """One network in one dtype."""
    state, first = state_of(setting, name, dtype), (task.x[0], task.y[0])
    needs = pn.memory(state, first, loss=loss, optimizer=OPTIMIZER)
    lay, highest = held("bytes_in_use"), held("peak_bytes_in_use")
    run = stepped(setting, task, state)
    seconds = float(np.median(run.seconds[1:] or run.seconds))
    tail = [value for value in run.losses[-LAST:] if np.isfinite(value)]
    return Trained(
        name,
        str(jnp.dtype(dtype)),
        len(run.losses),
        run.losses[0],
        float(np.mean(tail)) if tail else float("nan"),
        run.left_out,
        seconds,
        first[0].size / seconds,
        needs.total,
        grown(lay, highest, held("peak_bytes_in_use"), needs),
    )


def stepped(setting: Setting, task: Task, state: pn.TrainState) -> Run:
    """The steps that there is time for."""
    step, run = pn.train_step(loss, OPTIMIZER), Run([], [], 0)
    end = time.monotonic() + setting.seconds
    for turn in range(setting.steps):
        if time.monotonic() > end:
            break
        start, place, scale = time.perf_counter(), turn % len(task.x), scale_of(state)
        state, numbers = step(state, (task.x[place], task.y[place]))
        run.losses.append(float(numbers["loss"]))
        run.seconds.append(time.perf_counter() - start)
        run = run._replace(left_out=run.left_out + (scale_of(state) < scale))
    return run


def grown(
    lay: int | None, highest: int | None, peak: int | None, needs: pn.StepMemory
) -> int | None:
    """What a device held for a training at most, of which the state lay there before."""
    if lay is None or highest is None or peak is None or peak <= highest:
        return None
    return peak - lay + needs.parameters + needs.optimizer_state


def scale_of(state: pn.TrainState) -> float:
    """The scale of the loss, which falls where a step is left out; 1 without one."""
    return 1.0 if state.loss_scale is None else float(state.loss_scale.scale)


def state_of(setting: Setting, name: str, dtype: Any) -> pn.TrainState:
    """The state before the first step; float16 has a scale of the loss."""
    size = setting.network
    make = partial(
        zoo.Transformer,
        vocabulary=VOCABULARY,
        features=size.features,
        blocks=size.blocks,
        heads=size.heads,
        **NETWORKS[name],
    )
    model = jax.jit(make)(jax.random.key(0))
    if dtype != jnp.float32:
        model = pn.reparam(model, pn.cast(dtype))
    scale = pn.LossScale.create() if dtype == jnp.float16 else None
    return pn.TrainState.create(model, OPTIMIZER, jax.random.key(1), scale)


def loss(scores: jax.Array, y: jax.Array) -> jax.Array:
    """The cross entropy of the next character, in float32."""
    return pn.cross_entropy(scores.astype(jnp.float32), y)


def held(what: str) -> int | None:
    """What the device tells of its memory, if it tells."""
    found = jax.devices()[0].memory_stats()
    return None if found is None else found.get(what)
