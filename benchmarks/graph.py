"""Graph layers: against a dense adjacency and a GCN; and accuracies on two citation graphs.

The timed graph has the size of Cora. The layers count the degrees in every call; the dense
adjacency is normalised beforehand. The gradient is that of
`vdot(y, cotangent)` with respect to both.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import pyneurons_yat as pn
from pyneurons_yat.data import citations
from pyneurons_yat.experiments.citations import EPOCHS, HIDDEN, PUBLISHED, fitted
from pyneurons_yat.zoo import node_classifier

from .harness import Absent, Case, Contender, Target

ROUNDS = 15
NODES, EDGES, FEATURES = 2708, 10556, 64
SEEDS = 10
DATA = Path(os.environ.get("PYNEURONS_YAT_DATA", Path(__file__).parents[2] / "shared" / "data"))
YAT, GCN = "yat(A x, kernel, bias, alpha)", "A x kernel + bias"

Function = Callable[[Any, Any, jax.Array], jax.Array]


def cases(
    nodes: int = NODES, edges: int = EDGES, features: int = FEATURES, names: Any = tuple(PUBLISHED)
) -> Iterator[Case]:
    """Forward and gradient of a layer, then the accuracy on each citation graph."""
    yield from layer_cases(draw(nodes, edges, features))
    yield from (accuracy_case(name) for name in names)


def draw(nodes: int, edges: int, features: int) -> pn.GraphsTuple:
    """A random graph, each edge both ways, with standard normal features."""
    generator = np.random.default_rng(0)
    senders, receivers = generator.integers(nodes, size=(2, edges // 2), dtype=np.int32)
    ends = np.concatenate([senders, receivers]), np.concatenate([receivers, senders])
    x = generator.normal(size=(nodes, features)).astype(np.float32)
    return pn.make_graph(jnp.asarray(x), *ends)


def layer_cases(graph: pn.GraphsTuple) -> Iterator[Case]:
    """The two layers, along edges and by a dense product."""
    x, size = graph.nodes, graph.nodes.shape[1]
    identity = graph._replace(nodes=jnp.eye(len(x), dtype=x.dtype))
    adjacency = pn.propagate(identity).nodes
    one, two = jax.random.split(jax.random.key(0))
    yat, linear = pn.YatGraphConv(one, size, size), pn.GraphConv(two, size, size)

    def on_edges(model: Any, graph: pn.GraphsTuple, x: jax.Array) -> jax.Array:
        return model(graph._replace(nodes=x)).nodes

    def yat_dense(model: Any, adjacency: jax.Array, x: jax.Array) -> jax.Array:
        return pn.yat(adjacency @ x, model.kernel, model.bias, model.alpha)

    def linear_dense(model: Any, adjacency: jax.Array, x: jax.Array) -> jax.Array:
        return adjacency @ (x @ model.kernel) + model.bias[None]

    contenders = [
        ("YatGraphConv", YAT, on_edges, (yat, graph, x)),
        ("yat, dense adjacency", YAT, yat_dense, (yat, adjacency, x)),
        ("GraphConv", GCN, on_edges, (linear, graph, x)),
        ("linear, dense adjacency", GCN, linear_dense, (linear, adjacency, x)),
    ]
    targets = [
        Target("YatGraphConv", "yat, dense adjacency", "<=", 1.0),
        Target("GraphConv", "linear, dense adjacency", "<=", 1.0),
    ]
    for name, make in (("forward", forward), ("gradient", gradient)):
        rows = [Contender(n, text, make(f, *arrays)) for n, text, f, arrays in contenders]
        title = f"graph layer {name}, {x.shape} nodes, {len(graph.senders)} edges"
        yield Case(title, "GraphConv", rows, targets)


def forward(function: Function, *arrays: Any) -> Callable[[], Any]:
    """One call, result awaited."""
    compiled = jax.jit(function)
    return lambda: compiled(*arrays).block_until_ready()


def gradient(function: Function, model: Any, mixing: Any, x: jax.Array) -> Callable[[], Any]:
    """One gradient, result awaited."""
    cotangent = jax.random.normal(jax.random.key(1), x.shape)

    @jax.jit
    def differentiate(model: Any, x: jax.Array, mixing: Any, cotangent: jax.Array) -> Any:
        def scalar(model: Any, x: jax.Array) -> jax.Array:
            return jnp.vdot(function(model, mixing, x), cotangent)

        return jax.tree.leaves(jax.grad(scalar, (0, 1))(model, x))

    return lambda: jax.block_until_ready(differentiate(model, x, mixing, cotangent))


def accuracy_case(name: str) -> Case:
    """The test accuracy of the Yat network, a sample per seed, beside GCN's published mean."""
    file = DATA / f"{name}.npz"
    published = Contender("GCN, published", "", lambda: [PUBLISHED[name] / 100] * SEEDS)
    ours = "Yat network"
    row = (
        Contender(ours, "", lambda: accuracies(file))
        if file.is_file()
        else Absent(ours, f"set PYNEURONS_YAT_DATA to the folder of {file.name}")
    )
    target = Target(ours, published.name, ">=", 1.0)
    title = f"test accuracy on {name}, public split, {SEEDS} seeds"
    return Case(title, published.name, [published, row], [target], "accuracy")


def accuracies(file: Path) -> list[float]:
    """The test accuracy of the Yat network after each of the trainings."""
    papers = citations(file)
    return [fitted(papers, node_classifier, seed, HIDDEN, EPOCHS)[1] for seed in range(SEEDS)]
