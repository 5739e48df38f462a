"""A dense layer: forward, gradient, and the gradient's temporary memory.

Every JAX contender is a function of bare arrays (x, kernel, bias, alpha), so that only the
arithmetic differs; nmn's module is rebuilt from them while JAX traces. The gradient is the value
and gradient of `vdot(y, cotangent)` with respect to all four (relu has no alpha).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

import pyneurons_yat as pn
from pyneurons_yat.command_line.machine import cores

from .harness import Absent, Case, Contender, Target, peer

ROUNDS = 25
SIZES = ((2048, 1024, 1024), (512, 784, 256), (64, 64, 64))
RELU_LIMITS = {(2048, 1024, 1024): 1.10, (512, 784, 256): 1.20}
EPSILON = 1e-5
YAT = "alpha (x w + bias)^2 / (|x - w|^2 + epsilon)"
RELU = "relu(x w + bias)"
LESS = "relu is less work, and a small call costs JAX 40 us, PyTorch 15; Yat there takes longer"

Function = Callable[..., jax.Array]


class Arrays(NamedTuple):
    """What a dense layer works on: x (B, I), kernel (I, O), bias (O), alpha (1)."""

    x: jax.Array
    kernel: jax.Array
    bias: jax.Array
    alpha: jax.Array


def cases(sizes: Sequence[tuple[int, int, int]] = SIZES) -> Iterator[Case]:
    """Forward, gradient and memory at each (batch, inputs, outputs)."""
    for size in sizes:
        arrays, cotangent = draw(*size)
        yield forward_case(size, arrays)
        yield gradient_case(size, arrays, cotangent)
        yield memory_case(size, arrays, cotangent)


def draw(batch: int, inputs: int, outputs: int) -> tuple[Arrays, jax.Array]:
    """Standard normal input and cotangent, and weights of a fresh layer's scale, in float32."""
    generator = np.random.default_rng(0)

    def normal(*shape: int) -> jax.Array:
        return jnp.asarray(generator.normal(size=shape).astype(np.float32))

    kernel = normal(inputs, outputs) / np.float32(np.sqrt(inputs))
    arrays = Arrays(normal(batch, inputs), kernel, normal(outputs), normal(1))
    return arrays, normal(batch, outputs)


def functions() -> list[tuple[str, str, Function]]:
    """Name, formula and function of the contenders that need no peer."""
    return [("pyneurons_yat", YAT, yat), ("relu", RELU, relu)]


def yat(x: jax.Array, kernel: jax.Array, bias: jax.Array, alpha: jax.Array) -> jax.Array:
    """The operation that this library is about."""
    return pn.yat(x, kernel, bias, alpha, epsilon=EPSILON)


