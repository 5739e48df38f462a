"""Every option of nmn's dense layer, against the line that says it here, with the same weights.

nmn computes in float32, so values are compared to 1e-5 and gradients to 1e-4.
"""

import contextlib
import warnings
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn


def peers():
    """flax.nnx and nmn's layer; importing them may warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nnx = pytest.importorskip("flax.nnx")
        layers = pytest.importorskip("nmn.nnx.layers.nmn")
    return nnx, layers.YatNMN


nnx, YatNMN = peers()

INPUTS, OUTPUTS = 6, 5
DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(7, INPUTS)).astype(np.float32)
KERNEL = DRAW.normal(size=(INPUTS, OUTPUTS)).astype(np.float32)
BIAS = DRAW.normal(size=OUTPUTS).astype(np.float32)
G = DRAW.normal(size=(7, OUTPUTS)).astype(np.float32)


@pytest.fixture(autouse=True)
def as_nmn_wants():
    """The peer broadcasts ranks, and reuses keys."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(jax.numpy_rank_promotion("allow"))
        stack.enter_context(jax.debug_key_reuse(False))
        yield


def theirs(alpha=None, bias=None, **options):
    layer = YatNMN(INPUTS, OUTPUTS, rngs=nnx.Rngs(0), **options)
    layer.kernel[...] = jnp.asarray(KERNEL)
    if alpha is not None:
        layer.alpha[...] = jnp.full((1,), alpha, jnp.float32)
    if bias is not None:
        layer.bias[...] = jnp.asarray(bias)
    return layer


def ours(bias=BIAS, alpha=None, shift=None, **options):
    params = pn.YatDense(jax.random.key(0), INPUTS, OUTPUTS).params
    alpha = None if alpha is None else np.full(OUTPUTS, alpha, np.float32)
    params = type(params)(KERNEL, bias, alpha, shift)
    return pn.YatDense(pn.Box(jax.tree.map(jnp.asarray, params)), **options)


def compare(model, layer, *names):
    """Values; gradients in x and the kernel, and in the scalars and vectors that are named."""
    np.testing.assert_allclose(model(X), layer(X), rtol=1e-5, atol=1e-6)
    mine, dx = jax.grad(lambda m, x: (m(x) * G).sum(), argnums=(0, 1))(model, X)
    other, dx_other = nnx.grad(lambda m, x: (m(x) * G).sum(), argnums=(0, 1))(layer, X)
    np.testing.assert_allclose(dx, dx_other, rtol=1e-4, atol=1e-4)
    for name in ("kernel", *names):
        leaves = [leaf for path, leaf in paths(mine) if path.endswith("." + name)]
        expected = np.asarray(other["epsilon_param" if name == "epsilon" else name][...])
        got = np.asarray(leaves[0])
        if expected.shape == (1,):  # one number for all neurons there
            got = got.sum()[None]
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


def paths(tree):
    pairs, _ = jax.tree_util.tree_flatten_with_path(tree)
    return [(jax.tree_util.keystr(path), leaf) for path, leaf in pairs]


def unit(x, axis=-1):
    return x / jnp.linalg.norm(x, axis=axis, keepdims=True)


def unit_kernel(params):
    return params._replace(kernel=unit(params.kernel, axis=0))


@pytest.mark.parametrize("fused", [False, True])
def test_bias_and_alpha(fused):
    compare(ours(alpha=1.7), theirs(alpha=1.7, bias=BIAS, fused=fused), "bias", "alpha")


@pytest.mark.parametrize("fused", [False, True])
def test_no_bias_no_alpha(fused):
    compare(ours(bias=None), theirs(use_bias=False, use_alpha=False, fused=fused))
    assert (
        pn.YatDense(jax.random.key(0), INPUTS, OUTPUTS, use_bias=False, use_alpha=False).bias
        is None
    )


def test_one_alpha_for_all_neurons():
    model = pn.replace(ours(alpha=1.0), "alpha", jnp.float32(1.7), reshape=True)
    layer = theirs(alpha=1.7, bias=BIAS)
    compare(model, layer)
    mine = jax.grad(lambda m: (m(X) * G).sum())(model).alpha
    expected = nnx.grad(lambda m: (m(X) * G).sum())(layer)["alpha"][...]
    np.testing.assert_allclose(mine, expected[0], rtol=1e-4)


