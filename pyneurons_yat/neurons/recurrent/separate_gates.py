"""Gates of Yat neurons in their separate form: neurons of x and neurons of h, their scores summed.

A gate is two layers of Yat neurons, as the recurrent cells of nmn 0.2.1 have them. With v the
weights of a neuron of x, u those of a neuron of h,

    score = |alpha| ((x.v)^2 / (|x - v|^2 + epsilon) + b) + |beta| (h.u)^2 / (|h - u|^2 + epsilon),

all of the first known before the first step. The bias stands outside of the square, and neurons
of h have none. While no bias is negative, neither is a score:

- A gate is x / (1 + x) of it, in [0, 1), as in the joint form of `yat_gates`.
- A candidate is (x - 1) / (x + 1) of it, in [-1, 1), which is `score_tanh`: 0 where the score is 1.

Both are taken by their formulas of negative numbers too, as nmn takes them, and have a pole at -1.
The memory c of an LSTM is such a number. So nothing bounds the h of an LSTM, nor that of any cell
with a negative bias. `softer_sigmoid` and `score_tanh` in their place, which take a negative
number for 0, bound it by 1.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike, DTypeLike

from ...core import options_of
from ...ops import score_tanh, softer_sigmoid
from ...ops.checks import check_sizes
from ...ops.dtypes import accumulator, widen
from ..dense import Initializer, draw, learned_epsilon
from .cell import Projected
from .gates import gates_of, input_products, side_by_side
from .yat_gates import Neuron, each_gate, score, squares


class SeparateCellParams(NamedTuple):
    """Kernel (inputs, G outputs) and recurrent kernel (outputs, G outputs), for G gates.

    Bias, and alpha and the shift of epsilon of both kinds of neurons, are each (G outputs,) or
    None.
    """

    kernel: jax.Array
    recurrent_kernel: jax.Array
    bias: jax.Array | None
    alpha: jax.Array | None
    recurrent_alpha: jax.Array | None
    epsilon: jax.Array | None
    recurrent_epsilon: jax.Array | None


@options_of(draw)
def create(
    name: str,
    scores: tuple[float, ...],
    key: jax.Array,
    inputs: int,
    outputs: int,
    *,
    recurrent_init: Initializer | None = None,
    dtype: DTypeLike = jnp.float32,
    **options: Any,
) -> SeparateCellParams:
    """Parameters of one gate per score, each drawn as those of two layers of Yat neurons.

    A bias that gives the score to a neuron which answers 0 is added to what `bias_init` draws.

    Args:
        name: What errors call the cell.
        scores: Of each gate, what the bias makes of the score.
        key: A PRNG key.
        inputs: Features of x.
        outputs: Features of h.
        recurrent_init: `recurrent_init(key, shape, dtype)` of each gate's recurrent kernel.
        dtype: The dtype of the parameters.
    """
    check_sizes(name, inputs=inputs, outputs=outputs)
    of_x, of_h = jax.random.split(key, (2, len(scores)))
    x_options = {**options, "dtype": dtype}
    h_options = {**x_options, "use_bias": False, "kernel_init": recurrent_init}
    seen = side_by_side([draw(name, one, (inputs, outputs), **x_options) for one in of_x])
    felt = side_by_side([draw(name, one, (outputs, outputs), **h_options) for one in of_h])
    bias = None if seen.bias is None else _raised(scores, seen.bias, seen.alpha)
    kernels, alphas, shifts = (
        (getattr(seen, one), getattr(felt, one)) for one in ("kernel", "alpha", "epsilon")
    )
    return SeparateCellParams(*kernels, bias, *alphas, *shifts)


@partial(jax.jit, static_argnums=0)
def _raised(scores: tuple[float, ...], bias: jax.Array, alpha: jax.Array | None) -> jax.Array:
    """The bias, raised by that which makes these scores."""
    wide = accumulator(bias.dtype)
    factor = jnp.abs(jnp.asarray(1 if alpha is None else alpha, wide))
    wanted = jnp.repeat(jnp.asarray(scores, wide), bias.size // len(scores))
    return (bias + wanted / jnp.where(factor == 0, 1, factor)).astype(bias.dtype)


def project(
    name: str,
    params: SeparateCellParams,
    x: jax.Array,
    reset: bool,
    *,
    epsilon: ArrayLike = 1e-5,
    precision: Any = None,
) -> Projected:
    """The scores of x, gate by gate; whether h is scaled (`reset`) changes nothing in them."""
    dots = input_products(name, params, x, precision)
    wide, gates = dots[0].dtype, len(dots)
    length = squares(jnp.asarray(x, wide))
    neurons = _neurons(name, params.kernel, params.alpha, params.epsilon, epsilon, wide, gates)
    seen = tuple(score(one, dot, length) for one, dot in zip(neurons, dots, strict=True))
    if params.bias is not None:
        pairs = zip(gates_of(params.bias, gates), neurons, seen, strict=True)
        seen = tuple(s + widen(jnp.abs(one.alpha) * b, wide, s.ndim) for b, one, s in pairs)
    recurrent = params.recurrent_kernel, params.recurrent_alpha, params.recurrent_epsilon
    neurons = _neurons(name, *recurrent, epsilon, wide, gates)
    return Projected(gates_of(params.recurrent_kernel, gates), (None,) * gates, seen, neurons)


def _neurons(
    name: str,
    kernel: jax.Array,
    alpha: Any,
    shift: Any,
    epsilon: ArrayLike,
    wide: Any,
    gates: int,
) -> tuple[Neuron, ...]:
    """The neurons of one kernel gate by gate, without a bias inside the square."""
    lengths = jnp.sum(jnp.square(kernel.astype(wide)), 0)
    return each_gate(gates, lengths, None, alpha, learned_epsilon(name, epsilon, shift))


def scores(
    neurons: tuple[Neuron, ...],
    h: jax.Array,
    inputs: Any,
    totals: Any,
    candidate: int | None = None,
) -> tuple[jax.Array, ...]:
    """The scores of the first gates, so many as neurons; a candidate's is like any other."""
    length, gates = squares(h), zip(neurons, inputs, totals, strict=False)
    return tuple(seen + score(one, total, length) for one, seen, total in gates)


def reset_score(
    neurons: tuple[Neuron, ...], h: jax.Array, inputs: Any, totals: Any, r: jax.Array
) -> jax.Array:
    """The last gate's score of x, and r (*B, outputs) times its score of h."""
    return inputs[-1] + r * score(neurons[-1], totals[-1], squares(h))


def published_gate(x: jax.Array) -> jax.Array:
    """`softer_sigmoid`, x / (1 + x), also of negative numbers, with a pole at -1."""
    below = jnp.minimum(x, 0)
    return jnp.where(x < 0, below / (1 + below), softer_sigmoid(x))


def published_tanh(x: jax.Array) -> jax.Array:
    """`score_tanh`, (x - 1) / (x + 1), also of negative numbers, with a pole at -1."""
    below = jnp.minimum(x, 0)
    return jnp.where(x < 0, (below - 1) / (below + 1), score_tanh(x))
