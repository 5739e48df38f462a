"""Metric: a number that is exact over a data set, of which each batch shows a part."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np


class Metric(NamedTuple):
    """A metric by what it keeps: exact over any number of batches.

    A function of predictions and targets gives one number per batch, and the mean of those is not
    the number of the whole where the metric is no mean: a root of a mean, a recall, a maximum. A
    metric keeps what the number is made of.

    Attributes:
        name: What it is reported as.
        start: `start() -> kept`, a pytree of arrays, before the first batch.
        update: `update(kept, predictions, targets) -> kept`, of the same shapes and dtypes.
        result: `result(kept) -> scalar`.

    Example:
        >>> import jax.numpy as jnp, optax, jax, pyneurons_yat as pn
        >>> def update(kept, predictions, targets):
        ...     squares, entries = kept
        ...     error = predictions - targets
        ...     return squares + jnp.sum(error**2), entries + error.size
        >>> def rooted(kept):
        ...     return jnp.sqrt(kept[0] / kept[1])
        >>> rmse = pn.Metric("rmse", lambda: (jnp.zeros(()), jnp.zeros(())), update, rooted)
        >>> float(rmse.result(rmse.update(rmse.start(), jnp.array([0.0, 3.0]), jnp.zeros(2))))
        2.1213...
    """

    name: str
    start: Callable[[], Any]
    update: Callable[[Any, Any, Any], Any]
    result: Callable[[Any], Any]


def as_metric(function: str, metric: Any) -> Callable[..., Any] | Metric:
    """A metric as it came; of three functions, under the name of the last."""
    if callable(metric):
        return metric
    if isinstance(metric, tuple) and len(metric) == 3:
        metric = (getattr(metric[-1], "__name__", "metric"), *metric)
    if not (isinstance(metric, tuple) and len(metric) == 4 and all(map(callable, metric[1:]))):
        raise TypeError(
            f"{function}: a metric must be a function (predictions, targets) -> scalar, or "
            f"pn.Metric(name, start, update, result), got {told(metric)}"
        )
    return Metric(*metric)


def told(value: Any) -> str:
    """What came, in words that show no array."""
    if isinstance(value, jax.Array | np.ndarray):
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    if isinstance(value, tuple | list | dict):
        return f"a {type(value).__name__} of {len(value)}"
    return repr(value) if isinstance(value, int | float | str) else f"a {type(value).__name__}"
