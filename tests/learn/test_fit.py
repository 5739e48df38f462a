"""fit(optimizer, model, x, y): the compiled training loop against loops written by hand."""

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
SGD, STILL, ADAM = optax.sgd(0.1), optax.sgd(0.0), optax.adam(0.1)
OPTIMIZERS = {
    "adam": ADAM,
    "sgd with a schedule": optax.sgd(optax.cosine_decay_schedule(0.1, 12), momentum=0.9),
    "adamw": optax.adamw(0.1, weight_decay=0.1),
    "clipped": optax.chain(optax.clip_by_global_norm(0.1), optax.sgd(0.5)),
    "plateau": optax.chain(
        optax.adam(0.1), optax.contrib.reduce_on_plateau(patience=1, cooldown=1)
    ),
    "lbfgs": optax.lbfgs(linesearch=optax.scale_by_backtracking_linesearch(10)),
    "every second": optax.MultiSteps(optax.adam(0.1), 2),
}


def linear():
    return pn.Linear(jax.random.key(0), 3, 2, dtype=float)


def fit(optimizer, model, x, y, **options):
    return pn.fit(optimizer, model, x, y, progress=False, **options)


def predict(params, x):
    return x @ params["kernel"] + params["bias"][None]


def error(params, x, y):
    return jnp.mean((predict(params, x) - y) ** 2)


def by_hand(optimizer, x, y, epochs, size, order=None):
    """What fit does, on a bare dict: the parameters, and the losses of each epoch's steps."""
    optimizer = optax.with_extra_args_support(optimizer)
    params = {name: leaf.astype(x.dtype) for name, leaf in linear().params._asdict().items()}
    state, losses = optimizer.init(params), []
    order = np.arange(len(x)) if order is None else order

    @jax.jit
    def step(params, state, x, y):
        def value_of(params):
            return error(params, x, y)

        value, gradient = jax.value_and_grad(value_of)(params)
        updates, state = optimizer.update(
            gradient, state, params, value=value, grad=gradient, value_fn=value_of
        )
        return optax.apply_updates(params, updates), state, value

    for _ in range(epochs):
        steps = []
        for start in range(0, len(x), size):
            rows = order[start : start + size]
            params, state, value = step(params, state, x[rows], y[rows])
            steps.append(value)
        losses.append(np.array(steps))
    return params, losses


def same(model, params, rtol=1e-12):
    for name, value in params.items():
        np.testing.assert_allclose(getattr(model, name), value, rtol=rtol, err_msg=name)


# ----------------------------------------------------------------------- the loop, step for step


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_it_takes_the_steps_of_a_loop_by_hand(name):
    model, history = fit(OPTIMIZERS[name], linear(), X, Y, epochs=3, batch_size=4)
    params, losses = by_hand(OPTIMIZERS[name], X, Y, 3, 4)
    same(model, params, rtol=1e-9)
    means = [np.average(steps, weights=[4, 4, 2]) for steps in losses]
    np.testing.assert_allclose(history["loss"], means, rtol=1e-9)


@pytest.mark.parametrize("size", [1, 4, 10, 11, None, np.int64(4)])
def test_a_last_partial_batch_is_a_step_too(size):
    model, _ = fit(SGD, linear(), X, Y, batch_size=size)
    same(model, by_hand(SGD, X, Y, 1, int(size or 10))[0])


def test_one_example_is_data():
    model, history = fit(SGD, linear(), X[:1], Y[:1], epochs=2, batch_size=4)
    same(model, by_hand(SGD, X[:1], Y[:1], 2, 1)[0])
    assert history.epochs == 2


def test_the_model_given_stays_as_it_was():
    model = linear()
    before = jax.tree.map(np.array, model)
    fit(SGD, model, X, Y, epochs=2)
    jax.tree.map(np.testing.assert_array_equal, model, before)


# ---------------------------------------------------------------------------------- shuffling


def create_seen(rows):
    return {"w": jnp.zeros(()), "seen": jnp.zeros(rows, int)}


def apply_seen(params, x):
    return x * params["w"]


def observe_seen(params, x):
    return apply_seen(params, x), params | {"seen": x[:, 0].astype(int)}


Remembering = pn.bind(
    "Remembering", create_seen, apply_seen, observe_seen, roles={"['seen']": "seen"}
)


