"""YatDense: its options, its learnable epsilon, and the lines that say what is no option."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pyneurons_yat as pn

X = np.random.default_rng(0).normal(size=(4, 3))


def truth(model, x, epsilon=1e-5):
    kernel, bias, alpha = (None if p is None else np.asarray(p, float) for p in model.params[:3])
    x = np.asarray(x, float)
    y = np.empty((*x.shape[:-1], kernel.shape[1]))
    for place in np.ndindex(*x.shape[:-1]):
        for o, column in enumerate(kernel.T):
            dot = (x[place] * column).sum() + (0 if bias is None else bias[o])
            distance = ((x[place] - column) ** 2).sum()
            y[(*place, o)] = (1 if alpha is None else alpha[o]) * dot**2 / (distance + epsilon)
    return y


def dense(seed=0, inputs=3, outputs=5, **options):
    options = {"bias_init": jax.random.normal, "alpha_init": jax.random.normal, **options}
    return pn.YatDense(jax.random.key(seed), inputs, outputs, dtype=float, **options)


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("use_alpha", [True, False])
@pytest.mark.parametrize("distance", ["expanded", "direct"])
def test_value(use_bias, use_alpha, distance):
    model = dense(use_bias=use_bias, use_alpha=use_alpha, distance=distance)
    assert (model.bias is not None, model.alpha is not None) == (use_bias, use_alpha)
    np.testing.assert_allclose(model(X), truth(model, X), rtol=1e-9)


@pytest.mark.parametrize("shape", [(3,), (2, 5, 3), (0, 3), (1, 1, 3)])
def test_batch_axes(shape):
    model, x = dense(), np.resize(X, shape)
    assert model(x).shape == (*shape[:-1], 5)
    np.testing.assert_allclose(model(x), truth(model, x), rtol=1e-9)


def test_one_input_and_one_output():
    model = dense(inputs=1, outputs=1)
    np.testing.assert_allclose(model(X[:, :1]), truth(model, X[:, :1]), rtol=1e-9)


def test_epsilon_of_the_model_and_of_the_call():
    model = dense(epsilon=0.5)
    np.testing.assert_allclose(model(X), truth(model, X, 0.5), rtol=1e-9)
    np.testing.assert_allclose(model(X, epsilon=2.0), truth(model, X, 2.0), rtol=1e-9)
    per_neuron = np.linspace(0.1, 1, 5)
    expected = np.stack([truth(model, X, e)[:, o] for o, e in enumerate(per_neuron)], axis=-1)
    np.testing.assert_allclose(model(X, epsilon=per_neuron), expected, rtol=1e-9)


def test_parameters_by_default():
    model = pn.YatDense(jax.random.key(0), 3, 5)
    assert {leaf.dtype for leaf in jax.tree.leaves(model)} == {np.dtype("float32")}
    np.testing.assert_array_equal(model.bias, np.zeros(5))
    np.testing.assert_allclose(model.alpha, np.full(5, 4 / 3**0.5), rtol=1e-6)
    assert model.epsilon is None
    assert pn.YatNMN is pn.YatDense


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16, jnp.float32, jnp.float64])
def test_dtypes(dtype):
    model = pn.YatDense(jax.random.key(0), 3, 5, dtype=dtype, learnable_epsilon=True, epsilon=0.1)
    assert {leaf.dtype for leaf in jax.tree.leaves(model)} == {np.dtype(dtype)}
    x = jnp.asarray(X, dtype)
    y = model(x)
    assert y.dtype == dtype
    expected = truth(model, x, 0.1)
    np.testing.assert_allclose(
        np.asarray(y, float), expected, rtol=0.05 if y.itemsize == 2 else 1e-4
    )


def test_float32_parameters_and_float64_inputs_promote():
    assert pn.YatDense(jax.random.key(0), 3, 5)(X).dtype == np.float64
    assert pn.YatDense(jax.random.key(0), 3, 5)(np.ones((1, 3), int)).dtype == np.float32


@pytest.mark.parametrize("epsilon", [1e-5, 1e-3, 1.0, 50.0])
def test_learnable_epsilon_starts_as_the_fixed_one(epsilon):
    learnable = dense(learnable_epsilon=True, epsilon=epsilon)
    fixed = dense(epsilon=epsilon)
    np.testing.assert_array_equal(learnable.epsilon, np.zeros(5))
    np.testing.assert_allclose(learnable(X), fixed(X), rtol=1e-9)
    np.testing.assert_allclose(learnable(X), truth(fixed, X, epsilon), rtol=1e-9)


def test_learnable_epsilon_starts_as_the_fixed_one_in_float32():
    options = {"epsilon": 1e-5, "use_alpha": False}
    one = pn.YatDense(jax.random.key(0), 3, 5, learnable_epsilon=True, **options)
    two = pn.YatDense(jax.random.key(0), 3, 5, **options)
    at_the_weights = np.asarray(one.kernel).T  # where epsilon counts
    y, expected = one(at_the_weights, distance="direct"), two(at_the_weights, distance="direct")
    np.testing.assert_allclose(y, expected, rtol=1e-4)


@pytest.mark.parametrize("epsilon", [1e-5, 0.3])
def test_the_epsilon_in_force_is_softplus_of_the_shifted_inverse(epsilon):
    model = dense(learnable_epsilon=True, epsilon=epsilon)
    for shift in (-3.0, -0.5, 0.7, 4.0):
        moved = pn.replace(model, "epsilon", np.full(5, shift))
        in_force = np.log1p(np.exp(np.log(np.expm1(epsilon)) + shift))
        np.testing.assert_allclose(moved(X), truth(moved, X, in_force), rtol=1e-9)


@pytest.mark.parametrize("shift", [-1e4, -50.0, 0.0, 50.0, 1e4])
def test_the_epsilon_in_force_is_positive_for_any_shift(shift):
    model = pn.replace(dense(learnable_epsilon=True), "epsilon", np.full(5, shift))
    y, gradient = jax.value_and_grad(lambda m: m(X).sum())(model)
    assert np.isfinite(y)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
@pytest.mark.parametrize("epsilon", [1e-8, 0.3, 1e5])
def test_a_learned_epsilon_keeps_its_digits_in_low_precision(dtype, epsilon):
    options = {"dtype": dtype, "epsilon": epsilon}
    fixed, learned = (
        pn.YatDense(jax.random.key(0), 3, 5, learnable_epsilon=flag, **options)
        for flag in (False, True)
    )
    x = jnp.asarray(X, dtype)
    assert learned(x).dtype == dtype
    np.testing.assert_array_equal(learned(x), fixed(x))
    at_0 = jax.tree.map(jnp.zeros_like, learned)  # where 0 / epsilon is NaN if that is 0
    gradient = jax.grad(lambda m: m(0 * x, distance="direct").astype(float).sum())(at_0)
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


@pytest.mark.parametrize("epsilon", [0.0, -1.0, np.float64(-1), None, 1j])
@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize(
    ("layer", "sizes"),
    [(pn.YatDense, ()), (pn.YatConv, (1,)), (pn.YatConvTranspose, (1,)), (pn.YatEmbed, ())],
    ids=lambda value: getattr(value, "name", ""),
)
def test_an_epsilon_of_the_call_is_checked(layer, sizes, learned, epsilon):
    model = layer(jax.random.key(0), 3, 3, *sizes, learnable_epsilon=learned)
    options = {"attend": True} if layer is pn.YatEmbed else {}
    with pytest.raises((ValueError, TypeError), match=f"^{layer.name}: epsilon must be"):
        model(np.ones((2, 3)), epsilon=epsilon, **options)


def test_gradient_of_the_learnable_epsilon():
    model = dense(learnable_epsilon=True, epsilon=0.3)
    gradient = jax.grad(lambda m: m(X).sum())(model).epsilon
    step, r = 1e-6, np.log(np.expm1(0.3))
    high, low = (truth(model, X, np.log1p(np.exp(r + s))).sum(0) for s in (step, -step))
    np.testing.assert_allclose(gradient, (high - low) / (2 * step), rtol=1e-6)
    assert (np.sign(gradient) == -np.sign(model.alpha)).all()


def test_learning_epsilon_from_a_teacher():
    teacher = dense(epsilon=2.0, outputs=2, alpha_init=jax.nn.initializers.ones)
    params = teacher.params._replace(epsilon=jnp.zeros(2))
    student = pn.YatDense(pn.Box(params), epsilon=0.5)
    student = pn.freeze(student, "kernel", "bias", "alpha")
    x = np.random.default_rng(1).normal(size=(64, 3))
    gradient = pn.grad(lambda model: jnp.mean((model(x) - teacher(x)) ** 2))
    optimizer = optax.adam(0.1)
    state = optimizer.init(pn.select(student, "params"))

    @jax.jit
    def step(student, state):
        updates, state = optimizer.update(gradient(student), state)
        return pn.replace(student, "epsilon", student.epsilon + updates.epsilon), state

    for _ in range(300):
        student, state = step(student, state)
    in_force = np.log1p(np.exp(np.log(np.expm1(0.5)) + np.asarray(student.epsilon)))
    np.testing.assert_allclose(in_force, [2.0, 2.0], rtol=0.01)


@pytest.mark.parametrize("epsilon", [0, 0.0, -1e-5, float("nan")])
def test_epsilon_must_be_above_0(epsilon):
    with pytest.raises(ValueError, match="epsilon must be above 0"):
        pn.YatDense(jax.random.key(0), 3, 5, epsilon=epsilon)
    with pytest.raises(ValueError, match="epsilon must be above 0"):
        dense()(X, epsilon=epsilon)


def test_other_wrong_options():
    with pytest.raises(ValueError, match="distance must be"):
        dense(distance="exact")(X)
    with pytest.raises(TypeError, match="use_bais"):
        dense(use_bais=False)
    with pytest.raises(ValueError, match="alpha must have shape"):
        pn.replace(dense(), "alpha", np.ones(4), reshape=True)(X)


def test_initialisers_get_keys_of_their_own():
    model = dense(inputs=5, outputs=5, kernel_init=jax.random.normal)
    assert not np.isin(np.asarray(model.bias), np.asarray(model.kernel)).any()
    assert not np.isin(np.asarray(model.bias), np.asarray(model.alpha)).any()


def test_options_of_creation_leave_the_other_draws_alone():
    full = dense(kernel_init=jax.random.normal)
    bare = dense(kernel_init=jax.random.normal, use_bias=False, use_alpha=False)
    np.testing.assert_array_equal(full.kernel, bare.kernel)


def test_a_yat_neuron_is_bounded_by_epsilon_at_its_weights():
    model = dense(use_bias=False, use_alpha=False, epsilon=0.01, distance="direct")
    kernel = np.asarray(model.kernel)
    at_the_weights = np.diag(model(kernel.T))
    np.testing.assert_allclose(at_the_weights, (kernel**2).sum(0) ** 2 / 0.01, rtol=1e-9)


def test_xor_by_one_yat_neuron():
    x = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    params = pn.YatDense(jax.random.key(0), 2, 1, use_bias=False, use_alpha=False).params
    model = pn.YatDense(pn.Box(params._replace(kernel=np.array([[1.0], [-1.0]]))), epsilon=0.5)
    y = np.asarray(model(x))[:, 0]
    assert y[0] == y[3] == 0
    assert (y[1:3] > 0).all()


def test_the_same_layer_in_an_ensemble_and_a_deep_stack():
    keys = jax.random.split(jax.random.key(0), 4)
    models = jax.vmap(lambda key: pn.YatDense(key, 3, 3, learnable_epsilon=True))(keys)
    y, _ = jax.lax.scan(lambda x, model: (model(x), None), X, models)
    expected = X
    for model in pn.unstack(models):
        expected = truth(model, expected)
    np.testing.assert_allclose(y, expected, rtol=1e-3)
