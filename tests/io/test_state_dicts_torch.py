"""Parameters of PyTorch: each layer with them computes what PyTorch's does, and they go back."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn

torch = pytest.importorskip("torch")
nn = torch.nn


def key():
    return jax.random.key(0)


class Case(NamedTuple):
    """A module of PyTorch, its counterpart, shapes of inputs, and whether channels are second."""

    theirs: object
    ours: object
    shapes: tuple
    spatial: bool = False


def padded(padding, size):
    return tuple((s - 1 - padding,) * 2 for s in size)


CASES = {
    "Linear": Case(lambda: nn.Linear(3, 4), lambda: pn.Linear(key(), 3, 4), ((5, 3),)),
    "Linear without bias": Case(
        lambda: nn.Linear(3, 4, bias=False),
        lambda: pn.Linear(key(), 3, 4, use_bias=False),
        ((5, 3),),
    ),
    "Conv1d": Case(
        lambda: nn.Conv1d(4, 6, 3, groups=2, padding=1),
        lambda: pn.Conv(key(), 4, 6, 3, feature_group_count=2),
        ((2, 4, 7),),
        True,
    ),
    "Conv2d": Case(
        lambda: nn.Conv2d(2, 4, (3, 2), stride=2),
        lambda: pn.Conv(key(), 2, 4, (3, 2), strides=2, padding="VALID"),
        ((2, 2, 7, 6),),
        True,
    ),
    "Conv3d": Case(
        lambda: nn.Conv3d(2, 3, 2, dilation=2),
        lambda: pn.Conv(key(), 2, 3, (2, 2, 2), kernel_dilation=2, padding="VALID"),
        ((1, 2, 5, 4, 4),),
        True,
    ),
    "ConvTranspose1d": Case(
        lambda: nn.ConvTranspose1d(4, 6, 3, stride=2, padding=1),
        lambda: pn.ConvTranspose(key(), 4, 6, 3, strides=2, padding=padded(1, (3,))),
        ((2, 4, 5),),
        True,
    ),
    "ConvTranspose2d": Case(
        lambda: nn.ConvTranspose2d(4, 6, (3, 2), stride=2, groups=2),
        lambda: pn.ConvTranspose(
            key(), 4, 6, (3, 2), strides=2, feature_group_count=2, padding=padded(0, (3, 2))
        ),
        ((2, 4, 5, 4),),
        True,
    ),
    "ConvTranspose2d, transposed": Case(
        lambda: nn.ConvTranspose2d(4, 6, (3, 2), groups=2),
        lambda: pn.ConvTranspose(
            key(), 4, 6, (3, 2), feature_group_count=2, transpose_kernel=True, padding="VALID"
        ),
        ((2, 4, 5, 4),),
        True,
    ),
    "LayerNorm": Case(lambda: nn.LayerNorm(6), lambda: pn.LayerNorm(6), ((5, 6),)),
    "RMSNorm": Case(
        lambda: nn.RMSNorm(6, eps=1e-5), lambda: pn.RMSNorm(6, epsilon=1e-5), ((5, 6),)
    ),
    "GroupNorm": Case(
        lambda: nn.GroupNorm(2, 6), lambda: pn.GroupNorm(6, groups=2), ((2, 6, 4),), True
    ),
    "BatchNorm1d": Case(lambda: nn.BatchNorm1d(4), lambda: pn.BatchNorm(4), ((5, 4),)),
    "BatchNorm2d": Case(lambda: nn.BatchNorm2d(4), lambda: pn.BatchNorm(4), ((2, 4, 3, 3),), True),
    "PReLU": Case(lambda: nn.PReLU(4), lambda: pn.PReLU(4), ((5, 4),)),
    "self attention": Case(
        lambda: nn.MultiheadAttention(8, 2, batch_first=True),
        lambda: pn.MultiHeadAttention(key(), 8, 8, heads=2),
        ((2, 5, 8),) * 3,
    ),
    "cross attention": Case(
        lambda: nn.MultiheadAttention(8, 2, batch_first=True, kdim=6, vdim=6, bias=False),
        lambda: pn.MultiHeadAttention(key(), 8, 8, heads=2, kv_inputs=6, use_bias=False),
        ((2, 5, 8), (2, 4, 6), (2, 4, 6)),
    ),
    "RNN": Case(lambda: nn.RNN(3, 4, batch_first=True), lambda: pn.RNN(key(), 3, 4), ((2, 5, 3),)),
    "LSTM": Case(
        lambda: nn.LSTM(3, 4, 2, batch_first=True, bidirectional=True),
        lambda: pn.LSTM(key(), 3, 4, layers=2, bidirectional=True),
        ((2, 5, 3),),
    ),
    "LSTM without bias": Case(
        lambda: nn.LSTM(3, 4, bias=False, batch_first=True),
        lambda: pn.LSTM(key(), 3, 4, use_bias=False),
        ((2, 5, 3),),
    ),
    "GRU": Case(
        lambda: nn.GRU(3, 4, 2, batch_first=True),
        lambda: pn.GRU(key(), 3, 4, layers=2),
        ((2, 5, 3),),
    ),
    "RNNCell": Case(lambda: nn.RNNCell(3, 4), lambda: pn.SimpleCell(key(), 3, 4), ((2, 3), (2, 4))),
    "GRUCell": Case(lambda: nn.GRUCell(3, 4), lambda: pn.GRUCell(key(), 3, 4), ((2, 3), (2, 4))),
    "Sequential": Case(
        lambda: nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)),
        lambda: pn.sequential(pn.Linear(key(), 3, 4), jax.nn.relu, pn.Linear(key(), 4, 2)),
        ((5, 3),),
    ),
    "copies": Case(
        lambda: nn.Sequential(*(nn.Sequential(nn.Linear(3, 3), nn.GELU()) for _ in range(3))),
        lambda: pn.repeat(pn.bind("Step", step_parts, lambda p, x: p["0"](x)), 3)(key()),
        ((5, 3),),
    ),
}


def step_parts(key):
    return {"0": pn.compose(pn.Linear, lambda x: jax.nn.gelu(x, approximate=False))(key, 3, 3)}


def randomized(module, seed=0):
    """The module with parameters and statistics that are none of the usual ones."""
    torch.manual_seed(seed)
    for value in module.state_dict().values():
        if value.is_floating_point():
            value.copy_(0.3 * torch.randn(value.shape).abs() + 0.1 * torch.randn(value.shape).abs())
    return module.eval()


def theirs(module, xs):
    with torch.no_grad():
        y = module(*map(torch.from_numpy, xs))
    return (y[0] if isinstance(y, tuple) else y).numpy()


def ours(model, xs, spatial):
    xs = [np.moveaxis(x, 1, -1) for x in xs] if spatial else xs
    if "Cell" in model.layer.name:
        return np.asarray(jax.jit(model)(xs[1], xs[0])[1])
    y = np.asarray(jax.jit(model)(*xs))
    return np.moveaxis(y, -1, 1) if spatial else y


@pytest.mark.parametrize("name", CASES)
def test_a_layer_computes_what_pytorchs_computes(name):
    case = CASES[name]
    module, numbers = randomized(case.theirs()), np.random.default_rng(0)
    xs = [numbers.normal(size=shape).astype(np.float32) for shape in case.shapes]
    model, report = pn.from_state_dict(case.ours(), {f"a.{k}": v for k, v in
        module.state_dict().items()}, {"": "a"})  # fmt: skip
    expected = theirs(module, xs)
    np.testing.assert_allclose(ours(model, xs, case.spatial), expected, rtol=1e-5, atol=1e-5)
    assert report.loaded.keys() == {path for path, _ in pn.core.leaves_by_path(model)}
    state = {name: torch.from_numpy(array) for name, array in pn.to_state_dict(model).items()}
    other = randomized(case.theirs(), seed=1)
    other.load_state_dict(state)
    np.testing.assert_allclose(theirs(other, xs), expected, rtol=1e-5, atol=1e-5)


def test_an_embedding(tmp_path):
    module = nn.Embedding(5, 3)
    torch.save(module.state_dict(), tmp_path / "embedding.pt")
    model, _ = pn.from_state_dict(pn.Embed(key(), 5, 3), tmp_path / "embedding.pt")
    ids = np.array([[4, 0], [1, 1]])
    np.testing.assert_array_equal(model(ids), theirs(module, [ids]))


def test_an_lstm_cell():
    module = randomized(nn.LSTMCell(3, 4))
    model, _ = pn.from_state_dict(pn.LSTMCell(key(), 3, 4), module)
    x, h, c = (np.random.default_rng(i).normal(size=(2, n)) for i, n in enumerate((3, 4, 4)))
    with torch.no_grad():
        expected = module.double()(torch.from_numpy(x), (torch.from_numpy(h), torch.from_numpy(c)))
    (c, h), _ = jax.jit(model)((c, h), x)
    np.testing.assert_allclose(h, expected[0], rtol=1e-5)
    np.testing.assert_allclose(c, expected[1], rtol=1e-5)


def pool(x):
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def flat(x):
    return x.reshape(len(x), -1)


def turned(weight):
    """The weight behind a flattened image of 8 channels, for channels last."""
    return weight.reshape(5, 8, 4, 4).transpose(2, 3, 1, 0).reshape(128, 5)


def turned_back(kernel):
    return kernel.reshape(4, 4, 8, 5).transpose(3, 2, 0, 1).reshape(5, 128)


def test_a_convolutional_network(tmp_path):
    module = randomized(nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 8, 3, padding=1),
        nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 5),
    ))  # fmt: skip
    torch.save({"epoch": 3, "state_dict": module.state_dict()}, tmp_path / "cnn.pth")
    parts = {
        "conv": pn.Conv(key(), 3, 4, (3, 3)), "norm": pn.BatchNorm(4), "relu": jax.nn.relu,
        "second": pn.Conv(key(), 4, 8, (3, 3)), "third": pn.BatchNorm(8), "relu again": jax.nn.relu,
        "pool": pool, "flat": flat, "out": pn.Linear(key(), 128, 5),
    }  # fmt: skip
    mapping = {
        "conv": "0", "norm": "1", "second": "3", "third": "4", "out": "8",
        "out.kernel": ("8.weight", turned, turned_back),
    }  # fmt: skip
    inside = {
        path: f"state_dict.{to}" if isinstance(to, str) else (f"state_dict.{to[0]}", *to[1:])
        for path, to in mapping.items()
    }
    model, _ = pn.from_state_dict(pn.sequential(parts), tmp_path / "cnn.pth", inside)
    x = np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32)
    expected = theirs(module, [x])
    found = jax.jit(model)(np.moveaxis(x, 1, -1))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    other = randomized(module, seed=1)
    back = {name: torch.from_numpy(a) for name, a in pn.to_state_dict(model, mapping).items()}
    other.load_state_dict(back)
    np.testing.assert_allclose(theirs(other, [x]), expected, rtol=1e-6)


class BlockParams(NamedTuple):
    attention: pn.Model
    norms: tuple
    hidden: pn.Model
    output: pn.Model


def create_block(key, features, wide):
    return BlockParams(
        pn.MultiHeadAttention(key, features, features, heads=2),
        (pn.LayerNorm(features), pn.LayerNorm(features)),
        pn.Linear(jax.random.fold_in(key, 1), features, wide),
        pn.Linear(jax.random.fold_in(key, 2), wide, features),
    )


def apply_block(p, x, *, norm_first=False):
    def feed(x):
        return p.output(jax.nn.relu(p.hidden(x)))

    if norm_first:
        x = x + p.attention(p.norms[0](x))
        return x + feed(p.norms[1](x))
    x = p.norms[0](x + p.attention(x))
    return p.norms[1](x + feed(x))


Block = pn.bind("Block", create_block, apply_block)
NAMES = {
    "attention": "self_attn",
    "norms[0]": "norm1",
    "norms[1]": "norm2",
    "hidden": "linear1",
    "output": "linear2",
}


@pytest.mark.parametrize("norm_first", [False, True])
def test_a_transformer_block(norm_first):
    options = {"batch_first": True, "norm_first": norm_first}
    module = randomized(nn.TransformerEncoderLayer(8, 2, 12, **options))
    x = np.random.default_rng(0).normal(size=(2, 5, 8)).astype(np.float32)
    block = Block(key(), 8, 12, norm_first=norm_first)
    model, _ = pn.from_state_dict(block, module.state_dict(), NAMES)
    expected = theirs(module, [x])
    np.testing.assert_allclose(jax.jit(model)(x), expected, rtol=1e-5, atol=1e-5)
    back = pn.to_state_dict(model, NAMES)
    assert back.keys() == module.state_dict().keys()
    for name, array in module.state_dict().items():
        np.testing.assert_array_equal(back[name], array)


@pytest.mark.slow
def test_a_stack_of_blocks_is_a_repeat():
    layer = nn.TransformerEncoderLayer(8, 2, 12, batch_first=True, norm_first=True)
    module = randomized(nn.TransformerEncoder(layer, 3, enable_nested_tensor=False))
    stack = pn.repeat(Block, 3)(key(), 8, 12, norm_first=True)
    names = {f"each.{path}": f"layers.*.{name}" for path, name in NAMES.items()}
    model, _ = pn.from_state_dict(stack, module.state_dict(), names)
    x = np.random.default_rng(0).normal(size=(2, 5, 8)).astype(np.float32)
    np.testing.assert_allclose(jax.jit(model)(x), theirs(module, [x]), rtol=1e-5, atol=1e-5)
    back = pn.to_state_dict(model, names)
    assert all(np.array_equal(back[name], array) for name, array in module.state_dict().items())


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float8_e4m3fn", "float64"])
def test_dtypes_of_pytorch_become_that_of_the_leaf(dtype):
    values = torch.tensor([[1.5, -2.0, 0.25], [3.0, -0.5, 4.0]])
    state = {"weight": values.to(getattr(torch, dtype)).requires_grad_(True)}
    for kind in (jnp.float32, jnp.bfloat16):
        like = pn.Linear(key(), 3, 2, use_bias=False, dtype=kind)
        model, _ = pn.from_state_dict(like, state)
        assert model.kernel.dtype == kind
        np.testing.assert_array_equal(model.kernel.astype(float), values.numpy().T)


def test_a_file_of_pytorch_that_runs_code_is_refused(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (tmp_path / "mark").mkdir, ()

    torch.save({"weight": Bomb()}, tmp_path / "bomb.pt")
    (tmp_path / "text.pt").write_text("no tensors")
    for name in ("bomb.pt", "text.pt"):
        with pytest.raises(ValueError, match=rf"from_state_dict: {name} must be a file of arrays"):
            pn.from_state_dict(pn.Linear(key(), 3, 2), tmp_path / name)
    assert not (tmp_path / "mark").exists()
