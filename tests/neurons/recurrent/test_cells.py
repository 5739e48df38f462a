"""Recurrent cells: values against float64 loops and peers, gradients, dtypes, errors."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import truth_cells

import pyneurons_yat as pn

PLAIN = (pn.SimpleCell, pn.LSTMCell, pn.GRUCell)
YAT = (pn.YatSimpleCell, pn.YatLSTMCell, pn.YatGRUCell)
X = np.sin(np.arange(2 * 5 * 3.0)).reshape(2, 5, 3)

every_cell = pytest.mark.parametrize("layer", PLAIN + YAT, ids=lambda layer: layer.name)
yat_cell = pytest.mark.parametrize("layer", YAT, ids=lambda layer: layer.name)


@cache
def make(layer, inputs=3, outputs=4, **options):
    return truth_cells.drawn(layer, inputs, outputs, **{"dtype": float, **options})


def close(got, wanted, rtol=1e-10, atol=1e-12):
    assert jax.tree.structure(got) == jax.tree.structure(wanted)
    for one, two in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(np.asarray(one, np.float64), two, rtol, atol)


def finite(tree):
    return all(np.isfinite(np.asarray(leaf, float)).all() for leaf in jax.tree.leaves(tree))


@jax.jit
def step(cell, carry, x):
    return cell(carry, x)


@jax.jit
def scan(cell, x):
    """The last carry and the values of a sequence."""
    return pn.scan_cell(cell, x, return_carry=True)


@jax.jit
def both(cell, x):
    """The values of a sequence and the gradient of their sum."""
    y, pull = jax.vjp(pn.scan_cell, cell, x)
    return y, pull(jnp.ones_like(y))


@every_cell
@pytest.mark.parametrize("batch", [(), (2,), (0,), (3, 1)])
def test_a_step_is_the_formula(layer, batch):
    cell = make(layer)
    carry = jax.tree.map(lambda h: h + 0.3, truth_cells.first(cell, batch))
    x = np.resize(X, (*batch, 3))
    wanted = truth_cells.STEPS[layer.name](truth_cells.parameters(cell), carry, x)
    close(step(cell, carry, x), wanted)


@every_cell
def test_a_sequence_is_the_loop(layer):
    cell = make(layer)
    close(scan(cell, X), truth_cells.sequence(cell, X))


@pytest.mark.parametrize("layer", [pn.SimpleCell, pn.YatSimpleCell])
def test_residual(layer):
    cell = make(layer, residual=True)
    close(scan(cell, X)[1], truth_cells.sequence(cell, X, residual=True)[1])


@every_cell
def test_without_bias(layer):
    cell = make(layer, use_bias=False)
    assert cell.bias is None
    close(scan(cell, X)[1], truth_cells.sequence(cell, X)[1])


@yat_cell
def test_without_alpha_and_with_a_learned_epsilon(layer):
    cell = make(layer, use_alpha=False, learnable_epsilon=True, epsilon=0.1)
    cell = pn.replace(cell, "epsilon", jnp.asarray(np.linspace(-2, 2, cell.epsilon.size)))
    assert cell.alpha is None
    close(scan(cell, X)[1], truth_cells.sequence(cell, X, epsilon=0.1)[1], rtol=1e-8)


@yat_cell
def test_negative_alpha_turns_a_candidate_and_not_a_gate(layer):
    cell = make(layer)
    cell = pn.replace(cell, "alpha", jnp.asarray(-np.asarray(cell.alpha)))
    y = np.asarray(scan(cell, X)[1])
    close(y, truth_cells.sequence(cell, X)[1])
    assert np.abs(y).max() > 0.01


@every_cell
def test_gradients_are_those_of_the_plain_loop(layer):
    cell = make(layer)
    carry = jax.tree.map(lambda h: h + 0.2, truth_cells.first(cell, (2,)))
    weight = np.cos(np.arange(40.0)).reshape(2, 5, 4)

    def total(last, y, library=jnp):
        ends = sum(library.sin(leaf).sum() for leaf in jax.tree.leaves(last))
        return library.vdot(y, weight) + ends

    def ours(cell, x, carry):
        return total(*pn.scan_cell(cell, x, carry, return_carry=True))

    def loop(cell, x, carry):
        last, y = jax.lax.scan(cell, carry, x.swapaxes(0, 1))
        return total(last, y.swapaxes(0, 1))

    arguments = (cell, X, carry)
    got = jax.jit(jax.grad(ours, (0, 1, 2)))(*arguments)
    close(got, jax.jit(jax.grad(loop, (0, 1, 2)))(*arguments), 1e-9)
    # One direction by finite differences of the NumPy loop.
    step = 1e-6
    moved = [
        total(*truth_cells.sequence(cell, X + s * np.cos(X), carry), np) for s in (step, -step)
    ]
    np.testing.assert_allclose(np.vdot(got[1], np.cos(X)), (moved[0] - moved[1]) / 2 / step, 1e-6)


@every_cell
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
def test_low_precision_is_near_float64(layer, dtype):
    cell = make(layer, 8, 16, dtype=dtype)
    x = np.sin(np.arange(4 * 12 * 8.0)).reshape(4, 12, 8).astype(dtype)
    y, gradient = both(cell, x)
    _, wanted = truth_cells.sequence(cell, x)
    assert {leaf.dtype for leaf in jax.tree.leaves((y, gradient))} == {jnp.dtype(dtype)}
    assert finite(gradient)
    assert np.abs(np.asarray(y, np.float64) - wanted).max() < 0.02 * np.abs(wanted).max()


@pytest.mark.parametrize("layer", [pn.SimpleCell, pn.YatSimpleCell], ids=lambda layer: layer.name)
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
def test_parameters_are_drawn_in_their_dtype(layer, dtype):
    cell = layer(jax.random.key(1), 3, 4, dtype=dtype, bias_init=jax.random.normal)
    assert {leaf.dtype for leaf in jax.tree.leaves(cell)} == {jnp.dtype(dtype)}
    assert finite(cell)


@yat_cell
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_a_state_near_the_weights_is_seen_near(layer, dtype):
    h = np.random.default_rng(0).uniform(0.5, 1, (1, 64)).astype(dtype)
    cell = make(layer, 3, 64, dtype=dtype, epsilon=0.01)
    near = np.broadcast_to(h.T.astype(float) * 1.02, cell.recurrent_kernel.shape)
    cell = pn.replace(cell, "recurrent_kernel", jnp.asarray(near.astype(dtype)))
    cell = pn.replace(cell, "alpha", jnp.asarray(np.full(cell.alpha.shape, 0.01, dtype)))
    carry = jax.tree.map(lambda _: h, truth_cells.first(cell, (1,)))
    parameters, x = truth_cells.parameters(cell), np.zeros((1, 3))
    wide = jax.tree.map(lambda h: np.asarray(h, np.float64), carry)
    _, wanted = truth_cells.STEPS[layer.name](parameters, wide, x, epsilon=0.01)
    y = step(cell, carry, x.astype(dtype))[1]
    np.testing.assert_allclose(np.asarray(y, float), wanted, 0.01)


@yat_cell
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e4, 1e18])
def test_yat_cells_are_bounded_and_finite(layer, scale):
    cell = make(layer, dtype=jnp.float32)
    y, gradient = both(cell, (scale * X).astype(np.float32))
    assert np.abs(y).max() <= 1
    assert finite(gradient)


@yat_cell
def test_an_input_at_the_weights(layer):
    cell = make(layer, dtype=jnp.float32, epsilon=1e-5)
    x, h = (np.asarray(kernel)[None, :, 0] for kernel in (cell.kernel, cell.recurrent_kernel))
    carry = jax.tree.map(lambda _: h, truth_cells.first(cell, (1,)))

    @jax.jit
    def value_and_gradient(cell, x):
        (new, y), pull = jax.vjp(lambda cell, x: cell(carry, x), cell, x)
        return y, pull((new, y))

    y, gradient = value_and_gradient(cell, x)
    assert np.abs(y).max() <= 1
    assert finite(gradient)


def test_forget_gates_start_open():
    cell = pn.LSTMCell(jax.random.key(0), 3, 4, forget_bias=2.0)
    np.testing.assert_array_equal(cell.bias, [0] * 4 + [2] * 4 + [0] * 8)


def test_initial_scores_of_yat_gates():
    size, wanted = 128, (1.0, 3.0, 0.0, 1.0)
    cell = pn.YatLSTMCell(jax.random.key(0), size, size, dtype=float, initial_scores=wanted)
    x = np.random.default_rng(1).normal(size=(64, size))
    p, h = truth_cells.parameters(cell), np.zeros((64, size))
    for gate, score in enumerate(wanted):
        alpha = p["alpha"][0]
        signed = truth_cells.root(p, x, h, gate, 1e-5)
        if score:
            assert abs(np.median(signed**2 / alpha) / score - 1) < 0.1


@every_cell
def test_wrong_arguments(layer):
    cell = make(layer)
    carry, x = pn.initial_carry(cell, (2,)), np.ones((2, 3))
    with pytest.raises(ValueError, match=r"x \(2, 5\) has 5 features"):
        cell(carry, np.ones((2, 5)))
    with pytest.raises(ValueError, match=rf"{layer.name}: carry must have shape \(3, 4\), got"):
        cell(carry, np.ones((3, 3)))
    with pytest.raises(TypeError, match=rf"{layer.name}: carry must have the structure"):
        cell([carry], x)
    with pytest.raises(TypeError, match="must be floating"):
        cell(jax.tree.map(lambda h: h.astype(int), carry), x)
    with pytest.raises(ValueError, match=f"{layer.name}: outputs must be"):
        layer(jax.random.key(0), 3, 0)
    with pytest.raises(TypeError, match="unexpected keyword 'nonsense'"):
        layer(jax.random.key(0), 3, 4, nonsense=1)


@yat_cell
def test_epsilon_must_be_positive(layer):
    with pytest.raises(ValueError, match=f"{layer.name}: epsilon must be above 0"):
        layer(jax.random.key(0), 3, 4, epsilon=0.0)
    cell = make(layer)
    with pytest.raises(ValueError, match=f"{layer.name}: epsilon must be above 0"):
        cell(pn.initial_carry(cell), np.ones(3), epsilon=-1.0)


@every_cell
def test_options_of_the_call(layer):
    cell = make(layer)
    carry = pn.initial_carry(cell, (2,))
    text = str(jax.make_jaxpr(lambda x: cell(carry, x, precision="highest"))(X[:, 0]))
    assert text.count("HIGHEST") >= 2
    y, other = cell(carry, X[:, 0])[1], cell(carry, X[:, 0], activation=jnp.sin)[1]
    close(y, step(cell, carry, X[:, 0])[1])  # without jit too
    assert not np.allclose(other, y)
