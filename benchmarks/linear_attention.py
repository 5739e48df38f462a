"""Linear attention against exact attention: time, memory, and how near it comes.

The contenders of a timed case compute different things: attention with the kernel's own weights,
its cost growing with the square of the length, and with those of 256 features. How near the second
comes to the first is in the last cases: the cosine of exact and approximate outputs, averaged over
the queries and over ten draws, of unit vectors in 16 dimensions.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import pyneurons_yat as pn

from .harness import Absent, Case, Contender, Target, peer

ROUNDS = 9
LENGTHS = (2048, 8192)
HEADS, SIZE, FEATURES = 2, 16, 256
SETTINGS = ((0.0, 0.5), (0.0, 2.0), (1.0, 0.5), (1.0, 2.0), (4.0, 0.5), (4.0, 2.0))
SHIFT, EPSILON = 1.0, 0.5
NMN = ("nmn anchor",)

Function = Callable[..., jax.Array]
SHORT = "causal sums cost more than exact attention at 2,048; at 8,192 it is 0.37 of that"
ANCHOR = "anchor features are cheaper, and no nearer to exact attention than a mean of the values"


def cases(
    lengths: Sequence[int] = LENGTHS,
    settings: Sequence[tuple[float, float]] = SETTINGS,
    draws: int = 10,
) -> Iterator[Case]:
    """Forward, gradient and memory, causal and not, at each length; then the cosines."""
    for length in lengths:
        for is_causal in (False, True):
            arrays = draw(length)
            yield timed_case(length, is_causal, arrays, gradient=False)
            yield timed_case(length, is_causal, arrays, gradient=True)
            yield memory_case(length, is_causal, arrays)
    for shift, epsilon in settings:
        yield quality_case(shift, epsilon, draws)


def draw(length: int) -> list[jax.Array]:
    """Queries, keys and values (T, N, H), standard normal."""
    generator = np.random.default_rng(0)
    shape = (length, HEADS, SIZE)
    return [jnp.asarray(generator.normal(size=shape), jnp.float32) for _ in range(3)]


@jax.jit
def unit(x: jax.Array) -> jax.Array:
    """Rows of length 1."""
    return x / jnp.linalg.norm(x, axis=-1, keepdims=True)


@functools.partial(jax.jit, static_argnames="is_causal")
def exact(
    q: jax.Array, k: jax.Array, v: jax.Array, is_causal: bool, shift: float, epsilon: float
) -> jax.Array:
    """Attention with the Yat kernel of unit vectors, every weight formed."""
    dot = jnp.einsum("tnh,snh->nts", unit(q), unit(k))
    weights = (dot + shift) ** 2 / (2 - 2 * dot + epsilon)
    weights = jnp.tril(weights) if is_causal else weights
    total = jnp.einsum("nts,snh->tnh", weights, v)
    return total / jnp.moveaxis(weights.sum(-1), 0, 1)[..., None]


@functools.partial(jax.jit, static_argnames=("shift", "epsilon", "tail"))
def draw_features(key: jax.Array, shift: float, epsilon: float, tail: str = "cosine") -> Any:
    """Our features of unit vectors, drawn by one compiled program for every key."""
    options = {"shift": shift, "epsilon": epsilon, "normalize": True, "tail": tail}
    return pn.YatFeatures(key, SIZE, FEATURES, **options)


@jax.jit
def attend(phi: Any, q: jax.Array, k: jax.Array, v: jax.Array) -> jax.Array:
    """Linear attention, not causal, with a feature map."""
    return pn.linear_attention(phi(q), phi(k), v)


def functions(is_causal: bool) -> list[tuple[str, Function]]:
    """Name and function of the contenders that need no peer."""
    ours = draw_features(jax.random.key(0), SHIFT, EPSILON)

    def linear(q: jax.Array, k: jax.Array, v: jax.Array) -> jax.Array:
        return pn.linear_attention(ours(q), ours(k), v, is_causal=is_causal)

    def quadratic(q: jax.Array, k: jax.Array, v: jax.Array) -> jax.Array:
        return exact(q, k, v, is_causal, SHIFT, EPSILON)

    return [("pyneurons_yat", linear), ("exact", quadratic)]


def nmn_function(is_causal: bool, epsilon: float = EPSILON, seed: int = 0) -> Function:
    """The anchor attention of nmn, at the same number of features."""
    from nmn.nnx.layers.attention import spherical_yat_performer as performer

    params = performer.create_yat_tp_projection(
        jax.random.key(seed),
        SIZE,
        num_prf_features=8,
        num_anchor_features=FEATURES // 8,
        epsilon=epsilon,
    )

    def apply(q: jax.Array, k: jax.Array, v: jax.Array) -> jax.Array:
        return performer.yat_tp_attention(q, k, v, params, causal=is_causal)

    return apply


def contenders(is_causal: bool, make: Callable[[Function], Any]) -> list[Contender | Absent]:
    """Each function turned into a call by `make`."""

    def build() -> list[Contender]:
        return [Contender(NMN[0], "", make(nmn_function(is_causal)))]

    ours = [Contender(name, "", make(function)) for name, function in functions(is_causal)]
    return [*ours, *peer("nmn.nnx", "nmn flax", NMN, build)]


def differentiated(function: Function) -> Callable[..., Any]:
    """The compiled value and gradient of the sum of sines of the output."""

    def scalar(*arrays: jax.Array) -> jax.Array:
        return jnp.sin(function(*arrays)).sum()

    return jax.jit(jax.value_and_grad(scalar, argnums=(0, 1, 2)))


def title(length: int, is_causal: bool, what: str) -> str:
    """What a case is called."""
    return f"linear attention {what}, {'causal, ' if is_causal else ''}length {length}"


def timed_case(length: int, is_causal: bool, arrays: list[jax.Array], gradient: bool) -> Case:
    """One call, result awaited."""

    def make(function: Function) -> Callable[[], Any]:
        compiled = differentiated(function) if gradient else jax.jit(function)
        return lambda: jax.block_until_ready(compiled(*arrays))

    present = contenders(is_causal, make)
    name = title(length, is_causal, "gradient" if gradient else "forward")
    bounds = [Target("pyneurons_yat", "exact", "<=", 1.0, why=SHORT)]
    return Case(name, "exact", present, bounds, why=ANCHOR)


def memory_case(length: int, is_causal: bool, arrays: list[jax.Array]) -> Case:
    """The bytes that XLA sets aside for the gradient's intermediate results."""

    def make(function: Function) -> Callable[[], Any]:
        lowered = differentiated(function).lower(*arrays)
        return lambda: lowered.compile().memory_analysis().temp_size_in_bytes

    name = title(length, is_causal, "gradient, temporary memory")
    bound = [Target("pyneurons_yat", "exact", "<=", 1.0)]
    return Case(name, "exact", contenders(is_causal, make), bound, "bytes", why=ANCHOR)


