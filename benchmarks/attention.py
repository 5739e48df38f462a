"""Attention at batch 1: forward, gradient, temporary memory, with and without a causal mask.

One more case is a batch of short sequences with many heads, as a transformer is trained on. Every
contender is given query, key and value of the shape (B, T, N, H) that JAX and nmn use, and torch
its own layout, (B, N, T, H). The gradient is the value and gradient of `vdot(y, cotangent)`
with respect to all three. Memory is what XLA sets aside for the gradient's intermediate results,
and whether it doubles with the length is a case of its own, which also runs the longest.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import pyneurons_yat as pn
from pyneurons_yat.command_line.machine import cores

from .dense import torch_arrays
from .harness import Absent, Case, Contender, Target, peer

ROUNDS = 15
LENGTHS = (2048, 4096)
LONG = (2048, 4096, 8192, 16384)
BATCH, HEADS, SIZE = 1, 4, 64
MANY = (8, 512, 8)  # batch, length and heads of the case with many heads
EPSILON = 1e-5
YAT = "(q k)^2 / (|q - k|^2 + epsilon) / sqrt(H)"
SOFTMAX, SOFTERMAX = f"softmax of {YAT}", f"{YAT} over its sum"
DOT = "softmax of q k / sqrt(H)"
OURS, SOFTER = "pyneurons_yat", "pyneurons_yat softermax"
NMN, JAX, TORCH = "nmn fused", "jax.nn.dot_product_attention", "torch sdpa"

Function = Callable[..., jax.Array]
Arrays = Sequence[jax.Array]
BY_HAND = "PyTorch runs a kernel written by hand; this library's attention is XLA's, over blocks"
ELSEWHERE = "the bound was set on an AMD EPYC, on which the ratio is 0.37"


def cases(
    lengths: Sequence[int] = LENGTHS,
    long: Sequence[int] = LONG,
    many: tuple[int, int, int] = MANY,
) -> Iterator[Case]:
    """Forward, gradient and memory at each length, then many heads, then memory by length."""
    for length in lengths:
        for causal in (False, True):
            yield forward_case(length, causal)
            yield gradient_case(length, causal)
        yield memory_case(length)
    batch, length, heads = many
    for causal in (False, True):
        case = gradient_case(length, causal, batch, heads)
        yield replace(case, targets=[Target(OURS, name, "<=", 1.0) for name in (NMN, JAX)])
    yield from doubling_cases(long)


def draw(length: int, batch: int = BATCH, heads: int = HEADS) -> tuple[Arrays, jax.Array]:
    """Standard normal query, key and value, and a cotangent, in float32."""
    generator = np.random.default_rng(0)
    shape = (batch, length, heads, SIZE)
    arrays = [jnp.asarray(generator.normal(size=shape).astype(np.float32)) for _ in range(4)]
    return arrays[:3], arrays[3]


def functions(causal: bool) -> list[tuple[str, str, Function]]:
    """Name, formula and function of the contenders that need no peer."""
    yat = partial(pn.yat_attention, epsilon=EPSILON, is_causal=causal)
    mask = ", causal" if causal else ""
    return [
        (OURS, SOFTMAX + mask, yat),
        (SOFTER, SOFTERMAX + mask, partial(yat, normalizer="softermax")),
        (JAX, DOT + mask, partial(jax.nn.dot_product_attention, is_causal=causal)),
    ]


def nmn_function(length: int, causal: bool) -> Function:
    """The fused path of nmn, which takes a mask for what is causal."""
    from nmn.nnx.layers.attention.fused_yat_attention import fused_yat_l1_attention

    def attend(query: jax.Array, key: jax.Array, value: jax.Array) -> jax.Array:
        mask = jnp.tril(jnp.ones((length, length), bool)) if causal else None
        return fused_yat_l1_attention(query, key, value, epsilon=EPSILON, mask=mask)

    return attend


def contenders(
    length: int, causal: bool, make: Callable[[Function], Callable[[], Any]]
) -> list[Contender | Absent]:
    """The JAX contenders, each function turned into a call by `make`."""

    def build() -> list[Contender]:
        formula = SOFTERMAX + (", causal" if causal else "")
        return [Contender(NMN, formula, make(nmn_function(length, causal)))]

    ours = [Contender(name, formula, make(f)) for name, formula, f in functions(causal)]
    return [*ours, *peer("nmn.nnx", "nmn flax", (NMN,), build)]


def forward_case(length: int, causal: bool) -> Case:
    """One call, result awaited."""
    arrays, _ = draw(length)

    def make(function: Function) -> Callable[[], Any]:
        compiled = jax.jit(function)
        return lambda: compiled(*arrays).block_until_ready()

    found = contenders(length, causal, make)
    found += peer("torch", "torch", (TORCH,), lambda: torch_forward(arrays, causal))
    bounds = [
        Target(OURS, NMN, "<=", 1 / 2.5, why=ELSEWHERE),
        Target(SOFTER, NMN, "<=", 1 / 2.5, why=ELSEWHERE),
        Target(OURS, JAX, "<=", 1.0),
    ]
    return Case(f"attention forward {label(length, causal)}", NMN, found, bounds, why=BY_HAND)


def label(length: int, causal: bool, batch: int = BATCH, heads: int = HEADS) -> str:
    """The length, whether it is causal, and batch and heads if they are not the usual ones."""
    many = "" if (batch, heads) == (BATCH, HEADS) else f", batch {batch}, {heads} heads"
    return f"{length}{' causal' if causal else ''}{many}"


def differentiated(function: Function) -> Callable[..., Any]:
    """The compiled value and gradient of `vdot(function(*arrays), cotangent)`."""

    def scalar(cotangent: jax.Array, *arrays: jax.Array) -> jax.Array:
        return jnp.vdot(function(*arrays), cotangent)

    return jax.jit(jax.value_and_grad(scalar, argnums=(1, 2, 3)))


def gradient_case(length: int, causal: bool, batch: int = BATCH, heads: int = HEADS) -> Case:
    """One value and gradient, result awaited."""
    arrays, cotangent = draw(length, batch, heads)

    def make(function: Function) -> Callable[[], Any]:
        compiled = differentiated(function)
        return lambda: jax.block_until_ready(compiled(cotangent, *arrays))

    found = contenders(length, causal, make)
    found += peer("torch", "torch", (TORCH,), lambda: torch_gradient(arrays, cotangent, causal))
    bounds = [
        Target(OURS, NMN, "<=", 1 / 3),
        Target(SOFTER, NMN, "<=", 1 / 3),
        Target(OURS, JAX, "<=", 1.0),
        Target(OURS, TORCH, "<=", 1.0, noise=True, why=BY_HAND),
    ]
    name = f"attention gradient {label(length, causal, batch, heads)}"
    return Case(name, NMN, found, bounds, why=BY_HAND)


def memory_case(length: int) -> Case:
    """The bytes of the gradient's intermediate results."""
    found = contenders(length, False, lambda f: lambda: temporary(f, length))
    bounds = [Target(name, NMN, "<=", 0.1) for name in (OURS, SOFTER)]
    return Case(f"attention gradient, temporary memory {length}", NMN, found, bounds, "bytes")


