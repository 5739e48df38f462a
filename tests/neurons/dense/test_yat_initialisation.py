"""yat_normal: the formulas of its derivation by Monte Carlo, and what they are for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn
from pyneurons_yat.neurons.dense import initializers

WIDTH, DEPTH = 256, 20


def mean_square(a, s, epsilon, alpha=1.0, inputs=512, seed=0):
    """Mean and mean square of the outputs of Yat neurons, by sampling, in NumPy."""
    draw = np.random.default_rng(seed)
    x = np.sqrt(a) * draw.normal(size=(300, inputs))
    w = np.sqrt(s) * draw.normal(size=(inputs, 300))
    distance = (x**2).sum(1)[:, None] + (w**2).sum(0)[None] - 2 * x @ w
    y = alpha * (x @ w) ** 2 / (distance + epsilon)
    return y.mean(), (y**2).mean()


def predicted(a, s, epsilon, alpha=1.0, inputs=512):
    e = epsilon / inputs
    mean = alpha * a * s / (a + s + e)
    return mean, 3 * mean**2


@pytest.mark.parametrize(
    ("a", "s", "epsilon", "alpha"),
    [
        (1.0, 1 / 3, 1e-5, 1.0),
        (4.0, 0.5, 1e-5, 2.0),
        (1.0, 1.0, 200.0, 1.0),
        (16 / 3, 16 / 9, 1, 1),
    ],
)
def test_mean_and_mean_square_of_a_layer(a, s, epsilon, alpha):
    mean, square = mean_square(a, s, epsilon, alpha)
    expected_mean, expected_square = predicted(a, s, epsilon, alpha)
    np.testing.assert_allclose(mean, expected_mean, rtol=0.03)
    np.testing.assert_allclose(square, expected_square, rtol=0.06)


@pytest.mark.parametrize("alpha", [1.0, 4 / 3**0.5, 0.5])
@pytest.mark.parametrize("epsilon", [1e-5, 30.0])
def test_the_fixed_point(alpha, epsilon):
    """`yat_normal` draws with the variance that maps (4 / sqrt(3) / alpha)^2 to itself."""
    a = (4 / 3**0.5 / alpha) ** 2
    s = (a + epsilon / 512) / 3
    np.testing.assert_allclose(predicted(a, s, epsilon, alpha)[1], a, rtol=1e-12)
    np.testing.assert_allclose(mean_square(a, s, epsilon, alpha)[1], a, rtol=0.06)
    kernel = pn.yat_normal(jax.random.key(0), (512, 300), alpha=alpha, epsilon=epsilon)
    np.testing.assert_allclose(np.var(kernel), s, rtol=0.02)
    np.testing.assert_allclose(np.mean(kernel), 0, atol=0.02 * np.sqrt(s))


def test_the_slope_at_the_fixed_point_is_a_half():
    a, s = 1.0, 1 / 3
    alpha, step = 4 / 3**0.5, 0.2
    high, low = (mean_square(a * np.exp(d), s, 0.0, alpha)[1] for d in (step, -step))
    np.testing.assert_allclose((np.log(high) - np.log(low)) / (2 * step), 0.5, atol=0.03)


def test_inputs_above_a_ninth_are_drawn_to_the_fixed_point_and_below_it_run_away():
    s, alpha = 1 / 3, 4 / 3**0.5
    for start, end in ((0.13, 1.0), (9.0, 1.0), (0.1, 0.0)):
        a = start
        for _ in range(60):
            a = predicted(a, s, 0.0, alpha)[1]
        np.testing.assert_allclose(a, end, atol=1e-3)


def test_the_gain_of_gradients_at_the_fixed_point_is_four_thirds():
    keys = jax.random.split(jax.random.key(0), 3)
    alpha = 4 / 3**0.5
    kernel = pn.yat_normal(keys[0], (512, 512), alpha=alpha)
    x = jax.random.normal(keys[1], (64, 512), jnp.float32)
    cotangent = jax.random.normal(keys[2], (64, 512), jnp.float32)
    _, pull = jax.vjp(lambda x: pn.yat(x, kernel, alpha=alpha), x)
    gain = np.square(pull(cotangent)[0]).mean() / np.square(cotangent).mean()
    np.testing.assert_allclose(gain, 4 / 3, rtol=0.1)


def test_constants():
    assert initializers.RATIO == 1 / 3
    np.testing.assert_allclose(initializers.ALPHA, 4 / 3**0.5, rtol=1e-15)


@pytest.mark.parametrize(
    ("alphas", "alpha"), [([1.0, -1.0, 2.0], 2**0.5), ([0.0, 0.0, 0.0], 1.0)], ids=str
)
def test_alpha_of_an_array_counts_by_its_root_mean_square(alphas, alpha):
    one = pn.yat_normal(jax.random.key(0), (4, 3), alpha=np.array(alphas))
    other = pn.yat_normal(jax.random.key(0), (4, 3), alpha=alpha)
    np.testing.assert_allclose(one, other, rtol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16, jnp.float32, jnp.float64])
def test_dtype_and_shapes(dtype):
    kernel = pn.yat_normal(jax.random.key(0), (3, 3, 2, 5), dtype, epsilon=1e-5)
    assert kernel.shape == (3, 3, 2, 5)
    assert kernel.dtype == dtype
    assert pn.yat_normal(jax.random.key(0), (0, 5)).shape == (0, 5)


def test_a_shape_without_outputs():
    with pytest.raises(ValueError, match="yat_normal: shape must be"):
        pn.yat_normal(jax.random.key(0), (3,))


def through_the_stack(seed, options):
    """Of every layer: the deviation of its outputs, the gradient norms of kernel and inputs."""
    for_data, for_models = jax.random.split(jax.random.key(seed))
    x = jax.random.normal(for_data, (64, WIDTH), jnp.float32)
    keys = jax.random.split(for_models, DEPTH)
    models = jax.vmap(lambda key: pn.YatDense(key, WIDTH, WIDTH, **options))(keys)

    def loss(models, taps):
        def layer(x, inputs):
            model, tap = inputs
            y = model(x + tap)
            return y, y.std()

        y, deviations = jax.lax.scan(layer, x, (models, taps))
        return jnp.square(y).mean(), deviations

    taps = jnp.zeros((DEPTH, 64, WIDTH), jnp.float32)
    gradient = jax.jit(jax.grad(loss, argnums=(0, 1), has_aux=True))
    (by_model, by_tap), deviations = gradient(models, taps)
    norms = [np.sqrt(np.square(tree).sum((1, 2))) for tree in (by_model.kernel, by_tap)]
    return np.asarray(deviations), *norms


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    "options",
    [{}, {"use_alpha": False}, {"epsilon": 1e-3, "use_bias": False}, {"learnable_epsilon": True}],
    ids=str,
)
def test_a_deep_stack_keeps_its_scale(seed, options):
    deviations, of_kernels, of_inputs = through_the_stack(seed, options)
    ratio = deviations / deviations[0]
    assert ratio.max() < 10
    assert ratio.min() > 1 / 10
    for norms in (of_kernels, of_inputs):
        assert np.isfinite(norms).all()
        assert norms.max() / norms.min() < 100
