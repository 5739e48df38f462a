"""fit(optimizer, model, x, y): what it does to the parts of a model, how often it compiles."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pyneurons_yat as pn

RNG = np.random.default_rng(0)
X = RNG.normal(size=(10, 3))
Y = X @ RNG.normal(size=(3, 2)) + 1
SGD, STILL = optax.sgd(0.1), optax.sgd(0.0)


def linear():
    return pn.Linear(jax.random.key(0), 3, 2, dtype=float)


def fit(optimizer, model, x, y, **options):
    return pn.fit(optimizer, model, x, y, progress=False, **options)


# ------------------------------------------------------------------------------ parts of a model


def test_frozen_and_integer_leaves_and_keys_survive():
    def create(key):
        return {
            "w": jnp.zeros((3, 2)),
            "count": jnp.array(7, jnp.int8),
            "key": key,
            "mask": jnp.array([True, False]),
            "scale": jnp.full((2,), 2.0, jnp.bfloat16),
        }

    def apply(params, x):
        return (x @ params["w"]) * params["scale"].astype(x.dtype)[None]

    before = pn.freeze(pn.bind("Odd", create, apply)(jax.random.key(3)), "['scale']")
    after, _ = fit(optax.adamw(0.1, weight_decay=0.5), before, X, Y, epochs=3, batch_size=4)
    assert jax.tree.structure(after) == jax.tree.structure(before)
    assert not np.array_equal(after["w"], before["w"])
    for name in ("count", "mask", "scale"):
        assert after[name].dtype == before[name].dtype
        assert np.array_equal(after[name], before[name])
    assert jax.random.key_data(after["key"]).tolist() == [0, 3]


def test_parameters_may_be_python_numbers():
    model = pn.bind((0.0, 0.0), lambda params, x: params[0] * x + params[1])
    model, _ = fit(optax.adam(0.1), model, X, 3 * X + 1, epochs=300)
    np.testing.assert_allclose(model.params, (3, 1), atol=1e-3)


class Norm(NamedTuple):
    """A scale that trains and a mean that is observed."""

    scale: jax.Array
    mean: jax.Array


def running_mean():
    def create(features):
        return Norm(jnp.ones(features), jnp.zeros(features))

    def apply(params, x):
        return params.scale[None] * (x - params.mean[None])

    def observe(params, x):
        mean = x.mean(axis=0)
        return params.scale[None] * (x - mean[None]), params._replace(mean=(params.mean + mean) / 2)

    return pn.bind("Centre", create, apply, observe, roles={"mean": "batch_stats"})(3)


def test_statistics_move_with_every_step_and_are_not_trained():
    model = pn.sequential(running_mean(), linear())
    rate_only_decay = optax.chain(optax.add_decayed_weights(1.0), SGD)
    model, history = fit(rate_only_decay, model, X, Y, epochs=2, batch_size=4, validation=(X, Y))
    mean = np.zeros(3)
    for start in (0, 4, 8, 0, 4, 8):
        mean = (mean + X[start : start + 4].mean(axis=0)) / 2
    np.testing.assert_allclose(model[0].mean, mean, rtol=1e-12)
    assert not np.array_equal(model[0].scale, np.ones(3))
    np.testing.assert_allclose(history["validation_loss"][-1], pn.mse(model(X), Y), rtol=1e-13)


def dropped(x, *, key=None):
    return x if key is None else x * jax.random.bernoulli(key, 0.5, x.shape)


def noisy():
    return pn.sequential(linear(), dropped)


def test_what_the_model_draws_comes_from_the_key_anew_at_each_step():
    losses = {}
    for seed in (0, 0, 1):
        _, history = fit(STILL, noisy(), X, Y, epochs=3, key=jax.random.key(seed))
        assert losses.setdefault(seed, history["loss"]) == history["loss"]
    with pytest.raises(TypeError, match=r"dropped at '\[1\]': in training key must be a PRNG key"):
        fit(STILL, noisy(), X, Y)
    assert len(set(losses[0])) == 3
    assert losses[0] != losses[1]


@pytest.mark.slow
def test_a_loss_of_the_model_that_names_a_key_receives_one_for_each_step():
    def drawn(model, x, y, *, key=None):
        unknown = 0.0 if key is None else jax.random.uniform(key)
        return pn.mse(model(x), y) + unknown

    _, history = fit(STILL, linear(), X, Y, loss=drawn, epochs=3, key=jax.random.key(0))
    assert len(set(history["loss"])) == 3
    _, history = fit(STILL, linear(), X, Y, loss=drawn, epochs=3, validation=(X, Y))
    np.testing.assert_allclose(history["loss"], pn.mse(linear()(X), Y), rtol=1e-12)
    np.testing.assert_allclose(history["validation_loss"], history["loss"], rtol=1e-12)
    state = pn.TrainState.create(linear(), STILL, jax.random.key(0))
    step, losses = pn.train_step(drawn, STILL, accumulate=2), []
    for _ in range(3):
        state, metrics = step(state, (X, Y))
        losses.append(float(metrics["loss"]))
    assert len(set(losses)) == 3


@pytest.mark.slow
def test_a_line_search_draws_the_same_at_every_trial():
    lbfgs = optax.lbfgs(linesearch=optax.scale_by_backtracking_linesearch(10))
    _, history = fit(lbfgs, noisy(), X, Y, epochs=5, key=jax.random.key(0))
    assert np.isfinite(history["loss"]).all()


def test_an_optimiser_that_looks_at_paths():
    def labels(params):
        return jax.tree_util.tree_map_with_path(
            lambda path, _: jax.tree_util.keystr(path).rpartition(".")[2], params
        )

    optimizer = optax.partition({"kernel": SGD, "bias": optax.set_to_zero()}, labels)
    model, _ = fit(optimizer, linear(), X, Y)
    assert not np.array_equal(model.kernel, linear().kernel)
    assert np.array_equal(model.bias, linear().bias)


# ---------------------------------------------------------------------------------- compilation


def test_a_second_fit_and_later_epochs_do_not_compile_again():
    traces = []

    def counted(predictions, targets):
        traces.append(None)
        return jnp.mean((predictions - targets) ** 2)

    optimizer = optax.adam(0.1)
    for seed in range(3):
        model = pn.Linear(jax.random.key(seed), 3, 2, dtype=float)
        model, _ = fit(optimizer, model, X, Y, loss=counted, epochs=3, batch_size=5)
        fit(optimizer, model, X + 1, Y, loss=counted, epochs=1, batch_size=5)
    assert len(traces) <= 2  # a body of a scan may be traced twice, for its carry's types
    before = len(traces)
    fit(optimizer, model, X[:9], Y[:9], loss=counted, batch_size=5)
    assert len(traces) > before


# --------------------------------------------------------------------------------- capability


@pytest.mark.slow
def test_a_yat_network_learns_digits():
    datasets = pytest.importorskip("sklearn.datasets")
    x, y = datasets.load_digits(return_X_y=True)
    x, y = (x / 16).astype(np.float32), y.astype(np.int32)
    held = 400
    one, two, key = jax.random.split(jax.random.key(0), 3)
    model = pn.sequential(pn.YatDense(one, 64, 32), pn.Linear(two, 32, 10))
    model, history = fit(
        optax.adam(1e-2),
        model,
        x[held:],
        y[held:],
        loss=pn.cross_entropy,
        metrics=[pn.accuracy],
        epochs=15,
        batch_size=64,
        key=key,
        validation=(x[:held], y[:held]),
    )
    assert history["validation_accuracy"][-1] > 0.9
    assert history["accuracy"][-1] > 0.95
    expected = np.mean(np.argmax(model(x[:held]), -1) == y[:held])
    np.testing.assert_allclose(history["validation_accuracy"][-1], expected, rtol=1e-6)