def temporary(function: Function, length: int, run: bool = False) -> int:
    """The bytes that XLA sets aside for the gradient; it is also run, if that is wanted."""
    arrays, cotangent = draw(length)
    compiled = differentiated(function).lower(cotangent, *arrays).compile()
    if run:
        jax.block_until_ready(compiled(cotangent, *arrays))
    return compiled.memory_analysis().temp_size_in_bytes


def doubling_cases(lengths: Sequence[int]) -> Iterator[Case]:
    """Our memory at each length, which at most doubles with it. The longest is also run."""
    for name, _, function in functions(causal=False)[:2]:
        found = [
            Contender(f"{t}", "", partial(temporary, function, t, t == lengths[-1]))
            for t in lengths
        ]
        bounds = [Target(f"{t}", f"{s}", "<=", t / s) for s, t in pairwise(lengths)]
        title = f"{name}, gradient, temporary memory by length"
        yield Case(title, f"{lengths[0]}", found, bounds, "bytes")


def torch_attention(causal: bool) -> Callable[..., Any]:
    """PyTorch's attention, on as many threads as XLA uses."""
    import torch

    torch.set_num_threads(cores())
    return partial(torch.nn.functional.scaled_dot_product_attention, is_causal=causal)


def torch_heads_first(arrays: Arrays) -> list[Any]:
    """Copies as PyTorch tensors of the shape (1, N, T, H)."""
    return torch_arrays([np.swapaxes(array, 1, 2) for array in arrays])


def torch_forward(arrays: Arrays, causal: bool) -> list[Contender]:
    """The forward pass without PyTorch's gradient tape."""
    import torch

    attend, tensors = torch_attention(causal), torch_heads_first(arrays)

    def call() -> Any:
        with torch.inference_mode():
            return attend(*tensors)

    return [Contender(TORCH, "", call)]


def torch_gradient(arrays: Arrays, cotangent: jax.Array, causal: bool) -> list[Contender]:
    """The value and gradient by PyTorch's eager autograd."""
    import torch

    attend, (weight,) = torch_attention(causal), torch_heads_first([cotangent])
    tensors = [tensor.requires_grad_() for tensor in torch_heads_first(arrays)]

    def call() -> Any:
        value = (attend(*tensors) * weight).sum()
        return value.detach(), torch.autograd.grad(value, tensors)

    return [Contender(TORCH, "", call)]
