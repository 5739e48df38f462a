"""cora: a Yat network that labels the papers of Cora by their words and citations."""

from pathlib import Path
from typing import Any

import pyneurons_yat as pn
from pyneurons_yat.experiments.citations import EPOCHS, HIDDEN, fitted
from pyneurons_yat.experiments.sources import citation_graph
from pyneurons_yat.zoo import node_classifier


def train(folder: Path | None, seed: int) -> tuple[pn.Model, dict[str, Any]]:
    """The model, and what its card tells of it. The folder holds cora.npz."""
    papers = citation_graph(folder, "cora")
    model, accuracy = fitted(papers, node_classifier, seed, HIDDEN, EPOCHS)
    return model, {
        "inputs": "a GraphsTuple with nodes (N, 1433): the words of each paper, rows of norm 1; "
        "citations are edges in both directions, as pyneurons_yat.data.citations reads them",
        "outputs": "(N, 7): logits of the seven subjects",
        "data": "Cora in its public split: 140 papers to train with, 500 to choose the epoch by, "
        "1,000 to test with",
        "data_license": "CC0 1.0 by its usual copies (Sen et al.; split of Yang et al.)",
        "steps": EPOCHS,
        "figures": {"accuracy": accuracy},
    }
