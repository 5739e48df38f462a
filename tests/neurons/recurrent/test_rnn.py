"""RNN, LSTM, GRU: stacked and bidirectional against loops, training-time calls, learning."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import truth_cells
from jax.test_util import check_grads

import pyneurons_yat as pn

X = np.sin(np.arange(3 * 5 * 2.0)).reshape(3, 5, 2)
LENGTHS = np.array([5, 1, 3])
key = jax.random.key


def close(got, wanted, rtol=1e-9, atol=1e-11):
    assert jax.tree.structure(got) == jax.tree.structure(wanted)
    for one, two in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(one, two, rtol, atol)


def truth(model, x, lengths, merge=None, **how):
    """Layer upon layer, sequence by sequence."""
    carries = []
    for cell in model.cells:
        if isinstance(cell, tuple):
            there = truth_cells.sequences(cell[0], x, lengths)
            back = truth_cells.sequences(cell[1], x, lengths, reverse=True, keep_order=True)
            carry, ys = zip(there, back, strict=True)
            x = np.concatenate(ys, -1) if merge is None else merge(*ys)
        else:
            carry, x = truth_cells.sequences(cell, x, lengths, **how)
        carries.append(carry)
    return tuple(carries), x


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", [pn.GRUCell, pn.YatLSTMCell], ids=lambda cell: cell.name)
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["whole", "lengths"])
def test_stacks(cell, bidirectional, lengths):
    model = pn.RNN(key(0), 2, 3, cell=cell, layers=2, bidirectional=bidirectional, dtype=float)
    got = jax.jit(lambda model, x: model(x, lengths=lengths, return_carry=True))(model, X)
    close(got, truth(model, X, [5] * 3 if lengths is None else lengths))


def test_merge_and_layouts():
    model = pn.LSTM(key(0), 2, 3, layers=2, bidirectional=True, merge=jnp.add, dtype=float)
    carry, y = truth(model, X, LENGTHS, merge=np.add)

    @jax.jit
    def layouts(model, x):
        major = model(x.swapaxes(0, 1), lengths=LENGTHS, time_major=True)
        return model(x, lengths=LENGTHS), major

    close(layouts(model, X), (y, y.swapaxes(0, 1)))


def test_reversed_stacks():
    model = pn.GRU(key(0), 2, 3, layers=2, reverse=True, dtype=float)
    assert dict(model.static) == {"reverse": True}
    wanted = truth(model, X, LENGTHS, reverse=True, keep_order=True)[1]
    turned = [np.concatenate([y[:n][::-1], y[n:]]) for y, n in zip(wanted, LENGTHS, strict=True)]

    @jax.jit
    def orders(model, x):
        return model(x, lengths=LENGTHS, keep_order=True), model(x, lengths=LENGTHS)

    close(orders(model, X), (wanted, np.stack(turned)))


def test_a_carry_goes_in_and_out():
    model = pn.LSTM(key(0), 2, 3, layers=2, dtype=float)

    @jax.jit
    def halves(model, x):
        carry, first = model(x[:, :2], return_carry=True)
        return jnp.concatenate([first, model(x[:, 2:], carry=carry)], 1)

    close(halves(model, X), truth(model, X, [5] * 3)[1])


def test_layers_are_values():
    assert pn.LSTM(key(0), 2, 3).cells[0].layer == pn.LSTMCell
    assert pn.GRU(key(0), 2, 3).cells[0].layer == pn.GRUCell
    assert pn.RNN(key(0), 2, 3).cells[0].layer == pn.SimpleCell
    options = dict(pn.RNN(key(0), 2, 3, cell=pn.YatGRUCell, epsilon=1e-3).cells[0].static)
    assert options == {"epsilon": 1e-3}
    one, two = (pn.LSTM(key(seed), 2, 3, bidirectional=True) for seed in (0, 1))
    assert jax.tree.structure(one) == jax.tree.structure(two)


# Training-time calls


@pytest.mark.slow
def test_dropout_is_between_layers_and_only_in_observe():
    model = pn.GRU(key(0), 2, 8, layers=2, dropout=0.5, dtype=float)
    observe, plain = jax.jit(pn.observe), np.asarray(model(X))
    seen, after = observe(model, X, key=key(1))
    again, _ = observe(model, X, key=key(1))
    other, _ = observe(model, X, key=key(2))
    close(np.asarray(seen), np.asarray(again))
    assert not np.allclose(seen, other)
    assert not np.allclose(seen, plain)
    close(after, model)
    close(pn.observe(model, X, dropout=0.0)[0], plain)
    with pytest.raises(TypeError, match="GRU: in training key must be a PRNG key, got None"):
        pn.observe(model, X)
    narrow = X.astype(np.float32)
    small = pn.RNN(key(0), 2, 3, layers=2)
    assert pn.observe(small, narrow, key=key(1), dropout=np.float64(0.5))[0].dtype == np.float32


def test_dropout_keeps_the_mean():
    first = pn.SimpleCell(key(0), 2, 4, dtype=float)
    sums = pn.bind("Sum", lambda: (), lambda params, carry, x: (carry, x.sum(-1, keepdims=True)))
    model = pn.RNN(pn.Box(type(pn.RNN(key(0), 2, 4).params)((first, sums()))))
    carry = (pn.initial_carry(first, (3,)), jnp.zeros((3, 1)))
    keys = jax.random.split(key(0), 4000)

    @jax.jit
    def mean(keys):
        drop = jax.vmap(lambda key: pn.observe(model, X, key=key, dropout=0.3, carry=carry)[0])
        return drop(keys).mean(0)

    np.testing.assert_allclose(mean(keys), model(X, carry=carry), atol=0.1)


class Noisy(NamedTuple):
    count: jax.Array


def create_noisy(key, inputs, outputs):
    return Noisy(jnp.zeros(()))


def apply_noisy(params, carry, x):
    return carry + x, carry + x


def observe_noisy(params, carry, x, *, key):
    carry = carry + x + jax.random.normal(key, x.shape)
    return (carry, carry), Noisy(params.count + 1)


def first_noisy(params, batch_shape, dtype):
    return jnp.zeros((*batch_shape, 2), dtype)


NoisyCell = pn.bind_cell(
    "NoisyCell",
    create_noisy,
    apply_noisy,
    first_noisy,
    observe_noisy,
    roles={"count": "batch_stats"},
)


def test_observe_reaches_a_cell_that_draws_and_moves():
    model = pn.RNN(key(0), 2, 2, cell=NoisyCell)
    close(model(X), np.cumsum(X, 1))
    y, moved = jax.jit(pn.observe)(model, X, key=key(1))
    assert float(moved.cells[0].count) == 5
    noise = np.diff(np.asarray(y) - np.cumsum(X, 1), axis=1)
    assert len(np.unique(noise)) == noise.size  # every step draws anew


def test_observe_draws_once_for_a_transform_of_parameters():
    def drop_connect(params, *, key=None):
        if key is None:
            return params
        kept = jax.random.bernoulli(key, 0.5, params.recurrent_kernel.shape)
        return params._replace(recurrent_kernel=jnp.where(kept, params.recurrent_kernel, 0))

    model = pn.RNN(key(0), 2, 3, cell=pn.reparam(pn.SimpleCell, drop_connect), dtype=float)
    close(model(X), truth_cells.sequence(model.cells[0], X)[1])
    y, after = pn.observe(model, X, key=key(1))
    masks = np.array(np.meshgrid(*[[0, 1]] * 9)).reshape(9, -1).T.reshape(-1, 3, 3)
    kernel = np.asarray(model.cells[0].recurrent_kernel)

    def loop(mask):
        cell = pn.replace(model.cells[0], "recurrent_kernel", jnp.asarray(mask * kernel))
        return pn.scan_cell(pn.SimpleCell(pn.Box(cell.params)), X)

    all_masks = jax.jit(jax.vmap(loop))(masks)
    assert (abs(all_masks - y[None]).max((1, 2, 3)) < 1e-12).sum() == 1
    close(after, model)


# Learning

SYMBOLS, COPIED, DELAY = 4, 3, 3


def copy_task(key, n):
    """One-hot sequences: symbols, blanks, marks at which to repeat the symbols."""
    symbols = jax.random.randint(key, (n, COPIED), 0, SYMBOLS)
    blanks, marks = jnp.full((n, DELAY), SYMBOLS), jnp.full((n, COPIED), SYMBOLS + 1)
    return jax.nn.one_hot(jnp.concatenate([symbols, blanks, marks], 1), SYMBOLS + 2), symbols


def train_to_copy(key, steps=300, units=16):
    """The share of symbols repeated right, the largest |h|, and the losses."""
    one, two, batches, test = jax.random.split(key, 4)
    kinds = {"dtype": jnp.float32}
    cell = pn.YatLSTMCell(one, SYMBOLS + 2, units, **kinds)
    model = (cell, pn.Linear(two, units, SYMBOLS, **kinds))
    optimizer = optax.adam(1e-2)

    def logits(model, x):
        h = pn.scan_cell(model[0], x.astype(jnp.float32))
        return model[1](h[:, -COPIED:]), h

    def loss(model, key):
        x, symbols = copy_task(key, 64)
        entropy = optax.softmax_cross_entropy_with_integer_labels
        return entropy(logits(model, x)[0], symbols).mean()

    def step(state, key):
        model, memory = state
        value, gradient = jax.value_and_grad(loss)(model, key)
        change, memory = optimizer.update(gradient, memory, model)
        return (optax.apply_updates(model, change), memory), value

    state = (model, optimizer.init(model))
    (model, _), losses = jax.lax.scan(step, state, jax.random.split(batches, steps))
    x, symbols = copy_task(test, 512)
    guess, h = logits(model, x)
    return (guess.argmax(-1) == symbols).mean(), abs(h).max(), losses


@pytest.mark.slow
def test_yat_lstm_learns_to_copy_and_stays_bounded():
    # Key reuse is refused where there is none: in a scan under vmap.
    with jax.numpy_rank_promotion("allow"), jax.debug_key_reuse(False):
        seeds = jax.random.split(key(0), 6)
        right, largest, losses = jax.jit(jax.vmap(train_to_copy))(seeds)
    assert np.isfinite(losses).all()
    assert largest.max() <= 1
    assert right.mean() > 0.95, right
    assert right.min() > 0.9, right


# Errors


def test_wrong_arguments():
    model = pn.LSTM(key(0), 2, 3, layers=2)
    with pytest.raises(ValueError, match="one entry for each of 2 layers, got 1 entries"):
        model(X, carry=(None,))
    with pytest.raises(ValueError, match="dropout must be from 0 to below 1"):
        pn.observe(model, X, dropout=1.0)
    with pytest.raises(ValueError, match="reverse must be False"):
        pn.LSTM(key(0), 2, 3, bidirectional=True)(X, reverse=True)
    with pytest.raises(ValueError, match="merge joins two directions"):
        model(X, merge=jnp.add)
    with pytest.raises(ValueError, match="dropout=0.5 falls between layers"):
        pn.observe(pn.RNN(key(0), 2, 3), X, key=key(1), dropout=0.5)
    with pytest.raises(TypeError, match="cell must be a layer"):
        pn.RNN(key(0), 2, 3, cell=pn.LSTMCell(key(0), 2, 3))
    with pytest.raises(ValueError, match="layers must be at least 1"):
        pn.LSTM(key(0), 2, 3, layers=0)
    with pytest.raises(TypeError, match="unexpected keyword 'nonsense'"):
        pn.LSTM(key(0), 2, 3, nonsense=1)
    with pytest.raises(ValueError, match="lengths must be from 0 to 5"):
        model(X, lengths=np.array([9, 1, 1]))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"dropout": 5, "layers": 2}, ValueError, "dropout must be from 0 to below 1"),
        ({"dropout": 0.5}, ValueError, "dropout=0.5 falls between layers"),
        ({"merge": jnp.add}, ValueError, "merge joins two directions"),
        ({"merge": "nonsense"}, TypeError, "merge must be a function"),
        ({"bidirectional": True, "reverse": True}, ValueError, "reverse must be False"),
    ],
)
@pytest.mark.parametrize("layer", [pn.RNN, pn.LSTM, pn.GRU])
def test_what_cannot_be_made_is_refused(layer, options, error, message):
    with pytest.raises(error, match=f"RNN: .*{message}"):
        layer(key(0), 2, 3, **options)


def test_the_cell_of_an_lstm_is_its_own():
    with pytest.raises(TypeError, match="LSTM: unexpected keyword 'cell'; create takes"):
        pn.LSTM(key(0), 2, 3, cell=pn.GRUCell)


@pytest.mark.parametrize("carry", [5, (None,), (None,) * 3])
def test_the_carry_of_two_directions_is_a_pair(carry):
    model = pn.GRU(key(0), 2, 3, bidirectional=True)
    with pytest.raises(ValueError, match="bidirectional layer must be a pair"):
        model(X, carry=(carry,))


def test_a_cell_does_not_move_in_the_padding():
    model = pn.RNN(key(0), 2, 2, cell=NoisyCell)
    observe = jax.jit(pn.observe)
    for lengths, steps in ((LENGTHS, 5), ([2, 1, 3], 3), ([0, 0, 0], 0)):
        _, moved = observe(model, X, key=key(1), lengths=np.array(lengths))
        assert float(moved.cells[0].count) == steps


@pytest.mark.slow
def test_gradient_of_a_deep_model():
    model = pn.LSTM(key(0), 2, 3, layers=2, bidirectional=True, dtype=float)
    value = jax.jit(lambda model, x: (model(x, lengths=LENGTHS) ** 2).sum())
    check_grads(value, (model, jnp.asarray(X)), 1, ("fwd", "rev"), atol=1e-5, rtol=1e-5)
