"""What pyneurons documents, with only the package name changed."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import grad
from jax.numpy import array, array_equal
from jax.random import PRNGKey
from jax.tree_util import tree_map

import pyneurons_yat as pn

INPUT = array([[1, 2, 3]])


def key():
    return PRNGKey(0)


def test_create_unpacks_to_weights_and_bias():
    weights, bias = pn.create(key(), 3)
    assert weights.shape == (3, 1)
    assert bias.shape == (1, 1)


@pytest.mark.parametrize("make", [PRNGKey, jax.random.key])
def test_weight_and_bias_are_drawn_from_separate_keys(make):
    for seed in range(20):
        weights, bias = pn.create(make(seed), 3)
        assert (np.abs(np.asarray(weights) + np.asarray(bias)) > 1e-6).all()


def test_create_without_a_key_draws_from_entropy():
    one, two = pn.create(3), pn.create(3)
    assert one.weight.shape == (3, 1)
    assert (one.weight != two.weight).all()
    assert pn.create(key(), n=3).weight.shape == pn.create(n=3).weight.shape
    assert pn.create(key(), np.int64(3)).weight.shape == (3, 1)


def test_weights_and_biases_lie_around_the_golden_ratio():
    assert pn.PHI == (1 + 5**0.5) / 2
    keys = jax.random.split(jax.random.key(1), 3)
    for draw, key, mean in zip((pn.param, pn.weight, pn.bias), keys, (0, 1, -1), strict=True):
        values = np.asarray(draw(key, shape=(4000,)))
        assert abs(values.mean() - mean * pn.PHI) < 0.01
        assert abs(values.std() - 0.1) < 0.005


@pytest.mark.parametrize(
    "arguments", [(), (PRNGKey,), (3.0,), ("3",), (None, 3.0), (None, None), (None, 3, 4)]
)
def test_wrong_arguments_of_create(arguments):
    with pytest.raises(TypeError):
        pn.create(*arguments)


@pytest.mark.parametrize("n", [0, -1])
def test_a_neuron_has_inputs(n):
    with pytest.raises(ValueError, match="n must be at least 1"):
        pn.create(key(), n)


def test_apply():
    weights, bias = neuron = pn.create(key(), 3)
    expected = np.array([[1, 2, 3]]) @ np.asarray(weights) + np.asarray(bias)
    np.testing.assert_allclose(pn.apply(neuron, INPUT), expected, rtol=1e-12)
    np.testing.assert_allclose(pn.apply((weights, bias), INPUT), expected, rtol=1e-12)


def test_apply_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"inputs of the neuron, 3, .* shape \(1, 4\)"):
        pn.apply(pn.create(key(), 3), jnp.ones((1, 4)))
    with pytest.raises(TypeError):
        pn.apply(pn.create(key(), 3), [[1.0, 2.0, 3.0]])


def test_bind():
    Neuron = pn.bind("Neuron", pn.create, pn.apply)
    assert Neuron == pn.Neuron
    neuron = Neuron(key(), 3)
    np.testing.assert_array_equal(neuron(INPUT), pn.apply(pn.create(key(), 3), INPUT))


def test_the_parameters_come_out_of_a_model():
    (pytree,) = pn.Neuron(key(), 3)
    weights, bias = pytree
    np.testing.assert_array_equal(weights, pn.create(key(), 3)[0])
    np.testing.assert_array_equal(bias, pn.create(key(), 3)[1])
    assert len(jax.tree.leaves(pn.Neuron(key(), 3))) == 2


def test_neuron_without_a_key():
    assert pn.Neuron(3)(INPUT).shape == (1, 1)
    assert pn.Binary(3)(INPUT).shape == (1, 1)


def test_compose_binary():
    Binary = pn.compose("Binary", pn.Neuron, pn.binary)
    assert Binary == pn.Binary
    model = Binary(key(), 3)
    np.testing.assert_array_equal(model(INPUT), [[1.0]])
    np.testing.assert_array_equal(model(-INPUT), [[0.0]])
    plain = grad(lambda model: pn.Neuron(pn.Box(model.params))(INPUT).sum())(model)
    straight = grad(lambda model: model(INPUT).sum())(model)
    tree_map(np.testing.assert_array_equal, straight, plain)


def test_vector():
    neuron = (jnp.ones((1, 1)), jnp.zeros((1, 1)))
    x = array([[-1.0], [0.0], [0.25], [1.0], [5.0]])
    expected = [[0.0], [1.0], [1.25], [2.0], [2.0]]
    np.testing.assert_array_equal(pn.Vector(pn.Box(neuron))(x), expected)


def test_concat_makes_a_layer_of_neurons():
    neurons = [pn.Neuron(k, 3) for k in jax.random.split(key(), 10)]
    neuron = pn.concat(neurons)
    y = neuron(INPUT)
    assert y.shape == (1, 10)
    np.testing.assert_allclose(y[0], [float(n(INPUT)[0, 0]) for n in neurons], rtol=1e-12)


def test_stack_makes_an_ensemble_that_is_called_as_it_is():
    neurons = [pn.Neuron(k, 3) for k in jax.random.split(key(), 10)]
    neuron = pn.stack(neurons)
    with jax.numpy_rank_promotion("allow"):  # x has one axis less than the stacked weights
        y = neuron(INPUT)
    assert y.shape == (10, 1, 1)
    expected = [float(n(INPUT)[0, 0]) for n in neurons]
    np.testing.assert_allclose(y[:, 0, 0], expected, rtol=1e-12)


def test_gradient_overrides():
    from pyneurons_yat.vjp import identity, sign

    stepped = identity(lambda x: jnp.heaviside(x, 1))
    signed = sign(jnp.abs)
    for x in (-2.0, 3.0):
        assert grad(stepped)(x) == 1
        assert grad(signed)(x) == np.sign(x)
    assert identity is pn.vjp.identity
    assert sign is pn.vjp.sign


def test_relun_and_the_thresholds():
    x = array([-1.0, 0.5, 9.0])
    np.testing.assert_array_equal(pn.relun(6)(x), [0, 0.5, 6])
    np.testing.assert_array_equal(pn.relu1(x), [0, 0.5, 1])
    np.testing.assert_array_equal(pn.relu(x), [0, 0.5, 9])
    np.testing.assert_array_equal(pn.vector(x), [0, 1.5, 2])
    np.testing.assert_array_equal(pn.abs(x), [1, 0.5, 9])
    np.testing.assert_array_equal(grad(lambda x: pn.relu(x).sum())(x), [1, 1, 1])


X = array([[1.0], [2.0], [3.0], [4.0]])
Y = array([[2.0], [4.0], [6.0], [8.0]])


def test_fit_1000_times_ends_near_the_targets():
    model = pn.Neuron(key(), 1)
    assert jnp.abs(model(X) - Y).max() > 0.2
    for _ in range(1000):
        model = pn.fit(0.01, model, X, Y)
    assert jnp.abs(model(X) - Y).max() < 0.2


def test_fit_is_one_step_of_gradient_descent_on_the_mean_absolute_error():
    model = pn.Neuron(key(), 1)
    w, b = (np.asarray(leaf) for leaf in model.params)
    x, y = np.asarray(X), np.asarray(Y)
    signs = np.sign(x @ w + b - y) / len(x)
    fitted = pn.fit(0.1, model, X, Y)
    np.testing.assert_allclose(fitted.weight, w - 0.1 * x.T @ signs, rtol=1e-12)
    np.testing.assert_allclose(fitted.bias, b - 0.1 * signs.sum(0, keepdims=True), rtol=1e-12)
    by_hand = tree_map(partial(pn.gd, 0.1), model, grad(pn.loss)(model, X, Y))
    tree_map(partial(np.testing.assert_allclose, rtol=1e-12), by_hand, fitted)


XOR_X = array([[0, 0], [0, 1], [1, 0], [1, 1]])
XOR_Y = array([[0], [1], [1], [0]])


def create_xor(key):
    key_a, key_b = jax.random.split(key, 2)
    return (pn.Binary(key_a, 2), pn.Binary(key_b, 3))


def apply_xor(model, x):
    a, b = model
    return b(pn.concat([x, a(x)]))


XOR = pn.bind("XOR", create_xor, apply_xor)


def test_xor_recipe_as_written():
    model = XOR(key())
    for _ in range(300):
        model = pn.fit(0.1, model, XOR_X, XOR_Y)
    assert array_equal(model(XOR_X), XOR_Y)


def test_xor_recipe_solves_all_of_200_keys_in_500_steps_and_99_percent_in_250():
    def solved_after(key):
        def step(model, _):
            moved = pn.fit(0.1, model, XOR_X, XOR_Y)
            return moved, array_equal(moved(XOR_X), XOR_Y)

        return jax.lax.scan(step, XOR(key), None, length=500)[1]

    solved = np.asarray(jax.jit(jax.vmap(solved_after))(jax.random.split(jax.random.key(0), 200)))
    assert solved[:, -1].all()
    assert solved[:, 249].mean() >= 0.99
