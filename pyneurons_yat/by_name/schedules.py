"""Learning rates by name: functions from a count of steps to a rate, as optax takes them."""

import math
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp

from ..ops.checks import NOT_NEGATIVE, POSITIVE, check_numbers, check_sizes, told
from .grammar import is_number, parsed
from .tables import arguments, look_up

Schedule = Callable[[Any], Any]
OF_OPTAX = (
    "constant_schedule", "cosine_decay_schedule", "cosine_onecycle_schedule", "exponential_decay",
    "linear_onecycle_schedule", "linear_schedule", "polynomial_schedule",
    "warmup_constant_schedule", "warmup_cosine_decay_schedule",
    "warmup_exponential_decay_schedule",
)  # fmt: skip
"""Its schedules, but for those whose arguments are mappings."""
Rate = str | float | Schedule


def constant(lr: float) -> Schedule:
    """The same rate in every epoch."""
    import optax

    check_numbers("Constant", NOT_NEGATIVE, static=True, lr=lr)
    return optax.constant_schedule(lr)


def time_based(lr: float, decay: float) -> Schedule:
    """The rate of each epoch is that of the one before, over 1 + decay * epoch."""
    check_numbers("TimeBased", NOT_NEGATIVE, static=True, lr=lr, decay=decay)
    return partial(_time_based, lr, decay)


def _time_based(lr: float, decay: float, count: Any) -> jax.Array:
    """Epoch by epoch, until nothing is left of the rate: the logarithms of gamma would cancel."""

    def going_on(state: tuple[Any, jax.Array]) -> jax.Array:
        return (state[0] <= count) & (state[1] > 0)

    def one_more(state: tuple[Any, jax.Array]) -> tuple[Any, jax.Array]:
        return state[0] + 1, state[1] / (1 + decay * state[0])

    first = jnp.ones_like(count), jnp.asarray(lr, float)
    return jax.lax.while_loop(going_on, one_more, first)[1]


def step_based(lr: float, drop_rate: float, change_rate: float) -> Schedule:
    """The rate lr * drop_rate ^ floor((1 + epoch) / change_rate)."""
    import optax

    check_numbers("StepBased", NOT_NEGATIVE, static=True, lr=lr, drop_rate=drop_rate)
    check_numbers("StepBased", POSITIVE, static=True, change_rate=change_rate)
    steps: Any = change_rate  # any number above 0, though annotated as an integer
    decay = optax.exponential_decay(lr, steps, drop_rate, staircase=True)
    return lambda count: decay(count + 1)


def multi_step(lr: float, milestones: tuple[int, ...], gamma: float) -> Schedule:
    """lr, times gamma once more from each milestone on."""
    import optax

    check_numbers("MultiStepLR", NOT_NEGATIVE, static=True, lr=lr, gamma=gamma)
    epochs = milestones if isinstance(milestones, tuple) else (milestones,)
    if list(epochs) != sorted(set(epochs)) or not all(isinstance(e, int) and e > 0 for e in epochs):
        raise ValueError(
            "schedule: milestones of MultiStepLR must be growing numbers of epochs, got "
            f"{told(epochs)}; the form is MultiStepLR(0.1; 30,60,80; 0.1)"
        )
    return optax.piecewise_constant_schedule(lr, dict.fromkeys(epochs, gamma))


def exponential(lr: float, change_rate: float) -> Schedule:
    """The rate lr * exp(-change_rate * epoch)."""
    import optax

    check_numbers("Exponential", NOT_NEGATIVE, static=True, lr=lr, change_rate=change_rate)
    return optax.exponential_decay(lr, 1, math.exp(-change_rate))


@cache
def table() -> Mapping[str, Callable[..., Schedule]]:
    """All schedules: those of nerva, and those of optax whose arguments can be written."""
    import optax

    own = {
        "Constant": constant,
        "TimeBased": time_based,
        "StepBased": step_based,
        "MultiStepLR": multi_step,
        "MultistepLR": multi_step,  # as nerva's manual spells it
        "Exponential": exponential,
    }
    return own | {name: getattr(optax, name) for name in OF_OPTAX}


def schedule(text: Rate, *, steps_per_epoch: int = 1) -> Schedule:
    """A learning rate by name, as a function of the optimizer's count of steps.

        Constant(lr)                              lr
        TimeBased(lr, decay)                      the rate before / (1 + decay * epoch)
        StepBased(lr, drop_rate, change_rate)     lr * drop_rate ^ floor((1 + epoch) / change_rate)
        MultiStepLR(lr; milestones; gamma)        lr * gamma ^ (milestones reached)
        Exponential(lr, change_rate)              lr * exp(-change_rate * epoch)

    The names and meanings are nerva's. `MultistepLR` is another spelling. Those of optax work too:
    `cosine_decay_schedule(0.1, 1000)`. A number is constant.

    Args:
        text: The name and its arguments; or a number, or a function of the count, as it is.
        steps_per_epoch: How many steps of the optimizer an epoch has. The rate then changes with
            the epoch, count // steps_per_epoch, as the formulas say. With 1 the count is the epoch.

    Returns:
        `schedule(count) -> rate`, as optax takes it.

    Raises:
        TypeError: If the arguments are not those of the name; the message lists them.
        ValueError: If there is no such name; the message lists what there is. If text is no name,
            or an argument is out of its range.

    Example:
        >>> import pyneurons_yat as pn
        >>> rate = pn.by_name.schedule("MultiStepLR(0.1; 2,5; 0.1)", steps_per_epoch=10)
        >>> [round(float(rate(10 * epoch)), 6) for epoch in (0, 1, 2, 4, 5)]
        [0.1, 0.1, 0.01, 0.01, 0.001]

    Source:
        The nerva libraries, whose manual lists the names.
    """
    check_sizes("schedule", steps_per_epoch=steps_per_epoch)
    found = _found(text)
    return found if steps_per_epoch == 1 else lambda count: found(count // steps_per_epoch)


def _found(text: Rate) -> Schedule:
    if callable(text):
        return text
    if not isinstance(text, str) or is_number(text):
        return constant(float(text) if isinstance(text, str) else text)
    call = parsed("schedule", text)
    make = look_up("schedule", "a learning rate", table(), call)
    return make(**arguments("schedule", call, make))
