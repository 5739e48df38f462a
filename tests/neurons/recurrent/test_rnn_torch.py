"""Recurrent layers against torch's, with its order of states: values, and all gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn

torch = pytest.importorskip("torch")

B, T, INPUTS, H = 2, 4, 2, 3
DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(B, T, INPUTS))
LENGTHS = np.array([2, 4])
LAYERS = {"RNN": pn.RNN, "LSTM": pn.LSTM, "GRU": pn.GRU}
CASES = {
    "RNN": {},
    "RNN relu": {"nonlinearity": "relu"},
    "RNN of two layers both ways": {"layers": 2, "bidirectional": True},
    "RNN with lengths": {"lengths": True, "bidirectional": True},
    "LSTM": {},
    "LSTM of two layers": {"layers": 2},
    "LSTM both ways": {"bidirectional": True},
    "LSTM of two layers both ways": {"layers": 2, "bidirectional": True},
    "LSTM without bias": {"bias": False, "layers": 2},
    "LSTM from states": {"layers": 2, "bidirectional": True, "states": True},
    "LSTM with lengths": {"layers": 2, "bidirectional": True, "lengths": True, "states": True},
    "LSTM time first": {"batch_first": False},
    "GRU": {},
    "GRU of two layers both ways": {"layers": 2, "bidirectional": True},
    "GRU without bias": {"bias": False},
    "GRU from states": {"layers": 2, "states": True},
    "GRU with lengths": {"layers": 2, "bidirectional": True, "lengths": True},
}


def cell_leaves(kind, values):
    """Our parameters of one cell, of torch's: two kernels and two biases, or gradients of them."""
    kernel, recurrent, *biases = values
    found = {"kernel": kernel.T, "recurrent_kernel": recurrent.T}
    if biases:
        found["bias"] = sum(biases)
        if kind == "GRU":
            found["bias"] = np.concatenate([found["bias"][: 2 * H], biases[0][2 * H :]])
            found["recurrent_bias"] = biases[1][2 * H :]
    return found


def gradient_leaves(kind, values):
    """The same of gradients: both of torch's biases have that of their sum."""
    found = cell_leaves(kind, values)
    if "bias" in found:
        found["bias"] = values[2]
    return found


def cells(model):
    """The cells, layer by layer and direction by direction, with their paths."""
    for i, layer in enumerate(model.cells):
        pair = layer if isinstance(layer, tuple) else (layer,)
        for j, cell in enumerate(pair):
            yield f"cells[{i}]" + (f"[{j}]" if len(pair) > 1 else ""), cell


def theirs(kind, layers, bidirectional, lengths, states, batch_first, **options):
    """A peer with its output, its states and, of all that it computes from, the gradients."""
    options = {"batch_first": batch_first, "bidirectional": bidirectional, **options}
    torch.manual_seed(0)
    peer = getattr(torch.nn, kind)(INPUTS, H, layers, dtype=torch.float64, **options)
    x = torch.tensor(X if batch_first else X.swapaxes(0, 1), requires_grad=True)
    shape = (layers * (1 + bidirectional), B, H)
    count = 0 if not states else 2 if kind == "LSTM" else 1
    start = [torch.tensor(DRAW.normal(size=shape), requires_grad=True) for _ in range(count)]
    given = x
    if lengths:
        given = torch.nn.utils.rnn.pack_padded_sequence(x, LENGTHS, batch_first, False)
    y, last = peer(given, tuple(start) if count > 1 else start[0] if start else None)
    if lengths:
        y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, batch_first)
    last = last if isinstance(last, tuple) else (last,)
    (torch.sin(y).sum() + sum(torch.cos(one).sum() for one in last)).backward()
    return peer, x, start, y, last


@pytest.mark.parametrize("name", CASES)
def test_values_states_and_gradients(name):
    kind = name.split()[0]
    case = {"layers": 1, "bidirectional": False, "lengths": False, "states": False}
    case |= {"batch_first": True, **CASES[name]}
    peer, x, start, y, last = theirs(kind, **case)
    made = {one: case[one] for one in ("layers", "bidirectional")}
    if case.get("nonlinearity"):
        made["activation"] = jax.nn.relu
    bias = case.get("bias", True)
    model = LAYERS[kind](jax.random.key(0), INPUTS, H, dtype=float, use_bias=bias, **made)
    size = 4 if bias else 2
    groups = list(peer.parameters())
    groups = [groups[i : i + size] for i in range(0, len(groups), size)]
    for (path, _), group in zip(list(cells(model)), groups, strict=True):
        values = cell_leaves(kind, [p.detach().numpy() for p in group])
        for leaf, value in values.items():
            model = pn.replace(model, f"{path}.{leaf}", jnp.asarray(value))

    @jax.jit
    def run(model, x, start):
        def loss(model, x, start):
            carry = pn.carry_of(model, start if len(start) > 1 else start[0]) if start else None
            lengths = LENGTHS if case["lengths"] else None
            options = {"lengths": lengths, "time_major": not case["batch_first"]}
            carry, y = model(x, carry=carry, return_carry=True, **options)
            ends = pn.stacked_states(model, carry)
            ends = ends if isinstance(ends, tuple) else (ends,)
            total = jnp.sum(jnp.sin(y)) + sum(jnp.sum(jnp.cos(one)) for one in ends)
            return total, (y, ends)

        return jax.grad(loss, (0, 1, 2), has_aux=True)(model, x, start)

    arrays = x.detach().numpy(), tuple(one.detach().numpy() for one in start)
    (by_model, by_x, by_start), (got, ends) = run(model, *arrays)
    pairs = [(got, y), *zip(ends, last, strict=True)]
    for one, other in pairs:
        np.testing.assert_allclose(one, other.detach().numpy(), 1e-9, 1e-11)
    for one, tensor in [(by_x, x), *zip(by_start, start, strict=True)]:
        np.testing.assert_allclose(one, tensor.grad.numpy(), 1e-8, 1e-10)
    for (path, cell), group in zip(cells(by_model), groups, strict=True):
        for leaf, value in gradient_leaves(kind, [p.grad.numpy() for p in group]).items():
            np.testing.assert_allclose(getattr(cell, leaf), value, 1e-8, 1e-10, err_msg=path)


def test_states_of_another_kind_are_refused():
    lstm = pn.LSTM(jax.random.key(0), INPUTS, H, layers=2)
    h = np.zeros((2, B, H))
    carry = pn.carry_of(lstm, (h, h + 1))
    assert [float(c.mean()) for c, _ in carry] == [1, 1]
    with pytest.raises(TypeError, match=r"carry_of: states must be a pair \(h, c\), got an array"):
        pn.carry_of(lstm, h)
    with pytest.raises(ValueError, match="one entry for each of 2 cells along the first axis, got"):
        pn.carry_of(lstm, (h[:1], h))
    with pytest.raises(TypeError, match="stacked_states: carry must have the structure"):
        pn.stacked_states(lstm, carry[0])
    with pytest.raises(
        TypeError, match="stacked_states: model must be an RNN, or one of its kinds"
    ):
        pn.stacked_states(pn.Linear(jax.random.key(0), 2, 2), carry)
