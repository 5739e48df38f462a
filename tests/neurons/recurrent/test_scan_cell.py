"""The driver of recurrent cells: directions, lengths, layouts, users' cells, errors."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import truth_cells

import pyneurons_yat as pn

X = np.sin(np.arange(3 * 5 * 2.0)).reshape(3, 5, 2)
LENGTHS = np.array([5, 0, 3])


def make(layer, **options):
    return truth_cells.drawn(layer, 2, 3, **{"dtype": float, **options})


CELLS = [make(pn.LSTMCell), make(pn.YatGRUCell)]
each_cell = pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.layer.name)


def close(got, wanted, rtol=1e-10, atol=1e-12):
    assert jax.tree.structure(got) == jax.tree.structure(wanted)
    for one, two in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(one, two, rtol, atol)


@each_cell
@pytest.mark.parametrize("keep_order", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("with_lengths", [False, True])
def test_directions_and_lengths(cell, with_lengths, reverse, keep_order):
    how = {"reverse": reverse, "keep_order": keep_order}
    lengths = LENGTHS if with_lengths else None
    scan = jax.jit(partial(pn.scan_cell, return_carry=True, **how))
    wanted = truth_cells.sequences(cell, X, LENGTHS if with_lengths else [5] * 3, **how)
    close(scan(cell, X, lengths=lengths), wanted)
    if reverse and keep_order:
        outside_jit = pn.scan_cell(cell, X, lengths=lengths, return_carry=True, **how)
        close(outside_jit, wanted)


@each_cell
@pytest.mark.parametrize("reverse", [False, True])
def test_flax_agrees_where_steps_are_valid(cell, reverse):
    nnx = pytest.importorskip("flax.nnx")

    class Adapter(nnx.RNNCellBase):
        num_feature_axes = 1

        def initialize_carry(self, input_shape, rngs=None, carry_init=None):
            return pn.initial_carry(cell, input_shape[:-1])

        def __call__(self, carry, x):
            return cell(carry, x)

    lengths = np.array([5, 1, 3])
    with jax.numpy_rank_promotion("allow"):
        rnn = nnx.RNN(Adapter(), reverse=reverse, return_carry=True)
        carry, y = rnn(jnp.asarray(X), seq_lengths=jnp.asarray(lengths))
    valid = (np.arange(5) < lengths[:, None])[..., None]
    ours = pn.scan_cell(cell, X, lengths=lengths, reverse=reverse, return_carry=True)
    close(ours, (carry, np.where(valid, y, 0)))


@each_cell
def test_padding_reaches_nothing(cell):
    valid = (np.arange(5) < LENGTHS[:, None])[..., None]

    @jax.jit
    def both(cell, x):
        y, pull = jax.vjp(lambda cell, x: pn.scan_cell(cell, x, lengths=LENGTHS), cell, x)
        return y, pull(jnp.ones_like(y))

    y, (of_cell, of_x) = both(cell, np.where(valid, X, np.nan))
    close((y, (of_cell, of_x)), both(cell, np.where(valid, X, 0.0)))
    assert np.abs(np.where(valid, 0, of_x)).max() == 0


@each_cell
def test_layouts(cell):
    y = truth_cells.sequence(cell, X)[1]

    @jax.jit
    def layouts(cell, x):
        two = pn.stack([cell, jax.tree.map(lambda leaf: 2 * leaf, cell)])
        return (
            pn.scan_cell(cell, x.swapaxes(0, 1), time_major=True).swapaxes(0, 1),
            pn.scan_cell(cell, x[None], lengths=np.full((1, 3), 5))[0],
            pn.scan_cell(cell, x, unroll=3),
            jax.vmap(partial(pn.scan_cell, cell))(x),
            jax.vmap(pn.scan_cell, (0, None))(two, x)[0],
            pn.scan_cell(cell, x[0]),  # no batch axis
        )

    close(layouts(cell, X), (y,) * 5 + (y[0],))


@each_cell
def test_no_steps_and_no_sequences(cell):
    carry, y = pn.scan_cell(cell, X[:, :0], return_carry=True)
    assert y.shape == (3, 0, 3)
    close(carry, truth_cells.first(cell, (3,)))
    gradient = jax.grad(lambda cell: pn.scan_cell(cell, X[:, :0]).sum())(cell)
    assert all(not leaf.any() for leaf in jax.tree.leaves(gradient))
    assert pn.scan_cell(cell, X[:0]).shape == (0, 5, 3)
    assert pn.scan_cell(cell, X[:0], lengths=LENGTHS[:0]).shape == (0, 5, 3)


@each_cell
def test_a_sequence_can_be_continued(cell):
    @jax.jit
    def halves(cell, x):
        carry, first = pn.scan_cell(cell, x[:, :2], return_carry=True)
        return jnp.concatenate([first, pn.scan_cell(cell, x[:, 2:], carry)], 1)

    close(halves(cell, X), truth_cells.sequence(cell, X)[1])


@pytest.mark.slow
def test_a_wider_carry_stays_wide():
    cell = pn.GRUCell(jax.random.key(0), 2, 3, dtype=jnp.bfloat16)
    x = jnp.asarray(X, jnp.bfloat16)
    assert pn.scan_cell(cell, x).dtype == jnp.bfloat16
    wide = pn.initial_carry(cell, (3,), jnp.float32)
    assert pn.scan_cell(cell, x, wide).dtype == jnp.float32
    assert pn.scan_cell(cell, x.astype(jnp.float32)).dtype == jnp.float32
    assert pn.scan_cell(make(pn.GRUCell), np.ones((3, 5, 2), int)).dtype == jnp.float64


@each_cell
def test_forward_mode(cell):
    def f(x):
        return pn.scan_cell(cell, x, lengths=LENGTHS, reverse=True).sum()

    @jax.jit
    def both(x, v):
        return jax.jvp(f, (x,), (v,))[1], jax.grad(f)(x)

    slope, gradient = both(X, np.cos(X))
    close(slope, np.vdot(gradient, np.cos(X)), 1e-9)


@each_cell
def test_reparam_reaches_the_projection(cell):
    def halved(params):
        return params._replace(kernel=params.kernel / 2)

    small = pn.replace(cell, "kernel", cell.kernel / 2)
    wrapped = pn.reparam(cell, halved)
    close(jax.jit(pn.scan_cell)(wrapped, X), truth_cells.sequence(small, X)[1])
    assert pn.initial_carry(wrapped, (2,), float) is not None
    shapes = [v.aval.shape for v in equations(jax.make_jaxpr(partial(pn.scan_cell, wrapped))(X))]
    assert (15, 3) in shapes  # the products of x with a gate, all steps of all sequences


def equations(jaxpr):
    """The results of every product in a program, those inside calls too."""
    found = []
    for equation in getattr(jaxpr, "jaxpr", jaxpr).eqns:
        if equation.primitive.name == "dot_general":
            found += equation.outvars
        for inner in jax.tree.leaves(list(equation.params.values()), is_leaf=is_program):
            found += equations(inner) if is_program(inner) else []
    return found


def is_program(value):
    return hasattr(value, "eqns") or hasattr(value, "jaxpr")


# Cells of users


class Leaky(NamedTuple):
    decay: jax.Array


def create_leaky(key, inputs, outputs):
    return Leaky(jnp.full(outputs, 0.5))


def apply_leaky(params, carry, x):
    carry = params.decay * carry + x
    return carry, carry


def first_leaky(params, batch_shape, dtype):
    return jnp.zeros((*batch_shape, *params.decay.shape), dtype)


def wanted_leaky(x):
    carry, ys = np.zeros(2), []
    for t in range(len(x)):
        carry = 0.5 * carry + x[t]
        ys.append(carry)
    return np.stack(ys)


def test_a_users_bound_pair():
    cell = pn.bind("Leaky", create_leaky, apply_leaky)(jax.random.key(0), 2, 2)
    y = pn.scan_cell(cell, X[0], np.zeros(2))
    close(y, wanted_leaky(X[0]))
    with pytest.raises(TypeError, match="Leaky declares no carry; bind it with bind_cell"):
        pn.scan_cell(cell, X[0])
    declared = pn.bind_cell("Leaky", create_leaky, apply_leaky, first_leaky)(
        jax.random.key(0), 2, 2
    )
    close(pn.scan_cell(declared, X[0]), wanted_leaky(X[0]))
    with pytest.raises(ValueError, match=r"Leaky: carry must have shape \(2,\), got \(3,\)"):
        pn.scan_cell(declared, X[0], np.zeros(3))
    with pytest.raises(TypeError, match="apply must be a function or a pair"):
        pn.bind_cell("Leaky", create_leaky, (apply_leaky,), first_leaky)


def test_a_users_projected_cell():
    def project(params, x):
        return jnp.eye(2), None, x, params.decay

    def update(decay, carry, x, total, *, sign=1.0):
        carry = x + sign * decay.reshape((1,) * (x.ndim - 1) + (2,)) * total
        return carry, carry

    layer = pn.bind_cell("Leaky", create_leaky, (project, update), first_leaky)
    cell = layer(jax.random.key(0), 2, 2)
    close(pn.scan_cell(cell, X), np.stack([wanted_leaky(x) for x in X]))
    close(cell(jnp.ones(2), X[0, 0])[1], 0.5 + X[0, 0])
    negative = layer(jax.random.key(0), 2, 2, sign=-1.0)
    close(negative(jnp.ones(2), X[0, 0])[1], X[0, 0] - 0.5)


def test_any_function_and_any_carry():
    def count(carry, x):
        return {"n": carry["n"] + 1}, {"y": x.sum(), "n": carry["n"]}

    first = {"n": jnp.zeros((), int)}
    carry, y = pn.scan_cell(count, X[0], first, time_major=True, return_carry=True)
    assert carry["n"] == 5
    np.testing.assert_array_equal(y["n"], np.arange(5))


def steps_and_noise(carry, x):
    steps, key, h = carry
    key, one = jnp.moveaxis(jax.vmap(jax.random.split)(key), 1, 0)
    h = 0.5 * h + x + 0 * jax.vmap(lambda key: jax.random.normal(key, (2,)))(one)
    return (steps + 1, key, h), h


def first_steps(params, batch_shape, dtype):
    keys = jax.random.split(jax.random.key(0), batch_shape)
    return jnp.zeros(batch_shape, jnp.int32), keys, jnp.zeros((*batch_shape, 2), dtype)


def project_steps(params, x):
    return jnp.diag(params.decay), None, x


def update_steps(shared, carry, x, total):
    steps, key, h = carry
    return (steps + 1, key, x + total), x + total


@pytest.mark.slow
@pytest.mark.parametrize(
    "apply",
    [lambda params, carry, x: steps_and_noise(carry, x), (project_steps, update_steps)],
    ids=["one", "two"],
)
def test_a_declared_carry_may_hold_integers_and_keys(apply):
    cell = pn.bind_cell("Steps", create_leaky, apply, first_steps)(jax.random.key(0), 2, 2)
    scan = partial(pn.scan_cell, cell, lengths=LENGTHS, return_carry=True)
    with jax.debug_key_reuse(False):  # a key that stays in the padding counts as reused
        (steps, _, h), y = scan(X)
        gradient = jax.grad(lambda x: scan(x)[1].sum())(X)
        first = pn.initial_carry(cell, (3,))
        with pytest.raises(TypeError, match="Steps: carry must be of dtype int32, got dtype float"):
            scan(X, (first[0] * 1.0, *first[1:]))
        with pytest.raises(TypeError, match=r"Steps: carry must be of dtype key<fry>, got dtype"):
            scan(X, (first[0], first[0], first[2]))
        with pytest.raises(TypeError, match="Steps: carry must be floating, got dtype int"):
            scan(X, (*first[:2], np.zeros((3, 2), int)))
    assert steps.tolist() == LENGTHS.tolist()
    close(np.asarray(h), np.stack([y[0, 4], [0, 0], y[2, 2]]))
    close(np.asarray(y[0]), wanted_leaky(X[0]))
    np.testing.assert_allclose(gradient[2, :, 0], [1.75, 1.5, 1, 0, 0])


def test_with_lengths_all_arrays_begin_with_the_batch():
    def count(carry, x):
        return {**carry, "n": carry["n"] + 1}, x

    for n in (jnp.zeros(()), jnp.zeros((5, 3))):
        with pytest.raises(ValueError, match=r"must begin with the batch axes \(3,\), got a leaf"):
            pn.scan_cell(count, X, {"n": n}, lengths=LENGTHS)
    with pytest.raises(ValueError, match=r"must begin with the batch axes .* of shape \(\);"):
        pn.scan_cell(lambda carry, x: (carry, x.sum()), X, jnp.zeros(3), lengths=LENGTHS)


@pytest.mark.parametrize("shape", [(5, 3, 2, 2, 2), (5, 3)], ids=["images", "ids"])
def test_with_time_first_lengths_tell_the_batch(shape):
    x = np.arange(1.0, 1 + np.prod(shape)).reshape(shape)

    def total(carry, x):
        carry = carry + x.reshape(3, -1).sum(1)
        return carry, {"sum": carry, "x": x}

    scan = jax.jit(partial(pn.scan_cell, total, time_major=True, return_carry=True))
    carry, y = scan(x, jnp.zeros(3), lengths=LENGTHS)
    wanted = [x[:n, i].sum() for i, n in enumerate(LENGTHS)]
    np.testing.assert_allclose(carry, wanted)
    valid = np.arange(5)[:, None] < LENGTHS
    np.testing.assert_array_equal(y["x"], np.where(valid.reshape(5, 3, *(1,) * (x.ndim - 2)), x, 0))
    cell = pn.bind_cell(
        "Leaky", create_leaky, lambda p, c, x: total(c, x), lambda p, b, d: np.zeros(b)
    )
    close(
        scan.__wrapped__.func(cell(jax.random.key(0), 2, 2), x, lengths=LENGTHS, time_major=True), y
    )


@each_cell
@pytest.mark.parametrize("dtype", [list, np.uint8, np.uint64])
def test_lengths_may_be_a_list_or_of_any_integer_dtype(cell, dtype):
    lengths = LENGTHS.tolist() if dtype is list else LENGTHS.astype(dtype)
    scan = partial(pn.scan_cell, cell, X, reverse=True)
    close(scan(lengths=lengths), truth_cells.sequences(cell, X, LENGTHS, reverse=True)[1])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"lengths": np.array([5.0, 1.0, 2.0])}, TypeError, "lengths must be integers"),
        ({"lengths": np.array([5, 1])}, ValueError, r"lengths must have the shape .* \(3,\)"),
        ({"lengths": np.array([6, 1, 2])}, ValueError, "lengths must be from 0 to 5"),
        ({"lengths": np.array([-1, 1, 2])}, ValueError, "lengths must be from 0 to 5"),
        ({"x": np.ones(3)}, ValueError, r"x must have shape \(\*B, T, I\)"),
        ({"x": np.ones(3), "time_major": True}, ValueError, r"x must have shape \(T, \*B"),
        ({"x": np.ones((3, 5, 4))}, ValueError, "has 4 features, kernel"),
        ({"carry": np.zeros((3, 3))}, TypeError, "LSTMCell: carry must have the structure"),
        ({"carry": (np.zeros((2, 3)),) * 2}, ValueError, r"carry must have shape \(3, 3\)"),
        ({"cell": 3}, TypeError, "cell must be a model or a function"),
        ({"x": {"a": X}}, TypeError, "x must be one array, got dict"),
        ({"x": X.tolist()}, TypeError, "x must be one array, got list"),
        ({"unroll": 2.0}, TypeError, "scan_cell: unroll must be an integer"),
        ({"unroll": "a"}, TypeError, "scan_cell: unroll must be an integer"),
        ({"unroll": 0}, ValueError, "scan_cell: unroll must be at least 1"),
        ({"lengths": np.array([5, 1]), "time_major": True}, ValueError, r"batch axes, \(5,\)"),
    ],
)
def test_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        pn.scan_cell(**{"cell": CELLS[0], "x": X, **arguments})
