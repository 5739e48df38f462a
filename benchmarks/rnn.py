"""Recurrent layers: forward and gradient of a sequence, with the input projected before the scan.

Every contender is a function of a cell's parameters and x (T, B, I). The gradient is the value and
gradient of `vdot(y, cotangent)` with respect to the parameters and x. The rows "projection inside"
call the same cell of this library step by step in `jax.lax.scan`.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import pyneurons_yat as pn
from pyneurons_yat.command_line.machine import cores

from .harness import Absent, Case, Contender, Target, peer

ROUNDS = 15
SIZE = (128, 32, 128)
OURS = "pyneurons_yat"
INSIDE = "projection inside"
FLAX = "flax nnx.RNN"
TORCH = "torch"
LIMIT = 1.5
OUTSIDE = "what a projection outside of the loop gains depends on the machine: 1.8 on an Intel Xeon"
FUSED = "PyTorch's LSTM runs a step in one kernel; its GRU takes longer than this library's"
CELLS = {
    "YatLSTM": pn.YatLSTMCell,
    "YatGRU": pn.YatGRUCell,
    "YatSimple": pn.YatSimpleCell,
    "LSTM": pn.LSTMCell,
    "GRU": pn.GRUCell,
}


def cases(size: tuple[int, int, int] = SIZE) -> Iterator[Case]:
    """Gradient and forward of each cell, for sequences of `size`: (steps, batch, units)."""
    for name, layer in CELLS.items():
        cell, x, cotangent = draw(layer, *size)
        yield gradient_case(name, cell, x, cotangent)
        yield forward_case(name, cell, x)


def draw(layer: pn.Layer, steps: int, batch: int, units: int) -> tuple[pn.Model, Any, Any]:
    """A fresh cell with as many inputs as units, standard normal inputs and cotangent."""
    generator = np.random.default_rng(0)
    x, cotangent = generator.normal(size=(2, steps, batch, units)).astype(np.float32)
    return layer(jax.random.key(0), units, units), jnp.asarray(x), jnp.asarray(cotangent)


def hoisted(cell: pn.Model, x: jax.Array) -> jax.Array:
    """The driver of this library."""
    return pn.scan_cell(cell, x, time_major=True)


def inside(cell: pn.Model, x: jax.Array) -> jax.Array:
    """What one writes without a driver."""
    return jax.lax.scan(cell, pn.initial_carry(cell, x.shape[1:-1]), x)[1]


def flax_cell(name: str, units: int) -> tuple[Any, Callable[..., Any]]:
    """The parameters of Flax's cell, and its scan as a function of them."""
    from flax import nnx

    kind = {"LSTM": nnx.OptimizedLSTMCell, "GRU": nnx.GRUCell}[name]
    layer = nnx.RNN(kind(units, units, rngs=nnx.Rngs(0)), time_major=True, rngs=False)
    graph, params, rest = nnx.split(layer, nnx.Param, ...)

    def scan(params: Any, x: jax.Array) -> Any:
        return nnx.merge(graph, params, rest)(x, rngs=nnx.Rngs(0))

    return params, scan


def contenders(
    name: str,
    cell: pn.Model,
    x: jax.Array,
    make: Callable[..., Callable[[], Any]],
    torch: Callable[[], list[Contender]],
) -> Sequence[Contender | Absent]:
    """All contenders for a cell, each made into a call by `make(function, parameters)`."""
    ours = [
        Contender(OURS, name, make(hoisted, cell)),
        Contender(INSIDE, name, make(inside, cell)),
    ]
    if name.startswith("Yat"):
        return ours

    def flax() -> list[Contender]:
        params, scan = flax_cell(name, x.shape[-1])
        return [Contender(FLAX, "", make(scan, params))]

    rows = peer("flax.nnx", "flax", (FLAX,), flax)
    return [*ours, *rows, *peer("torch", "torch", (TORCH,), torch)]


def forward_case(name: str, cell: pn.Model, x: jax.Array) -> Case:
    """One call, result awaited."""

    def make(function: Callable[..., jax.Array], params: Any) -> Callable[[], Any]:
        compiled = jax.jit(function)
        return lambda: compiled(params, x).block_until_ready()

    rows = contenders(name, cell, x, make, lambda: torch_forward(name, x))
    return Case(f"{name} forward {x.shape}", INSIDE, rows, why=FUSED)


def gradient_case(name: str, cell: pn.Model, x: jax.Array, cotangent: jax.Array) -> Case:
    """One value and gradient, result awaited."""

    def make(function: Callable[..., jax.Array], params: Any) -> Callable[[], Any]:
        def scalar(params: Any, x: jax.Array) -> jax.Array:
            return jnp.vdot(function(params, x), cotangent)

        compiled = jax.jit(jax.value_and_grad(scalar, argnums=(0, 1)))
        return lambda: jax.block_until_ready(compiled(params, x))

    rows = contenders(name, cell, x, make, lambda: torch_gradient(name, x, cotangent))
    targets = [Target(INSIDE, OURS, ">=", LIMIT, why=OUTSIDE)]
    return Case(f"{name} gradient {x.shape}", INSIDE, rows, targets, why=FUSED)


def torch_layer(name: str, x: jax.Array) -> tuple[Any, Any]:
    """PyTorch's layer, on as many threads as XLA uses, and the input as a tensor."""
    import torch

    torch.set_num_threads(cores())
    layer = {"LSTM": torch.nn.LSTM, "GRU": torch.nn.GRU}[name](x.shape[-1], x.shape[-1])
    return layer, torch.tensor(np.asarray(x))


def torch_forward(name: str, x: jax.Array) -> list[Contender]:
    """The forward pass without PyTorch's gradient tape."""
    import torch

    layer, tensor = torch_layer(name, x)

    def call() -> Any:
        with torch.inference_mode():
            return layer(tensor)[0]

    return [Contender(TORCH, "", call)]


def torch_gradient(name: str, x: jax.Array, cotangent: jax.Array) -> list[Contender]:
    """The value and gradient by PyTorch's eager autograd."""
    import torch

    layer, tensor = torch_layer(name, x)
    tensor.requires_grad_()
    weight = torch.tensor(np.asarray(cotangent))
    wanted = [*layer.parameters(), tensor]

    def call() -> Any:
        value = (layer(tensor)[0] * weight).sum()
        return value.detach(), torch.autograd.grad(value, wanted)

    return [Contender(TORCH, "", call)]