def orders(seed, epochs):
    x, found = np.arange(20.0)[:, None], []
    for epoch in range(1, epochs + 1):
        key = None if seed is None else jax.random.key(seed)
        model, _ = fit(STILL, Remembering(20), x, x, epochs=epoch, key=key)
        found.append(model.params["seen"].tolist())
    return found


def test_a_key_shuffles_every_epoch_anew_and_always_the_same():
    first = orders(0, 3)
    for order in first:
        assert sorted(order) == list(range(20))
    assert len({tuple(order) for order in [*first, range(20)]}) == 4
    assert orders(0, 3) == first
    assert orders(1, 1) != first[:1]
    assert orders(None, 2) == [list(range(20))] * 2


@pytest.mark.slow
def test_shuffled_batches_take_every_example_once():
    """With a rate of 0 the mean loss over the batches is that over the data, in any order."""
    losses = [
        fit(STILL, linear(), X, Y, batch_size=4, epochs=2, key=key)[1]["loss"]
        for key in (None, jax.random.key(0), jax.random.PRNGKey(1))
    ]
    expected = error(linear().params._asdict(), X, Y)
    np.testing.assert_allclose(losses, np.full((3, 2), expected), rtol=1e-14)


def test_the_same_key_gives_the_same_model():
    runs = [
        fit(ADAM, linear(), X, Y, batch_size=3, epochs=3, key=jax.random.key(seed))[0]
        for seed in (0, 0, 1)
    ]
    assert np.array_equal(runs[0].kernel, runs[1].kernel)
    assert not np.array_equal(runs[0].kernel, runs[2].kernel)


# ------------------------------------------------------------------------------ kinds of losses


def test_a_loss_of_the_model_is_called_with_the_model():
    def penalised(model, x, y):
        return pn.mse(model(x), y) + 0.1 * jnp.sum(model.kernel**2)

    def plain(model, x, y, *, weight=None):
        return pn.mse(model(x), y, weight=weight)

    same(fit(SGD, linear(), X, Y, loss=plain)[0], by_hand(SGD, X, Y, 1, 10)[0])
    model, _ = fit(SGD, linear(), X, Y, loss=penalised, metrics=[pn.mse])
    shrunk = linear().kernel - fit(SGD, linear(), X, Y)[0].kernel
    np.testing.assert_allclose(
        model.kernel, linear().kernel - shrunk - 0.02 * linear().kernel, rtol=1e-12
    )


def test_pyneurons_own_loss_is_one():
    model, history = fit(SGD, linear(), X, Y, loss=pn.loss)
    np.testing.assert_allclose(history["loss"], [pn.loss(linear(), X, Y)], rtol=1e-14)
    expected = pn.fit(0.1, linear(), X, Y)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-14), model, expected)


def test_losses_of_optax_and_partial_losses():
    def huber(predictions, targets):
        return optax.losses.huber_loss(predictions, targets, delta=0.5).mean()

    _, history = fit(SGD, linear(), X, Y, loss=huber)
    difference = np.abs(np.asarray(linear()(X)) - Y)
    expected = np.where(difference <= 0.5, difference**2 / 2, 0.5 * difference - 0.125).mean()
    np.testing.assert_allclose(history["loss"], [expected], rtol=1e-12)
    halves = jax.tree_util.Partial(pn.mse, reduction="sum")
    np.testing.assert_allclose(
        fit(STILL, linear(), X, Y, loss=halves)[1]["loss"],
        ((np.asarray(linear()(X)) - Y) ** 2).sum()[None],
    )


def test_a_loss_or_metric_that_is_no_scalar_is_refused():
    with pytest.raises(ValueError, match=r"the loss must be a scalar.* \(10, 2\); take its m"):
        fit(SGD, linear(), X, Y, loss=optax.losses.l2_loss)
    with pytest.raises(
        ValueError, match=r"the metric l2_loss must be a scalar, got shape \(4, 2\)"
    ):
        fit(SGD, linear(), X, Y, metrics=[optax.losses.l2_loss], batch_size=4)


def test_inputs_and_targets_may_be_trees():
    class Pair(NamedTuple):
        left: jax.Array
        right: jax.Array

    def apply(params, x):
        return {"sum": params * (x.left + x.right), "left": x.left}

    def loss(predictions, targets):
        return pn.mse(predictions["sum"], targets["sum"])

    x = Pair(X, X[:, :1] * np.ones(3))
    y = {"sum": 3 * (x.left + x.right), "unused": np.zeros((10, 4, 1), int)}
    model = pn.bind("Sum", lambda: jnp.ones(()), apply)()
    model, _ = fit(optax.adam(0.1), model, x, y, loss=loss, epochs=200, batch_size=4)
    np.testing.assert_allclose(model.params, 3, rtol=1e-3)


