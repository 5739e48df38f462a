"""fit: from a model and data to a trained model.

Two forms. With a learning rate it is pyneurons' single step of gradient descent on the mean
absolute error. With an optax optimiser it is a training loop, in which a whole epoch is one
compiled program.
"""

import inspect
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, overload

import jax
import jax.numpy as jnp
import numpy as np

from ..core import Model, grad, merge, partition
from .history import History
from .loop import Loss, train
from .losses import mae, mse

if TYPE_CHECKING:
    import optax


def loss(model: Model, x: Any, y: Any) -> jax.Array:
    """The loss of pyneurons: the mean absolute error of `model(x)` against y.

    Args:
        model: A model.
        x: Its input.
        y: Targets of the shape of `model(x)`.

    Returns:
        A scalar.

    Gradient:
        As for `mae`.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.Neuron(pn.Box((jnp.ones((1, 1)), jnp.zeros((1, 1)))))
        >>> float(pn.loss(model, jnp.array([[2.0]]), jnp.array([[5.0]])))
        3.0
    """
    return mae(model(x), y)


def gd(learning_rate: Any, weight: jax.Array, gradient: jax.Array) -> jax.Array:
    """One step of gradient descent: `weight - learning_rate * gradient`.

    Args:
        learning_rate: A number.
        weight: An array.
        gradient: An array of the same shape.

    Returns:
        The moved weight.

    Example:
        >>> import pyneurons_yat as pn
        >>> pn.gd(0.5, 3.0, 2.0)
        2.0
    """
    return weight - learning_rate * gradient


@overload
def fit(learning_rate: float | jax.Array, model: Model, x: Any, y: Any, /) -> Model: ...
@overload
def fit(
    optimizer: "optax.GradientTransformation",
    model: Model,
    x: Any,
    y: Any,
    /,
    *,
    loss: Loss = mse,
    metrics: Sequence[Loss] = (),
    epochs: int = 1,
    batch_size: int | None = None,
    key: jax.Array | None = None,
    validation: tuple[Any, Any] | None = None,
    progress: bool = True,
) -> tuple[Model, History]: ...
def fit(optimizer: Any, model: Model, x: Any, y: Any, **options: Any) -> Any:
    """Trains a model.

    Two forms:

        fit(learning_rate, model, x, y) -> model
        fit(optimizer, model, x, y, *, loss=mse, metrics=(), epochs=1, batch_size=None, key=None,
            validation=None, progress=True) -> (model, history)

    The first is one step of gradient descent on the mean absolute error. The second trains with
    an optax optimiser: an epoch, shuffling included, is one compiled program, and calling `fit`
    again with the same functions and shapes does not compile again. Only leaves of the role
    "params" are trained. The model is called through `observe`, so dropout drops and batch norm
    moves its statistics.

    Each call starts the optimiser anew, its schedules too, and calls nothing between epochs. To go
    on with an optimiser, to save on the way or to stop early, write the loop with `TrainState` and
    `train_step`.

    Args:
        optimizer: A learning rate, which is a number; or an optax optimiser.
        model: A model.
        x: Inputs, a pytree whose leaves have the examples along their first axis.
        y: Targets, likewise.
        loss: `loss(predictions, targets)`, or `loss(model, x, y)`: the number of its required
            arguments tells which. It returns a scalar. The second kind calls the model itself, so
            what `observe` would move does not move. If it names a keyword `key`, with the default
            `None`, it receives a key for each step and none in validation.
        metrics: Functions `(predictions, targets)` that return a scalar, reported by their names.
            An epoch's number is the mean over its batches, weighted by their sizes. Training
            metrics are those of the training-time call, before the step; those of `model(x)` if the
            loss calls the model itself.
        epochs: How many times to go through the data.
        batch_size: Examples per step; all of them by default. A last smaller batch is a step too.
        key: A PRNG key for shuffling and for whatever the model draws. Without it the order is that
            of the data, and nothing is drawn.
        validation: `(x, y)` to report loss and metrics on after each epoch, by inference.
        progress: Whether to show a progress bar in a terminal or notebook, if tqdm is installed.

    Returns:
        The trained model; in the second form also the `History` of losses and metrics per epoch.

    Gradient:
        The first form can be differentiated through. The second runs on concrete arrays.

    Raises:
        TypeError: If the model is not a `Model`, the first argument neither a learning
            rate nor an optimiser, an option unknown, the loss or a metric no function, the key no
            PRNG key, or the loss of no floating dtype.
        ValueError: If x and y differ in the number of examples, a size is below 1, the loss or a
            metric is no scalar, there is nothing to train, or two metrics have one name, or one
            begins with validation_ and another is the rest of it.
        FloatingPointError: In the second form, if the loss or the validation loss becomes infinite
            or NaN, naming epoch and step; or a parameter by the last step, naming it.

    Example:
        >>> import jax, jax.numpy as jnp, optax, pyneurons_yat as pn
        >>> x = jnp.linspace(-1, 1, 64)[:, None]
        >>> model = pn.Linear(jax.random.key(0), 1, 1)
        >>> y = 3 * x + 1
        >>> model, history = pn.fit(optax.adam(0.1), model, x, y, epochs=200, progress=False)
        >>> bool(history["loss"][-1] < 1e-3)
        True
    """
    if not isinstance(model, Model):
        raise TypeError(
            f"fit: model must be a Model, but a {type(model).__name__} came; bind makes one"
        )
    if hasattr(optimizer, "init") and hasattr(optimizer, "update"):
        _known(options)
        return train(optimizer, model, x, y, **options)
    _number(optimizer)
    if options:
        raise TypeError(
            f"fit: {', '.join(options)} belong to the form with an optax optimiser, but "
            f"a {type(optimizer).__name__} came; pass, for example, optax.sgd({optimizer})"
        )
    return _descend(optimizer, model, x, y)


def _known(options: dict[str, Any]) -> None:
    accepted = [
        p.name for p in inspect.signature(train).parameters.values() if p.kind is p.KEYWORD_ONLY
    ]
    if unknown := options.keys() - accepted:
        raise TypeError(
            f"fit: unexpected keyword {', '.join(sorted(unknown))}; it takes {', '.join(accepted)}"
        )


def _number(learning_rate: Any) -> None:
    numeric = isinstance(learning_rate, int | float | np.number | np.ndarray | jax.Array)
    if not numeric or jnp.issubdtype(jnp.result_type(learning_rate), jnp.complexfloating):
        raise TypeError(
            "fit: the first argument must be a learning rate, a real number, or an optax optimiser "
            f"such as optax.adam(1e-3), but a {type(learning_rate).__name__} came"
        )
    if shape := jnp.shape(learning_rate):
        raise ValueError(
            f"fit: the learning rate must be one number, but shape {shape} came; use jax.vmap to "
            "try many"
        )


@jax.jit
def _descend(learning_rate: Any, model: Model, x: Any, y: Any) -> Model:
    gradient = grad(loss)(model, x, y)
    params, rest = partition(model, "params", ...)
    return merge(jax.tree.map(partial(_moved, learning_rate), params, gradient), rest)


def _moved(learning_rate: Any, weight: jax.Array, gradient: jax.Array) -> jax.Array:
    return gd(learning_rate, weight, gradient).astype(weight.dtype)