@pytest.mark.parametrize(("wanted", "alpha"), [(True, 2**0.5), (1.5, 1.5)])
def test_constant_alpha(wanted, alpha):
    def scale(y):
        return alpha * y

    Scaled = pn.compose("Scaled", pn.YatDense, scale)
    model = Scaled(pn.Box(ours().params))
    compare(model, theirs(bias=BIAS, constant_alpha=wanted), "bias")


def test_constant_bias():
    def constant_bias(params):
        return params._replace(bias=0.5)

    model = pn.reparam(ours(bias=None, alpha=1.7), constant_bias)
    compare(model, theirs(alpha=1.7, constant_bias=0.5), "alpha")


def test_softplus_bias():
    def softplus_bias(params):
        return params._replace(bias=jax.nn.softplus(params.bias))

    model = pn.reparam(ours(alpha=1.7), softplus_bias)
    compare(model, theirs(alpha=1.7, bias=BIAS, softplus_bias=True), "bias", "alpha")


def test_one_bias_for_all_neurons():
    model = pn.replace(ours(alpha=1.7), "bias", jnp.float32(0.3), reshape=True)
    layer = theirs(alpha=1.7, bias=np.full(1, 0.3, np.float32), scalar_bias=True)
    assert layer.bias.shape == (1,)
    compare(model, layer, "bias", "alpha")


def test_weight_normalised():
    model = pn.reparam(ours(alpha=1.7), unit_kernel)
    compare(model, theirs(alpha=1.7, bias=BIAS, weight_normalized=True), "bias", "alpha")


def test_spherical():
    model = pn.sequential(unit, pn.reparam(ours(alpha=1.7), unit_kernel))
    compare(model, theirs(alpha=1.7, bias=BIAS, spherical=True), "bias", "alpha")


@pytest.mark.parametrize("floor", [4.0, 9.0])
def test_distance_floor(floor):
    def floored(params, x, *, floor=0.1, epsilon=1e-5):
        near = pn.linear(x, params.kernel, params.bias) ** 2 / (floor + epsilon)
        return jnp.minimum(pn.yat(x, params.kernel, params.bias, epsilon=epsilon), near)

    distances = ((X[:, :, None] - KERNEL) ** 2).sum(1)
    assert 0 < (distances < floor).sum() < distances.size  # some are below, some are not
    Floored = pn.bind("Floored", pn.YatDense.create, floored)
    model = Floored(pn.Box(ours().params), floor=floor, epsilon=1e-3)
    options = {"use_alpha": False, "distance_floor": floor, "epsilon": 1e-3}
    compare(model, theirs(bias=BIAS, **options), "bias")


def test_positive_initial_kernel():
    drawn = jnp.asarray(KERNEL)

    def absolute(key, shape, dtype):
        return abs(drawn.astype(dtype))

    layer = YatNMN(
        INPUTS, OUTPUTS, positive_init=True, kernel_init=lambda *_: drawn, rngs=nnx.Rngs(0)
    )
    model = pn.YatDense(jax.random.key(0), INPUTS, OUTPUTS, kernel_init=absolute)
    np.testing.assert_array_equal(model.kernel, layer.kernel[...])
    assert (np.asarray(layer.kernel[...]) >= 0).all()


@pytest.mark.parametrize("epsilon", [1e-5, 0.3])
def test_epsilon(epsilon):
    compare(ours(alpha=1.7, epsilon=epsilon), theirs(alpha=1.7, bias=BIAS, epsilon=epsilon), "bias")


@pytest.mark.parametrize("epsilon", [1e-3, 0.3])
@pytest.mark.parametrize("fused", [False, True])
def test_learnable_epsilon(epsilon, fused):
    model = ours(alpha=1.7, shift=np.zeros(OUTPUTS, np.float32), epsilon=epsilon)
    options = {"learnable_epsilon": True, "epsilon": epsilon, "fused": fused}
    layer = theirs(alpha=1.7, bias=BIAS, **options)
    compare(model, layer, "bias", "epsilon")
    layer.epsilon_param[...] = layer.epsilon_param[...] + 0.7
    moved = pn.replace(model, "epsilon", np.full(OUTPUTS, 0.7, np.float32))
    compare(moved, layer, "bias", "epsilon")


