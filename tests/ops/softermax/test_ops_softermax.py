"""Softermax at its awkward points, its masks, its properties and its errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import truth
from derivatives import reverse
from hypothesis import given, settings
from hypothesis import strategies as st

from pyneurons_yat import ops

POWERS = (0.25, 0.5, 1.0, 2.0, 4.7)
ROWS = {
    "zeros": [0.0, 0.0, 0.0],
    "one zero": [0.0, 2.0, 0.5],
    "far apart": [1e20, 1.0],
    "huge": [3e38, 3e38],
    "tiny": [1e-30, 3e-32],
    "tiny and zero": [1e-30, 0.0],
    "equal": [1.0, 1.0, 1.0],
    "single": [0.7],
}


@jax.jit
def in_reverse(x, n, where, cotangent):
    y, pull = jax.vjp(lambda x, n: ops.softermax(x, n=n, where=where), x, n)
    return y, *pull(cotangent)


def value_and_gradients(x, n, where=None):
    """The row's softermax, and the gradients of a weighted sum of it in x and n."""
    weights = np.arange(1, x.size + 1).astype(x.dtype)
    return [np.asarray(a) for a in in_reverse(x, np.asarray(n, x.dtype), where, weights)]


@pytest.mark.parametrize("n", POWERS)
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_values_and_gradients_at_awkward_points(row, n):
    # The truth sees the same float32 numbers, with room for their powers.
    x, n32 = np.asarray(row, np.float32), float(np.float32(n))
    y, dx, dn = value_and_gradients(x, n)
    weights, known = np.arange(1, len(x) + 1), truth.softermax(x, n32)
    known_dx, known_dn = truth.softermax_gradient(x, n32, weights)
    # The gradient in n is a sum, of which the rounding of its parts is left where they cancel.
    parts = known * np.abs(weights - known @ weights) * np.abs(np.log(np.where(x > 0, x, 1)))
    rounding = 1e-36 + 2**-22 * parts.sum()
    for got, wanted, atol in ((y, known, 1e-36), (dx, known_dx, 1e-36), (dn, known_dn, rounding)):
        assert np.isfinite(got).all()
        np.testing.assert_allclose(got, wanted, 2e-4, atol)


def test_both_modes_agree_at_awkward_points():
    rows = np.array([row for row in ROWS.values() if len(row) == 2])
    op = lambda x, n: ops.softermax(x, n=n).T  # noqa: E731
    both = jax.jit(lambda x, n: (jax.jacfwd(op)(x, n), jax.jacrev(op)(x, n)))
    for n in POWERS:
        np.testing.assert_allclose(*both(rows, n), 1e-9, 1e-15)


def test_float16_rows_whose_squares_are_out_of_range():
    y, dx, dn = value_and_gradients(np.array([300.0, 300.0], np.float16), 2)
    np.testing.assert_array_equal(y, np.array([0.5, 0.5], np.float16))
    # y_0 y_1 (g_0 - g_1) n / x = -1 / 4 * 2 / 300
    np.testing.assert_allclose(dx, [-1 / 600, 1 / 600], 1e-3)
    assert dn == 0
    zero = value_and_gradients(np.zeros(2, np.float16), 1)[1]  # 1e12 and 2e12
    np.testing.assert_array_equal(zero, np.finfo(np.float16).max)


@pytest.mark.parametrize("n", POWERS)
@pytest.mark.parametrize("hidden", [0.0, -1.0, 5.0, 3e38, np.inf, np.nan])
def test_masked_scores_take_no_part(n, hidden):
    x, mask = np.array([1.5, hidden, 0.5, 0.0], np.float32), np.array([True, False, True, True])
    y, dx, dn = value_and_gradients(x, n, where=mask)
    bare = np.array([1.5, 0.0, 0.5, 0.0], np.float32)
    np.testing.assert_allclose(y, truth.softermax(bare, n, where=mask), 1e-5, 1e-15)
    assert dx[1] == 0
    assert np.isfinite(dx).all()
    assert np.isfinite(dn)


@reverse
def masked(x, n, epsilon):
    where = np.array([[True] * 3, [False] * 3])
    return ops.softermax(x, n=n, epsilon=epsilon, where=where)


@pytest.mark.parametrize("content", [0.0, 1.0, 3e38, np.inf, np.nan])
def test_a_fully_masked_row_gives_zero(content):
    x = np.array([[1.0] * 3, [content] * 3], np.float32)
    y, (dx, dn, depsilon) = jax.tree.map(np.asarray, masked((x, 2.0, 0.1), np.ones_like(x)))
    np.testing.assert_array_equal(y[1], 0)
    np.testing.assert_array_equal(dx[1], 0)
    np.testing.assert_allclose(y[0].sum(), 3 / 3.1, 1e-6)
    # From the first row alone: S = 3.1, sum_i y_i = 3 / S.
    np.testing.assert_allclose(depsilon, -3 / 3.1**2, 1e-6)
    np.testing.assert_allclose(dn, 0, atol=1e-7)


