"""fit stopped by a callback, by Ctrl-C and by NaN, and resumed: to the bit as if never stopped."""

import _thread
import signal
import threading
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pyneurons_yat as pn
from pyneurons_yat.learn import epochs

RNG = np.random.default_rng(0)
X = RNG.normal(size=(22, 3))
Y = np.sin(X[:, :2])
IMAGES = RNG.normal(size=(10, 4, 4, 1))
ADAM = optax.adam(0.03)
EPOCHS = 4


def noisy():
    keys = jax.random.split(jax.random.key(0), 2)
    return pn.sequential(
        pn.Linear(keys[0], 3, 4), pn.BatchNorm(4), pn.Dropout(0.3), pn.Linear(keys[1], 4, 2)
    )


def jitter(key, batch):
    x, y = batch
    return x + jax.random.normal(key, x.shape), y


def average(x):
    return x.mean((1, 2))


def convolving():
    keys = jax.random.split(jax.random.key(0), 2)
    return pn.sequential(pn.Conv(keys[0], 1, 2, (3, 3)), average, pn.Linear(keys[1], 2, 2))


CASES = {
    "compiled loop": (noisy, (X, Y), {"batch_size": 4}),
    "convolution": (convolving, (IMAGES, Y[:10]), {"batch_size": 4}),
    "iterable": (noisy, ([(X[:8], Y[:8]), (X[8:16], Y[8:16]), (X[16:22], Y[16:22])],), {}),
    "full batches": (noisy, (X, Y), {"remainder": "drop", "batch_size": 8}),
    "in parts": (noisy, (X, Y), {"accumulate": 2, "batch_size": 6}),
    "augmented": (noisy, (X, Y), {"augment": jitter, "batch_size": 4}),
}


def start(make):
    return pn.TrainState.create(make(), ADAM, jax.random.key(7))


def fit(state, data, **options):
    return pn.fit(ADAM, state, *data, progress=False, **options)


def same(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        if jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            a, b = jax.random.key_data(a), jax.random.key_data(b)
        assert a.dtype == b.dtype
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["compiled loop", "in parts"])
def test_whether_somebody_looks_at_an_epoch_changes_nothing(name):
    """Unwatched, the next epoch begins on the device before the numbers of this one are read."""
    make, data, options = CASES[name]
    alone, history = fit(start(make), data, epochs=EPOCHS, **options)
    seen = []
    watched, other = fit(
        start(make), data, epochs=EPOCHS, callback=lambda *told: seen.append(told), **options
    )
    same(alone, watched)
    assert history["loss"] == other["loss"] == [report["loss"] for _, _, report in seen]
    same(alone, seen[-1][1])


@pytest.mark.parametrize("name", CASES)
def test_stopped_by_a_callback_and_resumed_it_is_as_never_stopped(name):
    make, data, options = CASES[name]
    whole, history = fit(start(make), data, epochs=EPOCHS, **options)
    seen = []

    def callback(epoch, state, report):
        seen.append((epoch, int(state.step), report["loss"]))
        return epoch == 1

    state, first = fit(start(make), data, epochs=EPOCHS, callback=callback, **options)
    assert first.stopped == "callback"
    assert [epoch for epoch, _, _ in seen] == [0, 1]
    assert [loss for _, _, loss in seen] == first["loss"]
    assert int(state.step) == seen[-1][1] == int(whole.step) // 2
    state, second = fit(state, data, epochs=2, **options)
    same(state, whole)
    joined = first + second
    assert joined["loss"] == history["loss"]
    assert joined.epochs == EPOCHS
    assert joined.stopped is None


class Clock:
    """A clock that presses Ctrl-C at some look at it: fit looks between all that it does."""

    def __init__(self, at):
        self.looks, self.at = 0, at

    def perf_counter(self):
        self.looks += 1
        if self.looks == self.at:
            raise KeyboardInterrupt
        return time.monotonic()


