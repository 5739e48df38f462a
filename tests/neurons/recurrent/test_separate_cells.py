"""Recurrent Yat cells in their separate form: values and gradients against loops and nmn 0.2.1."""

import contextlib
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import truth_cells

import pyneurons_yat as pn

CELLS = (pn.YatSimpleCell, pn.YatLSTMCell, pn.YatGRUCell)
X = np.sin(np.arange(2 * 5 * 3.0)).reshape(2, 5, 3)
OPTIONS = {
    "plain": {},
    "bare": {"use_bias": False, "use_alpha": False},
    "learned epsilon": {"learnable_epsilon": True, "epsilon": 0.1},
}

every_cell = pytest.mark.parametrize("layer", CELLS, ids=lambda layer: layer.name)


def make(layer, sizes=(3, 4), **options):
    return truth_cells.drawn(layer, *sizes, form="separate", **options)


def total(cell, x, carry):
    last, y = pn.scan_cell(cell, x, carry, return_carry=True)
    return sum(jnp.sum(jnp.sin(leaf)) for leaf in jax.tree.leaves((last, y)))


def wanted_total(cell, x, carry, **options):
    last, y = truth_cells.sequence(cell, x, carry, **options)
    return sum(np.sum(np.sin(leaf)) for leaf in jax.tree.leaves((last, y)))


@pytest.mark.slow
@every_cell
@pytest.mark.parametrize("name", OPTIONS)
def test_values_and_gradients_are_those_of_the_loop(layer, name):
    cell = make(layer, dtype=float, **OPTIONS[name])
    epsilon = OPTIONS[name].get("epsilon", 1e-5)
    carry = jax.tree.map(lambda h: h + 0.2, truth_cells.first(cell, (2,)))

    @jax.jit
    def ours(cell, x, carry):
        y, pull = jax.vjp(total, cell, x, carry)
        return pn.scan_cell(cell, x, carry), pull(jnp.ones_like(y))

    y, gradient = ours(cell, X, carry)
    np.testing.assert_allclose(
        y, truth_cells.sequence(cell, X, carry, epsilon=epsilon)[1], 1e-9, 1e-11
    )
    along = jax.tree.map(lambda leaf: np.cos(np.arange(leaf.size).reshape(leaf.shape)), cell)
    found = np.vdot(gradient[1], np.cos(X)) + sum(
        np.vdot(g, a) for g, a in zip(*map(jax.tree.leaves, (gradient[0], along)), strict=True)
    )
    ends = []
    for size in (1e-6, -1e-6):
        moved = jax.tree.map(lambda leaf, d, s=size: np.asarray(leaf) + s * d, cell, along)
        ends.append(wanted_total(moved, X + size * np.cos(X), carry, epsilon=epsilon))
    np.testing.assert_allclose(found, (ends[0] - ends[1]) / 2e-6, 1e-5)


def test_residual():
    cell = make(pn.YatSimpleCell, dtype=float, residual=True)
    got = jax.jit(pn.scan_cell)(cell, X)
    np.testing.assert_allclose(got, truth_cells.sequence(cell, X, residual=True)[1], 1e-9)


@pytest.fixture
def nmn():
    """Flax and the recurrent cells of nmn 0.2.1; later ones have none. They reuse keys."""
    with warnings.catch_warnings(), contextlib.ExitStack() as stack:
        warnings.simplefilter("ignore")
        nnx = pytest.importorskip("flax.nnx")
        rnn = pytest.importorskip("nmn.nnx.rnn", reason="nmn 0.2.1 has the recurrent cells")
        stack.enter_context(jax.numpy_rank_promotion("allow"))
        stack.enter_context(jax.debug_key_reuse(False))
        yield nnx, rnn


