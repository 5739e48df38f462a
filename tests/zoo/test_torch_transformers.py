"""Attention to other sequences, encoder and decoder blocks: values and gradients are torch's."""

from functools import partial, reduce

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn
from pyneurons_yat.zoo import Block, FeedForward

torch = pytest.importorskip("torch")

F, T, S, OTHER = 4, 3, 5, 6
DRAW = np.random.default_rng(0)
X, G = DRAW.normal(size=(2, 2, T, F))
MEMORY, WIDE = DRAW.normal(size=(2, S, F)), DRAW.normal(size=(2, S, OTHER))
PADDING = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], bool)
BIAS = DRAW.normal(size=(T, S))
CAUSAL = torch.triu(torch.ones(T, T, dtype=torch.bool), 1)
# Batches are of full rows: a row that is all padding is NaN in torch.
torch.manual_seed(0)


def attention_leaves(mha, of, prefix=""):
    """The arrays of our attention layer by path, out of torch's."""
    if mha.in_proj_weight is None:
        kernels = [of(getattr(mha, f"{one}_proj_weight")) for one in "qkv"]
    else:
        kernels = np.split(of(mha.in_proj_weight), 3)
    biases = [None] * 3 if mha.in_proj_bias is None else np.split(of(mha.in_proj_bias), 3)
    kernels.append(of(mha.out_proj.weight))
    biases.append(None if mha.out_proj.bias is None else of(mha.out_proj.bias))
    found = {}
    for name, kernel, bias in zip(
        ("query", "key", "value", "output"), kernels, biases, strict=True
    ):
        found[f"{prefix}{name}.kernel"] = kernel.T
        found |= {} if bias is None else {f"{prefix}{name}.bias": bias}
    return found


def block_leaves(layer, of):
    """The same of a block, out of a layer of torch's encoder or decoder."""
    found = attention_leaves(layer.self_attn, of, "attention.")
    norms = {"attention_norm": layer.norm1, "feed_norm": layer.norm2}
    if hasattr(layer, "multihead_attn"):
        found |= attention_leaves(layer.multihead_attn, of, "memory.")
        norms = {
            "attention_norm": layer.norm1,
            "memory_norm": layer.norm2,
            "feed_norm": layer.norm3,
        }
    for name, part in norms.items():
        found |= {f"{name}.scale": of(part.weight)}
        found |= {} if part.bias is None else {f"{name}.bias": of(part.bias)}
    for name, part in {"hidden": layer.linear1, "output": layer.linear2}.items():
        found |= {f"feed.{name}.kernel": of(part.weight).T}
        found |= {} if part.bias is None else {f"feed.{name}.bias": of(part.bias)}
    return found


def at(tree, path):
    return reduce(getattr, path.split("."), tree)


def compare(peer, model, leaves, inputs, theirs, ours):
    """Value, gradients of the inputs and of every parameter of a peer and a model."""
    for tensor in peer.parameters():  # norms and biases that are not 1 and 0
        tensor.data += 0.1 * torch.randn_like(tensor)
    for path, array in leaves(peer, lambda p: p.detach().numpy()).items():
        model = pn.replace(model, path, jnp.asarray(array))
    tensors = [torch.tensor(x, requires_grad=True) for x in inputs]
    wanted = theirs(peer, *tensors)
    (wanted * torch.tensor(G)).sum().backward()

    @jax.jit
    def run(model, *inputs):
        def loss(model, *inputs):
            y = ours(model, *inputs)
            return jnp.vdot(y, G), y

        return jax.grad(loss, range(1 + len(inputs)), has_aux=True)(model, *inputs)

    (by_model, *by_inputs), y = run(model, *inputs)
    close = partial(np.testing.assert_allclose, rtol=1e-6, atol=1e-7)
    close(y, wanted.detach().numpy())
    for one, tensor in zip(by_inputs, tensors, strict=True):
        close(one, tensor.grad.numpy())
    known = leaves(peer, lambda p: p.grad.numpy())
    for path, array in known.items():
        close(at(by_model, path), array, err_msg=path)
    assert len(known) == len(jax.tree.leaves(model))


MHA = {
    "self": ({}, (X,), {}, {}),
    "one head": ({"num_heads": 1}, (X,), {}, {}),
    "cross": ({}, (X, MEMORY), {}, {}),
    "cross, no bias": ({"bias": False}, (X, MEMORY), {}, {}),
    "cross of other width": ({"kdim": OTHER, "vdim": OTHER}, (X, WIDE), {}, {}),
    "cross with padding": (
        {},
        (X, MEMORY),
        {"key_padding_mask": torch.tensor(~PADDING)},
        {"key_value_seq_lengths": PADDING.sum(1)},
    ),
    "cross with a bias": ({}, (X, MEMORY), {"attn_mask": torch.tensor(BIAS)}, {"bias": BIAS}),
    "cross of three": ({}, (X, MEMORY, MEMORY[::-1].copy()), {}, {}),
}