# ------------------------------------------------------------------ what is measured, and history


@pytest.mark.slow
def test_training_and_validation_numbers_are_those_computed_by_hand():
    def largest(predictions, targets):
        return jnp.max(jnp.abs(predictions - targets))

    held_x, held_y = X[:5] + 1, Y[:5]
    model, history = fit(
        SGD,
        linear(),
        X,
        Y,
        epochs=2,
        batch_size=4,
        metrics=(pn.mae, largest),
        validation=(held_x, held_y),
    )
    assert list(history) == [
        *("loss", "mae", "largest", "seconds"),
        *("validation_loss", "validation_mae", "validation_largest"),
    ]
    assert all(seconds > 0 for seconds in history["seconds"])
    difference = np.asarray(model(held_x)) - held_y
    np.testing.assert_allclose(history["validation_loss"][-1], (difference**2).mean(), rtol=1e-12)
    np.testing.assert_allclose(history["validation_mae"][-1], np.abs(difference).mean(), rtol=1e-12)
    worst = np.abs(difference).max()
    np.testing.assert_allclose(history["validation_largest"][-1], worst, rtol=1e-12)
    _, losses = by_hand(SGD, X, Y, 2, 4)
    means = [np.average(steps, weights=[4, 4, 2]) for steps in losses]
    np.testing.assert_allclose(history["loss"], means, rtol=1e-12)
    np.testing.assert_allclose(
        fit(STILL, linear(), X, Y, batch_size=3, metrics=[pn.mae])[1]["mae"],
        [np.abs(np.asarray(linear()(X)) - Y).mean()],
    )


@pytest.mark.slow
def test_a_validation_set_may_be_larger_or_smaller_than_the_batch():
    for size in (1, 10, 64):
        _, history = fit(STILL, linear(), X, Y, batch_size=size, validation=(X[:7], Y[:7]))
        expected = error(linear().params._asdict(), X[:7], Y[:7])
        np.testing.assert_allclose(history["validation_loss"], [expected], rtol=1e-13)


@pytest.mark.parametrize("bad", [0, 3, 4, 9])
def test_a_loss_that_becomes_nan_is_named_by_epoch_and_step(bad):
    x = X.copy()
    x[bad] = np.nan
    message = f"the loss became nan in epoch 1, step {bad // 4 + 1} of 3; lower the learning rate"
    with pytest.raises(FloatingPointError, match=message):
        fit(SGD, linear(), x, Y, batch_size=4, epochs=5)


def test_a_loss_that_grows_to_infinity_is_named_in_a_later_epoch():
    x, y = X.astype(np.float32), Y.astype(np.float32)
    model = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), linear())
    _, losses = by_hand(optax.sgd(1e4), x, y, 9, 4)
    step = np.flatnonzero(~np.isfinite(np.concatenate(losses)))[0]
    assert step > 2
    message = rf"became (inf|nan) in epoch {step // 3 + 1}, step {step % 3 + 1} of 3;"
    with pytest.raises(FloatingPointError, match=message):
        fit(optax.sgd(1e4), model, x, y, batch_size=4, epochs=9)


def test_parameters_that_the_last_step_breaks_are_named():
    message = r"fit: \.kernel, \.bias became infinite or NaN in the last step; lower the learning"
    with pytest.raises(FloatingPointError, match=message):
        fit(optax.sgd(np.inf), linear(), X, Y)


def test_a_parameter_that_is_infinite_from_the_start_may_stay_so():
    model = pn.bind(jnp.array([1.0, jnp.inf]), lambda w, x: x * w[:1][None])
    after, _ = fit(SGD, model, X[:, :1], Y[:, :1])
    assert after.params[1] == jnp.inf


def test_a_validation_loss_that_is_nan_is_named():
    message = "the validation loss became nan in epoch 1, step 2 of 3; lower"
    with pytest.raises(FloatingPointError, match=message):
        fit(SGD, linear(), X, Y, batch_size=4, validation=(np.where(X[5] == X, np.nan, X), Y))
