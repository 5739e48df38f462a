"""Keras on JAX: layers called on symbolic inputs, trained through `stateless_call`."""

import os
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import keras
from keras import layers

from ..harness import Absent
from ..steps import Trainer, mean_loss, trainer
from ..tasks import CLASSES, VOCABULARY, Task


def trainer_of(task: Task) -> Trainer | Absent:
    """The plain network."""
    if keras.backend.backend() != "jax":
        return Absent("keras", "set KERAS_BACKEND=jax")
    start = keras.Input(task.x.shape[2:], task.x.shape[1], dtype=str(task.x.dtype))
    network = {"mlp": mlp, "cnn": cnn, "gru": gru, "gpt": gpt}[task.kind]
    model = keras.Model(start, network(task, start))
    rest = [v.value for v in model.non_trainable_variables]

    def loss(params: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        return mean_loss(model.stateless_call(params, rest, x)[0], y)

    return trainer("keras on jax", task, [v.value for v in model.trainable_variables], loss)


def mlp(task: Task, x: Any) -> Any:
    """Two layers."""
    return layers.Dense(CLASSES)(layers.Dense(task.size.hidden, activation="relu")(x))


def cnn(task: Task, x: Any) -> Any:
    """Two convolutions and a layer."""
    filters, options = task.size.filters, {"strides": 2, "padding": "same", "activation": "relu"}
    for outputs in (filters, 2 * filters):
        x = layers.Conv2D(outputs, 3, **options)(x)
    return layers.Dense(CLASSES)(layers.Flatten()(x))


def gru(task: Task, x: Any) -> Any:
    """A recurrent layer and a linear one."""
    return layers.Dense(CLASSES)(layers.GRU(task.size.units)(x))


def gpt(task: Task, tokens: Any) -> Any:
    """An embedding that scores too, and blocks between."""
    width, heads = task.size.features, task.size.heads
    table = layers.ReversibleEmbedding(VOCABULARY, width)
    x = table(tokens) * width**0.5
    for _ in range(task.size.blocks):
        y = layers.RMSNormalization()(x)
        attention = layers.MultiHeadAttention(heads, width // heads, use_bias=False)
        x = x + attention(y, y, use_causal_mask=True)
        y = layers.RMSNormalization()(x)
        y = layers.Dense(4 * width, activation="gelu", use_bias=False)(y)
        x = x + layers.Dense(width, use_bias=False)(y)
    return table(layers.RMSNormalization()(x), reverse=True)
