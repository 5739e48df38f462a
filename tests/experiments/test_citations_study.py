"""The study of citation graphs on a graph of two communities, and its networks."""

import jax
import numpy as np
import pytest

import pyneurons_yat as pn
from pyneurons_yat.experiments import citations, report


@pytest.fixture
def folder(tmp_path):
    """Both files: 60 papers of two kinds that cite their kind ten times as often."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    likely = np.where(labels[:, None] == labels[None], 0.2, 0.02)
    one = np.argwhere(np.triu(rng.uniform(size=(60, 60)) < likely, 1))
    words = {"feature_rows": np.arange(60), "feature_cols": np.arange(60)}
    words |= {"feature_values": np.ones(60), "num_nodes": 60, "num_features": 60}
    sets = np.split(np.arange(60), [6, 20])
    parts = dict(zip(("train", "validation", "test"), sets, strict=True))
    for name in citations.PUBLISHED:
        edges = np.concatenate([one, one[:, ::-1]])
        np.savez(tmp_path / f"{name}.npz", labels=labels, edges=edges, **words, **parts)
    return tmp_path


@pytest.mark.slow
def test_each_network_is_measured_on_each_graph(folder, tmp_path):
    study = citations.study(folder, 2, hidden=8, epochs=30)
    assert len(study.rows) == len(citations.NETWORKS) * len(citations.PUBLISHED)
    assert [row.published for row in study.rows] == [81.5] * 3 + [70.3] * 3
    assert all(len(row.values) == 2 and min(row.values) > 60 for row in study.rows), study.rows
    assert report.draw(study.picture, tmp_path / "a.svg").stat().st_size > 1000


def test_the_gcn_may_be_left_out(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(citations, "fitted", lambda *a: (None, 0.5))
    study = citations.study(folder, 3, gcn_seeds=0)
    assert [row.values for row in study.rows] == [(50.0,) * 3] * 4
    report.draw(study.picture, tmp_path / "a.svg")
    assert len(citations.study(folder, 3, gcn_seeds=1).rows[2].values) == 1


def test_the_gcn_is_that_of_the_formula():
    """softmax(A relu(A X W + b) V + c) before the softmax, A of equation 2 of the paper."""
    graph = pn.make_graph(np.eye(3, dtype=np.float32), [0, 1, 1, 2], [1, 0, 2, 1])
    model = citations.gcn(jax.random.key(0), 3, 4, 2)
    adjacency = np.array([[1, 1, 0], [1, 1, 1], [0, 1, 1]], float)
    root = np.sqrt(adjacency.sum(1))
    adjacency = adjacency / root[:, None] / root[None]
    x = np.eye(3)
    for name, activation in (("hidden", lambda x: np.maximum(x, 0)), ("logits", lambda x: x)):
        part = model[name]
        x = activation(adjacency @ x @ np.asarray(part.kernel) + np.asarray(part.bias))
    np.testing.assert_allclose(model(graph), x, rtol=1e-5, atol=1e-6)
