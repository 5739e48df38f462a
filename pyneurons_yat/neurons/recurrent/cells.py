"""The recurrent cells that everyone knows: simple, LSTM, GRU."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from ...core import options_of
from ...ops.checks import FINITE, check_flag, check_numbers, check_sizes
from ...ops.dtypes import widen
from ..dense import Initializer, draw_linear, drawn
from .cell import Projected, bind_cell
from .gates import (
    Function,
    gates_of,
    input_products,
    orthogonal,
    recurrent_kernel,
    remember,
    side_by_side,
    zero_pair,
    zeros,
)


class CellParams(NamedTuple):
    """Kernel (inputs, G outputs), recurrent kernel (outputs, G outputs), bias (G outputs,) or None.

    G is the number of gates, one block of columns each: 1 of a simple cell, 4 of an LSTM cell.
    """

    kernel: jax.Array
    recurrent_kernel: jax.Array
    bias: jax.Array | None


class GRUCellParams(NamedTuple):
    """As `CellParams` for 3 gates; the candidate's hidden part has a bias (outputs,) of its own."""

    kernel: jax.Array
    recurrent_kernel: jax.Array
    bias: jax.Array | None
    recurrent_bias: jax.Array | None


@options_of(draw_linear)
def create_gates(
    name: str,
    gates: int,
    key: jax.Array,
    inputs: int,
    outputs: int,
    *,
    recurrent_init: Initializer = orthogonal,
    dtype: DTypeLike = jnp.float32,
    **options: Any,
) -> CellParams:
    """The parameters of so many gates, each drawn as those of a layer of affine neurons.

    Args:
        name: What errors call the cell.
        gates: How many blocks of columns the kernels have.
        key: A PRNG key.
        inputs: Features of x.
        outputs: Features of h.
        kernel_init: `kernel_init(key, shape, dtype)` of each gate's kernel, LeCun's normal by
            default.
        recurrent_init: The same of each gate's recurrent kernel, orthogonal by default.
        bias_init: The same of each gate's bias, zeros by default.
        dtype: The dtype of the parameters.
    """
    check_sizes(name, inputs=inputs, outputs=outputs)
    keys = jax.random.split(key, (gates, 2))
    drawn_gates = [
        draw_linear(name, one, (inputs, outputs), dtype=dtype, **options) for one in keys[:, 0]
    ]
    kernel, bias = side_by_side(drawn_gates)
    recurrent = recurrent_kernel(name, keys[:, 1], outputs, recurrent_init, dtype)
    return CellParams(kernel, recurrent, bias)


def project(name: str, params: Any, x: jax.Array, *, precision: Any = None) -> Projected:
    """The products that need no h, gate by gate.

    Args:
        name: What errors call the cell.
        params: The cell's parameters.
        x: (*B, inputs) of one step, or (T, *B, inputs) of all.
        precision: Of the products, as in `jax.lax.dot_general`.
    """
    dots = input_products(name, params, x, precision)
    kernel = gates_of(params.recurrent_kernel, len(dots))
    if params.bias is None:
        return Projected(kernel, dots)
    biases = gates_of(params.bias, len(dots))
    pairs = zip(dots, biases, strict=True)
    return Projected(kernel, tuple(dot + widen(bias, dot.dtype, dot.ndim) for dot, bias in pairs))


# ------------------------------------------------------------------------------------- simple


@options_of(create_gates)
def create_simple(key: jax.Array, inputs: int, outputs: int, **options: Any) -> CellParams:
    """The simple (Elman) recurrent cell: `h' = tanh(x @ kernel + h @ recurrent_kernel + bias)`.

    Args:
        key: A PRNG key.
        inputs: Features of x, at least 1.
        outputs: Features of h, at least 1.

    The model takes (h, x) of shapes (*B, outputs) and (*B, inputs) and returns (h', h').

    Returns:
        `CellParams(kernel, recurrent_kernel, bias)`.

    Gradient:
        Exact; over a sequence, see `recurrence`.

    Raises:
        TypeError: If a size is not an integer, or dtype not floating; at the call, if the carry is
            of another structure.
        ValueError: If a size is below 1; at the call, if a shape does not fit.

    Example:
        >>> import jax, jax.numpy as jnp, optax, pyneurons_yat as pn
        >>> x = jax.random.normal(jax.random.key(0), (64, 8, 1))
        >>> before = jnp.pad(x, ((0, 0), (1, 0), (0, 0)))[:, :-1]
        >>> one, two = jax.random.split(jax.random.key(1))
        >>> rnn = pn.RNN(one, 1, 8, cell=pn.SimpleCell)
        >>> model = pn.sequential(rnn, pn.Linear(two, 8, 1))
        >>> model, _ = pn.fit(optax.adam(1e-2), model, x, before, epochs=100, progress=False)
        >>> float(pn.mse(model(x), before)) < 0.1  # it says what it was shown a step ago
        True

    Source:
        Elman, "Finding structure in time", 1990.
    """
    return create_gates("SimpleCell", 1, key, inputs, outputs, **options)


