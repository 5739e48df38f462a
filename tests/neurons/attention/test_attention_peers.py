"""The attention layers against nmn's, flax's and torch's, with the same weights.

Values and gradients, in float64, where a query near a key costs no digits; the peers keep some
constants in float32. Every array is compared to 2e-5 of its largest entry, or of 1.
"""

import contextlib
import functools
import warnings

import attention_truth as truth
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn


def peers():
    """flax.nnx and nmn's layers; importing them may warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nnx = pytest.importorskip("flax.nnx")
        heads = pytest.importorskip("nmn.nnx.layers.attention.multi_head")
        rotary = pytest.importorskip("nmn.nnx.layers.attention.rotary_yat")
    return nnx, heads.MultiHeadAttention, rotary.RotaryYatAttention


nnx, NmnAttention, NmnRotary = peers()

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(2, 6, 8))
MEMORY = DRAW.normal(size=(2, 7, 8))
CAUSAL = np.tril(np.ones((6, 6), bool))[None, None]
SOME = (DRAW.random((2, 4, 6, 6)) < 0.7) | np.eye(6, dtype=bool)


@pytest.fixture(autouse=True)
def as_peers_want():
    """The peers broadcast ranks, and reuse keys."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(jax.numpy_rank_promotion("allow"))
        stack.enter_context(jax.debug_key_reuse(False))
        yield


def scrambled(layer):
    """Parameters that are not what they were made: biases not 0, scales not 1."""
    draw = np.random.default_rng(1)
    state = nnx.state(layer, nnx.Param)
    moved = jax.tree.map(lambda a: a + jnp.asarray(0.3 * draw.normal(size=a.shape), a.dtype), state)
    nnx.update(layer, moved)
    return layer


def flat(kernel):
    """A kernel with head axes as (inputs, outputs) or (inputs,) for a bias."""
    kernel = np.asarray(kernel)
    return kernel.reshape(-1, kernel.shape[-1]) if kernel.ndim == 3 else kernel


NMN_PARTS = {"query": "query", "key": "key", "value": "value", "output": "out"}
ROTARY_PARTS = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "output": "o_proj"}


def with_weights(model, layer, parts):
    """Our model with the peer's projections, alpha and epsilon."""
    for mine, theirs in parts.items():
        part = getattr(layer, theirs)
        model = pn.replace(model, f"{mine}.kernel", flat(part.kernel[...]))
        if part.bias is not None:
            model = pn.replace(model, f"{mine}.bias", part.bias[...])
    if model.alpha is not None:
        model = pn.replace(model, "alpha", np.broadcast_to(layer.alpha[...], (4,)))
    if model.epsilon is not None:
        epsilon = dict(model.static)["epsilon"]
        shift = np.asarray(layer.epsilon_param[...]) - np.log(np.expm1(epsilon))
        model = pn.replace(model, "epsilon", np.broadcast_to(shift, (4,)))
    return model


def near(got, wanted, name=""):
    got, wanted = np.asarray(got, float), np.asarray(wanted, float)
    scale = max(np.abs(wanted).max(), 1.0)
    np.testing.assert_allclose(got, wanted, rtol=0, atol=2e-5 * scale, err_msg=name)


@functools.partial(jax.jit, static_argnames="is_causal")
def results(model, x, others, g, **options):
    """Gradients of `sum(y g)` in the model and x, and y."""

    def total(model, x):
        y = model(x, *others, **options)
        return (y * g).sum(), y

    return jax.grad(total, (0, 1), has_aux=True)(model, x)


def their_results(layer, **options):
    """A function of x, other inputs, mask and g that gives the same of a peer: one program."""
    graph, params, rest = nnx.split(layer, nnx.Param, ...)

    def total(params, x, others, mask, g):
        y = nnx.merge(graph, params, rest)(x, *others, mask=mask, **options)
        return (y * g).sum(), y

    return functools.partial(jax.jit(jax.grad(total, (0, 1), has_aux=True)), params)


def both(model, theirs, inputs, call, **options):
    """Our results and the peer's for inputs and one of the CALLS; the peer always has a mask."""
    x, *others = inputs
    g = np.random.default_rng(2).normal(size=(*x.shape[:2], model.output.kernel.shape[-1]))
    mask = call.get("mask", CAUSAL if call.get("is_causal") else True)
    mask = np.broadcast_to(mask, (2, 4, x.shape[1], inputs[-1].shape[1]))
    return results(model, x, others, g, **call, **options), theirs(x, others, mask, g)


