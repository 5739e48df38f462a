"""A training step, compiled in the same way for whoever describes a network."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import pyneurons_yat as pn

from .harness import Contender
from .tasks import Task

RATE = 1e-3
OPTIMIZER = optax.adam(RATE)
YAT, PLAIN = "pyneurons_yat, Yat", "pyneurons_yat, plain"

Loss = Callable[[Any, jax.Array, jax.Array], jax.Array]


@dataclass(frozen=True)
class Trainer:
    """Somebody's training of a task.

    Attributes:
        name: Whose.
        call: Takes one step, on the next batch, and returns the loss when it is there.
        compiles: Traces and compiles the step anew, which has been compiled once before, so that
            nobody pays for what JAX keeps for all; None where nothing is compiled.
        bytes: What the compiled step sets aside for intermediate results.
    """

    name: str
    call: Callable[[], Any]
    compiles: Callable[[], Any] | None = None
    bytes: float | None = None

    @property
    def contender(self) -> Contender:
        """As a row of a table of times."""
        return Contender(self.name, "", self.call)


def trainer(name: str, task: Task, params: Any, loss: Loss) -> Trainer:
    """A trainer of any pytree, by adam in one compiled step whose old state is given up.

    All peers on JAX are trained in it, so that what is compared are their networks.
    """

    def made() -> Any:
        def step(carry: Any, x: jax.Array, y: jax.Array) -> tuple[Any, jax.Array]:
            params, state = carry
            value, gradient = jax.value_and_grad(loss)(params, x, y)
            updates, state = OPTIMIZER.update(gradient, state, params)
            return (optax.apply_updates(params, updates), state), value

        return jax.jit(step, donate_argnums=0)

    step = made()
    carry = jax.tree.map(jnp.array, (params, OPTIMIZER.init(params)))
    turns = itertools.cycle(range(len(task.x)))

    def call() -> Any:
        nonlocal carry
        turn = next(turns)
        carry, value = step(carry, task.x[turn], task.y[turn])
        return jax.block_until_ready((carry, value))[1]

    compiled = step.lower(carry, task.x[0], task.y[0]).compile()  # which `step` then finds
    shapes = jax.eval_shape(lambda *given: given, carry, task.x[0], task.y[0])
    memory: Any = compiled.memory_analysis()
    return Trainer(
        name, call, lambda: made().lower(*shapes).compile(), float(memory.temp_size_in_bytes)
    )


def mean_loss(scores: jax.Array, y: jax.Array) -> jax.Array:
    """The mean cross entropy."""
    return optax.softmax_cross_entropy_with_integer_labels(scores, y).mean()


def ours(task: Task, dtype: Any = jnp.float32) -> list[Trainer]:
    """This library's two networks."""

    def loss(model: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        if dtype != jnp.float32:
            model = pn.reparam(model, pn.cast(dtype))
            x = x.astype(dtype) if jnp.issubdtype(x.dtype, jnp.floating) else x
        return mean_loss(model(x).astype(jnp.float32), y)

    suffix = "" if dtype == jnp.float32 else f", {jnp.dtype(dtype)}"
    pairs = ((YAT, task.yat), (PLAIN, task.plain))
    models = {name: jax.jit(make)(jax.random.key(0)) for name, make in pairs}
    return [trainer(name + suffix, task, model, loss) for name, model in models.items()]


def steps_to(loss: float, one: Trainer, most: int) -> float:
    """Steps until the mean loss of ten falls to a number; infinity if it does not."""
    recent: list[float] = []
    for count in range(1, most + 1):
        recent = [*recent[-9:], float(np.asarray(one.call()))]
        if len(recent) == 10 and np.mean(recent) <= loss:
            return count
    return float("inf")
