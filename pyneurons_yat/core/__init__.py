"""What a model is: layers, models, how they are made, combined, taken apart and called."""

from .baking import bake
from .bind import bind, identity
from .calls import inference
from .capture import capture, name, offer
from .compose import compose
from .exporting import exportable
from .filters import Filter, label, leaves_by_path, where
from .flow import flow, flowing
from .freezing import freeze, frozen_models, unfreeze
from .layer import Box, Layer
from .leaves import count
from .model import Model
from .parametrise import OnLeaves, Parametrise, Selective, matching, parametrise
from .paths import replace
from .reparam import reparam
from .repeat import repeat
from .roles import grad, merge, partition, select, value_and_grad
from .sequential import SEQUENTIAL, sequential
from .signatures import Choice, Form, Size, options_of
from .streams import streams
from .summary import summary
from .tie import tie
from .training import observe, training
from .trees import concat, explode, implode, split, stack, unstack

__all__ = [
    "Box",
    "Choice",
    "Filter",
    "Form",
    "Layer",
    "Model",
    "OnLeaves",
    "Parametrise",
    "SEQUENTIAL",
    "Selective",
    "Size",
    "bake",
    "bind",
    "capture",
    "compose",
    "concat",
    "count",
    "explode",
    "exportable",
    "flow",
    "flowing",
    "freeze",
    "frozen_models",
    "grad",
    "identity",
    "implode",
    "inference",
    "label",
    "leaves_by_path",
    "matching",
    "merge",
    "name",
    "observe",
    "offer",
    "options_of",
    "parametrise",
    "partition",
    "reparam",
    "repeat",
    "replace",
    "select",
    "sequential",
    "split",
    "stack",
    "streams",
    "summary",
    "tie",
    "training",
    "unfreeze",
    "unstack",
    "value_and_grad",
    "where",
]