def relu(x: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
    """The dense layer that everyone knows."""
    return jax.nn.relu(x @ kernel + bias[None, :])


def nmn_function(kernel_shape: tuple[int, int], fused: bool) -> Function:
    """The YatNMN of nmn as a function of bare arrays."""
    from flax import nnx
    from nmn.nnx import YatNMN

    layer = YatNMN(*kernel_shape, fused=fused, epsilon=EPSILON, rngs=nnx.Rngs(0))
    graph, state = nnx.split(layer)

    def apply(x: jax.Array, kernel: jax.Array, bias: jax.Array, alpha: jax.Array) -> jax.Array:
        given = {"kernel": kernel, "bias": bias, "alpha": alpha}
        return nnx.merge(
            graph, nnx.map_state(lambda path, old: old.replace(given[path[0]]), state)
        )(x)

    return apply


def contenders(
    arrays: Arrays, make: Callable[[Function, Arrays], Callable[[], Any]]
) -> list[Contender | Absent]:
    """The JAX contenders, each function turned into a call by `make`."""

    def build() -> list[Contender]:
        inputs, outputs = arrays.kernel.shape
        shape = (inputs, outputs)
        plain, fused = nmn_function(shape, fused=False), nmn_function(shape, fused=True)
        return [
            Contender("nmn plain", YAT, make(plain, arrays)),
            Contender("nmn fused", YAT, make(fused, arrays)),
        ]

    ours = [
        Contender(name, formula, make(function, arguments(formula, arrays)))
        for name, formula, function in functions()
    ]
    return [*ours, *peer("nmn.nnx", "nmn flax", ("nmn plain", "nmn fused"), build)]


def arguments(formula: str, arrays: Arrays) -> Any:
    """The arrays that a formula reads."""
    return arrays if formula == YAT else arrays[:3]


def forward_case(size: tuple[int, int, int], arrays: Arrays) -> Case:
    """One call, result awaited."""

    def make(function: Function, arguments: Arrays) -> Callable[[], Any]:
        compiled = jax.jit(function)
        return lambda: compiled(*arguments).block_until_ready()

    torch = peer("torch", "torch", TORCH, lambda: torch_forward(arrays))
    rows = [*contenders(arrays, make), *torch]
    return Case(f"dense forward {size}", "relu", rows, targets(size), why=LESS)


def differentiated(function: Function, count: int, cotangent: jax.Array) -> Callable[..., Any]:
    """The compiled value and gradient of `vdot(function(*arrays), cotangent)`."""

    def scalar(cotangent: jax.Array, *arrays: jax.Array) -> jax.Array:
        return jnp.vdot(function(*arrays), cotangent)

    return jax.jit(jax.value_and_grad(scalar, argnums=tuple(range(1, count + 1))))


def gradient_case(size: tuple[int, int, int], arrays: Arrays, cotangent: jax.Array) -> Case:
    """One value and gradient, result awaited."""

    def make(function: Function, arguments: Arrays) -> Callable[[], Any]:
        compiled = differentiated(function, len(arguments), cotangent)
        return lambda: jax.block_until_ready(compiled(cotangent, *arguments))

    torch = peer("torch", "torch", TORCH, lambda: torch_gradient(arrays, cotangent))
    name = f"dense gradient {size}"
    return Case(name, "relu", [*contenders(arrays, make), *torch], targets(size), why=LESS)


def memory_case(size: tuple[int, int, int], arrays: Arrays, cotangent: jax.Array) -> Case:
    """The bytes that XLA sets aside for the gradient's intermediate results."""

    def make(function: Function, arguments: Arrays) -> Callable[[], Any]:
        lowered = differentiated(function, len(arguments), cotangent).lower(cotangent, *arguments)
        return lambda: lowered.compile().memory_analysis().temp_size_in_bytes

    bounds = (
        Target("pyneurons_yat", "nmn plain", "<=", 1.0),
        Target("pyneurons_yat", "nmn fused", "<=", 0.55),
    )
    name = f"dense gradient, temporary memory {size}"
    large = bounds if size == SIZES[0] else ()
    return Case(name, "relu", contenders(arrays, make), large, "bytes")


def targets(size: tuple[int, int, int]) -> list[Target]:
    """Close to relu at the two large sizes, no slower than nmn at any."""
    limits = [RELU_LIMITS[size]] if size in RELU_LIMITS else []
    return [
        *(Target("pyneurons_yat", "relu", "<=", limit) for limit in limits),
        Target("pyneurons_yat", "nmn plain", "<=", 1.0, noise=True),
        Target("pyneurons_yat", "nmn fused", "<=", 1.0, noise=True),
    ]


TORCH = ("torch relu", "torch yat")


def torch_functions() -> list[tuple[str, str, Callable[..., Any]]]:
    """The two formulas in PyTorch, on as many threads as XLA uses."""
    import torch

    torch.set_num_threads(cores())

    def yat(x: Any, kernel: Any, bias: Any, alpha: Any) -> Any:
        product = x @ kernel
        squares = (x * x).sum(-1, keepdim=True) + (kernel * kernel).sum(0)
        distance = (squares - 2 * product).clamp_min(0) + EPSILON
        return alpha * (product + bias) ** 2 / distance

    def relu(x: Any, kernel: Any, bias: Any) -> Any:
        return torch.relu(torch.addmm(bias, x, kernel))

    return [(TORCH[0], RELU, relu), (TORCH[1], YAT, yat)]


def torch_arrays(arrays: Sequence[ArrayLike]) -> list[Any]:
    """Copies as PyTorch tensors."""
    import torch

    return [torch.tensor(np.asarray(array)) for array in arrays]


def torch_forward(arrays: Arrays) -> list[Contender]:
    """The forward pass without PyTorch's gradient tape."""
    import torch

    def make(function: Callable[..., Any], tensors: list[Any]) -> Callable[[], Any]:
        def call() -> Any:
            with torch.inference_mode():
                return function(*tensors)

        return call

    return [
        Contender(name, formula, make(function, torch_arrays(arguments(formula, arrays))))
        for name, formula, function in torch_functions()
    ]


def torch_gradient(arrays: Arrays, cotangent: jax.Array) -> list[Contender]:
    """The value and gradient by PyTorch's eager autograd."""
    import torch

    (weight,) = torch_arrays([cotangent])

    def make(function: Callable[..., Any], tensors: list[Any]) -> Callable[[], Any]:
        def call() -> Any:
            value = (function(*tensors) * weight).sum()
            return value.detach(), torch.autograd.grad(value, tensors)

        return call

    return [
        Contender(
            name,
            formula,
            make(function, [t.requires_grad_() for t in torch_arrays(arguments(formula, arrays))]),
        )
        for name, formula, function in torch_functions()
    ]
