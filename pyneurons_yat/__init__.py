"""Neurons and networks as plain functions on JAX, with the Yat neuron at the centre.

A layer binds a `create` and an `apply` function; calling it with a key makes a model, which is a
pytree. `compose`, `sequential` and `reparam` make new layers and models from others. `PHI` is the
golden ratio.
"""

# What a model is
from . import vjp
from .core import (
    Box,
    Layer,
    Model,
    bind,
    compose,
    concat,
    count,
    explode,
    freeze,
    grad,
    identity,
    implode,
    merge,
    observe,
    partition,
    reparam,
    replace,
    select,
    sequential,
    split,
    stack,
    summary,
    unstack,
    value_and_grad,
)

# How models leave the process
from .io import load, save

# How models learn
from .learn import History, accuracy, cross_entropy, fit, gd, loss, mae, mse

# Layers
from .neurons import (
    PHI,
    Binary,
    Linear,
    Neuron,
    Vector,
    YatDense,
    YatNMN,
    apply,
    bias,
    create,
    param,
    weight,
    yat_normal,
)

# What numbers do
from .ops import (
    abs,
    binary,
    forward_mode,
    inverse_softplus,
    linear,
    relu,
    relu1,
    relun,
    score_tanh,
    soft_tanh,
    softer_sigmoid,
    softermax,
    vector,
    yat,
    yat_scores,
)

__version__ = "0.1.0"

__all__ = [
    "Binary",
    "Box",
    "History",
    "Layer",
    "Linear",
    "Model",
    "Neuron",
    "PHI",
    "Vector",
    "YatDense",
    "YatNMN",
    "abs",
    "accuracy",
    "apply",
    "bias",
    "binary",
    "bind",
    "compose",
    "concat",
    "count",
    "create",
    "cross_entropy",
    "explode",
    "fit",
    "forward_mode",
    "freeze",
    "gd",
    "grad",
    "identity",
    "implode",
    "inverse_softplus",
    "linear",
    "load",
    "loss",
    "mae",
    "merge",
    "mse",
    "observe",
    "param",
    "partition",
    "relu",
    "relu1",
    "relun",
    "reparam",
    "replace",
    "save",
    "score_tanh",
    "select",
    "sequential",
    "soft_tanh",
    "softer_sigmoid",
    "softermax",
    "split",
    "stack",
    "summary",
    "unstack",
    "value_and_grad",
    "vector",
    "vjp",
    "weight",
    "yat",
    "yat_normal",
    "yat_scores",
]
