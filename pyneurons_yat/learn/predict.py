"""predict: what a model returns for data, batch after batch, by inference."""

from collections.abc import Iterator
from typing import Any

import jax

from ..core import Model
from ..core.checks import check_kind
from .batches import Arrays, Stream, data_of
from .epochs import Work, passes
from .evaluate import joined, seen_in, unchecked
from .losses import mse
from .recipe import Recipe


def predict(model: Model, x: Any, *, batch_size: int | None = None) -> Any:
    """What a model returns for data, by inference: `model(x)`, batch after batch.

    Args:
        model: A model.
        x: Inputs, a tree of arrays with the examples along their first axes; or an iterable of
            batches of them, or a function that returns one.
        batch_size: Examples per batch, of which the last may have fewer; all of them by default.

    Returns:
        The outputs of all examples, joined along the first axes: NumPy arrays, on the host, in a
        tree as the model returns it.

    Gradient:
        None: it runs on concrete arrays. Inside of `jax.jit` or `jax.grad` call the model.

    Raises:
        TypeError: If the model is not a `Model`, or the batch size no integer.
        ValueError: If the arrays differ in the number of examples, there is none, the batch size is
            below 1 or comes with an iterable, or an output has not one entry per example.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.Linear(jax.random.key(0), 3, 2)
        >>> pn.predict(model, jnp.ones((5, 3)), batch_size=2).shape
        (5, 2)
    """
    check_kind("predict", "model", model, Model, "; bind makes one")
    recipe = Recipe("predict", mse)  # whose loss nobody asks for
    data = _inputs_of(x, batch_size)
    over = passes(recipe, Work(_infer, unchecked), data, model, singly=True)
    seen, _, sizes = seen_in(recipe, over, model)
    for outputs, size in zip(seen, sizes, strict=True):
        for leaf in jax.tree.leaves(outputs):
            if leaf.shape[1:2] != (size,):
                raise ValueError(
                    "predict: the model must return one entry per example along the first axes, "
                    f"got shape {leaf.shape[1:]} for {size} examples"
                )
    return jax.tree.map(joined, *seen)


def _inputs_of(x: Any, batch_size: int | None) -> Arrays | Stream:
    """The batches of inputs, with targets of nothing."""
    data = data_of("predict", "x", x, None, batch_size)
    if isinstance(data, Arrays):
        return data
    source: Any = data.source

    def pairs() -> Iterator[tuple[Any, None]]:
        batches: Any = source() if callable(source) else source
        return ((batch, None) for batch in batches)

    return data._replace(source=pairs)


def _infer(recipe: Recipe, model: Model, x: Any, y: Any) -> tuple[Model, Any]:
    return model, model(x)