def test_a_mask_may_be_smaller_than_the_scores():
    mask = np.array([True, False, True])
    x = np.random.default_rng(0).uniform(size=(2, 2, 3))
    np.testing.assert_allclose(ops.softermax(x, where=mask), truth.softermax(x, where=mask), 1e-12)


def test_negative_scores_count_as_zero_and_get_no_gradient():
    y, dx, _ = value_and_gradients(np.array([-3.0, 1.0, 2.0]), 1.0)
    np.testing.assert_allclose(y, [0, 1 / 3, 2 / 3], 1e-10)
    assert dx[0] == 0
    assert value_and_gradients(np.array([0.0, 1.0, 2.0]), 1.0)[1][0] != 0


def test_infinite_scores_count_as_the_largest_number():
    y, dx, dn = value_and_gradients(np.array([np.inf, 1.0, np.inf], np.float32), 1.0)
    np.testing.assert_array_equal(y, [0.5, 0, 0.5])
    assert np.isfinite(dx).all()
    assert np.isfinite(dn)


def test_missing_scores_are_not_hidden():
    assert np.isnan(ops.softermax(np.array([1.0, np.nan]))).all()


def test_the_gradient_in_epsilon():
    x = np.array([0.0, 2.0, 1.0])
    slope = jax.jit(jax.jacrev(lambda e: ops.softermax(x, epsilon=e)))(0.5)
    np.testing.assert_allclose(slope, -x / 3.5**2, 1e-12)


def test_the_second_derivative_at_zero():
    """Of y_0 = x_0^n / (1 + x_0^n + 2^n) at x_0 = 0, by hand, with S = 1 + 2^n."""

    def loss(x, n):
        return ops.softermax(jnp.stack([x, 2.0]), n=n, epsilon=1.0)[0]

    bend = jax.jit(jax.grad(jax.grad(loss)))
    forward = jax.jit(jax.hessian(loss))
    for n, curvature in ((1.0, -2 / 3**2), (2.0, 2 / 5), (3.0, 0.0)):
        np.testing.assert_allclose(bend(0.0, n), curvature, 1e-12)
        np.testing.assert_allclose(forward(0.0, n), curvature, 1e-12)


rows = st.lists(st.floats(0, 2.0**127, width=32), min_size=1, max_size=6)


@settings(max_examples=20)
@given(rows, st.sampled_from(POWERS))
def test_it_sums_to_one_and_keeps_order(row, n):
    row = (row + [1.0] * 6)[:6]  # one shape, one compilation
    y = np.asarray(ops.softermax(np.asarray(row, np.float32), n=n))
    assert np.all(np.diff(y[np.argsort(np.asarray(row, np.float32), kind="stable")]) >= 0)
    np.testing.assert_allclose(y.sum(), 1, 1e-5)


@pytest.mark.parametrize("axis", [0, 1, -2, (0, 2), (-1, 0, 1), [1, 2]])
def test_axes(axis):
    x = np.random.default_rng(0).uniform(size=(2, 3, 4))
    known = truth.softermax(x, axis=tuple(axis) if isinstance(axis, list) else axis)
    np.testing.assert_allclose(ops.softermax(x, axis), known, 1e-12)


X = np.ones((2, 3))


@pytest.mark.parametrize(
    ("x", "options", "error", "message"),
    [
        (X, {"axis": 2}, ValueError, r"axis must name different axes of x, which has 2, got 2"),
        (X, {"axis": (0, -2)}, ValueError, r"axis must name different axes of x"),
        (X, {"axis": ()}, ValueError, r"axis must name different axes of x"),
        (1.0, {}, ValueError, r"axis must name different axes of x, which has 0"),
        (X, {"n": 0}, ValueError, r"n must be above 0 and finite, got 0"),
        (X, {"n": np.ones(2)}, ValueError, r"n must have shape \(\) or \(3,\), .* got shape \(2,"),
        (X, {"n": np.ones((2, 1, 1))}, ValueError, r"n must have shape"),
        (X, {"epsilon": -1e-9}, ValueError, r"epsilon must be above 0 and finite, got -1e-09"),
        (X, {"epsilon": np.ones(3)}, ValueError, r"epsilon must have shape \(\), got shape \(3,"),
        (X, {"where": np.ones(2, bool)}, ValueError, r"where must broadcast to .* \(2, 3\), got"),
        (X, {"where": np.ones((2, 2, 3), bool)}, ValueError, r"where must broadcast to"),
        (X, {"where": np.ones((2, 3))}, TypeError, r"where must be boolean, got dtype float64"),
        (X + 1j, {}, TypeError, r"x must be real, got dtype complex128"),
        (X, {"n": 2j}, TypeError, r"n must be real, got dtype complex128"),
        ([1.0, 2.0], {}, TypeError, r"x must be an array or a number, got list"),
    ],
    ids=str,
)
def test_errors(x, options, error, message):
    with pytest.raises(error, match=f"^softermax: {message}"):
        ops.softermax(x, **options)