def compare(model, theirs, parts, inputs, call, **options):
    """Values; gradients in the inputs, the kernels, alpha and epsilon."""
    ours, others = both(model, theirs, inputs, call, **options)
    ((mine, dx), y), ((got, dx_other), other) = ours, others
    near(y, other, "y")
    near(dx, dx_other, "dx")
    for name, part in parts.items():
        near(getattr(mine, name).kernel, flat(got[part]["kernel"][...]), name)
    if model.alpha is not None and dict(model.static)["normalizer"] == "softmax":  # else it is 0
        near(np.sum(mine.alpha), np.sum(got["alpha"][...]), "alpha")
    if model.epsilon is not None:
        near(np.sum(mine.epsilon), got["epsilon_param"][...], "epsilon")


CONFIGURATIONS = {
    "plain": {},
    "no bias": {"use_bias": False},
    "no alpha": {"use_alpha": False},
    "wide": {"qkv_features": 24},
    "normalised": {"normalize_qk": True, "epsilon": 0.01},
    "epsilon": {"epsilon": 0.3},
    "learnable epsilon": {"learnable_epsilon": True, "epsilon": 0.1},
    "softermax": {"use_softermax": True},
    "softermax, power": {"use_softermax": True, "power": 2.5, "use_alpha": False},
    "softermax, unit": {"use_softermax": True, "normalize_qk": True, "epsilon": 0.1},
    "outputs": {"out_features": 5},
    "all": {"qkv_features": 16, "use_bias": False, "normalize_qk": True, "learnable_epsilon": True,
            "epsilon": 0.2, "use_softermax": True, "power": 1.5},
}  # fmt: skip
CALLS = {
    "self": ((X,), {}),
    "cross": ((X, MEMORY), {}),
    "causal": ((X,), {"is_causal": True}),
    "masked": ((X,), {"mask": SOME}),
}
GRID = [(c, "self") for c in CONFIGURATIONS] + [
    (c, call)
    for c in ("plain", "softermax", "softermax, power", "all")
    for call in ("cross", "causal", "masked")
]


def ours_from(options):
    """Nmn's options in our words, and the width of the output."""
    options = dict(options)
    softer = options.pop("use_softermax", False)
    options["normalizer"] = "softermax" if softer else "softmax"
    return options, options.pop("out_features", 8)


@functools.cache
def nmn_pair(configuration):
    """Our model with the weights of nmn's, and the results of nmn's."""
    options = CONFIGURATIONS[configuration]
    layer = scrambled(
        NmnAttention(4, 8, rngs=nnx.Rngs(0), decode=False, param_dtype=float, **options)
    )
    mine, outputs = ours_from({"epsilon": 1e-5, **options})
    model = pn.YatMultiHeadAttention(
        jax.random.key(0), 8, outputs, heads=4, use_shift=False, dtype=float, **mine
    )
    return with_weights(model, layer, NMN_PARTS), their_results(layer)


@pytest.mark.parametrize(("configuration", "call"), GRID)
def test_nmn_multi_head_attention(configuration, call):
    compare(*nmn_pair(configuration), NMN_PARTS, *CALLS[call])


def create_norm(size):
    return jnp.ones(size)


