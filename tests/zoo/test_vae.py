"""The convolutional VAE: its divergence by capture, and what it learns to draw."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pyneurons_yat as pn
from pyneurons_yat.zoo import VAE, draw_images, vae_loss
from pyneurons_yat.zoo.vae import NOISE

X = np.random.default_rng(0).normal(size=(3, 8, 8, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def model():
    return jax.jit(lambda key: VAE(key, 2, channels=4))(jax.random.key(0))


@jax.jit
def run(model, x):
    """The result, what is captured on the way, and the mean and log variance of the code."""
    y, seen = pn.capture(model)(x)
    return y, seen["kl"], jnp.split(model.encoder(x), 2, axis=-1)


observe = jax.jit(pn.observe)


def test_inference_decodes_the_mean_and_training_a_sample(model):
    decoded = jax.jit(lambda m: (m(X), m.decoder(jnp.split(m.encoder(X), 2, axis=-1)[0])))(model)
    np.testing.assert_array_equal(*decoded)
    drawn = [observe(model, X, key=jax.random.key(seed))[0] for seed in (1, 1, 2)]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert not np.allclose(drawn[0], drawn[2])
    assert not np.allclose(drawn[0], decoded[0])
    with pytest.raises(TypeError, match="VAE: in training key must be a PRNG key, got None"):
        pn.observe(model, X)


def test_the_captured_divergence_is_that_of_monte_carlo(model):
    y, divergence, code = run(model, X)
    np.testing.assert_allclose(y, model(X), rtol=1e-5, atol=1e-6)
    mean, log_variance = np.asarray(code, np.float64)
    noise = np.random.default_rng(1).normal(size=(200_000, *mean.shape))
    code = mean + np.exp(log_variance / 2) * noise
    difference = (code**2 - noise**2 - log_variance) / 2  # log q(code) - log p(code)
    np.testing.assert_allclose(divergence, difference.sum(-1).mean(0), atol=0.02)


def test_the_loss_is_the_bound_of_one_draw(model):
    key = jax.random.key(3)
    again = jax.random.clone(key)
    trained, moved = jax.jit(pn.training(vae_loss))(model, X, X, key=again)
    y, divergence, _ = run(model, X)
    for value, predictions in (
        (jax.jit(vae_loss)(model, X, X), y),
        (trained, observe(moved, X, key=key)[0]),
    ):
        error = ((np.asarray(predictions) - X) ** 2).sum((1, 2, 3)) / (2 * NOISE**2)
        expected = np.mean(error + np.asarray(divergence))
        np.testing.assert_allclose(value, expected, rtol=1e-5)


def test_the_divergence_pulls_at_the_encoder_only(model):
    gradient = jax.jit(jax.grad(lambda m: pn.capture(m)(X)[1]["kl"].sum()))(model)
    gradient = jax.tree.map(np.asarray, gradient)
    assert all(np.any(leaf) for leaf in jax.tree.leaves(gradient.encoder))
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(gradient.decoder))


def test_parts_with_a_training_time_behaviour_are_reached(model):
    encoder = pn.sequential(model.encoder[:3], pn.BatchNorm(8), *model.encoder[3:])
    changed = pn.bind(model.params._replace(encoder=encoder), model.layer.apply)
    _, moved = observe(changed, X, key=jax.random.key(0))
    assert not np.array_equal(moved.encoder[1].mean, encoder[1].mean)


def test_images_are_drawn_through_the_transforms_of_the_model(model):
    def silence(params):
        return jax.tree.map(jnp.zeros_like, params)

    @jax.jit
    def drawn(model, one, two):
        images = draw_images(pn.reparam(model, pn.weight_norm("*kernel")), two, 2)
        plain = draw_images(model, jax.random.clone(two), 2)
        return draw_images(pn.reparam(model, silence), one, 2), images, plain

    nothing, images, plain = drawn(model, *jax.random.split(jax.random.key(0)))
    assert not np.any(nothing)
    np.testing.assert_allclose(images, plain, atol=1e-5)


def test_images_of_any_size_come_back_in_it():
    one, two, three = jax.random.split(jax.random.key(0), 3)
    model = jax.jit(lambda key: VAE(key, 3, channels=2, image_size=(12, 4)))(one)
    assert model.encoder[4].kernel.shape == (3 * 1 * 4, 6)
    x = jnp.zeros((2, 12, 4, 1))
    assert jax.eval_shape(model, x).shape == x.shape
    assert jax.eval_shape(lambda m: draw_images(m, two, 5), model).shape == (5, 12, 4, 1)
    with pytest.raises(ValueError, match=r"VAE: image_size must be a multiple of 4, got \(8, 6\)"):
        VAE(three, image_size=(8, 6))
    with pytest.raises(TypeError, match="VAE: image_size must be an integer or 2 of them, got 8.0"):
        VAE(three, image_size=8.0)


def nearest(images, others):
    """The median over images of the distance to the nearest of the others."""
    one, two = (np.asarray(a, np.float64).reshape(len(a), -1) for a in (images, others))
    squares = (one**2).sum(1)[:, None] + (two**2).sum(1)[None] - 2 * one @ two.T
    return np.median(np.sqrt(np.maximum(squares, 0)).min(1))


@pytest.mark.slow
def test_it_learns_digits_and_draws_new_ones():
    pytest.importorskip("sklearn")
    from pyneurons_yat.data import digits

    x, held = (part.x.reshape(-1, 8, 8, 1) for part in digits())
    one, two, three = jax.random.split(jax.random.key(0), 3)
    epochs = 40
    with jax.enable_x64(False):
        optimizer = optax.adam(optax.cosine_decay_schedule(1e-2, epochs * 23))
        options = {"loss": vae_loss, "epochs": epochs, "batch_size": 64, "validation": (held, held)}
        model, history = pn.fit(optimizer, VAE(one, 8), x, x, key=two, progress=False, **options)
        drawn = draw_images(model, three, 256)
    # Of an image without any code the error alone is 64 / (2 * 0.25) = 128.
    assert history["loss"][0] > 80
    assert history["loss"][-1] < 32
    assert history["validation_loss"][-1] < 32
    assert np.mean((model(held) - held) ** 2) < 0.16
    # As near to the data as no image is whose pixels are drawn apart, each from the data.
    rng = np.random.default_rng(0)
    apart = rng.permuted(x, axis=0)[:256]
    assert nearest(drawn, x) < 0.75 * nearest(apart, x)
    np.testing.assert_allclose(drawn.mean(0), x.mean(0), atol=0.4)
    np.testing.assert_allclose(drawn.std(), x.std(), atol=0.25)
