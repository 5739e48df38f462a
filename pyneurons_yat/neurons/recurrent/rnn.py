"""Layers that read sequences: any recurrent cell, stacked, in one direction or both."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ...core import Layer, bind, options_of
from ...core.calls import split_key
from ...ops import dropout as drop
from ...ops.checks import PART, check_flag, check_numbers, check_sizes, told
from .cells import GRUCell, LSTMCell, SimpleCell
from .scan_cell import scan_cell
from .yat_cells import YatGRUCell, YatLSTMCell, YatSimpleCell

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

    The model takes x (*B, T, inputs) and returns the y of the last layer, (*B, T, outputs). A carry
    is a tuple, one entry per layer; of a bidirectional layer a pair (forward, backward).

    A cell that itself draws or moves in training does so at each step; what `reparam` draws for a
    cell of this library is the same for all steps. With `lengths` a cell moves only in steps where
    a sequence is valid, and there sees 0 in place of the padding of the others.

    Returns:
        `RNNParams(cells)`: one model per layer, or a pair of models.

    Gradient:
        Exact, in x, the carry and the parameters; see `recurrence`.

    Raises:
        TypeError: If a size is not an integer, cell is not a layer, or merge is not a function; at
            the call, as `scan_cell`, and in training, if dropout is on and there is no key.
        ValueError: If a size is below 1, `reverse` meets a bidirectional layer, `merge` one that
            is not, or dropout is not in [0, 1) or meets a single layer; at the call, if `carry`
            has not one entry per layer.

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
        raise TypeError(f"RNN: cell must be a layer, got {told(cell)}")
    check_flag("RNN", bidirectional=bidirectional, reverse=reverse)
    _check_directions(bidirectional, merge, reverse)
    _check_dropout(layers, dropout)
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


@options_of(scan_cell)
def apply(
    params: RNNParams,
    x: jax.Array,
    *,
    carry: Any = None,
    merge: Merge = concatenate,
    reverse: bool = False,
    keep_order: bool = False,
    return_carry: bool = False,
    dropout: float = 0.0,
    key: jax.Array | None = None,
    **options: Any,
) -> Any:
    """Applies `RNN` to x (*B, T, inputs).

    Args:
        params: The cells.
        x: (*B, T, inputs).
        carry: The first carries, a tuple with one entry per layer; by default those with which the
            cells begin.
    """
    cells = params.cells
    check_flag("RNN", keep_order=keep_order, return_carry=return_carry)
    _check_directions(isinstance(cells[0], tuple), merge, reverse)
    _check_dropout(len(cells), dropout)
    last = []
    for i, (cell, first, one) in enumerate(_layers(cells, carry, key)):
        if i and dropout and key is not None:
            x = drop(x, dropout, key=one)
        in_order = keep_order or i < len(cells) - 1  # the order of y is the last layer's affair
        how = {**options, "reverse": reverse, "keep_order": in_order}
        after, x = (
            _both(cell, x, first, merge, how)
            if isinstance(cell, tuple)
            else scan_cell(cell, x, first, return_carry=True, **how)
        )
        last.append(after)
    return (tuple(last), x) if return_carry else x


def _check_directions(bidirectional: bool, merge: Merge, reverse: bool) -> None:
    if not callable(merge):
        raise TypeError(f"RNN: merge must be a function of two arrays, got {told(merge)}")
    if bidirectional and reverse:
        raise ValueError("RNN: a bidirectional layer goes both ways, so reverse must be False")
    if not bidirectional and merge is not concatenate:
        raise ValueError("RNN: merge joins two directions, so it needs bidirectional=True")


def _check_dropout(layers: int, dropout: float) -> None:
    check_numbers("RNN", PART, static=True, dropout=dropout)
    if dropout and layers == 1:
        raise ValueError(
            f"RNN: dropout={dropout} falls between layers, of which there must be at least 2, got "
            "1; drop outside of it with Dropout"
        )


def _layers(cells: tuple[Any, ...], carry: Any, key: Any) -> list[tuple[Any, Any, Any]]:
    """Each cell or pair of cells with its first carry and a key."""
    carries = [None] * len(cells) if carry is None else carry
    if not isinstance(carries, tuple | list) or len(carries) != len(cells):
        raise ValueError(
            f"RNN: carry must be a tuple with one entry for each of {len(cells)} layers, got "
            f"{_counted(carry)}"
        )
    return list(zip(cells, carries, split_key(key, len(cells)), strict=True))


def _counted(carry: Any) -> str:
    return f"{len(carry)} entries" if isinstance(carry, tuple | list) else type(carry).__name__


def _both(
    cells: tuple[Any, Any], x: jax.Array, carry: Any, merge: Merge, how: dict[str, Any]
) -> tuple[Any, jax.Array]:
    """The carries and the merged y of two cells, of which the second goes from end to start."""
    carries = (None, None) if carry is None else carry
    if not isinstance(carries, tuple | list) or len(carries) != 2:
        raise ValueError(
            "RNN: the carry of a bidirectional layer must be a pair (forward, backward), got "
            f"{_counted(carries)}"
        )
    ways = how, {**how, "reverse": True, "keep_order": True}
    passes = zip(cells, carries, ways, strict=True)
    carries, ys = zip(
        *(scan_cell(cell, x, one, return_carry=True, **way) for cell, one, way in passes),
        strict=True,
    )
    return carries, merge(*ys)


RNN = bind("RNN", create, apply)

# ------------------------------------------------------------------------------ kinds of cells


@options_of(create, LSTMCell, without=["cell", "options"])
def create_lstm(key: jax.Array, inputs: int, outputs: int, **options: Any) -> RNNParams:
    """Long short-term memory on a sequence: `RNN` with `cell=LSTMCell`.

    Args:
        key: A PRNG key.
        inputs: Features of x, at least 1.
        outputs: Features of each cell's y, at least 1.

    The model is called as an `RNN`.

    Returns:
        `RNNParams(cells)`: one model per layer, or a pair of models.

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
    return create(key, inputs, outputs, cell=LSTMCell, **options)


