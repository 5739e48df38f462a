"""What a model is: layers, models, how they are made, combined, taken apart and called."""

from .bind import bind, identity
from .compose import compose
from .model import Box, Layer, Model, count
from .observe import observe
from .paths import replace
from .reparam import reparam
from .roles import freeze, grad, merge, partition, select, value_and_grad
from .sequential import sequential
from .summary import summary
from .trees import concat, explode, implode, split, stack, unstack

__all__ = [
    "Box",
    "Layer",
    "Model",
    "bind",
    "compose",
    "concat",
    "count",
    "explode",
    "freeze",
    "grad",
    "identity",
    "implode",
    "merge",
    "observe",
    "partition",
    "reparam",
    "replace",
    "select",
    "sequential",
    "split",
    "stack",
    "summary",
    "unstack",
    "value_and_grad",
]
