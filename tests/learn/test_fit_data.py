"""What `fit` does with its data: last batches, exact metrics, loops, what is compiled and freed."""

import gc
import time
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pyneurons_yat as pn
from pyneurons_yat.learn import convolutions

QUIET = {"progress": False}
RNG = np.random.default_rng(0)
X, Y = jnp.asarray(RNG.normal(size=(65, 3))), jnp.asarray(RNG.normal(size=(65, 1)))


def line():
    return pn.Linear(jax.random.key(0), 3, 1, dtype=jnp.float64)


def normed():
    return pn.sequential(pn.BatchNorm(3), line())


def test_a_last_batch_of_one_example_can_be_dropped():
    options = {"batch_size": 32, **QUIET}
    dropped, _ = pn.fit(optax.sgd(0.1), normed(), X, Y, remainder="drop", **options)
    whole, _ = pn.fit(optax.sgd(0.1), normed(), X[:64], Y[:64], **options)
    for one, two in zip(jax.tree.leaves(dropped), jax.tree.leaves(whole), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_last_batch_that_is_too_small_is_named():
    with pytest.raises(ValueError, match="at least 2 numbers") as told:
        pn.fit(optax.sgd(0.1), normed(), X, Y, batch_size=32, **QUIET)
    assert any("last batch, of 1 of 65" in note for note in told.value.__notes__)
    assert any("remainder='drop'" in note for note in told.value.__notes__)


def rooted(kept):
    return jnp.sqrt(kept[0] / kept[1])


def rmse():
    def start():
        return jnp.zeros(()), jnp.zeros(())

    def update(kept, predictions, targets):
        error = predictions - targets
        return kept[0] + jnp.sum(error**2), kept[1] + error.size

    return pn.Metric("rmse", start, update, rooted)


def plain_rmse(predictions, targets):
    return jnp.sqrt(jnp.mean((predictions - targets) ** 2))


@pytest.mark.parametrize("size", [7, 65])
def test_a_metric_is_exact_over_batches(size):
    model = line()
    metrics = [rmse(), plain_rmse]
    still, history = pn.fit(
        optax.sgd(0.0),
        model,
        X,
        Y,
        metrics=metrics,
        batch_size=size,
        validation=(X, Y),
        **QUIET,
    )
    errors = np.asarray(X) @ np.asarray(model.kernel) + np.asarray(model.bias) - np.asarray(Y)
    wanted = np.sqrt(np.mean(errors**2))
    np.testing.assert_allclose(history["rmse"][0], wanted, 1e-6)
    np.testing.assert_allclose(history["validation_rmse"][0], wanted, 1e-6)
    np.testing.assert_allclose(history["validation_plain_rmse"][0], wanted, 1e-6)
    report = pn.evaluate(still, X, Y, metrics=metrics, batch_size=size)
    np.testing.assert_allclose(report["plain_rmse"], wanted, 1e-6)


def recall(predictions, targets):
    """The share of the positive that is found; no mean over examples."""
    found = (predictions > 0) & (targets > 0)
    return jnp.sum(found) / jnp.maximum(jnp.sum(targets > 0), 1)


def test_a_recall_in_validation_is_that_of_the_whole_set():
    targets = jnp.where(jnp.arange(65)[:, None] < 5, 1.0, -1.0)  # the positive in one batch
    model = line()
    _, history = pn.fit(
        optax.sgd(0.0),
        model,
        X,
        targets,
        metrics=[recall],
        batch_size=10,
        validation=(X, targets),
        **QUIET,
    )
    np.testing.assert_allclose(
        history["validation_recall"][0], np.mean(np.asarray(model(X))[:5] > 0), 1e-6
    )


@pytest.mark.parametrize("transform", ["jit", "vmap", "grad"])
def test_inside_of_a_transformation_it_points_to_train_step(transform):
    def trained(x):
        model, history = pn.fit(optax.sgd(0.1), line(), x, Y, **QUIET)
        return jnp.sum(model(x))

    wrapped = {"jit": jax.jit, "grad": jax.grad, "vmap": lambda f: lambda x: jax.vmap(f)(x[None])}
    with pytest.raises(TypeError, match="concrete, got traced ones.*use train_step"):
        wrapped[transform](trained)(X)


@pytest.mark.slow
def test_what_a_recipe_closes_over_is_freed_with_it():
    held = []

    def once():
        data = jnp.ones(1000)

        def loss(predictions, targets):
            return pn.mse(predictions, targets) + 0 * data[0]

        optimizer = optax.sgd(optax.constant_schedule(0.1))
        pn.fit(optimizer, line(), X, Y, loss=loss, **QUIET)
        step = pn.train_step(loss, optimizer)
        step(pn.TrainState.create(line(), optimizer), (X, Y))
        held.append(weakref.ref(loss))

    for _ in range(3):
        once()
    gc.collect()
    assert [ref() for ref in held] == [None] * 3


def weak(key, n):
    """A parameter of a weak type, as a Python number makes it."""
    return jnp.full(n, jnp.log(2.0)), jax.random.normal(key, (n,))


def scaled(params, x):
    return jnp.exp(params[0])[None] * x * params[1][None]


def test_a_weak_parameter_compiles_an_epoch_once():
    traces = []

    def loss(predictions, targets):
        traces.append(None)
        return pn.mse(predictions, targets)

    model = pn.bind("Scaled", weak, scaled)(jax.random.key(0), 3)
    assert not any(jax.typeof(leaf).weak_type for leaf in jax.tree.leaves(model))
    batches = [(X[:32], X[:32] * 2), (X[32:64], X[32:64] * 2)]
    pn.fit(optax.adam(0.1), model, batches, loss=loss, epochs=3, **QUIET)
    assert len(traces) == 1


def convolving():
    return pn.Conv(jax.random.key(0), 1, 1, (3, 3))


def test_on_a_cpu_a_convolution_stays_out_of_the_compiled_loop():
    image = jnp.ones((2, 4, 4, 1))

    def of(model, x):
        return jax.jit(lambda model, x: jnp.sum(model(x))).trace(model, x)

    assert convolutions.slow_in_loops(of(convolving(), image)) == (jax.default_backend() == "cpu")
    assert not convolutions.slow_in_loops(of(line(), X))
    stacked = jax.jit(lambda model, x: jax.lax.scan(lambda c, x: (c, model(x)), 0, x[None])).trace(
        convolving(), image
    )
    assert convolutions.slow_in_loops(stacked) == (jax.default_backend() == "cpu")


def average(x):
    return x.mean((1, 2))


def test_a_fit_of_a_convolution_takes_about_as_long_as_a_loop_over_its_steps():
    """On a CPU XLA runs the gradient of a convolution many times slower inside of a loop."""
    keys, optimizer, size = jax.random.split(jax.random.key(0), 2), optax.sgd(0.1), 16
    model = pn.sequential(pn.Conv(keys[0], 8, 8, (3, 3)), average, pn.Linear(keys[1], 8, 1))
    x = np.random.default_rng(0).normal(size=(4 * size, 12, 12, 8)).astype(np.float32)
    y = x[:, 0, 0, :1]
    step = jax.jit(pn.train_step(pn.mse, optimizer))

    def looped():
        state = pn.TrainState.create(model, optimizer)
        for at in range(0, len(x), size):
            state, _ = step(state, (x[at : at + size], y[at : at + size]))
        return state

    def fitted():
        return pn.fit(optimizer, model, x, y, batch_size=size, **QUIET)[0]

    def seconds(call):
        start = time.perf_counter()
        jax.block_until_ready(call())
        return time.perf_counter() - start

    times = [(seconds(fitted), seconds(looped)) for _ in range(4)][1:]  # the first compiles
    assert min(fit for fit, _ in times) < 10 * min(loop for _, loop in times)


@pytest.mark.slow
def test_the_loop_outside_takes_the_same_steps(monkeypatch):
    """A fit of arrays inside a compiled loop and outside of it."""
    options = {"batch_size": 16, "epochs": 2, "key": jax.random.key(1), **QUIET}
    inside, first = pn.fit(optax.adam(0.1), line(), X, Y, **options)
    monkeypatch.setattr("pyneurons_yat.learn.epochs.slow_in_loops", lambda traced: True)
    outside, second = pn.fit(optax.adam(0.1), line(), X, Y, **options)
    np.testing.assert_allclose(first["loss"], second["loss"], 1e-9)
    np.testing.assert_allclose(inside.kernel, outside.kernel, 1e-9)


def test_a_loss_scale_is_held_at_what_it_can_grow_from():
    scale = pn.LossScale.create()
    for _ in range(200):
        scale = scale.adjusted(jnp.asarray(False))
    smallest = float(np.finfo(np.float32).tiny)
    assert float(scale.scale) == smallest
    grown = scale._replace(period=jnp.int32(1)).adjusted(jnp.asarray(True))
    assert float(grown.scale) == 2 * smallest
    for wrong in (1e39, 0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="LossScale: scale must be one number from"):
            pn.LossScale.create(wrong)
