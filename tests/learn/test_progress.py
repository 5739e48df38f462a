"""The progress bar: there where somebody sees it, and nowhere else."""

import builtins
import io
import os
import select
import sys

import jax
import numpy as np
import optax
import pytest

import pyneurons_yat as pn

SGD = optax.sgd(0.1)
X = np.linspace(-1, 1, 10)[:, None]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def fit(**options):
    model = pn.Linear(jax.random.key(0), 1, 1)
    return pn.fit(SGD, model, X, 2 * X, epochs=3, batch_size=4, **options)


def terminal_for(monkeypatch):
    """Standard error as a terminal, from here to the end of the test."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    return sys.stderr


def test_a_terminal_sees_a_bar_with_steps_and_numbers(monkeypatch):
    terminal = terminal_for(monkeypatch)
    pytest.importorskip("tqdm")
    _, history = fit(metrics=[pn.mae])
    shown = terminal.getvalue()
    assert "9/9" in shown
    assert f"loss={history['loss'][-1]:.4g}" in shown
    assert f"mae={history['mae'][-1]:.4g}" in shown
    assert "seconds=" not in shown


def test_a_real_terminal_sees_it(monkeypatch):
    pytest.importorskip("tqdm")
    pty, termios = pytest.importorskip("pty"), pytest.importorskip("termios")
    here, there = pty.openpty()
    termios.tcsetwinsize(there, (24, 100))
    with os.fdopen(there, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        fit()
        stream.flush()
        shown = b""
        while b"9/9" not in shown and select.select([here], [], [], 5)[0]:
            shown += os.read(here, 1000)
        assert b"9/9" in shown
    os.close(here)


def test_a_notebook_sees_it(monkeypatch, capsys):
    pytest.importorskip("tqdm")
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    fit()
    assert "9/9" in capsys.readouterr().err


def test_nobody_else_does(monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    fit()
    assert capsys.readouterr() == ("", "")


def test_who_does_not_want_it_does_not_see_it(monkeypatch):
    terminal = terminal_for(monkeypatch)
    fit(progress=False)
    assert terminal.getvalue() == ""


def test_what_is_no_flag_and_no_place_for_lines_is_refused():
    for wrong in ("no", 1, None):
        with pytest.raises(TypeError, match="fit: progress must be True, False, a path of a log"):
            fit(progress=wrong)


def test_a_process_without_standard_error_trains(monkeypatch):
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    monkeypatch.setattr(sys, "stderr", None)
    assert fit()[1].epochs == 3


def test_without_tqdm_training_goes_on(monkeypatch):
    terminal = terminal_for(monkeypatch)
    real = builtins.__import__

    def without(name, *args, **keywords):
        if name.startswith("tqdm"):
            raise ImportError(f"No module named {name!r}")
        return real(name, *args, **keywords)

    monkeypatch.setattr(builtins, "__import__", without)
    assert fit()[1].epochs == 3
    assert terminal.getvalue() == ""


def test_the_bar_is_closed_when_training_breaks_off(monkeypatch):
    terminal = terminal_for(monkeypatch)
    pytest.importorskip("tqdm")
    with pytest.raises(FloatingPointError):
        pn.fit(optax.sgd(1e30), pn.Linear(jax.random.key(0), 1, 1), X, 2 * X, epochs=9)
    assert terminal.getvalue().endswith("\n")
