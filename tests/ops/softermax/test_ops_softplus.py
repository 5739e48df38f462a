"""inverse_softplus where log(exp(y) - 1), written down as it stands, overflows or cancels."""

import jax
import mpmath
import numpy as np
import pytest
from jax.test_util import check_grads

from pyneurons_yat.ops import inverse_softplus

VALUES = (1e-30, 1e-5, 0.3, 1.0, 20.0, 1e3, 1e30)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 3e-7), (np.float64, 1e-15)])
def test_it_equals_fifty_digits_everywhere(dtype, tolerance):
    y = np.asarray(VALUES, dtype)
    with mpmath.workdps(50):
        known = [float(v + mpmath.log(-mpmath.expm1(-v))) for v in map(mpmath.mpf, y.tolist())]
    got = jax.jit(inverse_softplus)(y)
    assert got.dtype == dtype
    np.testing.assert_allclose(got, known, tolerance, tolerance)


def test_it_undoes_softplus_and_its_gradient_too():
    y = np.array([1e-5, 0.3, 2.0, 40.0])
    np.testing.assert_allclose(np.logaddexp(0, inverse_softplus(y)), y, 1e-12)
    slopes = jax.jit(jax.vmap(jax.grad(inverse_softplus)))(y)
    np.testing.assert_allclose(slopes, 1 / -np.expm1(-y), 1e-12)
    check_grads(jax.jit(inverse_softplus), (np.array([0.3, 2.0]),), order=2)


def test_the_ends_of_its_range():
    assert float(inverse_softplus(0.0)) == -np.inf
    with jax.debug_nans(False):
        assert np.isnan(float(inverse_softplus(-1.0)))
