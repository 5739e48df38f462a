"""Optimizers by name, of optax."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from ..core import Model
from ..core.checks import check_kind
from ..core.filters import leaf_places
from ..core.sequential import Sequential
from ..learn import optimizer_by_path
from ..ops.checks import SHARE, check_numbers
from .grammar import is_number, parsed, several, spread
from .schedules import Rate, schedule
from .tables import arguments, look_up

if TYPE_CHECKING:  # optax is imported when it is used: who computes alone need not wait for it
    import optax

Optimizer = Any


def gradient_descent(*, learning_rate: float) -> Optimizer:
    """The gradient times the rate is subtracted."""
    import optax

    return optax.sgd(learning_rate)


def momentum(mu: float, *, learning_rate: float) -> Optimizer:
    """What is added: delta = mu * delta - rate * gradient."""
    return _with_the_rate_inside(mu, learning_rate, nesterov=False)


def nesterov(mu: float, *, learning_rate: float) -> Optimizer:
    """What is added: mu * delta - rate * gradient, of delta as for `momentum`."""
    return _with_the_rate_inside(mu, learning_rate, nesterov=True)


def _with_the_rate_inside(mu: float, learning_rate: Any, nesterov: bool) -> Optimizer:
    """`optax.sgd` in the other order: what is accumulated has its rate already."""
    import optax

    check_numbers("optimizer", SHARE, static=True, mu=mu)
    rate = optax.scale_by_learning_rate(learning_rate)
    return optax.chain(rate, optax.trace(mu, nesterov))


@cache
def table() -> Mapping[str, Callable[..., Optimizer]]:
    """All optimizers: those of nerva, and those of optax that begin with a learning rate."""
    import optax
    from optax import contrib

    own = {"GradientDescent": gradient_descent, "Momentum": momentum, "Nesterov": nesterov}
    found = {**vars(contrib), **vars(optax)}
    theirs = {name: f for name, f in sorted(found.items()) if _is_optimizer(name, f)}
    return own | theirs


def _is_optimizer(name: str, function: Any) -> bool:
    if not inspect.isfunction(function) or name.startswith(("_", "scale_by_")):
        return False
    first = next(iter(inspect.signature(function).parameters), "")
    return first in ("learning_rate", "max_learning_rate")


def optimizer(
    text: Any, learning_rate: Rate | None = None, *, steps_per_epoch: int = 1
) -> "optax.GradientTransformation":
    """An optimizer by name.

        GradientDescent     x' = x - rate * g
        Momentum(mu)        d' = mu d - rate g,   x' = x + d'
        Nesterov(mu)        d' = mu d - rate g,   x' = x + mu d' - rate g

    The names and meanings are nerva's. What `Momentum` and `Nesterov` accumulate has the rate of
    its own time in it, `optax.chain(optax.scale_by_learning_rate(rate), optax.trace(mu))`, whereas
    `optax.sgd(rate, momentum=mu)` accumulates gradients and multiplies by the rate of the day: the
    two part where the rate changes. Those of optax and `optax.contrib` work too: `adam(1e-3)`,
    `adamw(weight_decay=0.1)`, `sgd(0.1, momentum=0.9)`.

    Args:
        text: The name and its arguments; or an optimizer, as it is.
        learning_rate: The rate, a number, a name as for `schedule`, or a function of the count of
            steps. It may stand in the text instead: `"Momentum(0.9, learning_rate=0.1)"`.
        steps_per_epoch: As for `schedule`.

    Returns:
        An optax optimizer.

    Raises:
        TypeError: If the arguments are not those of the name; the message lists them. If the rate
            is given twice, or not at all.
        ValueError: If there is no such name; the message lists what there is. If text is no name,
            or an argument is out of its range.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> optimizer = pn.by_name.optimizer("Nesterov(0.9)", "TimeBased(0.1, 0.5)")
        >>> x, y = jnp.ones((4, 2)), jnp.ones((4, 1))
        >>> model, _ = pn.fit(optimizer, pn.Linear(jax.random.key(0), 2, 1), x, y, progress=False)

    Source:
        The nerva libraries, whose manual lists the names.
    """
    if not isinstance(text, str) and hasattr(text, "update"):
        return text
    call = parsed("optimizer", text)
    make = look_up("optimizer", "an optimizer", table(), call)
    given = (
        {} if learning_rate is None else {"learning_rate": _rate(learning_rate, steps_per_epoch)}
    )
    return make(**arguments("optimizer", call, make, given))


def _rate(learning_rate: Rate, steps_per_epoch: int) -> Any:
    """A number as it is, which some optimizers insist on; anything else as a schedule."""
    changing = schedule(learning_rate, steps_per_epoch=steps_per_epoch)
    if isinstance(learning_rate, str) and not is_number(learning_rate):
        return changing
    return changing if callable(learning_rate) else float(learning_rate)


def optimizers(
    model: Model,
    texts: str | Sequence[Any],
    learning_rates: Rate | Sequence[Rate] | None = None,
    *,
    steps_per_epoch: int = 1,
) -> "optax.GradientTransformation":
    """An optimizer for each part of a model, by names.

    Args:
        model: What will be trained: a sequential model, as of `network`.
        texts: Names as for `optimizer`, with semicolons between them or as a sequence: one for all,
            or one for each part that trains.
        learning_rates: Learning rates as for `optimizer`, likewise.
        steps_per_epoch: As for `schedule`.

    Returns:
        An optax optimizer, as `optimizer_by_path` makes it.

    Raises:
        TypeError: As for `optimizer`; if the model is none.
        ValueError: As for `optimizer`; if there are neither one nor as many as parts.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> model = pn.by_name.network(jax.random.key(0), "ReLU;Linear", "2;8;1")
        >>> rates = "MultiStepLR(0.1;2,5;0.1);Constant(0.01)"
        >>> optimizer = pn.by_name.optimizers(model, "Nesterov(0.9);GradientDescent", rates)
        >>> state = optimizer.init(model)
    """
    check_kind("optimizers", "model", model, Model)
    paths = _training_parts(model)
    each = [
        optimizer(text, rate, steps_per_epoch=steps_per_epoch)
        for text, rate in zip(
            _for_each(paths, "texts", texts),
            _for_each(paths, "learning_rates", learning_rates),
            strict=True,
        )
    ]
    return optimizer_by_path(dict(zip(paths, each, strict=True)))


def _for_each(paths: list[Any], what: str, given: Any) -> list[Any]:
    """What was given for the parts, one for each."""
    one = given is None or hasattr(given, "update") or not isinstance(given, str | Sequence)
    items = [given] if one else several("optimizers", what, given)
    return spread("optimizers", what, items, len(paths), "part that trains")


def _training_parts(model: Model) -> list[Any]:
    """The paths of the parts that train; of a model without parts, all of it."""
    if not isinstance(model.layer, Sequential):
        return [...]
    keys = (place.keys[0] for place in leaf_places(model) if place.role == "params")
    return list(dict.fromkeys(key.shown for key in keys))
