"""The options of recurrent layers: told to a reader, refused where wrong; kinds; training."""

import inspect
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn

X = np.sin(np.arange(3 * 5 * 2.0)).reshape(3, 5, 2)
LENGTHS = np.array([5, 1, 3])
KINDS = {
    pn.LSTM: pn.LSTMCell,
    pn.GRU: pn.GRUCell,
    pn.YatSimpleRNN: pn.YatSimpleCell,
    pn.YatLSTM: pn.YatLSTMCell,
    pn.YatGRU: pn.YatGRUCell,
}
CELLS = [pn.SimpleCell, *KINDS.values()]
key = jax.random.key


@pytest.mark.parametrize("layer", [pn.RNN, *KINDS, *CELLS], ids=lambda one: one.name)
def test_help_tells_of_every_option_once(layer):
    names = [name for name in inspect.signature(layer).parameters if name != "options"]
    doc, _, _ = inspect.getdoc(layer).partition("Returns:")
    told = re.findall(r"^    (\w+): ", doc, re.MULTILINE)
    assert sorted(told) == sorted(names)
    for name in (*inspect.signature(KINDS[layer]).parameters, "layers") if layer in KINDS else ():
        assert name in names


@pytest.mark.parametrize(("layer", "cell"), KINDS.items(), ids=lambda one: one.name)
def test_a_kind_is_an_rnn_of_its_cell(layer, cell):
    options = {"layers": 2, "dtype": float, "use_bias": False}
    one = layer(key(0), 2, 3, **options)
    other = pn.RNN(key(0), 2, 3, cell=cell, **options)
    assert [part.layer for part in one.cells] == [cell, cell]
    jax.tree.map(np.testing.assert_array_equal, one.params, other.params)
    np.testing.assert_array_equal(one(X, lengths=LENGTHS), other(X, lengths=LENGTHS))


def test_options_of_the_cells_call_reach_it():
    model = pn.YatGRU(key(0), 2, 3, epsilon=0.5, gate=jax.nn.sigmoid, reverse=True)
    assert dict(model.cells[0].static) == {"epsilon": 0.5, "gate": jax.nn.sigmoid}
    assert dict(model.static) == {"reverse": True}


@pytest.mark.parametrize("cell", CELLS, ids=lambda one: one.name)
def test_a_cell_refuses_what_it_does_not_know(cell):
    model = cell(key(0), 2, 3)
    carry = pn.initial_carry(model, (3,))
    with pytest.raises(TypeError, match="unexpected keyword argument 'activate'") as error:
        model(carry, jnp.ones((3, 2)), activate=jnp.tanh)
    assert any("activation, " in note for note in error.value.__notes__)
    with pytest.raises(TypeError, match=f"{cell.name}: use_bias must be True or False, got 'no'"):
        cell(key(0), 2, 3, use_bias="no")
    for name in ("kernel_init", "recurrent_init", "bias_init"):
        with pytest.raises(ValueError, match=f"{cell.name}: {name} must return shape"):
            cell(key(0), 2, 3, **{name: lambda key, shape, dtype: jnp.ones((7, *shape), dtype)})


@pytest.mark.parametrize(
    "flag", ["bidirectional", "reverse", "keep_order", "time_major", "return_carry"]
)
def test_a_flag_that_is_no_boolean_is_refused(flag):
    with pytest.raises(TypeError, match=f"{flag} must be True or False, got 'no'"):
        pn.GRU(key(0), 2, 3, **{flag: "no"})(X)


# Training


@pytest.mark.slow
def test_a_moving_transform_of_a_cell_moves_once_and_is_computed_at_once():
    cell = pn.reparam(pn.SimpleCell, pn.spectral_norm("recurrent_kernel"))
    model = pn.RNN(key(0), 2, 3, cell=cell, dtype=float)
    y, moved = pn.observe(model, X)
    alone, after = pn.observe(model.cells[0], jnp.zeros((3, 3)), X[:, 0])
    jax.tree.map(np.testing.assert_array_equal, moved.cells[0], after)
    assert any(
        (one != two).any()
        for one, two in zip(jax.tree.leaves(model), jax.tree.leaves(moved), strict=True)
    )
    np.testing.assert_allclose(y[:, 0], alone[1], rtol=1e-12)

    def sizes(call):
        return str(jax.make_jaxpr(call)(X)).count("f64[15,3] = dot_general")

    assert sizes(lambda x: pn.observe(model, x)[0]) == sizes(model) == 1


def create_counting(key, inputs, outputs):
    return {"count": jnp.zeros(()), "linear": pn.Linear(key, inputs, outputs, dtype=float)}


def apply_counting(params, carry, x, *, key=None):
    carry = carry + params["linear"](x)
    carry = carry if key is None else carry + jax.random.normal(key, carry.shape)
    return carry, carry


def first_counting(params, batch_shape, dtype):
    return jnp.zeros((*batch_shape, 2), dtype)


def test_one_apply_serves_a_cell_that_draws_in_any_function_that_trains():
    cell = pn.bind_cell("Drawing", create_counting, apply_counting, first_counting)
    model = pn.RNN(key(0), 2, 2, cell=cell)

    def loss(model, x, lengths):
        return model(x, lengths=lengths)

    still = np.asarray(loss(model, X, None))
    y, _ = jax.jit(pn.training(loss))(model, X, None, key=key(1))
    noise = np.diff(np.asarray(y) - still, axis=1)
    assert len(np.unique(noise.round(9))) == noise.size
    y, _ = jax.jit(pn.training(loss))(model, X, LENGTHS, key=key(1))
    assert (np.asarray(y)[1, 1:] == 0).all()
    with pytest.raises(TypeError, match="Drawing at .*cells.*: in training key must be a PRNG key"):
        pn.training(loss)(model, X, None)
