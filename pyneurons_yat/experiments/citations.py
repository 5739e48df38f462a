"""A Yat network labels the papers of Cora and Citeseer better than a graph convolutional network.

All networks have one hidden layer and are trained alike, on the public split. The published figures
are those of the graph convolutional network (GCN) of Kipf and Welling.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ..core import Model, compose, sequential
from ..data import Citations
from ..learn import accuracy
from ..neurons import GraphConv, Linear
from ..zoo import drop_half, fit_nodes, node_classifier, smooth
from .report import percent
from .sources import citation_graph
from .study import Row, Study

PAPER = "arXiv:1609.02907"
PUBLISHED = {"cora": 81.5, "citeseer": 70.3}
HIDDEN, EPOCHS = 64, 300
STYLES = {"Yat, ten steps": "k", "ReLU, ten steps": "0.5", "GCN": "0.8"}


def relu_classifier(key: jax.Array, inputs: int, hidden: int, classes: int) -> Model:
    """The `node_classifier` with ReLU neurons in the place of Yat neurons."""
    one, two = jax.random.split(key)
    parts = {"smooth": smooth, "dropout": drop_half}
    parts |= {"hidden": compose(Linear(one, inputs, hidden), jax.nn.relu)}
    return sequential(parts | {"hidden_dropout": drop_half, "logits": Linear(two, hidden, classes)})


def gcn(key: jax.Array, inputs: int, hidden: int, classes: int) -> Model:
    """Two graph convolutions with ReLU and dropout, as Kipf and Welling have them."""
    one, two = jax.random.split(key)
    first, second = GraphConv(one, inputs, hidden), GraphConv(two, hidden, classes)
    parts = {"dropout": drop_nodes, "hidden": first, "relu": relu_nodes}
    return sequential(parts | {"hidden_dropout": drop_nodes, "logits": second, "nodes": nodes_of})


def drop_nodes(graph: Any, *, key: jax.Array | None = None) -> Any:
    """Dropout of half of the features of the nodes."""
    return graph._replace(nodes=drop_half(graph.nodes, key=key))


def relu_nodes(graph: Any) -> Any:
    """ReLU of the features of the nodes."""
    return graph._replace(nodes=jax.nn.relu(graph.nodes))


def nodes_of(graph: Any) -> jax.Array:
    """The features of the nodes."""
    return graph.nodes


NETWORKS: dict[str, Callable[..., Model]] = {
    "Yat, ten steps": node_classifier,
    "ReLU, ten steps": relu_classifier,
    "GCN": gcn,
}


def fitted(
    papers: Citations, make: Callable[..., Model], seed: int, hidden: int, epochs: int
) -> tuple[Model, float]:
    """A trained network and its share of test nodes; nothing else looks at the test nodes."""
    graph, labels = papers.graph, papers.labels
    one, two = jax.random.split(jax.random.key(seed))
    model = make(one, graph.nodes.shape[1], hidden, int(labels.max()) + 1)
    sets = papers.train, papers.validation
    model, _ = fit_nodes(model, graph, labels, *sets, key=two, epochs=epochs)
    return model, float(accuracy(jax.jit(_call)(model, graph)[papers.test], labels[papers.test]))


def _call(model: Model, graph: Any) -> jax.Array:
    return model(graph)


def study(
    data: Path | None, seeds: int = 5, *, hidden: int = HIDDEN, epochs: int = EPOCHS
) -> Study:
    """Test accuracy of three networks on both graphs, by seed."""
    rows = []
    for graph, published in PUBLISHED.items():
        papers = citation_graph(data, graph)
        for name, make in NETWORKS.items():
            found = [fitted(papers, make, seed, hidden, epochs)[1] for seed in range(seeds)]
            figure, source = (published, PAPER) if name == "GCN" else (None, "")
            rows.append(Row(f"{graph}, {name}", "%", percent(found), figure, source))
    question = "Do Yat neurons label papers better than a graph convolutional network?"
    settings = {"seeds": seeds, "hidden": hidden, "epochs": epochs}
    return Study("citations", question, tuple(rows), settings, lambda figure: draw(figure, rows))


def draw(figure: Any, rows: list[Row]) -> None:
    """A bar per network with its runs as dots, and the published figure of GCN as a line."""
    axis = figure.subplots()
    names = list(PUBLISHED)
    for n, (network, color) in enumerate(STYLES.items()):
        found = [next(r for r in rows if r.label == f"{graph}, {network}") for graph in names]
        places = np.arange(len(names)) + 0.25 * (n - 1)
        means = [np.mean(row.values) for row in found]
        axis.bar(places, means, 0.22, color=color, edgecolor="k", label=network)
        for place, row in zip(places, found, strict=True):
            axis.plot(np.full(len(row.values), place), row.values, "o", mfc="w", mec="k", ms=4)
    for place, published in enumerate(PUBLISHED.values()):
        label = None if place else "GCN, published"
        axis.plot([place - 0.4, place + 0.4], [published, published], "k--", label=label)
    axis.set(ylabel="test accuracy (%)", ylim=(60, 90))
    axis.set_xticks(range(len(names)), [name.capitalize() for name in names])
    axis.legend(ncols=2, title="a dot per seed")
