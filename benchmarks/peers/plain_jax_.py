"""Plain JAX: dictionaries of arrays and a function."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from ..steps import Trainer, mean_loss, trainer
from ..tasks import BATCH, CLASSES, VOCABULARY, Task

Weights = dict[str, Any]


def trainer_of(task: Task) -> Trainer:
    """The plain network."""
    create, apply = {"mlp": MLP, "cnn": CNN, "gru": GRU, "gpt": GPT}[task.kind]

    def loss(weights: Weights, x: jax.Array, y: jax.Array) -> jax.Array:
        return mean_loss(apply(weights, x, task.size.heads), y)

    weights = jax.jit(lambda key: create(key, task))(jax.random.key(0))
    return trainer("plain jax", task, weights, loss)


def draw(key: jax.Array, *shape: int) -> jax.Array:
    """Normal numbers of variance one over the inputs."""
    return jax.random.normal(key, shape) / math.prod(shape[:-1]) ** 0.5


def affine(key: jax.Array, *shape: int) -> Weights:
    """A kernel and a bias."""
    return {"kernel": draw(key, *shape), "bias": jnp.zeros(shape[-1])}


def dense(weights: Weights, x: jax.Array) -> jax.Array:
    """An affine map."""
    return x @ weights["kernel"] + weights["bias"][None]


def create_mlp(key: jax.Array, task: Task) -> Weights:
    """Two layers."""
    one, two = jax.random.split(key)
    hidden = task.size.hidden
    return {"one": affine(one, task.x.shape[-1], hidden), "two": affine(two, hidden, CLASSES)}


def apply_mlp(weights: Weights, x: jax.Array, _: int) -> jax.Array:
    """Scores."""
    return dense(weights["two"], jax.nn.relu(dense(weights["one"], x)))


def create_cnn(key: jax.Array, task: Task) -> Weights:
    """Two convolutions and a layer."""
    one, two, three = jax.random.split(key, 3)
    filters = task.size.filters
    return {
        "one": affine(one, 3, 3, 1, filters),
        "two": affine(two, 3, 3, filters, 2 * filters),
        "three": affine(three, 49 * 2 * filters, CLASSES),
    }


def apply_cnn(weights: Weights, x: jax.Array, _: int) -> jax.Array:
    """Scores."""
    for name in ("one", "two"):
        kernel, bias = weights[name]["kernel"], weights[name]["bias"]
        layout = ("NHWC", "HWIO", "NHWC")
        y = jax.lax.conv_general_dilated(x, kernel, (2, 2), "SAME", dimension_numbers=layout)
        x = jax.nn.relu(y + bias[None, None, None])
    return dense(weights["three"], x.reshape(len(x), -1))


def create_gru(key: jax.Array, task: Task) -> Weights:
    """The two products of a recurrent layer, and a layer."""
    one, two, three = jax.random.split(key, 3)
    units = task.size.units
    return {
        "input": affine(one, task.x.shape[-1], 3 * units),
        "state": affine(two, units, 3 * units),
        "scores": affine(three, units, CLASSES),
    }


def apply_gru(weights: Weights, x: jax.Array, _: int) -> jax.Array:
    """Scores after the last step; the input is multiplied before the loop."""
    units = weights["state"]["kernel"].shape[0]

    def step(h: jax.Array, given: jax.Array) -> tuple[jax.Array, None]:
        (r, z, n), (hr, hz, hn) = (jnp.split(a, 3, -1) for a in (given, dense(weights["state"], h)))
        update = jax.nn.sigmoid(z + hz)
        new = jnp.tanh(n + jax.nn.sigmoid(r + hr) * hn)
        return (1 - update) * new + update * h, None

    start = jnp.zeros((BATCH, units))
    rows = jnp.swapaxes(x, 0, 1) @ weights["input"]["kernel"]
    h: Any = jax.lax.scan(step, start, rows + weights["input"]["bias"][None, None])[0]
    return dense(weights["scores"], h)


def create_gpt(key: jax.Array, task: Task) -> Weights:
    """An embedding, blocks in a list; the embedding scores too."""
    width = task.size.features
    first, *keys = jax.random.split(key, 1 + task.size.blocks)
    shapes = dict.fromkeys(("query", "key", "value", "output"), (width, width))
    shapes |= {"hidden": (width, 4 * width), "back": (4 * width, width)}

    def block(key: jax.Array) -> Weights:
        keys = jax.random.split(key, len(shapes))
        kernels = {n: draw(k, *shapes[n]) for n, k in zip(shapes, keys, strict=True)}
        return {**kernels, "one": jnp.ones(width), "two": jnp.ones(width)}

    table = jax.random.normal(first, (VOCABULARY, width)) / width**0.5
    return {"table": table, "blocks": [block(key) for key in keys], "norm": jnp.ones(width)}


def normal(x: jax.Array, scale: jax.Array) -> jax.Array:
    """Root mean square norm."""
    factor = jax.lax.rsqrt(jnp.mean(x**2, -1, keepdims=True) + 1e-6)
    return x * factor * scale[None, None]


def apply_gpt(weights: Weights, tokens: jax.Array, heads: int) -> jax.Array:
    """Scores at each place."""
    x = weights["table"][tokens] * weights["table"].shape[-1] ** 0.5
    for block in weights["blocks"]:
        y = normal(x, block["one"])
        parts = [(y @ block[n]).reshape(*y.shape[:2], heads, -1) for n in ("query", "key", "value")]
        y = jax.nn.dot_product_attention(*parts, is_causal=True).reshape(x.shape)
        x = x + y @ block["output"]
        x = x + jax.nn.gelu(normal(x, block["two"]) @ block["hidden"]) @ block["back"]
    return normal(x, weights["norm"]) @ weights["table"].T


MLP, CNN = (create_mlp, apply_mlp), (create_cnn, apply_cnn)
GRU, GPT = (create_gru, apply_gru), (create_gpt, apply_gpt)
