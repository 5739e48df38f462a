"""What is exported in tests: every layer of the library, and the models of the zoo.

A case is a function of arrays, shapes for `export`, and inputs in two batch sizes.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

import pyneurons_yat as pn
from benchmarks import vmap
from pyneurons_yat import zoo


def key() -> jax.Array:
    """The key that all are made with."""
    return jax.random.key(0)


SIZES = ({"b": 2, "t": 5, "n": 6, "e": 9, "s": 4}, {"b": 3, "t": 7, "n": 8, "e": 11, "s": 2})
PARTS = {  # a model, and its inputs
    "Dropout": (lambda: pn.Dropout(0.5), "float32[b,4]"),
    "attention of any length": (
        lambda: pn.MultiHeadAttention(key(), 8, 6, heads=2),
        "float32[b,t,8]",
    ),
    "Yat attention of any length": (
        lambda: partial(pn.YatMultiHeadAttention(key(), 8, 6, heads=2), is_causal=True),
        "float32[b,t,8]",
    ),
    "attention with a mask": (
        lambda: partial(masked, pn.YatMultiHeadAttention(key(), 8, 6, heads=2)),
        "float32[b,t,8];bool[b,1,t,t]",
    ),
    "Block": (lambda: zoo.Block(key(), 8, heads=2), "float32[b,t,8]"),
    "FeedForward": (lambda: zoo.FeedForward(key(), 6, 4, hidden=8), "float32[b,6]"),
    "GatedFeedForward": (lambda: zoo.GatedFeedForward(key(), 6, 4, hidden=8), "float32[b,6]"),
    "YatFeedForward": (lambda: zoo.YatFeedForward(key(), 6, 4, hidden=8), "float32[b,6]"),
    "Transformer": (
        lambda: zoo.Transformer(key(), 16, 8, blocks=2, heads=2),
        "int32[b,t]",
    ),
    "EncoderDecoder": (
        lambda: zoo.EncoderDecoder(key(), 16, 8, blocks=2, heads=2),
        "int32[b,s];int32[b,t]",
    ),
    "ResidualBlock": (lambda: zoo.ResidualBlock(key(), 4, 6, strides=2), "float32[b,8,8,4]"),
    "ResNet": (lambda: zoo.ResNet(key(), 3, 5, widths=(4, 8)), "float32[b,8,8,3]"),
    "VisionTransformer": (
        lambda: zoo.VisionTransformer(
            key(), 3, 5, image_size=8, patch_size=4, features=8, blocks=2, heads=2
        ),
        "float32[b,8,8,3]",
    ),
    "VAE": (lambda: zoo.VAE(key(), 4), "float32[b,8,8,1]"),
    "yat_classifier": (lambda: zoo.yat_classifier(key(), 64, 16, 10), "float32[b,64]"),
    "relu_classifier": (lambda: zoo.relu_classifier(key(), 64, 16, 10), "float32[b,64]"),
    "digits-mlp": (lambda: zoo.pretrained("digits-mlp"), "float32[b,64]"),
    "drawn-digits": (lambda: zoo.pretrained("drawn-digits"), "float32[b,64]"),
    "mnist-cnn": (lambda: zoo.pretrained("mnist-cnn"), "float32[b,28,28,1]"),
    "vae": (lambda: zoo.pretrained("vae"), "float32[b,28,28,1]"),
    "char-gpt": (
        lambda: pn.cast(np.float32)(zoo.pretrained("char-gpt")),
        "int32[b,t]",
    ),
}
GRAPHS = {  # models of a graph with so many features
    "GraphConv": (lambda: pn.GraphConv(key(), 4, 3), 4),
    "YatGraphConv": (lambda: pn.YatGraphConv(key(), 4, 3), 4),
    "YatGraphAttention": (lambda: pn.YatGraphAttention(key(), 4, 3), 4),
    "node_classifier": (lambda: zoo.node_classifier(key(), 4, 6, 3), 4),
    "cora": (lambda: zoo.pretrained("cora"), 1433),
}
GRAPH = pn.GraphsTuple("n, ...", None, "e", "e", None, "1", "1")


class Case(NamedTuple):
    """A function, what `export` needs to know of its inputs, and two sets of these."""

    call: Any
    shapes: Any
    inputs: tuple[tuple[Any, ...], ...]


def masked(model: Any, x: Any, mask: Any) -> Any:
    """Attention with a mask."""
    return model(x, mask=mask)


def names() -> list[str]:
    """The cases, of which each is made when it is asked for."""
    graphs = {*GRAPHS}
    rows = [one.name for one in vmap.subjects() if one.name not in graphs]
    return [*rows, *PARTS, *GRAPHS]


def case(name: str) -> Case:
    """A case by its name."""
    rng = np.random.default_rng(0)
    if name in GRAPHS:
        make, features = GRAPHS[name]
        return Case(make(), (GRAPH,), tuple((graph(rng, features, s),) for s in SIZES))
    if name in PARTS:
        make, text = PARTS[name]
        inputs = [one.removesuffix("]").split("[") for one in text.split(";")]
        drawn = tuple(tuple(draw(rng, *one, sizes) for one in inputs) for sizes in SIZES)
        return Case(make(), tuple(shape for _, shape in inputs), drawn)
    subject = next(one for one in vmap.subjects() if one.name == name)
    drawn = tuple((rng.normal(size=(s["b"], *subject.shape)).astype(np.float32),) for s in SIZES)
    return Case(partial(subject.call, subject.make(key())), "b, ...", drawn)


def draw(rng: Any, dtype: str, shape: str, sizes: dict[str, int]) -> np.ndarray:
    """An array of a dtype and a shape in words."""
    shape = tuple(int(sizes.get(size, size)) for size in shape.split(","))
    if dtype == "bool":
        return rng.random(shape) < 0.7
    return (rng.integers(1, 15, shape) if dtype == "int32" else rng.normal(size=shape)).astype(
        dtype
    )


def graph(rng: Any, features: int, sizes: dict[str, int]) -> pn.GraphsTuple:
    """A graph without features of edges."""
    nodes = rng.random((sizes["n"], features)).astype(np.float32)
    ends = rng.integers(0, sizes["n"], (2, sizes["e"])).astype(np.int32)
    counts = np.int32([[len(nodes)], [sizes["e"]]])
    return pn.GraphsTuple(nodes, None, *ends, None, *counts)
