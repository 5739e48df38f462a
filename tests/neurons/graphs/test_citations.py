"""A Yat network on two citation graphs: every choice was made on the validation nodes."""

import jax
import numpy as np
import pytest

import pyneurons_yat as pn
from benchmarks.graph import accuracies
from pyneurons_yat.experiments.citations import PUBLISHED
from pyneurons_yat.zoo import fit_nodes, node_classifier


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_yat_network_is_above_gcn_over_ten_seeds(name, data):
    with jax.enable_x64(False):
        scores = accuracies(data(f"{name}.npz"))
    assert len(scores) == 10
    assert 100 * np.mean(scores) >= PUBLISHED[name], scores


def test_the_network_is_a_yat_graph_convolution():
    graph = pn.make_graph(np.eye(4, dtype=np.float32), [0, 1, 2, 3], [1, 0, 3, 2])
    model = node_classifier(jax.random.key(0), 4, 8, 3)
    options = {"steps": 10, "teleport": 0.1, "epsilon": 1e-3}
    hidden = pn.YatGraphConv(pn.Box(model["hidden"].params), **options)
    logits = model["logits"](hidden(graph).nodes)
    np.testing.assert_allclose(model(graph), logits, rtol=1e-6)


@pytest.mark.slow
def test_one_label_in_ten_is_enough_for_two_communities():
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    likely = np.where(labels[:, None] == labels[None], 0.2, 0.02)
    senders, receivers = np.nonzero(np.triu(rng.uniform(size=(60, 60)) < likely, 1))
    ends = np.concatenate([senders, receivers]), np.concatenate([receivers, senders])
    graph = pn.make_graph(np.eye(60, dtype=np.float32), *ends)
    model = node_classifier(jax.random.key(0), 60, 16, 2)
    train, validation, test = np.split(np.arange(60), [6, 20])
    key = jax.random.key(4)
    fitted, reached = fit_nodes(model, graph, labels, train, validation, key=key, epochs=60)
    known = pn.accuracy(fitted(graph)[validation], labels[validation])
    np.testing.assert_allclose(reached, known, atol=1e-6)
    assert pn.accuracy(fitted(graph)[test], labels[test]) > 0.9