@options_of(create, GRUCell, without=["cell", "options"])
def create_gru(key: jax.Array, inputs: int, outputs: int, **options: Any) -> RNNParams:
    """Gated recurrent units on a sequence: `RNN` with `cell=GRUCell`.

    Args:
        key: A PRNG key.
        inputs: Features of x, at least 1.
        outputs: Features of each cell's y, at least 1.

    The model is called as an `RNN`.

    Returns:
        `RNNParams(cells)`: one model per layer, or a pair of models.

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
    return create(key, inputs, outputs, cell=GRUCell, **options)


@options_of(create, YatSimpleCell, without=["cell", "options"])
def create_yat_simple(key: jax.Array, inputs: int, outputs: int, **options: Any) -> RNNParams:
    """Recurrent Yat neurons on a sequence: `RNN` with `cell=YatSimpleCell`.

    Args:
        key: A PRNG key.
        inputs: Features of x, at least 1.
        outputs: Features of each cell's y, at least 1.

    The model is called as an `RNN`.

    Returns:
        `RNNParams(cells)`: one model per layer, or a pair of models.

    Example:
        >>> import jax, jax.numpy as jnp, optax, pyneurons_yat as pn
        >>> x = jax.random.normal(jax.random.key(0), (64, 6, 1))
        >>> total = jnp.cumsum(x, 1)
        >>> one, two = jax.random.split(jax.random.key(1))
        >>> model = pn.sequential(pn.YatSimpleRNN(one, 1, 8), pn.Linear(two, 8, 1))
        >>> model, _ = pn.fit(optax.adam(2e-2), model, x, total, epochs=200, progress=False)
        >>> float(pn.mse(model(x), total)) < 0.3
        True
    """
    return create(key, inputs, outputs, cell=YatSimpleCell, **options)


@options_of(create, YatLSTMCell, without=["cell", "options"])
def create_yat_lstm(key: jax.Array, inputs: int, outputs: int, **options: Any) -> RNNParams:
    """Long short-term memory of Yat neurons on a sequence: `RNN` with `cell=YatLSTMCell`.

    Args:
        key: A PRNG key.
        inputs: Features of x, at least 1.
        outputs: Features of each cell's y, at least 1.

    The model is called as an `RNN`.

    Returns:
        `RNNParams(cells)`: one model per layer, or a pair of models.

    Example:
        >>> import jax, jax.numpy as jnp, optax, pyneurons_yat as pn
        >>> x = jax.random.normal(jax.random.key(0), (64, 6, 1))
        >>> total = jnp.cumsum(x, 1)
        >>> one, two = jax.random.split(jax.random.key(1))
        >>> model = pn.sequential(pn.YatLSTM(one, 1, 8), pn.Linear(two, 8, 1))
        >>> model, _ = pn.fit(optax.adam(2e-2), model, x, total, epochs=200, progress=False)
        >>> float(pn.mse(model(x), total)) < 0.3
        True
    """
    return create(key, inputs, outputs, cell=YatLSTMCell, **options)


@options_of(create, YatGRUCell, without=["cell", "options"])
def create_yat_gru(key: jax.Array, inputs: int, outputs: int, **options: Any) -> RNNParams:
    """Gated recurrent units of Yat neurons on a sequence: `RNN` with `cell=YatGRUCell`.

    Args:
        key: A PRNG key.
        inputs: Features of x, at least 1.
        outputs: Features of each cell's y, at least 1.

    The model is called as an `RNN`.

    Returns:
        `RNNParams(cells)`: one model per layer, or a pair of models.

    Example:
        >>> import jax, jax.numpy as jnp, optax, pyneurons_yat as pn
        >>> x = jax.random.normal(jax.random.key(0), (64, 6, 1))
        >>> total = jnp.cumsum(x, 1)
        >>> one, two = jax.random.split(jax.random.key(1))
        >>> model = pn.sequential(pn.YatGRU(one, 1, 8), pn.Linear(two, 8, 1))
        >>> model, _ = pn.fit(optax.adam(2e-2), model, x, total, epochs=200, progress=False)
        >>> float(pn.mse(model(x), total)) < 0.3
        True
    """
    return create(key, inputs, outputs, cell=YatGRUCell, **options)


LSTM = bind("LSTM", create_lstm, apply)
GRU = bind("GRU", create_gru, apply)
YatSimpleRNN = bind("YatSimpleRNN", create_yat_simple, apply)
YatLSTM = bind("YatLSTM", create_yat_lstm, apply)
YatGRU = bind("YatGRU", create_yat_gru, apply)
