"""Activations that learn: values, gradients at the kinks, shapes, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn

X = np.array([[-2.0, 0.0, 0.5], [1.0, 1.5, -0.25]])
PUSH = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])


@jax.jit
def value_and_gradients(model, x):
    y, pull = jax.vjp(lambda model, x: model(x), model, x)
    return y, *pull(jnp.asarray(PUSH, y.dtype))


@pytest.mark.parametrize("features", [1, 3])
def test_prelu_is_that_of_torch_at_0_too(features):
    torch = pytest.importorskip("torch")
    theirs, x = torch.nn.PReLU(features).double(), torch.tensor(X, requires_grad=True)
    known = theirs(x)
    known.backward(torch.tensor(PUSH))
    y, model, dx = value_and_gradients(pn.PReLU(features, dtype=float), X)
    np.testing.assert_allclose(y, known.detach(), 1e-12)
    np.testing.assert_allclose(dx, x.grad, 1e-12)
    np.testing.assert_allclose(model.alpha, theirs.weight.grad, 1e-12)


def test_srelu_learns_at_its_thresholds_what_the_formula_says():
    numbers = {"al": 0.2, "tl": -0.25, "ar": 0.5, "tr": 1.0}
    y, model, dx = value_and_gradients(pn.SReLU(dtype=float, **numbers), X)
    np.testing.assert_allclose(y, [[-0.6, 0.0, 0.5], [1.0, 1.25, -0.25]], 1e-12)
    np.testing.assert_allclose(dx, PUSH * [[0.2, 1, 1], [0.5, 0.5, 0.2]], 1e-12)
    # On the left are -2 and -0.25, the threshold itself; on the right 1, which is it too, and 1.5.
    known = {"al": [1 * -1.75], "tl": [(1 + 6) * 0.8], "ar": [5 * 0.5], "tr": [(4 + 5) * 0.5]}
    for name, slope in known.items():
        np.testing.assert_allclose(getattr(model, name), slope, 1e-12, err_msg=name)


def test_an_infinite_input_spoils_no_gradient_of_the_other_side():
    _, model, _ = value_and_gradients(pn.SReLU(dtype=float), np.where(X == 1.5, np.inf, X))
    assert np.isfinite([model.al, model.tl, model.tr]).all()


def test_each_feature_has_numbers_of_its_own():
    model = pn.SReLU(3, al=0.5)
    assert [leaf.shape for leaf in jax.tree.leaves(model)] == [(3,)] * 4
    moved = pn.replace(model, "al", jnp.array([0.5, 1.0, 2.0]))
    np.testing.assert_allclose(jax.jit(moved)(-np.ones((2, 3))), [[-0.5, -1.0, -2.0]] * 2)


def test_malformed_layers_are_refused():
    with pytest.raises(ValueError, match=r"PReLU: features must be at least 1, got 0"):
        pn.PReLU(0)
    with pytest.raises(ValueError, match=r"SReLU: tr must be finite, got inf"):
        pn.SReLU(tr=np.inf)
    with pytest.raises(TypeError, match=r"PReLU: alpha must be a Python number, got \[\]"):
        pn.PReLU(alpha=[])
    with pytest.raises(TypeError, match=r"SReLU: dtype must be floating"):
        pn.SReLU(dtype=int)
    with pytest.raises(TypeError, match=r"PReLU: features must be an integer"):
        pn.PReLU(jax.random.key(0))
    with pytest.raises(ValueError, match=r"prelu: alpha must have shape \(\) or \(3,\)"):
        pn.PReLU(2)(X)
