"""fit(augment=...): what is drawn and when, in every kind of loop, and what is refused."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pyneurons_yat as pn

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(8, 3)), RNG.normal(size=(8, 2))
SGD = optax.sgd(0.1)
fit = partial(pn.fit, progress=False)


def linear():
    return pn.Linear(jax.random.key(0), 3, 2, dtype=float)


def fixed(key, batch):
    x, y = batch
    return 2 * x, y + 1


def jitter(key, batch):
    x, y = batch
    return x + jax.random.normal(key, x.shape), y


def leaves(tree):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]


def test_it_trains_on_what_is_returned_and_is_validated_on_what_came():
    model, history = fit(
        SGD,
        linear(),
        X,
        Y,
        key=jax.random.key(1),
        augment=fixed,
        validation=(X, Y),
        metrics=[pn.mae],
    )
    kernel, bias = np.asarray(linear().kernel), np.asarray(linear().bias)
    error = 2 * X @ kernel + bias - (Y + 1)
    np.testing.assert_allclose(history["loss"][0], np.mean(error**2))
    np.testing.assert_allclose(history["mae"][0], np.mean(np.abs(error)))
    kernel, bias = kernel - 0.1 * 2 * X.T @ error / 8, bias - 0.1 * error.sum(0) / 8
    np.testing.assert_allclose(model.kernel, kernel)
    np.testing.assert_allclose(model.bias, bias)
    np.testing.assert_allclose(history["validation_loss"][0], np.mean((X @ kernel + bias - Y) ** 2))


def test_every_step_draws_anew_from_its_number_in_every_kind_of_loop():
    def drawn(*data, **options):
        _, history = fit(
            optax.sgd(0.0),
            pn.TrainState.create(linear(), optax.sgd(0.0), jax.random.key(1))._replace(order=None),
            *data,
            augment=jitter,
            epochs=3,
            **options,
        )
        return history["loss"]

    scanned, looped = drawn(X, Y, batch_size=4), drawn([(X[:4], Y[:4]), (X[4:], Y[4:])])
    assert scanned == looped
    assert len({*scanned}) == 3  # the model stands still, so only the draws differ


@pytest.mark.parametrize("options", [{"accumulate": 4}, {"per_example": True}])
def test_a_divided_batch_sees_the_draws_of_the_whole(options):
    mean = optax.stateless(lambda g, _: jax.tree.map(lambda leaf: -leaf.mean(0), g))
    optimizer = mean if "per_example" in options else optax.sgd(1.0)
    whole, _ = fit(optax.sgd(1.0), linear(), X, Y, key=jax.random.key(1), augment=jitter)
    divided, _ = fit(optimizer, linear(), X, Y, key=jax.random.key(1), augment=jitter, **options)
    for one, two in zip(leaves(divided), leaves(whole), strict=True):
        np.testing.assert_allclose(one, two, 1e-12)


def test_what_the_model_draws_is_independent_of_it():
    def same(key, batch):
        return jax.random.bernoulli(key, 0.5, (8, 64)).astype(float), batch[1]

    def apply(params, x, *, key=None):
        drawn = jax.random.bernoulli(key, 0.5, x.shape)
        return params * jnp.mean(x == drawn)

    model = pn.bind(jnp.ones(()), apply)
    _, history = fit(
        optax.sgd(0.0), model, X, np.zeros(()) + np.zeros(8), key=jax.random.key(1), augment=same,
        loss=lambda predictions, _: predictions,
    )  # fmt: skip
    assert abs(history["loss"][0] - 0.5) < 0.1


def half(key, batch):
    return jax.tree.map(lambda leaf: leaf[:4], batch)


@pytest.mark.parametrize(
    ("augment", "kind", "message"),
    [
        (lambda key, batch: batch[0], TypeError, "augment must return a batch of the structure"),
        (lambda key, batch: (*batch, key), TypeError, "augment must return a batch of the struct"),
        (half, ValueError, r"as many examples as it takes, 8, got shapes \(4, 3\), \(4, 2\)"),
        (lambda key, batch: (batch[0][:4], batch[1]), ValueError, "what augment returns must have"),
        ("flip", TypeError, r"augment must be a function \(key, .*, got 'flip'"),
    ],
)
def test_what_is_no_augmentation_is_refused(augment, kind, message):
    with pytest.raises(kind, match=f"^fit: .*{message}"):
        fit(SGD, linear(), X, Y, key=jax.random.key(0), augment=augment)


def test_without_a_key_it_is_refused():
    with pytest.raises(TypeError, match="^fit: key must be a PRNG key for augment to draw from"):
        fit(SGD, linear(), X, Y, augment=jitter)
    step = pn.train_step(pn.mse, SGD, augment=jitter)
    with pytest.raises(TypeError, match="^train_step: key must be .* TrainState.create"):
        step(pn.TrainState.create(linear(), SGD), (X, Y))
