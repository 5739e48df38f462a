"""A convolution: forward, gradient, and the gradient's temporary memory.

As in the dense suite, every contender is a function of bare arrays (x, kernel, bias, alpha), and
the gradient is the value and gradient of `vdot(y, cotangent)` with respect to all four (relu has
no alpha).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import pyneurons_yat as pn

from .dense import Arrays, differentiated
from .harness import Absent, Case, Contender, Target, peer

ROUNDS = 25
EPSILON = 1e-5
YAT = "alpha (patch . w + bias)^2 / (|patch - w|^2 + epsilon)"
RELU = "relu(patch . w + bias)"

Function = Callable[..., jax.Array]


class Size(NamedTuple):
    """Images (batch, side, side, inputs), filters (window, window, inputs, outputs)."""

    batch: int
    side: int
    inputs: int
    outputs: int
    window: int

    def __str__(self) -> str:
        """How it is called in a table."""
        batch, side, inputs, outputs, window = self
        return f"{window}x{window}, {inputs} to {outputs}, {batch} of {side}x{side}"


SIZES = (Size(8, 32, 32, 64, 3),)


def cases(sizes: Sequence[Size] = SIZES) -> Iterator[Case]:
    """Forward, gradient and memory at each size."""
    for size in sizes:
        arrays, cotangent = draw(size)
        yield forward_case(size, arrays)
        yield gradient_case(size, arrays, cotangent)
        yield memory_case(size, arrays, cotangent)


def draw(size: Size) -> tuple[Arrays, jax.Array]:
    """Standard normal images and cotangent, and weights of a fresh layer's scale, in float32."""
    generator = np.random.default_rng(0)

    def normal(*shape: int) -> jax.Array:
        return jnp.asarray(generator.normal(size=shape).astype(np.float32))

    batch, side, inputs, outputs, window = size
    kernel = normal(window, window, inputs, outputs) / np.float32(window * np.sqrt(inputs))
    arrays = Arrays(normal(batch, side, side, inputs), kernel, normal(outputs), normal(1))
    return arrays, normal(batch, side, side, outputs)


def yat(x: jax.Array, kernel: jax.Array, bias: jax.Array, alpha: jax.Array) -> jax.Array:
    """The operation that this library is about."""
    return pn.yat_conv(x, kernel, bias, alpha, epsilon=EPSILON)


def relu(x: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
    """The convolution that everyone knows."""
    layout = ("NHWC", "HWIO", "NHWC")
    y = jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=layout)
    return jax.nn.relu(y + bias[None, None, None, :])


def nmn(size: Size) -> Function:
    """The YatConv of nmn as a function of bare arrays."""
    from flax import nnx
    from nmn.nnx.layers.conv import YatConv

    shape = size.inputs, size.outputs, (size.window, size.window)
    graph, state = nnx.split(YatConv(*shape, epsilon=EPSILON, rngs=nnx.Rngs(0)))

    def apply(x: jax.Array, kernel: jax.Array, bias: jax.Array, alpha: jax.Array) -> jax.Array:
        given = {"kernel": kernel, "bias": bias, "alpha": alpha}
        filled = nnx.map_state(lambda path, old: old.replace(given[path[0]]), state)
        return nnx.merge(graph, filled)(x)

    return apply


def contenders(
    size: Size, arrays: Arrays, make: Callable[[Function, Any], Callable[[], Any]]
) -> list[Contender | Absent]:
    """The contenders, each function turned into a call by `make`."""
    ours = [
        Contender("pyneurons_yat", YAT, make(yat, arrays)),
        Contender("relu", RELU, make(relu, arrays[:3])),
    ]

    def build() -> list[Contender]:
        return [Contender("nmn", YAT, make(nmn(size), arrays))]

    return [*ours, *peer("nmn.nnx", "nmn flax", ("nmn",), build)]


def forward_case(size: Size, arrays: Arrays) -> Case:
    """One call, result awaited."""

    def make(function: Function, arguments: Any) -> Callable[[], Any]:
        compiled = jax.jit(function)
        return lambda: compiled(*arguments).block_until_ready()

    return Case(f"conv forward {size}", "relu", contenders(size, arrays, make), TARGETS)


def gradient_case(size: Size, arrays: Arrays, cotangent: jax.Array) -> Case:
    """One value and gradient, result awaited."""

    def make(function: Function, arguments: Any) -> Callable[[], Any]:
        compiled = differentiated(function, len(arguments), cotangent)
        return lambda: jax.block_until_ready(compiled(cotangent, *arguments))

    return Case(f"conv gradient {size}", "relu", contenders(size, arrays, make), TARGETS)


def memory_case(size: Size, arrays: Arrays, cotangent: jax.Array) -> Case:
    """The bytes that XLA sets aside for the gradient's intermediate results."""

    def make(function: Function, arguments: Any) -> Callable[[], Any]:
        lowered = differentiated(function, len(arguments), cotangent).lower(cotangent, *arguments)
        return lambda: lowered.compile().memory_analysis().temp_size_in_bytes

    bound = [Target("pyneurons_yat", "nmn", "<=", 1.0)]
    name = f"conv gradient, temporary memory {size}"
    return Case(name, "relu", contenders(size, arrays, make), bound, "bytes")


TARGETS = (
    Target(
        "pyneurons_yat",
        "relu",
        "<=",
        1.20,
        why="the norms of patches are a convolution more; on an AMD EPYC the ratio is 1.05",
    ),
    Target("pyneurons_yat", "nmn", "<=", 1.0, noise=True),
)
