"""History: a mapping, a table and a picture."""

import builtins
import pickle

import pytest

import pyneurons_yat as pn

COLUMNS = {
    "loss": [1.5, 2e-7],
    "accuracy": [0.25, 1.0],
    "validation_loss": [2.0, 0.5],
    "seconds": [1.0, 123456.0],
}


def test_it_is_a_mapping():
    history = pn.History(COLUMNS)
    assert dict(history) == COLUMNS
    assert list(history) == list(COLUMNS)
    assert len(history) == 4
    assert "loss" in history
    assert "validation_accuracy" not in history
    assert history.epochs == 2
    assert pickle.loads(pickle.dumps(history)) == history
    with pytest.raises(KeyError):
        history["lost"]


def test_it_prints_as_a_table_that_keeps_small_and_large_numbers():
    lines = repr(pn.History(COLUMNS)).splitlines()
    assert lines[0].split() == ["epoch", *COLUMNS]
    assert lines[1].split() == ["1", "1.500", "0.2500", "2.000", "1.000"]
    assert lines[2].split() == ["2", "2.000e-07", "1.000", "0.5000", "1.235e+05"]
    assert len({len(line) for line in lines}) == 1


@pytest.mark.parametrize("epochs", [0, 1, 20, 21, 1000])
def test_a_long_run_shows_its_ends(epochs):
    lines = repr(pn.History({"loss": [float(i) for i in range(epochs)]})).splitlines()
    shown = [line.split()[0] for line in lines[1:]]
    every = [str(i + 1) for i in range(epochs)]
    assert shown == (every if epochs <= 20 else [*every[:10], "...", *every[-10:]])


def test_nothing_at_all_prints_too():
    assert repr(pn.History()) == "epoch"


def test_it_plots_training_and_validation_of_each_quantity():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    figure = pn.History(COLUMNS).plot()
    assert [axis.get_ylabel() for axis in figure.axes] == ["loss", "accuracy"]
    assert [axis.get_xlabel() for axis in figure.axes] == ["epoch", "epoch"]
    lines = [{line.get_label(): list(line.get_ydata()) for line in a.lines} for a in figure.axes]
    assert lines[0] == {"training": COLUMNS["loss"], "validation": COLUMNS["validation_loss"]}
    assert lines[1] == {"training": COLUMNS["accuracy"]}
    figure.canvas.draw()
    pyplot.close(figure)


def test_it_plots_into_axes_of_yours():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    figure, axes = pyplot.subplots(2)
    assert pn.History(COLUMNS).plot(axes) is figure
    alone, axis = pyplot.subplots()
    assert pn.History({"loss": [1.0, 0.5]}).plot(axis) is alone
    with pytest.raises(ValueError, match=r"axes must be one per quantity \(loss.*\), got 1"):
        pn.History(COLUMNS).plot(axis)
    with pytest.raises(ValueError, match="nothing to plot"):
        pn.History({"seconds": [1.0]}).plot(axis)
    pyplot.close("all")


def test_without_matplotlib_it_says_so(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **keywords):
        if name.startswith("matplotlib"):
            raise ImportError(f"No module named {name!r}")
        return real(name, *args, **keywords)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match="matplotlib"):
        pn.History(COLUMNS).plot()
