"""Losses by name, and those of nerva for which the library has no name of its own."""

import inspect
from collections.abc import Callable, Mapping
from functools import cache, partial, update_wrapper
from typing import Any, Unpack

import jax
import jax.numpy as jnp

from ..learn import losses
from ..learn.losses import clamped_log, cross_entropy
from ..learn.measures import Shared, SharedByCosts, per_class, per_vector
from .grammar import parsed
from .tables import arguments, look_up

Loss = Callable[..., jax.Array]


@per_vector()
def squared_error(
    predictions: jax.Array, targets: jax.Array, **shared: Unpack[Shared]
) -> jax.Array:
    """The squared distance of vectors: mean |predictions - targets|^2."""
    return jnp.sum(jnp.square(predictions - targets), axis=-1)


@per_class(binary="binary_cross_entropy")
def logistic_cross_entropy(predictions: jax.Array, **shared: Unpack[SharedByCosts]) -> jax.Array:
    """Cross entropy of sigmoids, of the target alone: mean -log sigmoid(predictions)[target]."""
    return -jax.nn.log_sigmoid(predictions)


@per_vector()
def likelihood_of_the_target(
    predictions: jax.Array, targets: jax.Array, **shared: Unpack[Shared]
) -> jax.Array:
    """Negative logarithm of the probability of the target: mean -log(predictions . targets)."""
    return -clamped_log(jnp.sum(predictions * targets, axis=-1))


@cache
def table() -> Mapping[str, Loss]:
    """All losses: those of nerva, and those of this library that take predictions and targets."""
    own = {
        "SquaredError": squared_error,
        "CrossEntropy": partial(cross_entropy, from_logits=False),
        "SoftmaxCrossEntropy": cross_entropy,
        "LogisticCrossEntropy": logistic_cross_entropy,
        "NegativeLogLikelihood": likelihood_of_the_target,
    }
    found = {name: getattr(losses, name) for name in losses.__all__}
    return own | {name: f for name, f in found.items() if _takes_two(f)}


def _takes_two(function: Any) -> bool:
    parameters = inspect.signature(function).parameters.values()
    wanted = [p.name for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    return wanted == ["predictions", "targets"]


def loss(text: str | Loss) -> Loss:
    """A loss by name, of (predictions, targets).

        SquaredError             mean |p - t|^2
        CrossEntropy             mean -sum(t log p)             of probabilities
        SoftmaxCrossEntropy      mean -sum(t log softmax(p))    of logits
        LogisticCrossEntropy     mean -sum(t log sigmoid(p))    of logits
        NegativeLogLikelihood    mean -log sum(t p)             of probabilities

    with p predictions and t targets, (*B, C), one-hot or distributions; the sums are over C, the
    mean is over *B. The names and meanings are nerva's, which sums over a batch and divides by its
    size in training. Cross entropies take labels too. Where p is 0 its logarithm counts as -100.
    The library's own losses have their names: `mse`, the mean over outputs too, `huber(delta=0.5)`,
    `cross_entropy(label_smoothing=0.1)`.

    Args:
        text: The name and its options; or a function, as it is.

    Returns:
        A function (predictions, targets), with the options `weight` and `reduction`. The same text
        gives the same function, which compiles once.

    Raises:
        TypeError: If the options are not those of the name; the message lists them.
        ValueError: If there is no such name; the message lists what there is. If text is no name.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> p, t = jnp.array([[0.5, 0.5], [0.2, 0.8]]), jnp.array([[1.0, 0.0], [0.0, 1.0]])
        >>> round(float(pn.by_name.loss("SquaredError")(p, t)), 4)
        0.29

    Source:
        The nerva libraries, whose manual lists the names.
    """
    return text if callable(text) else _named(text)


@cache
def _named(text: str) -> Loss:
    call = parsed("loss", text)
    found = look_up("loss", "a loss", table(), call)
    options = arguments("loss", call, found, hidden=["predictions", "targets"])
    return update_wrapper(partial(found, **options), found) if options else found
