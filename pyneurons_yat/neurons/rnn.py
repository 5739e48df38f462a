"""Layers that read sequences: any recurrent cell, stacked, in one direction or both."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ..core import Layer, bind
from ..core.observe import split_key
from .cells import GRUCell, LSTMCell, SimpleCell
from .linear import check_sizes
from .scan_cell import Settings, drive

Merge = Callable[[jax.Array, jax.Array], jax.Array]


def concatenate(forward: jax.Array, backward: jax.Array) -> jax.Array:
    """The merge of two directions: their features side by side."""
    return jnp.concatenate((forward, backward), axis=-1)


class RNNParams(NamedTuple):
    """One model of a cell per layer, or a pair of them, forward and backward."""

    cells: tuple[Any, ...]


def create(
    key: jax.Array,
    inputs: int,
    outputs: int,
    *,
    cell: Layer = SimpleCell,
    layers: int = 1,
    bidirectional: bool = False,
    merge: Merge = concatenate,
    **options: Any,
) -> RNNParams:
    """A recurrent cell on a sequence: stacked, in one direction or in both.

    Args:
        key: A PRNG key.
        inputs: Features of x, at least 1.
        outputs: Features of each cell's y, at least 1.
        cell: The layer of the cells, called as `cell(key, inputs, outputs, **options)`: one of this
            library, such as `YatLSTMCell`, or another that maps (carry, x) to (carry, y).
        layers: How many cells, one on top of the other.
        bidirectional: Whether each layer has a second cell, which goes from the end to the start.
        merge: `merge(forward, backward)`, what a bidirectional layer makes of two y of the same
            shape; side by side by default, so that the features are 2 outputs.
        **options: Options of the cell, such as `use_bias` or `epsilon`.

    The model takes x (*B, T, inputs) and returns the y of the last layer, (*B, T, outputs). Options
    of the call, which can be given here too: `reverse`, `keep_order`, `time_major`, `unroll` and
    `return_carry`, as for `scan_cell`; at the call only, `lengths` and `carry`. A carry is a tuple,
    one entry per layer; of a bidirectional layer a pair (forward, backward). `reverse` is the
    direction of every layer, and of no use to a bidirectional one.

    In `observe`, `dropout` is the share of the values that are dropped between layers, the
    others growing by 1 / (1 - dropout): neither of x nor of the last y. A cell that itself
    draws or moves in training does so at each step, with a key for each; what `reparam` draws for
    a cell of this library is the same for all steps.

    Returns:
        `RNNParams(cells)`: one model per layer, or a pair of models.

    Gradient:
        Exact, in x, the carry and the parameters; see `recurrence`.

    Raises:
        TypeError: If a size is not an integer, or cell is not a layer; at the call, as `scan_cell`.
        ValueError: If a size is below 1; at the call, if `carry` has not one entry per layer,
            `reverse` meets a bidirectional layer, or dropout is not in [0, 1).

    Example:
        >>> import jax, jax.numpy as jnp, optax, pyneurons_yat as pn
        >>> x = jax.random.normal(jax.random.key(0), (64, 6, 1))
        >>> after = jnp.pad(x, ((0, 0), (0, 1), (0, 0)))[:, 1:]
        >>> one, two = jax.random.split(jax.random.key(1))
        >>> rnn = pn.RNN(one, 1, 8, cell=pn.YatSimpleCell, bidirectional=True)
        >>> model = pn.sequential(rnn, pn.Linear(two, 16, 1))
        >>> model, _ = pn.fit(optax.adam(2e-2), model, x, after, epochs=100, progress=False)
        >>> float(pn.mse(model(x), after)) < 0.1  # it sees what comes next
        True
    """
    check_sizes("RNN", inputs=inputs, outputs=outputs, layers=layers)
    if not isinstance(cell, Layer):
        raise TypeError(f"RNN: cell must be a layer, but a {type(cell).__name__} came")
    cells = []
    for one in jax.random.split(key, layers):
        if bidirectional:
            keys = jax.random.split(one)
            cells.append(tuple(cell(each, inputs, outputs, **options) for each in keys))
            half = jax.ShapeDtypeStruct((1, outputs), jnp.float32)
            inputs = jax.eval_shape(merge, half, half).shape[-1]
        else:
            cells.append(cell(one, inputs, outputs, **options))
            inputs = outputs
    return RNNParams(tuple(cells))


def apply(
    params: RNNParams,
    x: jax.Array,
    *,
    carry: Any = None,
    lengths: ArrayLike | None = None,
    merge: Merge = concatenate,
    reverse: bool = False,
    keep_order: bool = False,
    time_major: bool = False,
    unroll: int = 1,
    return_carry: bool = False,
) -> Any:
    """Applies `RNN` to x (*B, T, inputs)."""
    settings = Settings(reverse, keep_order, time_major, unroll)
    carry, y, _ = _stack(params.cells, x, carry, lengths, merge, settings)
    return (carry, y) if return_carry else y


def observe(
    params: RNNParams,
    x: jax.Array,
    *,
    key: jax.Array | None = None,
    dropout: float = 0.0,
    carry: Any = None,
    lengths: ArrayLike | None = None,
    merge: Merge = concatenate,
    reverse: bool = False,
    keep_order: bool = False,
    time_major: bool = False,
    unroll: int = 1,
    return_carry: bool = False,
) -> tuple[Any, RNNParams]:
    """The training-time call of `RNN`."""
    if not 0 <= dropout < 1:
        raise ValueError(f"RNN: dropout must be in [0, 1), but {dropout} came")
    settings = Settings(reverse, keep_order, time_major, unroll)
    training = Training(key, dropout)
    carry, y, cells = _stack(params.cells, x, carry, lengths, merge, settings, training)
    return (carry, y) if return_carry else y, RNNParams(cells)


class Training(NamedTuple):
    """What a training-time call adds."""

    key: Any
    dropout: float


def _stack(cells, x, carry, lengths, merge, settings, training=None):
    _check_carries(cells, carry)
    inside = settings._replace(keep_order=True)  # the order of y is the last layer's affair
    keys = split_key(training.key if training else None, len(cells))
    carries = [None] * len(cells) if carry is None else carry
    last, moved = [], []
    for layer, (cell, first, key) in enumerate(zip(cells, carries, keys, strict=True)):
        for_dropout, key = split_key(key, 2)
        if layer and training:
            x = _dropout(x, training.dropout, for_dropout)
        how = settings if layer == len(cells) - 1 else inside
        run = _both if isinstance(cell, tuple) else _one
        after, x, cell = run(cell, x, first, lengths, merge, how, training, key)
        last.append(after)
        moved.append(cell)
    return tuple(last), x, tuple(moved)


def _check_carries(cells, carry):
    if carry is not None and not (isinstance(carry, tuple | list) and len(carry) == len(cells)):
        came = f"{len(carry)} entries" if isinstance(carry, tuple | list) else type(carry).__name__
        raise ValueError(
            f"RNN: carry must be a tuple with one entry for each of {len(cells)} layers, got {came}"
        )


def _one(cell, x, carry, lengths, merge, settings, training, key):
    return drive(cell, x, carry, lengths, settings, training is not None, key)


def _both(cells, x, carry, lengths, merge, settings, training, key):
    if settings.reverse:
        raise ValueError("RNN: a bidirectional layer goes both ways, so reverse must be False")
    carries = (None, None) if carry is None else carry
    keys = split_key(key, 2)
    outcomes = [
        drive(cell, x, first, lengths, way, training is not None, next(keys))
        for cell, first, way in zip(cells, carries, _ways(settings), strict=True)
    ]
    carries, ys, moved = zip(*outcomes, strict=True)
    return carries, merge(*ys), moved


def _ways(settings):
    return settings, settings._replace(reverse=True, keep_order=True)


def _dropout(x, rate, key):
    if key is None or rate == 0:
        return x
    kept = jax.random.bernoulli(key, 1 - rate, x.shape)
    return jnp.where(kept, x / (1 - rate), 0)


RNN = bind("RNN", create, apply, observe)


def create_lstm(
    key: jax.Array, inputs: int, outputs: int, *, merge: Merge = concatenate, **options: Any
) -> RNNParams:
    """`RNN` with `LSTMCell`; its options are those of both.

    Args:
        key: A PRNG key.
        inputs: Features of x, at least 1.
        outputs: Features of each cell's y, at least 1.
        merge: What a bidirectional layer makes of its two y.
        **options: `layers`, `bidirectional` and the options of `LSTMCell`.

    Returns:
        `RNNParams(cells)`.

    Example:
        >>> import jax, jax.numpy as jnp, optax, pyneurons_yat as pn
        >>> x = jax.random.normal(jax.random.key(0), (64, 6, 1))
        >>> total = jnp.cumsum(x, 1)
        >>> one, two = jax.random.split(jax.random.key(1))
        >>> model = pn.sequential(pn.LSTM(one, 1, 8, layers=2), pn.Linear(two, 8, 1))
        >>> model, _ = pn.fit(optax.adam(2e-2), model, x, total, epochs=200, progress=False)
        >>> float(pn.mse(model(x), total)) < 0.2
        True
    """
    return create(key, inputs, outputs, cell=LSTMCell, merge=merge, **options)


def create_gru(
    key: jax.Array, inputs: int, outputs: int, *, merge: Merge = concatenate, **options: Any
) -> RNNParams:
    """`RNN` with `GRUCell`; its options are those of both.

    Args:
        key: A PRNG key.
        inputs: Features of x, at least 1.
        outputs: Features of each cell's y, at least 1.
        merge: What a bidirectional layer makes of its two y.
        **options: `layers`, `bidirectional` and the options of `GRUCell`.

    Returns:
        `RNNParams(cells)`.

    Example:
        >>> import jax, jax.numpy as jnp, optax, pyneurons_yat as pn
        >>> x = jax.random.normal(jax.random.key(0), (64, 6, 1))
        >>> total = jnp.cumsum(x, 1)
        >>> one, two = jax.random.split(jax.random.key(1))
        >>> model = pn.sequential(pn.GRU(one, 1, 8), pn.Linear(two, 8, 1))
        >>> model, _ = pn.fit(optax.adam(2e-2), model, x, total, epochs=200, progress=False)
        >>> float(pn.mse(model(x), total)) < 0.2
        True
    """
    return create(key, inputs, outputs, cell=GRUCell, merge=merge, **options)


LSTM = bind("LSTM", create_lstm, apply, observe)
GRU = bind("GRU", create_gru, apply, observe)