@options_of(project)
def project_simple(params: CellParams, x: jax.Array, **options: Any) -> Projected:
    """What a `SimpleCell` computes for all steps at once."""
    return project("SimpleCell", params, x, **options)


def update_simple(
    shared: Any,
    h: jax.Array,
    inputs: Any,
    totals: Any,
    *,
    activation: Function = jnp.tanh,
    residual: bool = False,
) -> tuple[jax.Array, jax.Array]:
    """One step of a `SimpleCell` after its products.

    Args:
        shared: What all steps share.
        h: (*B, outputs).
        inputs: What belongs to this step.
        totals: The products, gate by gate.
        activation: A function; tanh by default.
        residual: Whether h is added to what the activation is given.
    """
    check_flag("SimpleCell", residual=residual)
    (total,) = totals
    new = activation(total + h if residual else total).astype(h.dtype)
    return new, new


SimpleCell = bind_cell("SimpleCell", create_simple, (project_simple, update_simple), zeros)


# --------------------------------------------------------------------------------------- LSTM


@options_of(create_gates)
def create_lstm(
    key: jax.Array,
    inputs: int,
    outputs: int,
    *,
    forget_bias: float = 1.0,
    **options: Any,
) -> CellParams:
    """The long short-term memory cell.

        i, f, g, o = x @ kernel + h @ recurrent_kernel + bias, cut into four
        c' = sigmoid(f) c + sigmoid(i) tanh(g)
        h' = sigmoid(o) tanh(c')

    Args:
        key: A PRNG key.
        inputs: Features of x, at least 1.
        outputs: Features of c and h, at least 1.
        forget_bias: What the initial bias of f is raised by; 1 keeps most of c from the start.

    The model takes the carry (c, h), each (*B, outputs), and x (*B, inputs), and returns
    ((c', h'), h').

    Returns:
        `CellParams(kernel, recurrent_kernel, bias)`, with the blocks i, f, g, o side by side.

    Gradient:
        Exact; over a sequence, see `recurrence`.

    Raises:
        TypeError: If a size is not an integer, or dtype not floating; at the call, if the carry is
            of another structure.
        ValueError: If a size is below 1; at the call, if a shape does not fit.

    Example:
        >>> import jax, jax.numpy as jnp, optax, pyneurons_yat as pn
        >>> x = jax.random.bernoulli(jax.random.key(0), 0.5, (64, 8, 1)).astype(jnp.float32)
        >>> parity = x.sum((1, 2)) % 2
        >>> one, two = jax.random.split(jax.random.key(1))
        >>> last = lambda y: y[:, -1]
        >>> rnn = pn.RNN(one, 1, 16, cell=pn.LSTMCell)
        >>> model = pn.sequential(rnn, last, pn.Linear(two, 16, 1))
        >>> optimizer = optax.adam(3e-2)
        >>> model, _ = pn.fit(optimizer, model, x, parity[:, None], epochs=200, progress=False)
        >>> float(((model(x)[:, 0] > 0.5) == parity).mean()) > 0.95
        True

    Source:
        Hochreiter and Schmidhuber, "Long short-term memory", 1997; the forget gate from Gers,
        Schmidhuber and Cummins, "Learning to forget", 2000.
    """
    check_numbers("LSTMCell", FINITE, forget_bias=forget_bias)
    params = create_gates("LSTMCell", 4, key, inputs, outputs, **options)
    if params.bias is None:
        return params
    raised = jnp.asarray(forget_bias, params.bias.dtype)
    return params._replace(bias=params.bias.at[outputs : 2 * outputs].add(raised))


@options_of(project)
def project_lstm(params: CellParams, x: jax.Array, **options: Any) -> Projected:
    """What an `LSTMCell` computes for all steps at once."""
    return project("LSTMCell", params, x, **options)


