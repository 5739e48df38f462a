"""Conv, ConvTranspose, YatConv, YatConvTranspose: their parameters, options and errors."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pyneurons_yat as pn

PLAIN, YAT = (pn.Conv, pn.ConvTranspose), (pn.YatConv, pn.YatConvTranspose)
every_layer = pytest.mark.parametrize("layer", [*PLAIN, *YAT], ids=lambda layer: layer.name)
yat_layer = pytest.mark.parametrize("layer", YAT, ids=lambda layer: layer.name)


def key():
    return jax.random.key(0)


@every_layer
@pytest.mark.parametrize("size", [3, (3,), [3, 2], (3, 2, 2)], ids=str)
def test_the_spatial_rank_is_that_of_the_kernel_size(layer, size):
    model = layer(key(), 4, 6, size)
    rank = 1 if isinstance(size, int) else len(size)
    assert model.kernel.shape == (*np.atleast_1d(size), 4, 6)
    for batch in ((), (0, 2)):
        x = jnp.ones((*batch, *(5, 4, 3)[:rank], 4), jnp.float32)
        assert model(x).shape == (*x.shape[:-1], 6)


@every_layer
def test_parameters_by_default(layer):
    model = layer(key(), 4, 6, 3)
    assert {leaf.dtype for leaf in jax.tree.leaves(model)} == {np.dtype("float32")}
    np.testing.assert_array_equal(model.bias, np.zeros(6))
    if layer in YAT:
        np.testing.assert_allclose(model.alpha, np.full(6, 4 / 3**0.5), 1e-6)
        assert model.epsilon is None
        bare = layer(key(), 4, 6, 3, use_alpha=False, learnable_epsilon=True)
        assert bare.alpha is None
        np.testing.assert_array_equal(bare.epsilon, np.zeros(6))
    assert layer(key(), 4, 6, 3, use_bias=False).bias is None


@every_layer
def test_groups_shape_the_kernel_and_the_computation(layer):
    model = layer(key(), 4, 6, 3, feature_group_count=2)
    assert model.kernel.shape == (3, 2, 6)
    x = np.random.default_rng(0).normal(size=(5, 4))
    moved = x + np.array([1.0, 1.0, 0.0, 0.0])  # only the first group sees it
    changed = (np.asarray(model(moved)) != np.asarray(model(x))).any(0)
    assert changed.tolist() == [True] * 3 + [False] * 3


@pytest.mark.parametrize("layer", [pn.ConvTranspose, pn.YatConvTranspose], ids=lambda la: la.name)
def test_a_transposed_kernel_has_its_ends_exchanged_and_flipped(layer):
    options = {"strides": 2, "feature_group_count": 2}
    model = layer(key(), 4, 6, (3, 2), transpose_kernel=True, **options)
    assert model.kernel.shape == (3, 2, 3, 4)
    plain = layer(key(), 4, 6, (3, 2), **options)
    halves = [model.kernel[..., :2], model.kernel[..., 2:]]
    kernel = jnp.concatenate([jnp.flip(jnp.swapaxes(h, 2, 3), (0, 1)) for h in halves], -1)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 4, 3, 4)))
    np.testing.assert_allclose(model(x), pn.replace(plain, "kernel", kernel)(x), 1e-5, 1e-6)


@pytest.mark.parametrize("layer", [pn.ConvTranspose, pn.YatConvTranspose], ids=lambda la: la.name)
@pytest.mark.parametrize("groups", [1, 2])
def test_one_key_draws_one_function_whichever_way_the_kernel_stands(layer, groups):
    options = {"feature_group_count": groups}
    if layer is pn.YatConvTranspose:
        options["epsilon"] = 1000.0  # so large that it counts in the weights' variance
    turned, plain = (
        layer(key(), 4, 6, (3, 2), transpose_kernel=flag, **options) for flag in (True, False)
    )
    assert turned.kernel.shape == (3, 2, 6 // groups, 4)
    x = np.random.default_rng(0).normal(size=(4, 3, 4))
    np.testing.assert_allclose(turned(x), plain(x), 1e-5, 1e-6)


def test_initial_scales():
    """Plain layers keep the variance of unit inputs, whichever way the kernel stands."""
    x = jax.random.normal(jax.random.key(1), (16, 12, 64))
    inner = {"padding": "VALID", "use_bias": False}
    for model in (
        pn.Conv(key(), 64, 32, 3, **inner),
        pn.Conv(key(), 64, 32, 3, feature_group_count=4, **inner),
        pn.ConvTranspose(key(), 64, 32, 3, padding=0, use_bias=False),
        pn.ConvTranspose(key(), 64, 32, 3, padding=0, use_bias=False, transpose_kernel=True),
        pn.ConvTranspose(
            key(),
            64,
            32,
            3,
            padding=0,
            use_bias=False,
            transpose_kernel=True,
            feature_group_count=4,
        ),
    ):
        assert abs(float(model(x).var()) - 1) < 0.1
    y = pn.YatConv(key(), 64, 32, 3, padding="VALID")(x)
    assert abs(float(jnp.mean(y**2)) - 1) < 0.2


def test_static_options_are_given_at_creation_or_at_the_call():
    model = pn.YatConv(key(), 2, 3, (3, 3), strides=(2, 1), padding=((1, 1), (0, 0)), epsilon=0.1)
    x = jnp.ones((6, 5, 2))
    assert model(x).shape == (3, 3, 3)
    assert model(x, strides=1).shape == (6, 3, 3)
    params = model.params
    wanted = pn.yat_conv(x, *params[:3], strides=(2, 1), padding=((1, 1), 0), epsilon=0.1)
    np.testing.assert_array_equal(model(x), wanted)


@yat_layer
@pytest.mark.parametrize("epsilon", [1e-5, 0.3])
def test_the_learnable_epsilon_starts_as_the_fixed_one(layer, epsilon):
    x = jnp.asarray(np.random.default_rng(0).normal(size=(5, 2)))
    options = {"epsilon": epsilon, "dtype": float}
    fixed, learned = (
        layer(key(), 2, 3, 3, **options),
        layer(key(), 2, 3, 3, learnable_epsilon=True, **options),
    )
    np.testing.assert_allclose(learned(x), fixed(x), 1e-9)
    moved = pn.replace(learned, "epsilon", jnp.full(3, 0.7))
    in_force = np.log1p(np.exp(np.log(np.expm1(epsilon)) + 0.7))
    np.testing.assert_allclose(moved(x), fixed(x, epsilon=in_force), 1e-9)


@yat_layer
@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_low_precision(layer, dtype):
    model = layer(key(), 2, 3, 3, dtype=dtype, learnable_epsilon=True, epsilon=0.1)
    y, gradient = jax.value_and_grad(lambda m: m(jnp.ones((5, 2), dtype)).sum())(model)
    assert {leaf.dtype for leaf in (y, *jax.tree.leaves(gradient))} == {np.dtype(dtype)}
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


@every_layer
@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((4.0, 6, 3), {}, TypeError, "inputs must be an integer"),
        ((True, 6, 3), {}, TypeError, "inputs must be an integer"),
        ((4, 0, 3), {}, ValueError, "outputs must be at least 1"),
        ((4, 6, 0), {}, ValueError, r"kernel_size\[0\] must be at least 1"),
        ((4, 6, (3, 1.5)), {}, TypeError, r"kernel_size\[1\] must be an integer"),
        ((4, 6, "3"), {}, TypeError, "kernel_size"),
        ((4, 6, ()), {}, ValueError, "kernel_size must have 1, 2 or 3 entries"),
        ((4, 6, (1, 1, 1, 1)), {}, ValueError, "kernel_size must have 1, 2 or 3 entries"),
        ((4, 6, 3), {"feature_group_count": 4}, ValueError, "feature_group_count must divide"),
        ((4, 6, 3), {"feature_group_count": 0}, ValueError, "feature_group_count must be at least"),
    ],
    ids=str,
)
def test_sizes_that_make_no_layer(layer, arguments, options, error, message):
    with pytest.raises(error, match=f"^{layer.name}: {message}"):
        layer(key(), *arguments, **options)


@pytest.mark.parametrize("layer", [pn.ConvTranspose, pn.YatConvTranspose], ids=lambda la: la.name)
def test_a_transposed_kernel_is_a_flag(layer):
    with pytest.raises(TypeError, match=f"^{layer.name}: transpose_kernel must be True or False"):
        layer(key(), 4, 6, 3, transpose_kernel="no")


@yat_layer
def test_an_epsilon_that_makes_no_layer(layer):
    with pytest.raises(ValueError, match=f"^{layer.name}: epsilon must be above 0"):
        layer(key(), 4, 6, 3, epsilon=0.0)


def test_a_shape_error_says_in_which_layer():
    with pytest.raises(ValueError, match="yat_conv: the channels of x") as caught:
        pn.YatConv(key(), 4, 6, 3)(jnp.ones((5, 3)))
    assert any("YatConv" in note for note in caught.value.__notes__)


def test_a_mask_stays_through_training():
    """A filter with a hole in the middle finds the teacher's, and keeps the hole."""
    ring = jnp.array([1.0, 0.0, 1.0])[:, None, None]

    def masked(params):
        return params._replace(kernel=params.kernel * ring)

    x = jax.random.normal(jax.random.key(1), (8, 16, 2))
    teacher = jnp.array([[1.0, -1.0], [0.0, 0.0], [0.5, 1.0]])[:, :, None]
    target = pn.yat_conv(x, teacher, epsilon=1.0)
    model = pn.reparam(pn.YatConv(key(), 2, 1, 3, epsilon=1.0, use_alpha=False), masked)
    options = {"epochs": 600, "progress": False}
    trained, _ = pn.fit(optax.adam(0.03), model, x, target, **options)
    assert pn.mse(trained(x), target) < 1e-4
    (before, after) = (jax.tree.leaves(m)[0] for m in (model, trained))
    np.testing.assert_array_equal(before[1], after[1])
    np.testing.assert_allclose(jnp.abs(after * ring), jnp.abs(teacher), 0.05, 0.02)


def test_models_of_one_configuration_compile_once():
    traced = []

    @jax.jit
    def call(model, x):
        traced.append(1)
        return model(x)

    for seed in range(3):
        model = pn.YatConv(jax.random.key(seed), 2, 3, (3, 3), strides=(2, 2), padding="CIRCULAR")
        call(model, jnp.ones((1, 4, 4, 2)))
    assert len(traced) == 1


@pytest.mark.parametrize("layer", [pn.ConvTranspose, pn.YatConvTranspose])
def test_the_form_of_a_kernel_is_fixed_when_a_model_is_made(layer):
    """Told at the call alone, it would turn the kernel and compute something else."""
    x = np.ones((1, 4, 2))
    for given, options in ((True, {"transpose_kernel": True}), (False, {})):
        model = layer(key(), 2, 2, 3, **options)
        with pytest.raises(ValueError, match=f"transpose_kernel must be {given} as when the model"):
            model(x, transpose_kernel=not given)
        np.testing.assert_array_equal(model(x, transpose_kernel=given), model(x))
    turned = pn.bind(model.params, layer.apply)
    assert turned(x, transpose_kernel=True).shape == turned(x).shape
