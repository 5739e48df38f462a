"""Recurrent cells of Yat neurons: simple, LSTM, GRU. Their gates are in `yat_gates`."""

from typing import Any

import jax

from ...core import options_of
from ...ops import soft_tanh, softer_sigmoid
from ...ops.checks import check_flag
from . import yat_gates
from .cell import Projected, bind_cell
from .gates import Function, remember, zero_pair, zeros
from .yat_gates import YatCellParams, check_scores, score

# ------------------------------------------------------------------------------------- simple


@options_of(yat_gates.create)
def create_simple(key: jax.Array, inputs: int, outputs: int, **options: Any) -> YatCellParams:
    """The simple recurrent cell of Yat neurons: `h' = soft_tanh(signed root of their scores)`.

        d = x.v + h.u,    h' = soft_tanh(alpha (d + b) / sqrt(D + epsilon)),

    one neuron of weights v and u per output; D is the squared distance of [x, h] from [v, u].
    `pyneurons_yat.neurons.recurrent.yat_gates` says why it is the root. |h| <= 1 always.

    Args:
        key: A PRNG key.
        inputs: Features of x, at least 1.
        outputs: Features of h, at least 1.

    The model takes (h, x) of shapes (*B, outputs) and (*B, inputs) and returns (h', h').

    Returns:
        `YatCellParams(kernel, recurrent_kernel, bias, alpha, epsilon)`.

    Gradient:
        Exact; over a sequence, see `recurrence`. Where the distance came out as 0 or less, it is
        held at 0 and no gradient flows through it.

    Raises:
        TypeError: If a size is not an integer, or dtype not floating; at the call, if the carry is
            of another structure.
        ValueError: If a size is below 1, or epsilon not above 0; at the call, if a shape does not
            fit.

    Example:
        >>> import jax, jax.numpy as jnp, optax, pyneurons_yat as pn
        >>> x = jax.random.normal(jax.random.key(0), (64, 8, 1))
        >>> before = jnp.pad(x, ((0, 0), (1, 0), (0, 0)))[:, :-1]
        >>> one, two = jax.random.split(jax.random.key(1))
        >>> rnn = pn.RNN(one, 1, 16, cell=pn.YatSimpleCell)
        >>> model = pn.sequential(rnn, pn.Linear(two, 16, 1))
        >>> model, _ = pn.fit(optax.adam(1e-2), model, x, before, epochs=150, progress=False)
        >>> float(pn.mse(model(x), before)) < 0.1  # it says what it was shown a step ago
        True

    Source:
        Elman, "Finding structure in time", 1990; Bouhsine, "Deep Learning 2.0: Artificial Neurons
        That Matter", arXiv:2411.08085.
    """
    return yat_gates.create("YatSimpleCell", (0,), key, inputs, outputs, **options)


@options_of(yat_gates.project)
def project_simple(params: YatCellParams, x: jax.Array, **options: Any) -> Projected:
    """What a `YatSimpleCell` computes for all steps at once."""
    return yat_gates.project("YatSimpleCell", params, x, **options)


def update_simple(
    neurons: Any,
    h: jax.Array,
    squares: Any,
    totals: Any,
    *,
    activation: Function = soft_tanh,
    residual: bool = False,
) -> tuple[jax.Array, jax.Array]:
    """One step of a `YatSimpleCell` after its products.

    Args:
        neurons: What all steps share.
        h: (*B, outputs).
        squares: What belongs to this step.
        totals: The products, gate by gate.
        activation: An odd bounded function; `soft_tanh` by default.
        residual: Whether h is added to what the activation is given.
    """
    check_flag("YatSimpleCell", residual=residual)
    root = score(neurons[0], totals[0], squares + yat_gates.squares(h), signed=True)
    new = activation(root + h if residual else root).astype(h.dtype)
    return new, new


YatSimpleCell = bind_cell("YatSimpleCell", create_simple, (project_simple, update_simple), zeros)