@pytest.mark.parametrize("option", ["lazy", "freeze_kernel"])
def test_frozen_kernel(option):
    model = pn.freeze(ours(alpha=1.7), "kernel")
    layer = theirs(alpha=1.7, bias=BIAS, **{option: True})
    np.testing.assert_allclose(model(X), layer(X), rtol=1e-5)
    trained = nnx.state(layer, nnx.Param)
    assert set(trained) == {"bias", "alpha"}
    gradient = pn.grad(lambda m: (m(X) * G).sum())(model)
    assert {path for path, _ in paths(gradient)} == {".bias", ".alpha"}
    other = nnx.grad(lambda m: (m(X) * G).sum())(layer)
    np.testing.assert_allclose(gradient.bias, other["bias"][...], rtol=1e-4)
    np.testing.assert_allclose(gradient.alpha.sum(), other["alpha"][...][0], rtol=1e-4)


class Bank(NamedTuple):
    kernel: jax.Array


def apply_bank(bank, x):
    return pn.yat(x, bank.kernel), pn.yat(x, bank.kernel[:, :2])


def test_kernel_bank():
    options = {"tie_kernel_bank": True, "kernel_bank_id": "compared", "rngs": nnx.Rngs(0)}
    options |= {"use_bias": False, "use_alpha": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        wide, narrow = YatNMN(INPUTS, OUTPUTS, **options), YatNMN(INPUTS, 2, **options)
    try:
        wide.kernel[...] = jnp.asarray(KERNEL)
        banked = pn.bind(Bank(jnp.asarray(KERNEL)), apply_bank)
        for mine, layer in zip(banked(X), (wide, narrow), strict=True):
            np.testing.assert_allclose(mine, layer(X), rtol=1e-5)
    finally:  # theirs belongs to the process, ours to the model
        YatNMN._KERNEL_BANKS.clear()
    gradient = jax.grad(lambda m: sum(y.sum() for y in m(X)))(banked).kernel
    parts = [jax.grad(lambda k, n=n: pn.yat(X, k[:, :n]).sum())(KERNEL) for n in (OUTPUTS, 2)]
    np.testing.assert_allclose(gradient, parts[0] + parts[1], rtol=1e-5)


def drop_connect(params, *, key=None, rate=0.25):
    if key is None:
        return params
    kept = jax.random.bernoulli(key, 1 - rate, params.kernel.shape)
    return params._replace(kernel=jnp.where(kept, params.kernel / (1 - rate), 0))


def test_drop_connect():
    """Equal columns get masks of their own, so the outputs of one call are a sample."""
    many = 20_000
    layer = YatNMN(
        INPUTS, many, use_bias=False, use_alpha=False, use_dropconnect=True, drop_rate=0.25,
        rngs=nnx.Rngs(0),
    )  # fmt: skip
    layer.kernel[...] = jnp.tile(KERNEL[:, :1], (1, many))
    params = ours(bias=None).params._replace(kernel=layer.kernel[...])
    model = pn.reparam(pn.YatDense(pn.Box(params)), drop_connect)
    np.testing.assert_allclose(model(X), layer(X, deterministic=True), rtol=1e-5)
    mine = np.asarray(pn.observe(model, X, key=jax.random.key(0))[0], np.float64)
    other = np.asarray(layer(X), np.float64)
    for row, expected in zip(mine, other, strict=True):
        error = expected.std() / many**0.5
        assert abs(row.mean() - expected.mean()) < 6 * error
        for threshold in np.linspace(0, expected.max(), 40)[1:]:
            assert abs((row < threshold).mean() - (expected < threshold).mean()) < 0.03


def test_drop_connect_mask_and_scale():
    params = ours(bias=None).params._replace(kernel=jnp.ones((200, 50)))
    dropped = drop_connect(params, key=jax.random.key(0)).kernel
    assert set(np.unique(dropped)) == {0.0, np.unique(dropped)[-1]}
    np.testing.assert_allclose(np.unique(dropped)[-1], 1 / 0.75, rtol=1e-6)
    np.testing.assert_allclose(np.mean(dropped), 1.0, atol=0.02)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("mode", ["fp32", "mixed"])
def test_compute_dtype(dtype, mode):
    def cast(params):
        return jax.tree.map(lambda leaf: leaf.astype(dtype), params)

    model = pn.reparam(ours(alpha=1.7), cast)
    layer = theirs(alpha=1.7, bias=BIAS, dtype=dtype, compute_mode=mode)
    y, other = model(X.astype(dtype)), layer(X)
    assert y.dtype == other.dtype == dtype
    np.testing.assert_allclose(np.float32(y), np.float32(other), rtol=2 * jnp.finfo(dtype).eps)
    gradient = jax.grad(lambda m: (m(X.astype(dtype)).astype(float) * G).sum())(model)
    expected = nnx.grad(lambda m: (m(X).astype(float) * G).sum())(layer)
    assert gradient.kernel.dtype == np.float32  # the stored parameters keep their dtype
    error = np.abs(gradient.kernel - expected["kernel"][...]).max()
    assert error < 0.1 * np.abs(gradient.kernel).max()


def test_parameter_dtype_and_initialisers():
    def init(key, shape, dtype):
        return jnp.full(shape, 0.5, dtype)

    layer = YatNMN(
        INPUTS, OUTPUTS, param_dtype=jnp.bfloat16, kernel_init=init, bias_init=init,
        alpha_init=init, rngs=nnx.Rngs(0),
    )  # fmt: skip
    model = pn.YatDense(
        jax.random.key(0), INPUTS, OUTPUTS, dtype=jnp.bfloat16, kernel_init=init, bias_init=init,
        alpha_init=init,
    )  # fmt: skip
    assert model.kernel.dtype == layer.kernel[...].dtype == jnp.bfloat16
    x = X.astype(jnp.bfloat16)
    np.testing.assert_allclose(np.float32(model(x)), np.float32(layer(x)), rtol=0.02)


def test_precision():
    layer = theirs(alpha=1.7, bias=BIAS, precision="highest")
    compare(ours(alpha=1.7, precision="highest"), layer, "bias")


def test_custom_product():
    """The peer takes a dot_general; here one binds an apply of one's own."""
    calls = []

    def dot_general(*arguments, **options):
        calls.append(1)
        return jax.lax.dot_general(*arguments, **options)

    def mine(params, x, *, epsilon=1e-5):
        dot = dot_general(x, params.kernel, (((1,), (0,)), ((), ())))
        square = (x**2).sum(-1, keepdims=True) + (params.kernel**2).sum(0) - 2 * dot
        return params.alpha * (dot + params.bias) ** 2 / (square + epsilon)

    model = pn.bind("Mine", pn.YatDense.create, mine)(pn.Box(ours(alpha=1.7).params))
    compare(model, theirs(alpha=1.7, bias=BIAS, dot_general=dot_general), "bias", "alpha")
    assert len(calls) > 2


def test_a_fit_with_the_same_weights_goes_the_same_way():
    """Ten steps of gradient descent from equal parameters, in both libraries."""
    model = pn.replace(ours(alpha=1.0), "alpha", jnp.float32(1.0), reshape=True)
    layer = theirs(alpha=1.0, bias=BIAS)
    target = np.abs(G)

    @jax.jit
    def step(model):
        gradient = pn.grad(lambda m: jnp.mean((m(X) - target) ** 2))(model)
        return jax.tree.map(lambda w, g: w - 1e-3 * g, model, gradient)

    @nnx.jit
    def other_step(layer):
        gradient = nnx.grad(lambda m: jnp.mean((m(X) - target) ** 2))(layer)
        state = nnx.state(layer, nnx.Param)
        nnx.update(layer, jax.tree.map(lambda w, g: w - 1e-3 * g, state, gradient))

    for _ in range(10):
        model = step(model)
        other_step(layer)
    np.testing.assert_allclose(model.kernel, layer.kernel[...], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(model(X), layer(X), rtol=1e-3, atol=1e-4)
