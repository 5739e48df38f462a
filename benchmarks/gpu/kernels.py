"""A Yat layer beside a product with GELU, and Yat attention beside that of cuDNN."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

import pyneurons_yat as pn

from ..harness import Absent, Case, Contender, Target
from .settings import Setting, has_gpu

YAT, GELU, PRODUCT = "pyneurons_yat", "gelu(x @ w + b)", "x @ w"
CUDNN, XLA = "cuDNN", "jax.nn, XLA"
LONGEST = 4096  # at which attention that keeps all scores is tried
NO_CUDNN = "needs an NVIDIA GPU, and bfloat16 or float16"

Function = Callable[..., jax.Array]


def dense_cases(setting: Setting) -> Iterator[Case]:
    """Forward and gradient of each layer, in float32 and bfloat16."""
    for sizes in setting.dense:
        for dtype in (jnp.bfloat16, jnp.float32):
            yield from of_layer(sizes, dtype)


def of_layer(sizes: tuple[int, int, int], dtype: Any) -> Iterator[Case]:
    """Both passes of one layer."""
    rows, inputs, outputs = sizes
    shapes = ((rows, inputs), (inputs, outputs), (outputs,), (rows, outputs))
    *arrays, cotangent = draw(shapes, dtype)
    functions = {YAT: yat, GELU: gelu, PRODUCT: product}
    title = f"{' x '.join(map(str, sizes))}, {jnp.dtype(dtype)}"
    rate = 2 * rows * inputs * outputs
    for what, times, make in (
        ("forward", 1, lambda f: called(jax.jit(f), *arrays)),
        ("gradient", 3, lambda f: called(differentiated(f, 3), cotangent, *arrays)),
    ):
        found = [Contender(name, "", make(f), 1) for name, f in functions.items()]
        bound = [Target(YAT, GELU, "<=", 1.15)]
        name = f"dense {what} {title}: {times * rate / 1e9:.3g} GFLOP in products"
        yield Case(name, GELU, found, bound)


def yat(x: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
    """A Yat layer."""
    return pn.yat(x, kernel, bias, epsilon=1e-2)


def gelu(x: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
    """What it takes the place of."""
    return jax.nn.gelu(x @ kernel + bias)


def product(x: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
    """The product alone."""
    return x @ kernel


def attention_cases(setting: Setting) -> Iterator[Case]:
    """Forward and gradient of each attention, causal and not, in bfloat16."""
    for shape in setting.attention:
        for causal in (False, True):
            yield from of_attention(shape, causal)


def of_attention(shape: tuple[int, int, int, int], causal: bool) -> Iterator[Case]:
    """Both passes of one attention."""
    *arrays, cotangent = draw((shape,) * 4, jnp.bfloat16)
    batch, length, heads, size = shape
    title = f"{batch} x {length}, {heads} heads of {size}{', causal' if causal else ''}"
    for what, make in (
        ("forward", lambda f: called(jax.jit(f), *arrays)),
        ("gradient", lambda f: called(differentiated(f, 3), cotangent, *arrays)),
    ):
        found = contenders(length, causal, make)
        bounds = [Target(YAT, CUDNN, "<=", 2.0)]
        yield Case(f"attention {what} {title}", YAT, found, bounds)


def contenders(
    length: int, causal: bool, make: Callable[[Function], Callable[[], Any]]
) -> list[Contender | Absent]:
    """Yat attention, cuDNN's and XLA's."""
    dot = partial(jax.nn.dot_product_attention, is_causal=causal)
    found: list[Contender | Absent] = [
        Contender(YAT, "", make(partial(pn.yat_attention, epsilon=1e-2, is_causal=causal)))
    ]
    if has_gpu():
        found.append(Contender(CUDNN, "", make(partial(dot, implementation="cudnn"))))
    else:
        found.append(Absent(CUDNN, NO_CUDNN))
    if length <= LONGEST:
        found.append(Contender(XLA, "", make(partial(dot, implementation="xla"))))
    else:
        found.append(Absent(XLA, "it keeps all scores, which find no room at this length"))
    return found


def temporaries(setting: Setting) -> Iterator[Case]:
    """What the gradient of each attention sets aside."""
    for shape in setting.attention:
        _, length, heads, size = shape
        arrays = draw((shape,) * 4, jnp.bfloat16)

        def make(f: Function, arrays: Any = arrays) -> Callable[[], int]:
            compiled = differentiated(f, 3).lower(*arrays).compile()
            return lambda: compiled.memory_analysis().temp_size_in_bytes

        title = f"attention gradient, temporary memory, {shape[0]} x {length}, {heads} x {size}"
        yield Case(title, YAT, contenders(length, True, make), unit="bytes")


def draw(shapes: Any, dtype: Any) -> list[jax.Array]:
    """Standard normal arrays; those of two axes, but the first, as kernels are drawn."""
    keys = jax.random.split(jax.random.key(0), len(shapes))
    pairs = zip(keys, shapes, strict=True)
    return [jax.random.normal(key, shape, dtype) / max(shape) ** 0.25 for key, shape in pairs]


def called(function: Function, *arrays: jax.Array) -> Callable[[], Any]:
    """A call on these arrays. Calls follow one another on a device, so the last is waited for."""
    return lambda: function(*arrays)


def differentiated(function: Function, count: int) -> Function:
    """The compiled value and gradient of `vdot(function(*arrays), cotangent)`."""

    def scalar(cotangent: jax.Array, *arrays: jax.Array) -> jax.Array:
        return jnp.vdot(function(*arrays), cotangent).astype(jnp.float32)

    return jax.jit(jax.value_and_grad(scalar, argnums=tuple(range(1, count + 1))))
