"""Gates of Yat neurons in their joint form, of which the recurrent Yat cells are made.

`separate_gates` has the other form, with neurons of x and of h apart. Here
every gate is a layer of Yat neurons that see x and h side by side. With w the weights of one
neuron, v those for x and u those for h,

    d = x.v + h.u,    D = |x|^2 + |h|^2 + |w|^2 - 2 d,    score = |alpha| (d + b)^2 / (D + epsilon),

where x.v, |x|^2 and |w|^2 are known before the first step. The score is never negative:

- A gate is `softer_sigmoid` of it, in [0, 1): shut where the neuron sees nothing that it knows,
  open where x and h are along its weights and near them.
- A candidate, which must have a sign, is `soft_tanh` of the signed root of its score,
  t = alpha (d + b) / sqrt(D + epsilon), in (-1, 1). The root, because the score is flat where
  d + b = 0: fresh candidates would be 0, pass no gradient, and an LSTM of them does not learn.
- The LSTM's output is `soft_tanh` of its memory c, which is not bounded, times a gate. So all
  three cells keep |h| <= 1, whatever their weights and inputs, if they begin so.

Where a gate should be open at the start, its bias is b = sqrt(s D / alpha), which gives it the
score s for the D of a typical input: x of unit mean square, h near 0, and fresh weights.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike, DTypeLike

from ...core import options_of
from ...ops.checks import check_sizes
from ...ops.dtypes import accumulator, widen
from ..dense import Initializer, draw, learned_epsilon, settling
from .cell import Projected
from .gates import gates_of, input_products, recurrent_kernel, side_by_side


class YatCellParams(NamedTuple):
    """Kernel (inputs, G outputs) and recurrent kernel (outputs, G outputs), for G gates.

    Bias, alpha and the shift of epsilon are each (G outputs,) or None.
    """

    kernel: jax.Array
    recurrent_kernel: jax.Array
    bias: jax.Array | None
    alpha: jax.Array | None
    epsilon: jax.Array | None


class Neuron(NamedTuple):
    """What is shared by all steps: of each gate, |w|^2 and the scalars, each (outputs,)."""

    squares: Any
    bias: Any
    alpha: Any
    epsilon: Any


@options_of(draw)
def create(
    name: str,
    scores: tuple[float, ...],
    key: jax.Array,
    inputs: int,
    outputs: int,
    *,
    recurrent_init: Initializer | None = None,
    epsilon: float = 1e-5,
    dtype: DTypeLike = jnp.float32,
    **options: Any,
) -> YatCellParams:
    """Parameters of one gate per score, each drawn as those of a layer of Yat neurons.

    A bias that gives the score to a fresh neuron is added to what `bias_init` draws.

    Args:
        name: What errors call the cell.
        scores: Of each gate, what the bias makes of the score of a fresh neuron.
        key: A PRNG key.
        inputs: Features of x.
        outputs: Features of h.
        use_bias: Whether there is a bias: inside the square, in the separate form beside it.
            Without, gates start nearly shut.
        use_alpha: Whether there is a factor per neuron; of a gate's only the size counts.
        kernel_init: `kernel_init(key, shape, dtype)` of each gate; by default `yat_normal`.
        recurrent_init: The same of each gate's recurrent kernel.
        bias_init: The same of what is added to the bias of the initial score; zeros by default.
        alpha_init: The same of each gate's alpha, 4 / sqrt(3) by default.
    """
    check_sizes(name, inputs=inputs, outputs=outputs)
    keys = jax.random.split(key, (len(scores), 2))
    options = {"epsilon": epsilon, "dtype": dtype, **options}
    gates = [draw(name, one, (inputs, outputs), **options) for one in keys[:, 0]]
    kernel, bias, alpha, shift = side_by_side(gates)
    init = recurrent_init or settling(alpha, epsilon)
    recurrent = recurrent_kernel(name, keys[:, 1], outputs, init, dtype)
    if bias is not None:
        bias = bias + _opening(scores, kernel, recurrent, 1.0 if alpha is None else alpha)
    return YatCellParams(kernel, recurrent, bias, alpha, shift)


@partial(jax.jit, static_argnums=0)
def _opening(
    scores: tuple[float, ...], kernel: jax.Array, recurrent: jax.Array, alpha: ArrayLike
) -> jax.Array:
    """The bias that gives fresh neurons these scores for a typical input."""
    wide = accumulator(kernel.dtype)
    distance = kernel.shape[0] + _weight_squares(kernel, recurrent, wide)
    factor = jnp.where(jnp.asarray(alpha) == 0, 1, jnp.abs(jnp.asarray(alpha, wide)))
    wanted = jnp.repeat(jnp.asarray(scores, wide), recurrent.shape[0])
    return jnp.sqrt(wanted * distance / factor).astype(kernel.dtype)


def project(
    name: str,
    params: YatCellParams,
    x: jax.Array,
    reset: bool,
    *,
    epsilon: ArrayLike = 1e-5,
    precision: Any = None,
) -> Projected:
    """The products and squares that need no h, gate by gate.

    Args:
        name: What errors call the cell.
        params: The cell's parameters.
        x: (*B, inputs) of one step, or (T, *B, inputs) of all.
        reset: Whether the last gate's product with x is kept apart, since h is scaled there.
        epsilon: Above 0; where the learned one starts, if it is learned.
        precision: Of the products, as in `jax.lax.dot_general`.
    """
    dots = input_products(name, params, x, precision)
    wide = dots[0].dtype
    epsilon = learned_epsilon(name, epsilon, params.epsilon)
    lengths = _weight_squares(params.kernel, params.recurrent_kernel, wide)
    neurons = each_gate(len(dots), lengths, params.bias, params.alpha, epsilon)
    kernel = gates_of(params.recurrent_kernel, len(dots))
    offsets, last = ((*dots[:-1], None), dots[-1]) if reset else (dots, None)
    return Projected(kernel, offsets, (squares(jnp.asarray(x, wide)), last), neurons)


def each_gate(
    gates: int, lengths: jax.Array, bias: Any, alpha: Any, epsilon: ArrayLike
) -> tuple[Neuron, ...]:
    """The neurons gate by gate, of |w|^2 (G outputs,) and scalars that broadcast to it, or None."""
    scalars = lengths, 0 if bias is None else bias, 1 if alpha is None else alpha, epsilon
    dtype = lengths.dtype
    spread = (jnp.broadcast_to(widen(value, dtype, 1), lengths.shape) for value in scalars)
    return tuple(map(Neuron, *(gates_of(value, gates) for value in spread)))


@partial(jax.jit, static_argnums=2)
def _weight_squares(kernel: jax.Array, recurrent: jax.Array, dtype: DTypeLike) -> jax.Array:
    """|w|^2 of each neuron."""
    one, two = (jnp.sum(jnp.square(part.astype(dtype)), 0) for part in (kernel, recurrent))
    return one + two


def score(neuron: Neuron, dot: jax.Array, squares: jax.Array, signed: bool = False) -> jax.Array:
    """The score of a gate, or the signed root of it for a candidate."""
    lengths, bias, alpha, epsilon = (widen(v, dot.dtype, dot.ndim) for v in neuron)
    distance = jnp.maximum(squares + lengths - 2 * dot, float(jnp.finfo(dot.dtype).tiny))
    numerator = dot + bias
    if signed:
        return alpha * numerator * jax.lax.rsqrt(distance + epsilon)
    return jnp.abs(alpha) * (numerator * (numerator / (distance + epsilon)))


def squares(h: jax.Array) -> jax.Array:
    """|h|^2 in the accumulator's dtype, with an axis of size 1 in the place of the features."""
    return jnp.sum(jnp.square(h.astype(accumulator(h.dtype))), -1, keepdims=True)


def scores(
    neurons: tuple[Neuron, ...],
    h: jax.Array,
    inputs: Any,
    totals: Any,
    candidate: int | None = None,
) -> tuple[jax.Array, ...]:
    """The scores of the first gates, so many as neurons; of the candidate the signed root."""
    distance = inputs[0] + squares(h)
    pairs = enumerate(zip(neurons, totals, strict=False))
    return tuple(score(one, total, distance, k == candidate) for k, (one, total) in pairs)


def reset_score(
    neurons: tuple[Neuron, ...], h: jax.Array, inputs: Any, totals: Any, r: jax.Array
) -> jax.Array:
    """The signed root of the last gate's score of x and r h, r (*B, outputs) one per neuron."""
    seen, dot = inputs
    return score(neurons[-1], dot + r * totals[-1], seen + r * (r * squares(h)), signed=True)
