"""Linear."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn

X = np.linspace(-1.0, 1.0, 30).reshape(2, 5, 3)


def truth(model, x):
    y = np.asarray(x, np.float64) @ np.asarray(model.kernel, np.float64)
    return y if model.bias is None else y + np.asarray(model.bias, np.float64)


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 5, 3), (0, 3), (1, 1, 3)])
def test_value(use_bias, shape):
    model = pn.Linear(
        jax.random.key(0), 3, 2, use_bias=use_bias, bias_init=jax.random.normal, dtype=float
    )
    x = np.resize(X, shape)
    y = model(x)
    assert y.shape == (*shape[:-1], 2)
    np.testing.assert_allclose(y, truth(model, x), rtol=1e-12)


def test_parameters():
    model = pn.Linear(jax.random.key(0), 3, 2)
    assert model.kernel.shape == (3, 2)
    np.testing.assert_array_equal(model.bias, np.zeros(2))
    assert pn.Linear(jax.random.key(0), 3, 2, use_bias=False).bias is None


def test_lecun_normal_keeps_the_variance():
    kernel = np.asarray(pn.Linear(jax.random.key(0), 400, 200).kernel)
    assert abs(kernel.var() * 400 - 1) < 0.02


def test_initialisers_get_keys_of_their_own_and_the_dtype():
    model = pn.Linear(
        jax.random.key(0), 4, 4, kernel_init=jax.random.normal, bias_init=jax.random.normal,
        dtype=jnp.bfloat16,
    )  # fmt: skip
    assert model.kernel.dtype == model.bias.dtype == jnp.bfloat16
    assert not np.isin(np.asarray(model.bias), np.asarray(model.kernel)).all()


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16, jnp.float32, jnp.float64])
def test_dtypes(dtype):
    model = pn.Linear(jax.random.key(0), 3, 2, dtype=dtype)
    x = jnp.asarray(X[0], dtype)
    assert model.kernel.dtype == dtype
    y = model(x)
    assert y.dtype == dtype
    np.testing.assert_allclose(np.asarray(y, np.float64), truth(model, x), atol=1e-2)
    assert pn.Linear(jax.random.key(0), 3, 2)(np.ones((1, 3), np.int32)).dtype == jnp.float32


def test_low_precision_accumulates_in_float32():
    model = pn.Linear(pn.Box((jnp.ones((4096, 1), jnp.bfloat16), None)))
    model = pn.bind(pn.Linear.create(jax.random.key(0), 4096, 1), pn.Linear.apply)
    model = pn.replace(model, "kernel", jnp.ones((4096, 1), jnp.bfloat16))
    model = pn.replace(model, "bias", None)
    assert model(jnp.ones((1, 4096), jnp.bfloat16)).item() == 4096


def test_gradient():
    model = pn.Linear(jax.random.key(0), 3, 2, dtype=float)
    x = X[0]
    gradient, dx = jax.grad(lambda m, x: (m(x) ** 2).sum(), argnums=(0, 1))(model, x)
    y = truth(model, x)
    np.testing.assert_allclose(gradient.kernel, 2 * x.T @ y, rtol=1e-10)
    np.testing.assert_allclose(gradient.bias, 2 * y.sum(0), rtol=1e-10)
    np.testing.assert_allclose(dx, 2 * y @ np.asarray(model.kernel).T, rtol=1e-10)


@pytest.mark.parametrize("layer", [pn.Linear, pn.YatDense])
@pytest.mark.parametrize(
    ("sizes", "error"),
    [
        ((0, 2), ValueError),
        ((3, -1), ValueError),
        ((3.0, 2), TypeError),
        (("3", 2), TypeError),
        ((True, 2), TypeError),
    ],
)
def test_wrong_sizes(layer, sizes, error):
    with pytest.raises(error, match=f"{layer.name}: (in|out)puts must be"):
        layer(jax.random.key(0), *sizes)


@pytest.mark.parametrize(
    ("layer", "sizes"),
    [
        (pn.Linear, (3, 2)),
        (pn.YatDense, (3, 2)),
        (pn.Conv, (3, 2, 1)),
        (pn.ConvTranspose, (3, 2, 1)),
        (pn.YatConv, (3, 2, 1)),
        (pn.YatConvTranspose, (3, 2, 1)),
        (pn.Embed, (3, 2)),
        (pn.YatEmbed, (3, 2)),
        (pn.SimpleCell, (3, 2)),
        (pn.LSTMCell, (3, 2)),
        (pn.GRUCell, (3, 2)),
        (pn.YatLSTMCell, (3, 2)),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_parameters_must_be_floating(layer, sizes):
    for dtype in (int, bool, jnp.complex64):
        with pytest.raises(TypeError, match=f"{layer.name}: dtype must be floating"):
            layer(jax.random.key(0), *sizes, dtype=dtype)


@pytest.mark.parametrize("layer", [pn.Linear, pn.YatDense])
def test_sizes_may_be_numpy_integers(layer):
    assert layer(jax.random.key(0), np.prod((1, 3)), np.int32(2)).kernel.shape == (3, 2)


@pytest.mark.parametrize("layer", [pn.Linear, pn.YatDense])
def test_wrong_inputs(layer):
    model = layer(jax.random.key(0), 3, 2)
    with pytest.raises(ValueError, match=r"x \(4, 5\) has 5 features, kernel \(3, 2\) wants 3"):
        model(np.ones((4, 5)))
    with pytest.raises(TypeError, match="list"):
        model([[1.0, 2.0, 3.0]])
    with pytest.raises(TypeError, match="complex"):
        model(np.ones((4, 3), complex))
    with pytest.raises(ValueError, match="x must have shape"):
        model(1.0)


@pytest.mark.parametrize("layer", [pn.Linear, pn.YatDense])
def test_precision_reaches_the_product(layer):
    model = layer(jax.random.key(0), 3, 2, precision=jax.lax.Precision.HIGHEST)
    assert "HIGHEST" in str(jax.make_jaxpr(model)(X[0]))
    assert "HIGHEST" in str(jax.make_jaxpr(lambda x: model(x, precision="highest"))(X[0]))