@pytest.mark.parametrize("name", MHA)
def test_attention_layer(name):
    options, inputs, theirs, ours = MHA[name]
    options = {"num_heads": 2, "bias": True, **options}
    peer = torch.nn.MultiheadAttention(F, batch_first=True, dtype=torch.float64, **options)
    made = {"heads": options["num_heads"], "use_bias": options["bias"]}
    made["kv_inputs"] = options.get("kdim", F)
    model = pn.MultiHeadAttention(jax.random.key(0), F, F, dtype=float, **made)

    def call(peer, *tensors):
        full = [*tensors, *[tensors[-1]] * (3 - len(tensors))]
        return peer(*full, need_weights=False, **theirs)[0]

    compare(peer, model, attention_leaves, inputs, call, lambda m, *x: m(*x, **ours))


def test_captured_weights_are_those_of_torch():
    peer = torch.nn.MultiheadAttention(F, 2, batch_first=True, dtype=torch.float64)
    model = pn.MultiHeadAttention(jax.random.key(0), F, F, heads=2, dtype=float)
    for path, array in attention_leaves(peer, lambda p: p.detach().numpy()).items():
        model = pn.replace(model, path, jnp.asarray(array))
    x, memory = torch.tensor(X), torch.tensor(MEMORY)
    wanted = peer(x, memory, memory, average_attn_weights=False)[1].detach().numpy()
    _, seen = jax.jit(pn.capture(model))(X, MEMORY)
    np.testing.assert_allclose(seen["attention_weights"], wanted, 1e-9, 1e-11)


DECODER = {
    "causal": ({}, {"tgt_mask": CAUSAL}, {}),
    "not causal": ({}, {}, {"is_causal": False}),
    "one head": ({"nhead": 1}, {"tgt_mask": CAUSAL}, {}),
    "gelu": ({"activation": torch.nn.functional.gelu}, {"tgt_mask": CAUSAL}, {}),
    "no bias": ({"bias": False}, {"tgt_mask": CAUSAL}, {}),
    "padding": (
        {},
        {"tgt_mask": CAUSAL, "memory_key_padding_mask": torch.tensor(~PADDING)},
        {"memory_mask": PADDING[:, None, None, :]},
    ),
}


def block(options, **more):
    """A block as torch's layers are with the norms in front."""
    options = {"nhead": 2, "bias": True, "activation": torch.nn.functional.relu, **options}
    bias = options["bias"]
    plain = options["activation"] is torch.nn.functional.relu
    activation = jax.nn.relu if plain else partial(jax.nn.gelu, approximate=False)
    return Block(
        jax.random.key(0), F, heads=options["nhead"], hidden=7, use_bias=bias, rotary=None,
        attention=pn.MultiHeadAttention, dtype=float,
        feed=partial(FeedForward, use_bias=bias, activation=activation),
        norm=partial(pn.LayerNorm, epsilon=1e-5, use_bias=bias), **more,
    )  # fmt: skip


def options_of_torch(options):
    same = {"norm_first": True, "dropout": 0.0, "batch_first": True, "dtype": torch.float64}
    return {"nhead": 2, "dim_feedforward": 7, **same, **options}


@pytest.mark.parametrize("name", DECODER)
def test_decoder_block(name):
    options, theirs, ours = DECODER[name]
    peer = torch.nn.TransformerDecoderLayer(F, **options_of_torch(options))
    compare(
        peer,
        block(options, memory=True),
        block_leaves,
        (X, MEMORY),
        lambda peer, x, memory: peer(x, memory, **theirs),
        lambda model, x, memory: model(x, memory, **ours),
    )


@pytest.mark.parametrize("padded", [False, True])
def test_encoder_block(padded):
    lengths = np.array([2, 3])
    hidden = np.arange(T) >= lengths[:, None]
    mask = ~hidden[:, None, None, :] if padded else None
    peer = torch.nn.TransformerEncoderLayer(F, **options_of_torch({}))
    theirs = {"src_key_padding_mask": torch.tensor(hidden)} if padded else {}
    compare(
        peer,
        block({}),
        block_leaves,
        (X,),
        lambda peer, x: peer(x, **theirs),
        lambda model, x: model(x, mask=mask, is_causal=False),
    )
