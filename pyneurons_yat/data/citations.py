"""Citation graphs: papers, the words in them, and who cites whom."""

import os
from typing import NamedTuple

import numpy as np

from ..ops import GraphsTuple, make_graph


class Citations(NamedTuple):
    """A graph, a label per node (-1 where unknown), and the indices of three sets of nodes."""

    graph: GraphsTuple
    labels: np.ndarray
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def citations(path: str | os.PathLike[str]) -> Citations:
    """A citation graph with its public split, such as Cora or Citeseer.

    A node's features are the words of a paper, float32 and of norm 1 (0 for a paper without words).

    Args:
        path: An `.npz` file with the arrays feature_rows, feature_cols, feature_values (the entries
            of the sparse feature matrix), num_nodes, num_features, labels, edges (E, 2) and the
            indices train, validation, test.

    Returns:
        `Citations(graph, labels, train, validation, test)`. Each row of edges is an edge from its
        first to its second node.

    Raises:
        KeyError: If an array is missing.

    Example:
        >>> import numpy as np, tempfile
        >>> from pyneurons_yat.data import citations
        >>> words = {"feature_rows": [0, 0], "feature_cols": [1, 2], "feature_values": [3.0, 4.0]}
        >>> sizes = {"num_nodes": 2, "num_features": 3}
        >>> split = {"labels": [0, 1], "train": [0], "validation": [1], "test": [1]}
        >>> with tempfile.NamedTemporaryFile(suffix=".npz") as file:
        ...     np.savez(file.name, edges=[[0, 1], [1, 0]], **words, **sizes, **split)
        ...     papers = citations(file.name)
        >>> papers.graph.nodes.tolist(), papers.labels.tolist()
        ([[0.0, 0.6, 0.8], [0.0, 0.0, 0.0]], [0, 1])

    Source:
        Yang, Cohen, Salakhutdinov, "Revisiting Semi-Supervised Learning with Graph Embeddings",
        arXiv:1603.08861.
    """
    with np.load(path) as file:
        nodes = np.zeros((int(file["num_nodes"]), int(file["num_features"])), np.float32)
        nodes[file["feature_rows"], file["feature_cols"]] = file["feature_values"]
        norms = np.linalg.norm(nodes, axis=1, keepdims=True)
        senders, receivers = np.asarray(file["edges"], np.int32).T
        graph = make_graph(nodes / np.where(norms == 0, 1, norms), senders, receivers)
        labels = np.asarray(file["labels"], np.int32)
        return Citations(graph, labels, *(file[name] for name in ("train", "validation", "test")))