def quality_case(shift: float, epsilon: float, draws: int) -> Case:
    """The cosines with exact attention in percent, where higher is better.

    Averaging of the values is what attention without any weights would do.
    """

    def ours(tail: str) -> Callable[[int], Function]:
        def make(seed: int) -> Function:
            phi = draw_features(jax.random.key(seed), shift, epsilon, tail)
            return functools.partial(attend, phi)

        return make

    def call(make: Callable[[int], Function]) -> Callable[[], float]:
        return lambda: (
            100 * float(np.mean([cosine(make(i), i, shift, epsilon) for i in range(draws)]))
        )

    def build() -> list[Contender]:
        return [Contender(NMN[0], "", call(lambda seed: nmn_function(False, epsilon, seed)))]

    rows = [
        Contender("pyneurons_yat", "", call(ours("cosine"))),
        Contender("pyneurons_yat, no tail", "", call(ours("none"))),
        Contender("averaging", "", call(lambda seed: averaging)),
        *peer("nmn.nnx", "nmn flax", NMN, build),
    ]
    bounds = [Target("pyneurons_yat", other, ">=", 1.0) for other in ("averaging", NMN[0])]
    name = f"cosine with exact attention, shift {shift}, epsilon {epsilon}"
    return Case(name, "averaging", rows, bounds, "%")


def averaging(q: jax.Array, k: jax.Array, v: jax.Array) -> jax.Array:
    """The mean of the values."""
    return jnp.broadcast_to(v.mean(0, keepdims=True), v.shape)


def cosine(function: Function, seed: int, shift: float, epsilon: float) -> float:
    """The mean cosine of the function's outputs with exact attention's, of 512 keys."""
    generator = np.random.default_rng(seed)
    shape = (512, 1, SIZE)
    q, k, v = (jnp.asarray(generator.normal(size=shape), jnp.float32) for _ in range(3))
    q, k = unit(q), unit(k)
    wanted = exact(q, k, v, False, shift, epsilon)
    found = function(q, k, v)
    return float(np.mean(np.sum(np.asarray(unit(wanted)) * np.asarray(unit(found)), -1)))
