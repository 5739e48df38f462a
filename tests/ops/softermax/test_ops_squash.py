"""The softermax family's functions of one score, at their awkward points."""

import functools

import jax
import numpy as np
import pytest
import truth

from pyneurons_yat import ops

NAMES = ("softer_sigmoid", "score_tanh", "soft_tanh")
POWERS = (0.25, 0.5, 1.0, 2.0, 4.7)
POINTS = {"one": 1.0, "half": 0.5, "tiny": 1e-30, "huge": 3e38, "large": 1e20}
every_name = pytest.mark.parametrize("name", NAMES)


def slopes(name, x, n):
    """The derivatives in x and n, in float64, with no power that overflows."""
    x, logarithm = np.float64(x), n * np.log(np.float64(x))
    steep = np.exp(logarithm - 2 * np.logaddexp(0, logarithm))  # x^n / (1 + x^n)^2
    factor = 2 if name == "score_tanh" else 1
    return factor * n * steep / x, factor * steep * np.log(x)


@functools.cache
def value_and_gradients(name):
    return jax.jit(jax.value_and_grad(getattr(ops, name), (0, 1)))


@every_name
@pytest.mark.parametrize("n", POWERS)
def test_values_and_gradients_at_awkward_points(name, n):
    op = value_and_gradients(name)
    for point in POINTS.values():
        x, power = np.float32(point), np.float32(n)
        y, (dx, dn) = op(x, power)
        known = float(getattr(truth, name)(x, float(power)))
        known_dx, known_dn = slopes(name, x, float(power))
        np.testing.assert_allclose(y, known, 1e-4, 1e-36)
        np.testing.assert_allclose(dx, known_dx, 2e-4, 1e-36)
        np.testing.assert_allclose(dn, known_dn, 2e-4, 1e-36)


@every_name
@pytest.mark.parametrize(("n", "slope"), [(0.5, 0.0), (1.0, 1.0), (2.0, 0.0)])
def test_at_zero(name, n, slope):
    y, (dx, dn) = value_and_gradients(name)(0.0, n)
    assert y == (-1 if name == "score_tanh" else 0)
    assert dx == slope * (2 if name == "score_tanh" else 1)
    assert dn == 0
    assert jax.jacfwd(getattr(ops, name))(0.0, n) == dx


@every_name
def test_the_second_derivative_at_zero(name):
    # x^2 / (1 + x^2) = x^2 - ..., x / (1 + x) = x - x^2 + ...
    factor = 2 if name == "score_tanh" else 1
    bend = jax.jit(jax.grad(jax.grad(getattr(ops, name))))
    assert bend(0.0, 2.0) == 2 * factor
    assert bend(0.0, 1.0) == -2 * factor


@every_name
def test_infinite_and_missing(name):
    op = jax.jit(jax.value_and_grad(getattr(ops, name)))
    y, slope = op(np.float32(np.inf))
    assert (y, slope) == (1, 0)
    assert all(np.isnan(v) for v in op(np.float32(np.nan)))


@pytest.mark.parametrize(("name", "floor"), [("softer_sigmoid", 0), ("score_tanh", -1)])
def test_a_negative_score_counts_as_zero(name, floor):
    y, (dx, dn) = value_and_gradients(name)(-2.0, 1.0)
    assert (y, dx, dn) == (floor, 0, 0)
    assert getattr(ops, name)(-np.inf) == floor


@pytest.mark.parametrize("n", POWERS)
def test_soft_tanh_is_odd_and_bounded(n):
    x = np.array([0.0, 1e-30, 0.3, 1.0, 7.0, 1e30, np.inf], np.float32)
    y, mirrored = np.asarray(ops.soft_tanh(x, n)), np.asarray(ops.soft_tanh(-x, n))
    np.testing.assert_array_equal(y, -mirrored)
    assert np.all(np.abs(y) <= 1)
    slope = jax.jit(jax.vmap(jax.grad(ops.soft_tanh), (0, None)), static_argnums=1)
    np.testing.assert_array_equal(slope(x, n), slope(-x, n))


def test_soft_tanh_stays_finite_where_the_printed_formula_does_not():
    def printed(x, n):
        return x**n / (1 + x**n) - (-x) ** n / (1 + (-x) ** n)

    with np.errstate(all="ignore"):
        assert np.isinf(printed(np.float64(1), 1))
        assert np.isnan(printed(np.float64(2), 0.5))
    assert printed(np.float64(2), 2) == 0
    np.testing.assert_allclose(ops.soft_tanh(1.0), 0.5)
    np.testing.assert_allclose(ops.soft_tanh(2.0, 2), 0.8)


def test_the_family_agrees_with_itself():
    x = np.array([0.1, 1.0, 3.0])
    logits = 1.7 * np.log(x)
    np.testing.assert_allclose(ops.score_tanh(x, 1.7), np.tanh(logits / 2), 1e-12, 1e-15)
    sigmoid = 1 / (1 + np.exp(-logits))
    np.testing.assert_allclose(ops.softer_sigmoid(x, 1.7), sigmoid, 1e-12, 1e-15)


@every_name
def test_gradients_out_of_float16_saturate(name):
    gradient = jax.jit(jax.grad(getattr(ops, name)))
    slope = gradient(np.float16(6e-8), 0.25)  # about 0.25 x^-0.75 = 6.5e4
    steepest = gradient(np.float16(6e-8), 0.05)
    assert np.isfinite([slope, steepest]).all()
    assert steepest == np.finfo(np.float16).max


@every_name
@pytest.mark.parametrize(
    ("x", "n", "error", "message"),
    [
        (np.ones((2, 3)), 0.0, ValueError, r"n must be above 0 and finite, got 0.0"),
        (np.ones((2, 3)), np.ones(2), ValueError, r"n must have shape \(\) or \(3,\), .*\(2,"),
        (1.0, np.ones(2), ValueError, r"n must have shape \(\), got shape \(2,"),
        (np.ones(3) * 1j, 1.0, TypeError, r"x must be real, got dtype complex128"),
        (np.ones(3), 1j, TypeError, r"n must be real, got dtype complex128"),
        ([1.0], 1.0, TypeError, r"x must be an array or a number, got list"),
    ],
    ids=str,
)
def test_errors(name, x, n, error, message):
    with pytest.raises(error, match=f"^{name}: {message}"):
        getattr(ops, name)(x, n)
