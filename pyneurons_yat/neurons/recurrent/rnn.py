"""Layers that read sequences: any recurrent cell, stacked, in one direction or both."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ...core import Layer, bind
from ...core.calls import split_key
from ...ops import dropout as drop
from ...ops.checks import check_sizes
from ..attention import check_dropout
from .cells import GRUCell, LSTMCell, SimpleCell
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
    reverse: bool = False,
    dropout: float = 0.0,
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
        reverse: The direction of every layer, as for `scan_cell`; not with bidirectional ones.
        dropout: In training, the share of the values that are dropped between layers, the others
            growing by 1 / (1 - dropout): neither of x nor of the last y.
        **options: Options of the cell, such as `use_bias` or `epsilon`.

    The model takes x (*B, T, inputs) and returns the y of the last layer, (*B, T, outputs). Options
    of the call, which can be given here too: `reverse`, `keep_order`, `time_major`, `unroll` and
    `return_carry`, as for `scan_cell`, and in `observe` `dropout`, which needs a key; at the call
    only, `lengths` and `carry`. A carry is a tuple, one entry per layer; of a bidirectional layer
    a pair (forward, backward).

    A cell that itself draws or moves in training does so at each step, with a key for each; what
    `reparam` draws for a cell of this library is the same for all steps. With `lengths` a cell
    moves only in steps where a sequence is valid, and there sees 0 in place of the padding of the
    others.

    Returns:
        `RNNParams(cells)`: one model per layer, or a pair of models.

    Gradient:
        Exact, in x, the carry and the parameters; see `recurrence`.

    Raises:
        TypeError: If a size is not an integer, cell is not a layer, or merge is not a function; at
            the call, as `scan_cell`.
        ValueError: If a size is below 1, `reverse` meets a bidirectional layer, `merge` one that
            is not, or dropout is not in [0, 1) or meets a single layer; at the call, if dropout
            comes without a key, or `carry` has not one entry per layer.

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
    _check_options(bidirectional, merge, reverse)
    _check_dropout(layers, dropout, key)
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
    _check_dropout(len(params.cells), dropout, key)
    settings = Settings(reverse, keep_order, time_major, unroll)
    training = Training(key, dropout)
    carry, y, cells = _stack(params.cells, x, carry, lengths, merge, settings, training)
    return (carry, y) if return_carry else y, RNNParams(cells)


class Training(NamedTuple):
    """What a training-time call adds."""

    key: Any
    dropout: float


def _check_options(bidirectional, merge, reverse):
    if not callable(merge):
        raise TypeError(f"RNN: merge must be a function of two arrays, got {merge!r}")
    if bidirectional and reverse:
        raise ValueError("RNN: a bidirectional layer goes both ways, so reverse must be False")
    if not bidirectional and merge is not concatenate:
        raise ValueError("RNN: merge joins two directions, so it needs bidirectional=True")


def _check_dropout(layers, dropout, key):
    check_dropout("RNN", dropout, key)
    if dropout and layers == 1:
        raise ValueError(
            f"RNN: dropout={dropout} falls between layers, of which there must be at least 2, got "
            "1; drop outside of it with Dropout"
        )


def _stack(cells, x, carry, lengths, merge, settings, training=None):
    _check_options(isinstance(cells[0], tuple), merge, settings.reverse)
    _check_carries(cells, carry)
    inside = settings._replace(keep_order=True)  # the order of y is the last layer's affair
    keys = split_key(training.key if training else None, len(cells))
    carries = [None] * len(cells) if carry is None else carry
    last, moved = [], []
    for layer, (cell, first, key) in enumerate(zip(cells, carries, keys, strict=True)):
        for_dropout, key = split_key(key, 2)
        if layer and training:
            x = drop(x, training.dropout, key=for_dropout) if training.dropout else x
        how = settings if layer == len(cells) - 1 else inside
        run = _both if isinstance(cell, tuple) else _one
        after, x, cell = run(cell, x, first, lengths, merge, how, training, key)
        last.append(after)
        moved.append(cell)
    return tuple(last), x, tuple(moved)


def _check_carries(cells, carry):
    if carry is not None and not (isinstance(carry, tuple | list) and len(carry) == len(cells)):
        raise ValueError(
            f"RNN: carry must be a tuple with one entry for each of {len(cells)} layers, got "
            f"{_told(carry)}"
        )


def _told(carry):
    return f"{len(carry)} entries" if isinstance(carry, tuple | list) else type(carry).__name__


def _one(cell, x, carry, lengths, merge, settings, training, key):
    return drive(cell, x, carry, lengths, settings, training is not None, key)


def _both(cells, x, carry, lengths, merge, settings, training, key):
    carries = (None, None) if carry is None else carry
    if not isinstance(carries, tuple | list) or len(carries) != 2:
        raise ValueError(
            "RNN: the carry of a bidirectional layer must be a pair (forward, backward), got "
            f"{_told(carries)}"
        )
    keys = split_key(key, 2)
    outcomes = [
        drive(cell, x, first, lengths, way, training is not None, one)
        for cell, first, way, one in zip(cells, carries, _ways(settings), keys, strict=True)
    ]
    carries, ys, moved = zip(*outcomes, strict=True)
    return carries, merge(*ys), moved


def _ways(settings):
    return settings, settings._replace(reverse=True, keep_order=True)


RNN = bind("RNN", create, apply, observe)


def _create_with(name, cell, key, inputs, outputs, options):
    if "cell" in options:
        raise TypeError(
            f"{name}: the cell is {cell.name}; take RNN(key, inputs, outputs, cell=...) for another"
        )
    return create(key, inputs, outputs, cell=cell, **options)


def create_lstm(
    key: jax.Array,
    inputs: int,
    outputs: int,
    *,
    merge: Merge = concatenate,
    reverse: bool = False,
    dropout: float = 0.0,
    **options: Any,
) -> RNNParams:
    """`RNN` with `LSTMCell`; its options are those of both.

    Args:
        key: A PRNG key.
        inputs: Features of x, at least 1.
        outputs: Features of each cell's y, at least 1.
        merge: What a bidirectional layer makes of its two y.
        reverse: The direction of every layer.
        dropout: In training, the share of the values that are dropped between layers.
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
    options = {**options, "merge": merge, "reverse": reverse, "dropout": dropout}
    return _create_with("LSTM", LSTMCell, key, inputs, outputs, options)


def create_gru(
    key: jax.Array,
    inputs: int,
    outputs: int,
    *,
    merge: Merge = concatenate,
    reverse: bool = False,
    dropout: float = 0.0,
    **options: Any,
) -> RNNParams:
    """`RNN` with `GRUCell`; its options are those of both.

    Args:
        key: A PRNG key.
        inputs: Features of x, at least 1.
        outputs: Features of each cell's y, at least 1.
        merge: What a bidirectional layer makes of its two y.
        reverse: The direction of every layer.
        dropout: In training, the share of the values that are dropped between layers.
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
    options = {**options, "merge": merge, "reverse": reverse, "dropout": dropout}
    return _create_with("GRU", GRUCell, key, inputs, outputs, options)


LSTM = bind("LSTM", create_lstm, apply, observe)
GRU = bind("GRU", create_gru, apply, observe)
