"""fit(learning_rate, model, x, y): one step of gradient descent on the mean absolute error."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pyneurons_yat as pn

X = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 0.0]])
Y = np.array([[1.0], [0.0], [2.0]])


def neuron():
    return pn.Neuron(pn.Box(pn.create(jax.random.key(0), 2)))


def test_loss_is_the_mean_absolute_error():
    model = neuron()
    w, b = map(np.asarray, model.params)
    np.testing.assert_allclose(pn.loss(model, X, Y), np.abs(X @ w + b - Y).mean(), rtol=1e-14)


def test_gd_moves_against_the_gradient():
    assert pn.gd(0.5, 3.0, 2.0) == 2.0
    assert pn.gd(0.1, jnp.ones(2), jnp.array([0.0, 10.0])).tolist() == [1.0, 0.0]


def test_a_step_is_that_of_the_formula():
    model = neuron()
    w, b = map(np.asarray, model.params)
    sign = np.sign(X @ w + b - Y) / 3
    moved = pn.fit(0.1, model, X, Y)
    assert jax.tree.structure(moved) == jax.tree.structure(model)
    np.testing.assert_allclose(moved.weight, w - 0.1 * X.T @ sign, rtol=1e-14)
    np.testing.assert_allclose(moved.bias, b - 0.1 * sign.sum(0, keepdims=True), rtol=1e-14)


def test_the_learning_rate_may_be_any_number():
    model = neuron()
    expected = pn.fit(0.125, model, X, Y)
    for rate in (np.float64(0.125), np.float32(0.125), jnp.array(0.125), np.array(0.125)):
        jax.tree.map(np.testing.assert_array_equal, pn.fit(rate, model, X, Y), expected)
    jax.tree.map(np.testing.assert_array_equal, pn.fit(0, model, X, Y), model)
    traced = jax.jit(lambda rate, model: pn.fit(rate, model, X, Y))(0.125, model)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-14), traced, expected)


def test_vmap_over_learning_rates_and_over_models():
    model, rates = neuron(), jnp.array([0.1, 0.2])
    many = jax.vmap(lambda rate: pn.fit(rate, model, X, Y))(rates)
    for moved, rate in zip(pn.unstack(many), rates, strict=True):
        one = pn.fit(rate, model, X, Y)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-14), moved, one)
    ensemble = jax.vmap(lambda model: pn.fit(0.1, model, X, Y))(pn.stack([model, neuron()]))
    assert ensemble.weight.shape == (2, 2, 1)


def test_a_step_can_be_differentiated_through():
    model = neuron()
    slope = jax.grad(lambda rate: pn.loss(pn.fit(rate, model, X, Y), X, Y))(0.01)
    step = 1e-6
    losses = [pn.loss(pn.fit(0.01 + h, model, X, Y), X, Y) for h in (step, -step)]
    np.testing.assert_allclose(slope, (losses[0] - losses[1]) / (2 * step), rtol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
def test_the_dtype_of_the_model_stays(dtype):
    model = jax.tree.map(lambda leaf: leaf.astype(dtype), neuron())
    for rate in (0.1, np.float64(0.1), jnp.array(0.1, jnp.float32)):
        moved = pn.fit(rate, model, X.astype(dtype), Y.astype(dtype))
        assert [leaf.dtype for leaf in jax.tree.leaves(moved)] == [dtype, dtype]


def test_frozen_and_integer_leaves_stay():
    def apply(params, x):
        w, b, count, scale = params
        return (x @ w + b) * scale + 0 * count

    w, b = neuron().params
    model = pn.bind((w, b, jnp.arange(3).sum(), jnp.ones(())), apply)
    moved = pn.fit(0.1, pn.freeze(model, "[3]"), X, Y)
    assert not np.array_equal(moved[0], w)
    assert moved[2] == 3
    assert moved[2].dtype == model[2].dtype
    assert moved[3] == 1


def test_a_line_is_learned():
    x = jnp.array([[1.0], [2.0], [3.0]])
    model = pn.Neuron(jax.random.key(0), 1)
    for _ in range(1000):
        model = pn.fit(0.01, model, x, 2 * x)
    np.testing.assert_allclose(model(x), 2 * x, atol=0.2)


def test_two_binary_neurons_learn_xor():
    x = jnp.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = jnp.array([[0.0], [1.0], [1.0], [0.0]])

    def create(key):
        one, two = jax.random.split(key)
        return pn.Binary(one, 2), pn.Binary(two, 3)

    def apply(model, x):
        hidden, out = model
        return out(jnp.concatenate([hidden(x), x], axis=-1))

    model = pn.bind("Xor", create, apply)(jax.random.key(1))
    for _ in range(500):
        model = pn.fit(0.1, model, x, y)
    np.testing.assert_array_equal(model(x), y)


def test_what_is_neither_rate_nor_optimiser_is_refused():
    for wrong in ("adam", None, optax.adam, [0.1], 1j, np.complex64(1j)):
        with pytest.raises(TypeError, match="must be a learning rate, a real number, or an"):
            pn.fit(wrong, neuron(), X, Y)
    with pytest.raises(
        ValueError, match=r"learning_rate must be one number, got shape \(1,\); use jax.vmap"
    ):
        pn.fit(jnp.array([0.1]), neuron(), X, Y)


def test_other_misuse_is_refused():
    with pytest.raises(TypeError, match="model must be a Model, got a Layer"):
        pn.fit(0.1, pn.Neuron, X, Y)
    with pytest.raises(
        TypeError,
        match=r"epochs, loss must come with an optax optimizer, got 0.1; .* optax.sgd\(0.1\)",
    ):
        pn.fit(0.1, neuron(), X, Y, epochs=2, loss=pn.mse)
    with pytest.raises(ValueError, match=r"\(3, 1\) and \(3,\); reshape"):
        pn.fit(0.1, neuron(), X, Y[:, 0])
    with pytest.raises(ValueError, match="got 'params'; the roles are frozen"):
        pn.fit(0.1, pn.freeze(neuron()), X, Y)