# --------------------------------------------------------------------------------------- LSTM


@options_of(yat_gates.create)
def create_lstm(
    key: jax.Array,
    inputs: int,
    outputs: int,
    *,
    initial_scores: tuple[float, float, float, float] = (1.0, 3.0, 0.0, 1.0),
    **options: Any,
) -> YatCellParams:
    """The long short-term memory cell of Yat neurons.

        i, f, o = softer_sigmoid(score of [x, h]),    g = soft_tanh(signed root of the score)
        c' = f c + i g
        h' = o soft_tanh(c')

    with a block of neurons for each of i, f, g, o; `pyneurons_yat.neurons.recurrent.yat_gates` has
    the formulas. |h| <= 1 always, while c may grow by up to 1 per step.

    Args:
        key: A PRNG key.
        inputs: Features of x, at least 1.
        outputs: Features of c and h, at least 1.
        initial_scores: Of i, f, g, o: what the bias makes of the score of a fresh neuron. A score
            of 1 half opens a gate, 3 opens it to 3/4.

    The model takes the carry (c, h), each (*B, outputs), and x (*B, inputs), and returns
    ((c', h'), h').

    Returns:
        `YatCellParams(kernel, recurrent_kernel, bias, alpha, epsilon)`, with the blocks i, f, g, o
        side by side.

    Gradient:
        As for `YatSimpleCell`.

    Raises:
        TypeError: If a size is not an integer, or dtype not floating; at the call, if the carry is
            of another structure.
        ValueError: If a size is below 1, or epsilon not above 0; at the call, if a shape does not
            fit.

    Example:
        >>> import jax, jax.numpy as jnp, optax, pyneurons_yat as pn
        >>> x = jax.random.normal(jax.random.key(0), (64, 8, 1))
        >>> first = x[:, 0]
        >>> one, two = jax.random.split(jax.random.key(1))
        >>> last = lambda y: y[:, -1]
        >>> rnn = pn.RNN(one, 1, 16, cell=pn.YatLSTMCell)
        >>> model = pn.sequential(rnn, last, pn.Linear(two, 16, 1))
        >>> model, _ = pn.fit(optax.adam(1e-2), model, x, first, epochs=200, progress=False)
        >>> float(pn.mse(model(x), first)) < 0.1  # it remembers what came first
        True

    Source:
        Hochreiter and Schmidhuber, "Long short-term memory", 1997; Bouhsine, "Deep Learning 2.0:
        Artificial Neurons That Matter", arXiv:2411.08085.
    """
    scores = check_scores("YatLSTMCell", 4, initial_scores)
    return yat_gates.create("YatLSTMCell", scores, key, inputs, outputs, **options)


@options_of(yat_gates.project)
def project_lstm(params: YatCellParams, x: jax.Array, **options: Any) -> Projected:
    """What a `YatLSTMCell` computes for all steps at once."""
    return yat_gates.project("YatLSTMCell", params, x, **options)


def update_lstm(
    neurons: Any,
    carry: Any,
    squares: Any,
    totals: Any,
    *,
    gate: Function = softer_sigmoid,
    activation: Function = soft_tanh,
) -> tuple[Any, jax.Array]:
    """One step of a `YatLSTMCell` after its products.

    Args:
        neurons: What all steps share.
        carry: c and h, (*B, outputs) each.
        squares: What belongs to this step.
        totals: The products, gate by gate.
        gate: From scores to [0, 1], a function; `softer_sigmoid` by default.
        activation: An odd bounded function; `soft_tanh` by default.
    """
    squares = squares + yat_gates.squares(carry[1])
    i, f, o = (gate(score(neurons[k], totals[k], squares)) for k in (0, 1, 3))
    g = activation(score(neurons[2], totals[2], squares, signed=True))
    return remember(carry, i, f, g, o, activation)


YatLSTMCell = bind_cell("YatLSTMCell", create_lstm, (project_lstm, update_lstm), zero_pair)


