"""Each study at a tiny size: rows of the right form, values that can be, and what decides them."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pyneurons_yat as pn
from pyneurons_yat.experiments import (
    decision_regions,
    prototypes,
    recurrent,
    resnet,
    seeds,
    sources,
)

RESULTS = Path(__file__).parents[2] / "docs" / "experiments" / "results"


@pytest.fixture
def toy_digits(monkeypatch):
    """Ten classes of images that differ in the place of a bright square."""

    def mnist(data):
        draw = np.random.default_rng(0)
        labels = np.arange(200) % 10
        images = draw.random((200, 28, 28)).astype(np.float32) / 4
        for image, label in zip(images, labels, strict=True):
            image[
                (label // 5) * 14 : (label // 5) * 14 + 8, (label % 5) * 5 : (label % 5) * 5 + 5
            ] = 1
        split = pn.data.Split(images, labels.astype(np.int32))
        return split, split

    for module in (prototypes, resnet, sources):
        monkeypatch.setattr(module, "mnist", mnist)


def by_label(study):
    return {row.label: row.values for row in study.rows}


def test_models_train_side_by_side_as_one_does_alone():
    x = np.random.default_rng(0).normal(size=(32, 3))
    how = {"loss": pn.mse, "epochs": 3, "batch_size": 32}
    models = jax.vmap(lambda key: pn.Linear(key, 3, 1))(seeds.keys(2))
    both, losses = seeds.fit_stacked(optax.sgd(0.1), models, seeds.keys(2), x, x[:, :1], **how)
    kernel, bias = (np.asarray(leaf[1], np.float64) for leaf in (models.kernel, models.bias))
    for _ in range(3):  # whole batches, so that their order does not matter
        error = 2 * (x @ kernel + bias - x[:, :1]) / 32
        kernel, bias = kernel - 0.1 * x.T @ error, bias - 0.1 * error.sum(0)
    np.testing.assert_allclose(both.kernel[1], kernel, rtol=1e-4)
    assert losses.shape == (2, 3)


def test_signs_move_a_yat_answer_as_the_docstring_says():
    x = jax.random.normal(jax.random.key(0), (5, 784))
    model = prototypes.SweptYat(jax.random.key(1), epsilon=0.5)
    neurons = model.neurons
    neurons = pn.replace(neurons, "bias", jnp.arange(10.0, dtype=jnp.float32))
    w, b, a = (np.asarray(v, np.float64) for v in neurons[:3])
    u = np.asarray(x, np.float64)
    dots = u @ w
    plus, minus = ((u**2).sum(1)[:, None] + (w**2).sum(0) + s * 2 * dots + 0.5 for s in (1, -1))
    wanted = {
        (): a * (dots + b) ** 2 / minus,
        ("kernel",): a * (dots - b) ** 2 / plus,
        ("bias",): a * (dots - b) ** 2 / minus,
        ("kernel", "bias"): a * (dots + b) ** 2 / plus,
    }
    for names, value in wanted.items():
        changed = pn.replace(model, "neurons", prototypes.negated(neurons, *names))
        np.testing.assert_allclose(changed(x), value, rtol=1e-4)


@pytest.mark.slow
def test_prototypes_at_a_small_size(toy_digits):
    how = {"epsilons": (1e-5, 1e4), "scales": (0.1,), "epochs": 60, "batch_size": 20}
    study = prototypes.study(None, 2, **how)
    rows = by_label(study)
    assert min(rows["linear, before"]) > 90
    assert max(rows["linear, signs of the kernel changed"]) < 20
    assert all(0 <= v <= 100 for row in study.rows if row.unit == "%" for v in row.values)
    assert {len(row.values) for row in study.rows} == {2}
    small, large = (rows[f"Yat, epsilon {e}, rho"] for e in ("1e-05", "10000"))
    assert max(large) < min(small) < 1
    assert {row.published for row in study.rows} == {91.88, 0.01, 92.18, 87.87, None}
    drawn(study)


@pytest.mark.slow
def test_a_residual_network_at_a_small_size(toy_digits):
    study = resnet.study(None, 1, widths=(4, 4), epochs=4, batch_size=20)
    rows = by_label(study)
    assert rows["ReLU, parameters"] == rows["Yat, parameters"]
    assert rows["Yat, test accuracy"][0] > 50
    assert rows["median time of a step, Yat / ReLU"][0] > 0
    drawn(study)


@pytest.mark.slow
def test_decision_regions_at_a_small_size():
    study = decision_regions.study(None, 2, names=("moons",), examples=100, steps=200)
    rows = by_label(study)
    assert set(rows) == {f"moons, {kind}" for kind in decision_regions.MODELS}
    assert min(rows["moons, linear layer"]) > 75
    drawn(study)


def test_points_are_in_the_classes_they_are_said_to_be():
    for name, classes in decision_regions.CLASSES.items():
        x, y = decision_regions.points(name, 60, 0)
        assert x.shape == (60, 2)
        assert sorted(set(y.tolist())) == list(range(classes))
    x, y = decision_regions.points("rings", 400, 0)
    radius = np.linalg.norm(x, axis=1)
    assert radius[y == 1].mean() < 0.6 < radius[y == 0].mean()


@pytest.mark.slow
def test_recurrent_cells_at_a_small_size():
    sizes = {"cells": ("GRU", "Yat GRU"), "hidden": 8, "examples": 256, "steps": 6, "epochs": 4}
    study = recurrent.study(None, 2, **sizes, length=2, delay=2)
    rows = by_label(study)
    assert min(rows["copying, GRU, symbols right"]) > 35
    assert max(rows["adding, Yat GRU, squared error"]) < 0.3
    assert rows["adding, GRU, parameters"][0] == 3 * (8 * 2 + 8 * 8 + 8) + 8 + 9
    drawn(study)


def test_copying_shows_what_is_to_be_said():
    x, y = recurrent.copying(0, 20, 4, 3, 5)
    assert x.shape == (20, 11, 6)
    np.testing.assert_array_equal(x[:, :3].argmax(-1), y)
    assert (x[:, 7].argmax(-1) == 5).all()
    assert (np.delete(x.argmax(-1), [0, 1, 2, 7], axis=1) == 4).all()


def test_adding_marks_one_number_in_each_half():
    x, y = recurrent.adding(0, 500, 8)
    values, marks = x[..., 0], x[..., 1]
    assert (marks[:, :4].sum(1) == 1).all()
    assert (marks[:, 4:].sum(1) == 1).all()
    np.testing.assert_allclose((values * marks).sum(1), y[:, 0], rtol=1e-6)
    assert abs(y.var() - 1 / 6) < 0.02


def drawn(study):
    """The picture can be drawn, and every panel says what its axes are."""
    from matplotlib.figure import Figure

    figure = Figure()
    study.picture(figure)
    panels = [axes for axes in figure.axes if axes.has_data() and axes.get_label() != "<colorbar>"]
    assert panels
    assert any(axes.get_xlabel() for axes in panels)


@pytest.mark.slow
def test_prototypes_give_the_committed_numbers_again(data):
    known = json.loads((RESULTS / "prototypes.json").read_text())
    again = by_label(prototypes.study(data("mnist10k.npz").parent, len(known["rows"][0]["values"])))
    for row in known["rows"]:
        values, mean = np.array(row["values"]), np.mean(again[row["label"]])
        spread = max(np.ptp(values), 0.01 * abs(values.mean()), 0.2)
        assert abs(mean - values.mean()) <= spread, row["label"]
