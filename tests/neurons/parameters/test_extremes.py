"""Norms of weights that are zero, tiny or huge, and in low precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn

W = np.random.default_rng(0).normal(size=(5, 4))
NORMS = {"spectral": pn.spectral_norm, "unit": pn.unit_norm, "weight": pn.weight_norm}


def normed(name, kernel, dtype):
    def kernel_init(key, shape, dtype):
        return jnp.asarray(kernel, dtype)

    linear = pn.Linear(
        jax.random.key(0), 5, 4, use_bias=False, kernel_init=kernel_init, dtype=dtype
    )
    return pn.reparam(linear, NORMS[name]())


@jax.jit
def all_of(model):
    """The weights, their gradient in what is stored, and what a training-time call stores."""
    eye = jnp.eye(5, dtype=model(jnp.zeros((1, 5), jnp.float16)).dtype)
    y, moved = pn.observe(model, eye)
    gradient = pn.grad(lambda model: jnp.sum(jnp.sin(model(eye)).astype(float)))(model)
    return model(eye).astype(float), y.astype(float), gradient, moved


def finite(tree):
    return all(np.isfinite(np.asarray(leaf, float)).all() for leaf in jax.tree.leaves(tree))


def expected(name, kernel):
    """The normalized weights, by NumPy in float64."""
    if name == "weight" or not kernel.any():
        return kernel
    return kernel / (np.linalg.norm(kernel, 2 if name == "spectral" else None, axis=(0, 1) if
                                    name == "spectral" else 0))  # fmt: skip


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("size", [0.0, 1e-39])
def test_weights_of_nothing_are_nothing_with_a_finite_gradient(name, size):
    y, trained, gradient, moved = all_of(normed(name, size * W, jnp.float32))
    np.testing.assert_allclose(y, 0, atol=1e-38)
    np.testing.assert_allclose(trained, 0, atol=1e-38)
    assert finite((gradient, moved))


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize(
    ("size", "dtype", "digits"),
    [
        (1e-30, jnp.float32, 1e-5), (1e30, jnp.float32, 1e-5), (1.0, jnp.bfloat16, 1e-2),
        (1e-30, jnp.bfloat16, 1e-2), (1e-4, jnp.float16, 5e-3), (1.0, float, 1e-12),
    ],
)  # fmt: skip
def test_weights_of_any_size_and_dtype_are_normalized(name, size, dtype, digits):
    kernel = (size * W).astype(dtype).astype(float)
    y, trained, gradient, moved = all_of(normed(name, size * W, dtype))
    np.testing.assert_allclose(y, expected(name, kernel), digits, digits * np.abs(y).max())
    np.testing.assert_allclose(trained, y, digits, digits * np.abs(y).max())
    assert finite((gradient, moved))
    assert gradient.kernel is not None


def test_the_singular_vectors_of_a_bfloat16_kernel_are_of_float32():
    model = normed("spectral", W, jnp.bfloat16)
    assert model.kernel.matrix.dtype == jnp.bfloat16
    assert model.kernel.left.dtype == model.kernel.right.dtype == jnp.float32


@pytest.mark.slow
def test_the_gradient_of_the_spectral_norm_of_a_tiny_kernel_is_that_of_its_double():
    """The normalized matrix does not depend on the scale, so its gradient goes as 1 / scale."""

    def gradient(size, dtype):
        model, eye = normed("spectral", size * W, dtype), jnp.eye(5, dtype=dtype)
        return pn.grad(lambda model: jnp.sum(jnp.sin(model(eye))))(model).kernel.matrix

    tiny, wide = gradient(1e-25, jnp.float32), gradient(1.0, jnp.float64)
    np.testing.assert_allclose(np.asarray(tiny, np.float64) * 1e-25, wide, 1e-4, 1e-6)
