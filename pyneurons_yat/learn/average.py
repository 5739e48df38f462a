"""moving_average: the average of a model over the steps of training."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import Tracer
from jax.tree_util import keystr

from ..core import Model, merge, partition
from .gradients import wider
from .metrics import told


def moving_average(average: Model, model: Model, decay: Any = 0.999) -> Model:
    """An exponential moving average of models, one step on.

        average = decay * average + (1 - decay) * model

    Args:
        average: The average so far; at first the model itself.
        model: The model after a step.
        decay: A number between 0 and 1.

    Returns:
        A model: leaves of the role "params" averaged, in at least float32, and in the dtype that
        they have in `average`; all others those of `model`. Small steps need an average of float32:
        in half precision, a step below half a percent or so of a number is rounded away.

    Gradient:
        Plain autodiff.

    Raises:
        ValueError: If the two differ in structure or in the shape of an averaged leaf, or decay is
            no number between 0 and 1.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.Linear(jax.random.key(0), 2, 1)
        >>> average = pn.moving_average(model, pn.replace(model, "bias", jnp.ones(1)), 0.9)
        >>> [round(float(b), 4) for b in average.bias]
        [0.1]
    """
    if jax.tree.structure(average) != jax.tree.structure(model):
        raise ValueError("moving_average: average and model must have the same structure")
    if jnp.shape(decay) != () or not (isinstance(decay, Tracer) or 0 <= decay <= 1):
        raise ValueError(
            f"moving_average: decay must be one number between 0 and 1, got {told(decay)}"
        )
    (old, _), (new, rest) = (partition(tree, "params", ...) for tree in (average, model))
    return merge(jax.tree_util.tree_map_with_path(partial(_nearer, 1 - decay), old, new), rest)


def _nearer(share: Any, path: Any, old: Any, new: Any) -> jax.Array:
    """A share of the way from the old leaf to the new one, in the dtype of the old one."""
    old, new = jnp.asarray(old), jnp.asarray(new)
    if old.shape != new.shape:
        raise ValueError(
            f"moving_average: {keystr(path)} must have the same shape in average and model, got "
            f"{old.shape} and {new.shape}"
        )
    wide = wider(old)
    start = old.astype(wide)
    return (start + jnp.asarray(share, wide) * (new.astype(wide) - start)).astype(old.dtype)