# ---------------------------------------------------------------------------------------- GRU


@options_of(yat_gates.create)
def create_gru(
    key: jax.Array,
    inputs: int,
    outputs: int,
    *,
    initial_scores: tuple[float, float, float] = (1.0, 3.0, 0.0),
    **options: Any,
) -> YatCellParams:
    """The gated recurrent unit of Yat neurons.

        r, z = softer_sigmoid(score of [x, h])
        n = soft_tanh(signed root of the score of [x, r h])
        h' = (1 - z) n + z h

    Each neuron of n has its own r, with which it scales all of h: its d is x.v + r h.u and its
    distance has r^2 |h|^2. So one product with h is enough, as in a GRU whose reset comes after the
    product. |h| <= 1 always; `pyneurons_yat.neurons.recurrent.yat_gates` has the formulas.

    Args:
        key: A PRNG key.
        inputs: Features of x, at least 1.
        outputs: Features of h, at least 1.
        initial_scores: Of r, z, n, as for `YatLSTMCell`.

    The model takes (h, x) of shapes (*B, outputs) and (*B, inputs) and returns (h', h').

    Returns:
        `YatCellParams(kernel, recurrent_kernel, bias, alpha, epsilon)`, the blocks r, z, n side
        by side.

    Gradient:
        As for `YatSimpleCell`.

    Raises:
        TypeError: If a size is not an integer, or dtype not floating; at the call, if the carry is
            of another structure.
        ValueError: If a size is below 1, or epsilon not above 0; at the call, if a shape does not
            fit.

    Example:
        >>> import jax, jax.numpy as jnp, optax, pyneurons_yat as pn
        >>> x = jax.random.normal(jax.random.key(0), (64, 8, 1))
        >>> mean = x.mean(1)
        >>> one, two = jax.random.split(jax.random.key(1))
        >>> last = lambda y: y[:, -1]
        >>> rnn = pn.RNN(one, 1, 16, cell=pn.YatGRUCell)
        >>> model = pn.sequential(rnn, last, pn.Linear(two, 16, 1))
        >>> model, _ = pn.fit(optax.adam(1e-2), model, x, mean, epochs=200, progress=False)
        >>> float(pn.mse(model(x), mean)) < 0.02
        True

    Source:
        Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014; Bouhsine,
        "Deep Learning 2.0: Artificial Neurons That Matter", arXiv:2411.08085.
    """
    scores = check_scores("YatGRUCell", 3, initial_scores)
    return yat_gates.create("YatGRUCell", scores, key, inputs, outputs, **options)


@options_of(yat_gates.project)
def project_gru(params: YatCellParams, x: jax.Array, **options: Any) -> Projected:
    """What a `YatGRUCell` computes for all steps at once."""
    before = yat_gates.project("YatGRUCell", params, x, **options)
    r, z, n = before.offsets
    return before._replace(offsets=(r, z, None), inputs=(before.inputs, n))


def update_gru(
    neurons: Any,
    h: jax.Array,
    inputs: Any,
    totals: Any,
    *,
    gate: Function = softer_sigmoid,
    activation: Function = soft_tanh,
) -> tuple[jax.Array, jax.Array]:
    """One step of a `YatGRUCell` after its products.

    Args:
        neurons: What all steps share.
        h: (*B, outputs).
        inputs: What belongs to this step.
        totals: The products, gate by gate.
        gate: From scores to [0, 1], a function; `softer_sigmoid` by default.
        activation: An odd bounded function; `soft_tanh` by default.
    """
    seen, dot = inputs
    hidden = yat_gates.squares(h)
    r, z = (gate(score(neurons[k], totals[k], seen + hidden)) for k in range(2))
    root = score(neurons[2], dot + r * totals[2], seen + r * (r * hidden), signed=True)
    new = ((1 - z) * activation(root) + z * h).astype(h.dtype)
    return new, new


YatGRUCell = bind_cell("YatGRUCell", create_gru, (project_gru, update_gru), zeros)