@every_cell
def test_values_and_gradients_are_those_of_nmn(layer, nmn):
    """In float32, as nmn computes; a bias of its own sign, so that no score is below 0."""
    nnx, rnn = nmn
    cell = make(layer, dtype=jnp.float32)
    size = cell.recurrent_kernel.shape[1]
    graph, state = nnx.split(getattr(rnn, layer.name)(3, 4, rngs=nnx.Rngs(0)))
    factor = np.full(size, np.sqrt(size) / np.log(1 + size), np.float32)
    cell = pn.replace(pn.replace(cell, "alpha", factor), "recurrent_alpha", factor)
    x = jnp.asarray(X.swapaxes(0, 1), jnp.float32)

    def theirs(kernel, recurrent, bias, x):
        new = jax.tree.map(lambda v: v, state, is_leaf=lambda v: isinstance(v, nnx.Variable))
        for part, field, value in (
            ("dense_i", "kernel", kernel),
            ("dense_h", "kernel", recurrent),
            ("dense_i", "bias", bias),
        ):
            new[part][field] = new[part][field].replace(value)
        peer, carry, ys = nnx.merge(graph, new), pn.initial_carry(cell, (2,)), []
        for one in x:
            carry, y = peer(carry, one)
            ys.append(y)
        return jnp.stack(ys)

    def ours(kernel, recurrent, bias, x):
        one = pn.replace(cell, "kernel", kernel)
        one = pn.replace(pn.replace(one, "recurrent_kernel", recurrent), "bias", bias)
        return pn.scan_cell(one, x, time_major=True)

    arguments = cell.kernel, cell.recurrent_kernel, cell.bias, x
    (y, g), (y_peer, g_peer) = (
        jax.jit(
            lambda *a, f=f: (f(*a), jax.grad(lambda *a: jnp.sum(jnp.sin(f(*a))), range(4))(*a))
        )(*arguments)
        for f in (ours, theirs)
    )
    np.testing.assert_allclose(y, y_peer, 1e-5, 1e-5)
    for one, other in zip(g, g_peer, strict=True):
        np.testing.assert_allclose(one, other, 1e-4, 1e-5 * np.abs(other).max())


def turned(cell):
    """The cell with all of its biases below 0."""
    return pn.replace(cell, "bias", -np.abs(np.asarray(cell.bias)))


@every_cell
def test_squashers_that_take_a_negative_score_for_0_bound_it(layer):
    gates = {} if layer is pn.YatSimpleCell else {"gate": pn.softer_sigmoid}
    safe = {"activation": pn.score_tanh, **gates}
    run = jax.jit(pn.scan_cell)
    for scale in (1e-3, 1.0, 1e4):
        cell = turned(make(layer, dtype=jnp.float32, **safe))
        assert np.abs(run(cell, (scale * X).astype(np.float32))).max() <= 1
    free = turned(make(layer, dtype=jnp.float32))
    assert np.abs(run(free, X.astype(np.float32))).max() > 1  # as published, nothing does


def test_a_fresh_memory_stays_away_from_the_pole():
    cell = pn.YatLSTMCell(jax.random.key(0), 3, 4, form="separate")
    (c, _), y = jax.jit(lambda cell, x: pn.scan_cell(cell, x, return_carry=True))(cell, X)
    assert np.min(c) >= 0
    assert np.abs(y).max() <= 1


@every_cell
def test_low_precision_is_near_float64(layer):
    cell = make(layer, (8, 16), dtype=jnp.bfloat16)
    x = np.sin(np.arange(2 * 6 * 8.0)).reshape(2, 6, 8).astype(jnp.bfloat16)
    y = jax.jit(pn.scan_cell)(cell, x)
    wanted = truth_cells.sequence(cell, x)[1]
    assert y.dtype == jnp.bfloat16
    assert np.abs(np.asarray(y, np.float64) - wanted).max() < 0.03 * np.abs(wanted).max()


def test_wrong_forms():
    with pytest.raises(
        ValueError, match="YatLSTMCell: form must be 'joint' or 'separate', got 'h'"
    ):
        pn.YatLSTMCell(jax.random.key(0), 3, 4, form="h")
    cell = make(pn.YatGRUCell, dtype=float)
    carry = pn.initial_carry(cell, (2,))
    with pytest.raises(ValueError, match="form must be separate as when the model was made"):
        cell(carry, X[:, 0], form="joint")
    other = pn.YatGRUCell(pn.Box(cell.params))
    with pytest.raises(TypeError, match="params must be YatCellParams for form='joint', got Sep"):
        other(carry, X[:, 0])


@pytest.mark.parametrize("layer", [pn.YatSimpleRNN, pn.YatLSTM, pn.YatGRU])
@pytest.mark.slow
def test_it_learns_what_it_was_shown_a_step_ago(layer):
    x = np.random.default_rng(0).normal(size=(32, 6, 1)).astype(np.float32)
    before = np.pad(x, ((0, 0), (1, 0), (0, 0)))[:, :-1]
    one, two = jax.random.split(jax.random.key(1))
    model = pn.sequential(layer(one, 1, 12, form="separate"), pn.Linear(two, 12, 1))
    model, _ = pn.fit(optax.adam(2e-2), model, x, before, epochs=150, progress=False)
    assert float(pn.mse(model(x), before)) < 0.2