def apply_norm(scale, x):
    """Layer normalisation without a bias, as flax and nmn define it."""
    mean = x.mean(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(((x - mean) ** 2).mean(-1, keepdims=True) + 1e-6) * scale


Norm = pn.bind("Norm", create_norm, apply_norm)


ROTARY = {
    "options0": {},
    "options1": {"use_bias": True, "epsilon": 0.1},
    "options2": {"use_softermax": True, "power": 2.0},
    "options3": {"normalize_qk": True, "theta": 100.0},
    "options4": {"use_alpha": False, "position_offset": 5},
}


@functools.cache
def rotary_pair(name):
    """Our model with the weights of nmn's, the results of nmn's, and the offset."""
    options = dict(ROTARY[name])
    offset = options.pop("position_offset", 0)
    layer = scrambled(
        NmnRotary(16, 4, max_seq_len=32, rngs=nnx.Rngs(0), param_dtype=float, **options)
    )
    mine, _ = ours_from({"epsilon": 1e-5, "use_bias": False, **options})
    mine["rotary_base"] = mine.pop("theta", 10000.0)
    mine["normalize_qk"] = Norm if mine.pop("normalize_qk", False) else False
    model = pn.YatMultiHeadAttention(
        jax.random.key(0),
        16,
        16,
        heads=4,
        use_shift=False,
        dtype=float,
        rotary="interleaved",
        **mine,
    )
    model = with_weights(model, layer, ROTARY_PARTS)
    if model.query_norm is not None:
        for name, norm in (("query_norm", layer.query_ln), ("key_norm", layer.key_ln)):
            model = pn.replace(model, name, Norm(pn.Box(norm.scale[...])))
    return model, their_results(layer, position_offset=offset), offset


@pytest.mark.parametrize("call", ["self", "masked", "causal"])
@pytest.mark.parametrize("options", ROTARY)
def test_nmn_rotary_attention(options, call):
    model, theirs, offset = rotary_pair(options)
    x = np.concatenate([X, X[::-1]], -1)
    compare(model, theirs, ROTARY_PARTS, (x,), CALLS[call][1], offset=offset)


def test_our_causal_rotary_attention_lets_no_future_through_where_nmn_does():
    """Its `causal` counts only for its linear attention: said to be causal, it sees everything."""
    layer = scrambled(
        NmnRotary(16, 4, max_seq_len=32, causal=True, rngs=nnx.Rngs(0), param_dtype=float)
    )
    model = pn.YatMultiHeadAttention(
        jax.random.key(0),
        16,
        16,
        heads=4,
        use_shift=False,
        dtype=float,
        use_bias=False,
        rotary="interleaved",
    )
    model = with_weights(model, layer, ROTARY_PARTS)
    x = np.concatenate([X, X[::-1]], -1)
    changed = x.copy()
    changed[:, -1] += 1
    assert np.abs(np.asarray(layer(x) - layer(changed)))[:, 0].max() > 1e-3
    y = model(x, is_causal=True)
    np.testing.assert_array_equal(y[:, :-1], model(changed, is_causal=True)[:, :-1])
    options = {"heads": 4, "rotary": "interleaved", "is_causal": True, "epsilon": 1e-5}
    near(y, np.stack([truth.layer(model, one, **options) for one in x]))


@functools.cache
def flax_pair(normalize_qk):
    """Our model with the weights of flax's, and the results of flax's."""
    layer = scrambled(
        nnx.MultiHeadAttention(
            4,
            8,
            16,
            5,
            normalize_qk=normalize_qk,
            decode=False,
            param_dtype=float,
            rngs=nnx.Rngs(0),
        )
    )
    norm = Norm if normalize_qk else False
    model = pn.MultiHeadAttention(
        jax.random.key(0), 8, 5, heads=4, qkv_features=16, normalize_qk=norm, dtype=float
    )
    for mine, theirs in NMN_PARTS.items():
        part = getattr(layer, theirs)
        shape = getattr(model, mine).kernel.shape
        model = pn.replace(model, f"{mine}.kernel", np.asarray(part.kernel[...]).reshape(shape))
        model = pn.replace(model, f"{mine}.bias", np.asarray(part.bias[...]).reshape(-1))
    if normalize_qk:
        for name, one in (("query_norm", layer.query_ln), ("key_norm", layer.key_ln)):
            model = pn.replace(model, name, Norm(pn.Box(one.scale[...])))
    return model, their_results(layer)


@pytest.mark.parametrize("normalize_qk", [False, True])
@pytest.mark.parametrize("call", ["self", "cross", "causal", "masked"])
def test_flax_multi_head_attention(normalize_qk, call):
    ours, theirs = both(*flax_pair(normalize_qk), *CALLS[call])
    ((_, dx), y), ((_, dx_other), other) = ours, theirs
    near(y, other)
    near(dx, dx_other)


def test_attention_is_that_of_torch():
    torch = pytest.importorskip("torch")
    peer = torch.nn.MultiheadAttention(8, 4, batch_first=True, dtype=torch.float64)
    model = pn.MultiHeadAttention(jax.random.key(0), 8, 8, heads=4, dtype=float)
    x = np.random.default_rng(0).normal(size=(5, 8))
    weight, bias = peer.in_proj_weight.detach().numpy(), peer.in_proj_bias.detach().numpy()
    parts = zip(np.split(weight, 3), np.split(bias, 3), ("query", "key", "value"), strict=True)
    for kernel, one, name in parts:
        model = pn.replace(pn.replace(model, f"{name}.kernel", kernel.T), f"{name}.bias", one)
    model = pn.replace(model, "output.kernel", peer.out_proj.weight.detach().numpy().T)
    theirs = torch.tensor(x[None], requires_grad=True)
    causal = torch.triu(torch.ones(5, 5, dtype=torch.bool), 1)
    y, _ = peer(theirs, theirs, theirs, attn_mask=causal)
    y.square().sum().backward()

    def total(x):
        y = model(x, is_causal=True)
        return jnp.square(y).sum(), y

    gradient, ours = jax.jit(jax.grad(total, has_aux=True))(x)
    np.testing.assert_allclose(ours, y.detach().numpy()[0], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(gradient, theirs.grad.numpy()[0], rtol=2e-5, atol=1e-5)
