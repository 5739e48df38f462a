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
STYLES = {"Yat, ten steps": "ko", "ReLU, ten steps": "ks", "GCN": "k^"}


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
    data: Path | None,
    seeds: int = 5,
    *,
    gcn_seeds: int | None = None,
    hidden: int = HIDDEN,
    epochs: int = EPOCHS,
) -> Study:
    """Test accuracy of three networks on both graphs, by seed.

    GCN takes twenty times as long as the others: it can have fewer seeds, or none with 0.
    """
    runs = dict.fromkeys(NETWORKS, seeds)
    runs["GCN"] = seeds if gcn_seeds is None else gcn_seeds
    rows = []
    for graph, published in PUBLISHED.items():
        papers = citation_graph(data, graph)
        for name, count in runs.items():
            make = NETWORKS[name]
            found = [fitted(papers, make, seed, hidden, epochs)[1] for seed in range(count)]
            if found:
                rows.append(
                    Row(f"{graph}, {name}", "%", percent(found), published, f"GCN, {PAPER}")
                )
    question = "Do Yat neurons label papers better than a graph convolutional network?"
    settings = {"seeds": seeds, "gcn_seeds": runs["GCN"], "hidden": hidden, "epochs": epochs}
    return Study("citations", question, tuple(rows), settings, lambda figure: draw(figure, rows))


def draw(figure: Any, rows: list[Row]) -> None:
    """A mark per run, a short line at each mean, and the published figure of GCN."""
    axis = figure.subplots()
    names = list(PUBLISHED)
    by_label = {row.label: row for row in rows}
    there = [network for network in STYLES if f"{names[0]}, {network}" in by_label]
    for n, network in enumerate(there):
        found = [by_label[f"{graph}, {network}"].values for graph in names]
        places = np.arange(len(names)) + 0.25 * (n - (len(there) - 1) / 2)
        axis.plot(places, [np.mean(values) for values in found], "_", color="0.5", ms=36, mew=3)
        where = np.repeat(places, len(found[0]))
        face = "0.3" if network == "GCN" else "w"
        axis.plot(where, np.ravel(found), STYLES[network], mfc=face, ms=6, label=network)
    for place, published in enumerate(PUBLISHED.values()):
        label = None if place else "GCN, published"
        axis.plot([place - 0.4, place + 0.4], [published, published], "k--", label=label)
    axis.set(ylabel="test accuracy (%)", xlim=(-0.6, len(names) - 0.4))
    axis.set_xticks(range(len(names)), [name.capitalize() for name in names])
    axis.legend(title="a mark per seed, gray: mean")