@pytest.mark.parametrize("name", ["compiled loop", "convolution", "iterable"])
def test_stopped_by_ctrl_c_wherever_it_is_and_resumed_it_is_as_never_stopped(name, monkeypatch):
    make, data, options = CASES[name]
    monkeypatch.setattr(epochs, "SECONDS", 0.0)  # a piece is a batch
    whole, history = fit(start(make), data, epochs=EPOCHS, **options)
    middle = 0
    for at in (1, 2, 5, 8, 13, 21, 34):
        for module in (epochs, pn.learn.session):
            monkeypatch.setattr(module, "time", Clock(at))
        state, first = fit(start(make), data, epochs=EPOCHS, **options)
        monkeypatch.undo()
        monkeypatch.setattr(epochs, "SECONDS", 0.0)
        if first.stopped is None:
            assert first.epochs == EPOCHS
            continue
        assert first.stopped == "interrupted"
        assert first.epochs < EPOCHS
        middle += int(state.batch) > 0
        again, second = fit(state, data, epochs=EPOCHS - first.epochs, **options)
        same(again, whole)
        assert (first + second)["loss"][-1] == history["loss"][-1]
    assert middle > 1


@pytest.fixture
def keyboard():
    """Ctrl-C as a terminal has it; what a shell starts in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("keyboard")
def test_ctrl_c_of_the_keyboard_returns_the_model_as_it_is():
    pressed, before = threading.Timer(0.05, _thread.interrupt_main), noisy()

    def callback(epoch, state, report):
        if epoch == 0:
            pressed.start()

    options = {"key": jax.random.key(0), "progress": False}
    model, history = pn.fit(ADAM, before, X, Y, epochs=10**9, callback=callback, **options)
    assert history.stopped == "interrupted"
    assert history.epochs >= 1
    again, _ = pn.fit(ADAM, before, X, Y, epochs=history.epochs, **options)
    same(model, again)


def poisoned(data, bad):
    """The data with a NaN in the last batch that is seen."""
    x = data[0].copy()
    x[bad] = np.nan
    return x, data[1]


@pytest.mark.parametrize("name", ["compiled loop", "convolution"])
def test_what_was_trained_before_a_nan_is_in_the_error(name, tmp_path):
    make, data, options = CASES[name]
    good, history = fit(start(make), data, epochs=2, **options)
    path = tmp_path / "state.npz"
    calls = []

    def loss(predictions, targets):
        return pn.mse(predictions, targets)

    def callback(epoch, state, report):
        calls.append(epoch)

    with pytest.raises(pn.DivergenceError, match="the loss became nan in epoch 1, step") as caught:
        fit(good, poisoned(data, slice(None)), epochs=2, loss=loss, callback=callback, path=path)
    assert isinstance(caught.value, FloatingPointError)
    same(caught.value.kept, good)
    same(pn.load(path, good), good)
    assert caught.value.history.epochs == 0
    assert calls == []
    resumed, _ = fit(caught.value.kept, data, epochs=2, **options)
    same(resumed, fit(start(make), data, epochs=4, **options)[0])


def test_a_nan_in_a_late_epoch_loses_no_epoch_before_it():
    """The learning rate is infinite from step 30 on: the parameters of epoch 15 are broken."""
    optimizer = optax.sgd(lambda step: jnp.where(step < 30, 0.01, jnp.inf))
    model = pn.Linear(jax.random.key(0), 3, 2)
    wanted, history = pn.fit(optimizer, model, X, Y, batch_size=11, epochs=15, progress=False)
    with pytest.raises(pn.DivergenceError, match=r"became nan in epoch 16, step 2 of 2") as caught:
        pn.fit(optimizer, model, X, Y, batch_size=11, epochs=99, progress=False)
    assert caught.value.history["loss"] == history["loss"]
    assert isinstance(caught.value.kept, pn.Model)
    same(caught.value.kept, wanted)


def test_another_error_holds_what_was_trained_before_it_too():
    def callback(epoch, state, report):
        if epoch == 2:
            raise OSError("the disk is full")

    model = pn.Linear(jax.random.key(0), 3, 2)
    with pytest.raises(OSError, match="the disk is full") as caught:
        pn.fit(ADAM, model, X, Y, epochs=9, callback=callback, progress=False)
    assert caught.value.history.epochs == 2
    same(caught.value.kept, pn.fit(ADAM, model, X, Y, epochs=2, progress=False)[0])


def test_a_path_keeps_the_state_of_a_run_that_ends_and_of_one_that_is_stopped(tmp_path):
    path = tmp_path / "state.npz"
    state, _ = fit(start(noisy), (X, Y), epochs=2, path=path)
    same(pn.load(path, state), state)
    model, _ = pn.fit(ADAM, noisy(), X, Y, key=jax.random.key(7), epochs=2, path=path)
    again = pn.load(path, state)
    same(again, state)
    same(again.model, model)
    state, _ = fit(start(noisy), (X, Y), epochs=3, path=path, callback=lambda *_: True)
    same(pn.load(path, state), state)
    with pytest.raises(ValueError, match="path must end in"):
        fit(start(noisy), (X, Y), path=tmp_path / "state.txt")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["state.npz"]


def test_a_path_keeps_the_state_every_so_many_steps(tmp_path):
    """Six batches in an epoch, whose pieces end at least with it: 16 steps later it is kept."""
    path, kept = tmp_path / "state.npz", []

    def callback(epoch, state, report):
        kept.append(int(pn.load(path, state).step) if path.exists() else 0)

    options = {"path": path, "every": 10, "batch_size": 4}
    state, _ = fit(start(noisy), (X, Y), epochs=5, callback=callback, **options)
    assert all(6 * epoch - 16 < step <= 6 * epoch for epoch, step in enumerate(kept, 1))
    assert kept[-1] > 10
    same(pn.load(path, state), state)
    with pytest.raises(ValueError, match="every must come with a path, got 3 without one"):
        fit(start(noisy), (X, Y), every=3)
    with pytest.raises(ValueError, match="every must be"):
        fit(start(noisy), (X, Y), path=path, every=0)


def test_a_state_gives_what_the_model_it_was_made_of_gives():
    model, one = pn.fit(ADAM, noisy(), X, Y, key=jax.random.key(7), epochs=2, batch_size=4)
    state, two = fit(start(noisy), (X, Y), epochs=2, batch_size=4)
    same(state.model, model)
    assert one["loss"] == two["loss"]
    with pytest.raises(ValueError, match="key must be left out for a TrainState"):
        fit(state, (X, Y), key=jax.random.key(1))


def test_fit_is_a_loop_over_train_step():
    state, _ = fit(start(noisy), (X, Y), epochs=3)
    step, looped = pn.train_step(pn.mse, ADAM), start(noisy)
    order = np.asarray(jnp.argsort(jax.random.bits(jax.random.fold_in(looped.order, 0), (len(X),))))
    looped, _ = step(looped, (X[order], Y[order]))
    once, _ = fit(start(noisy), (X, Y))
    for a, b in zip(jax.tree.leaves(once.model), jax.tree.leaves(looped.model), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    assert int(state.step) == 3


@pytest.mark.parametrize("answer", [True, np.True_, jnp.array(True)])
def test_true_of_any_kind_stops(answer):
    history = fit(start(noisy), (X, Y), epochs=5, callback=lambda *_: answer)[1]
    assert (history.epochs, history.stopped) == (1, "callback")


@pytest.mark.parametrize("answer", [None, False, 1, "stop", np.ones(3, bool)])
def test_nothing_else_stops(answer):
    history = fit(start(noisy), (X, Y), epochs=2, callback=lambda *_: answer)[1]
    assert (history.epochs, history.stopped) == (2, None)
