"""Recurrent cells of Yat neurons: simple, LSTM, GRU. Their gates are in `yat_forms`."""

from typing import Any

import jax

from ...core import Choice, options_of
from ...ops.checks import check_flag
from . import yat_forms
from .cell import Projected, bind_cell
from .gates import Function, remember, zero_pair, zeros
from .yat_forms import FORMS, Params, squashers

# ------------------------------------------------------------------------------------- simple


@options_of(yat_forms.create)
def create_simple(key: jax.Array, inputs: int, outputs: int, **options: Any) -> Params:
    """The simple recurrent cell of Yat neurons: `h' = soft_tanh(signed root of their scores)`.

        d = x.v + h.u,    h' = soft_tanh(alpha (d + b) / sqrt(D + epsilon)),

    one neuron of weights v and u per output; D is the squared distance of [x, h] from [v, u].
    `pyneurons_yat.neurons.recurrent.yat_gates` says why it is the root. |h| <= 1 always.

    With `form="separate"`, as published with nmn 0.2.1, it is two neurons per output:

        h' = (s - 1) / (s + 1),    s = alpha (yat(x; v) + b) + beta yat(h; u)

    of the Yat products without bias. |h| <= 1 while no bias is negative and there is no residual;
    otherwise s may be -1, where h' is infinite. With `activation=score_tanh`, always.

    Args:
        key: A PRNG key.
        inputs: Features of x, at least 1.
        outputs: Features of h, at least 1.

    The model takes (h, x) of shapes (*B, outputs) and (*B, inputs) and returns (h', h').

    Returns:
        `YatCellParams(kernel, recurrent_kernel, bias, alpha, epsilon)`; of the separate form
        `SeparateCellParams`, with `recurrent_alpha` and `recurrent_epsilon` as well.

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
    return yat_forms.create("YatSimpleCell", (None,), key, inputs, outputs, **options)


@options_of(yat_forms.project)
def project_simple(params: Params, x: jax.Array, **options: Any) -> Projected:
    """What a `YatSimpleCell` computes for all steps at once."""
    return yat_forms.project("YatSimpleCell", params, x, **options)


def update_simple(
    neurons: Any,
    h: jax.Array,
    inputs: Any,
    totals: Any,
    *,
    form: Choice = "joint",
    activation: Function | None = None,
    residual: bool = False,
) -> tuple[jax.Array, jax.Array]:
    """One step of a `YatSimpleCell` after its products.

    Args:
        neurons: What all steps share.
        h: (*B, outputs).
        inputs: What belongs to this step.
        totals: The products, gate by gate.
        form: As when the model was made.
        activation: An odd bounded function, in the separate form one of scores; by default
            `soft_tanh`, in the separate form (x - 1) / (x + 1).
        residual: Whether h is added to what the activation is given.
    """
    check_flag("YatSimpleCell", residual=residual)
    _, activation = squashers(form, None, activation)
    (own,) = FORMS[form].scores(neurons, h, inputs, totals, 0)
    new = activation(own + h if residual else own).astype(h.dtype)
    return new, new


YatSimpleCell = bind_cell("YatSimpleCell", create_simple, (project_simple, update_simple), zeros)


# --------------------------------------------------------------------------------------- LSTM


@options_of(yat_forms.create)
def create_lstm(
    key: jax.Array,
    inputs: int,
    outputs: int,
    **options: Any,
) -> Params:
    """The long short-term memory cell of Yat neurons.

        i, f, o = softer_sigmoid(score of [x, h]),    g = soft_tanh(signed root of the score)
        c' = f c + i g
        h' = o soft_tanh(c')

    with a block of neurons for each of i, f, g, o; `pyneurons_yat.neurons.recurrent.yat_gates` has
    the formulas. |h| <= 1 always, while c may grow by up to 1 per step.

    With `form="separate"`, as published with nmn 0.2.1, a score s is that of neurons of x plus that
    of neurons of h; a gate is s / (1 + s), and (s - 1) / (s + 1) stands for soft_tanh, of c' too.
    That has a pole at c' = -1, so nothing bounds h. A fresh cell stays away from it: its bias makes
    g at least 0. With `activation=score_tanh, gate=softer_sigmoid`, which take a negative number
    for 0, |h| <= 1 always. `pyneurons_yat.neurons.recurrent.separate_gates` has the formulas.

    Args:
        key: A PRNG key.
        inputs: Features of x, at least 1.
        outputs: Features of c and h, at least 1.
        initial_scores: Of i, f, g, o: what the bias makes of the score of a fresh neuron. A score
            of 1 half opens a gate, 3 opens it to 3/4. By default (1, 3, 0, 1), in the separate form
            (1, 3, 1, 1).

    The model takes the carry (c, h), each (*B, outputs), and x (*B, inputs), and returns
    ((c', h'), h').

    Returns:
        `YatCellParams(kernel, recurrent_kernel, bias, alpha, epsilon)`, with the blocks i, f, g, o
        side by side; of the separate form `SeparateCellParams`.

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
    scores = 1.0, 3.0, None, 1.0
    return yat_forms.create("YatLSTMCell", scores, key, inputs, outputs, **options)


@options_of(yat_forms.project)
def project_lstm(params: Params, x: jax.Array, **options: Any) -> Projected:
    """What a `YatLSTMCell` computes for all steps at once."""
    return yat_forms.project("YatLSTMCell", params, x, **options)


def update_lstm(
    neurons: Any,
    carry: Any,
    inputs: Any,
    totals: Any,
    *,
    form: Choice = "joint",
    gate: Function | None = None,
    activation: Function | None = None,
) -> tuple[Any, jax.Array]:
    """One step of a `YatLSTMCell` after its products.

    Args:
        neurons: What all steps share.
        carry: c and h, (*B, outputs) each.
        inputs: What belongs to this step.
        totals: The products, gate by gate.
        form: As when the model was made.
        gate: From scores to [0, 1], a function; by default `softer_sigmoid`, in the separate form
            x / (1 + x).
        activation: An odd bounded function, in the separate form one of scores; by default
            `soft_tanh`, in the separate form (x - 1) / (x + 1).
    """
    gate, activation = squashers(form, gate, activation)
    i, f, g, o = FORMS[form].scores(neurons, carry[1], inputs, totals, 2)
    return remember(carry, gate(i), gate(f), activation(g), gate(o), activation)


YatLSTMCell = bind_cell("YatLSTMCell", create_lstm, (project_lstm, update_lstm), zero_pair)


# ---------------------------------------------------------------------------------------- GRU


@options_of(yat_forms.create)
def create_gru(
    key: jax.Array,
    inputs: int,
    outputs: int,
    **options: Any,
) -> Params:
    """The gated recurrent unit of Yat neurons.

        r, z = softer_sigmoid(score of [x, h])
        n = soft_tanh(signed root of the score of [x, r h])
        h' = (1 - z) n + z h

    Each neuron of n has its own r, with which it scales all of h: its d is x.v + r h.u and its
    distance has r^2 |h|^2. So one product with h is enough, as in a GRU whose reset comes after the
    product. |h| <= 1 always; `pyneurons_yat.neurons.recurrent.yat_gates` has the formulas.

    With `form="separate"`, as published with nmn 0.2.1, the scores are those of the separate form
    of `YatLSTMCell`; r scales what the neurons of h add to the score of n, and n is
    (s - 1) / (s + 1). |h| <= 1 while no bias is negative; with `activation=score_tanh,
    gate=softer_sigmoid`, always.

    Args:
        key: A PRNG key.
        inputs: Features of x, at least 1.
        outputs: Features of h, at least 1.
        initial_scores: Of r, z, n, as for `YatLSTMCell`; by default (1, 3, 0), in the separate form
            (1, 3, 1).

    The model takes (h, x) of shapes (*B, outputs) and (*B, inputs) and returns (h', h').

    Returns:
        `YatCellParams(kernel, recurrent_kernel, bias, alpha, epsilon)`, the blocks r, z, n side
        by side; of the separate form `SeparateCellParams`.

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
    return yat_forms.create("YatGRUCell", (1.0, 3.0, None), key, inputs, outputs, **options)


@options_of(yat_forms.project)
def project_gru(params: Params, x: jax.Array, **options: Any) -> Projected:
    """What a `YatGRUCell` computes for all steps at once."""
    return yat_forms.project("YatGRUCell", params, x, reset=True, **options)


def update_gru(
    neurons: Any,
    h: jax.Array,
    inputs: Any,
    totals: Any,
    *,
    form: Choice = "joint",
    gate: Function | None = None,
    activation: Function | None = None,
) -> tuple[jax.Array, jax.Array]:
    """One step of a `YatGRUCell` after its products.

    Args:
        neurons: What all steps share.
        h: (*B, outputs).
        inputs: What belongs to this step.
        totals: The products, gate by gate.
        form: As when the model was made.
        gate: From scores to [0, 1], a function; as for `YatLSTMCell`.
        activation: As for `YatLSTMCell`.
    """
    gate, activation = squashers(form, gate, activation)
    r, z = map(gate, FORMS[form].scores(neurons[:2], h, inputs, totals))
    n = FORMS[form].reset_score(neurons, h, inputs, totals, r)
    new = ((1 - z) * activation(n) + z * h).astype(h.dtype)
    return new, new


YatGRUCell = bind_cell("YatGRUCell", create_gru, (project_gru, update_gru), zeros)