def update_lstm(
    shared: Any,
    carry: Any,
    inputs: Any,
    totals: Any,
    *,
    gate: Function = jax.nn.sigmoid,
    activation: Function = jnp.tanh,
) -> tuple[Any, jax.Array]:
    """One step of an `LSTMCell` after its products.

    Args:
        shared: What all steps share.
        carry: c and h, (*B, outputs) each.
        inputs: What belongs to this step.
        totals: The products, gate by gate.
        gate: What opens and shuts, a function; sigmoid by default.
        activation: A function; tanh by default.
    """
    i, f, g, o = totals
    return remember(carry, gate(i), gate(f), activation(g), gate(o), activation)


LSTMCell = bind_cell("LSTMCell", create_lstm, (project_lstm, update_lstm), zero_pair)


# ---------------------------------------------------------------------------------------- GRU


@options_of(create_gates)
def create_gru(
    key: jax.Array,
    inputs: int,
    outputs: int,
    *,
    bias_init: Initializer = jax.nn.initializers.zeros,
    dtype: DTypeLike = jnp.float32,
    **options: Any,
) -> GRUCellParams:
    """The gated recurrent unit.

        r, z = sigmoid(x @ kernel + h @ recurrent_kernel + bias), the first two blocks
        n = tanh(x @ kernel + bias + r (h @ recurrent_kernel + recurrent_bias)), the third
        h' = (1 - z) n + z h

    Args:
        key: A PRNG key.
        inputs: Features of x, at least 1.
        outputs: Features of h, at least 1.

    The model takes (h, x) of shapes (*B, outputs) and (*B, inputs) and returns (h', h').

    Returns:
        `GRUCellParams(kernel, recurrent_kernel, bias, recurrent_bias)`, with the blocks r, z, n
        side by side; recurrent_bias is (outputs,).

    Gradient:
        Exact; over a sequence, see `recurrence`.

    Raises:
        TypeError: If a size is not an integer, or dtype not floating; at the call, if the carry is
            of another structure.
        ValueError: If a size is below 1; at the call, if a shape does not fit.

    Example:
        >>> import jax, jax.numpy as jnp, optax, pyneurons_yat as pn
        >>> x = jax.random.normal(jax.random.key(0), (64, 8, 1))
        >>> largest = x.max(1)
        >>> one, two = jax.random.split(jax.random.key(1))
        >>> last = lambda y: y[:, -1]
        >>> rnn = pn.RNN(one, 1, 16, cell=pn.GRUCell)
        >>> model = pn.sequential(rnn, last, pn.Linear(two, 16, 1))
        >>> model, _ = pn.fit(optax.adam(1e-2), model, x, largest, epochs=150, progress=False)
        >>> float(pn.mse(model(x), largest)) < 0.05
        True

    Source:
        Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014, with the
        reset after the product, as cuDNN, PyTorch and Flax have it.
    """
    for_gates, for_bias = jax.random.split(key)
    options = {"bias_init": bias_init, "dtype": dtype, **options}
    params = create_gates("GRUCell", 3, for_gates, inputs, outputs, **options)
    if params.bias is None:
        return GRUCellParams(*params, None)
    hidden = drawn("GRUCell", "bias_init", bias_init, for_bias, (outputs,), dtype)
    return GRUCellParams(*params, hidden)


@options_of(project)
def project_gru(params: GRUCellParams, x: jax.Array, **options: Any) -> Projected:
    """What a `GRUCell` computes for all steps at once."""
    kernel, (r, z, n), *_ = project("GRUCell", params, x, **options)
    return Projected(kernel, (r, z, None), n, params.recurrent_bias)


def update_gru(
    bias: jax.Array | None,
    h: jax.Array,
    inputs: Any,
    totals: Any,
    *,
    gate: Function = jax.nn.sigmoid,
    activation: Function = jnp.tanh,
) -> tuple[jax.Array, jax.Array]:
    """One step of a `GRUCell` after its products.

    Args:
        bias: Of the candidate's hidden part, or None.
        h: (*B, outputs).
        inputs: What belongs to this step.
        totals: The products, gate by gate.
        gate: What opens and shuts, a function; sigmoid by default.
        activation: A function; tanh by default.
    """
    r, z, recurrent = totals
    if bias is not None:
        recurrent = recurrent + widen(bias, recurrent.dtype, recurrent.ndim)
    n = activation(inputs + gate(r) * recurrent)
    z = gate(z)
    new = ((1 - z) * n + z * h).astype(h.dtype)
    return new, new


GRUCell = bind_cell("GRUCell", create_gru, (project_gru, update_gru), zeros)
