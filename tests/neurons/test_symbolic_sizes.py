"""jax.export with sizes that are free: one program for every batch, length and image."""

from functools import partial

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn
from pyneurons_yat import zoo

KEY = jax.random.key(0)
SIZES = {"b": 3, "t": 5, "h": 6, "w": 4}
ATTENTION = {
    layer.name: layer(KEY, 8, 6, heads=2)
    for layer in (pn.MultiHeadAttention, pn.YatMultiHeadAttention, pn.YatSelfAttention)
}


def masked(model, x, mask):
    return model(x, mask=mask)


def biased(model, x, bias):
    return model(x, bias=bias)


def limited(model, x, lengths):
    return model(x, query_seq_lengths=lengths, key_value_seq_lengths=lengths)


def counted(model, x, where):
    return model(x, where=where)


def gradient(model, x):
    return jax.grad(lambda x: jnp.sum(model(x) ** 2))(x)


DOT, YAT = ATTENTION["MultiHeadAttention"], ATTENTION["YatMultiHeadAttention"]
CASES = {f"{name} batch": (model, [("b, 5, 8", float)]) for name, model in ATTENTION.items()}
CASES |= {
    f"{name} mask": (partial(masked, model), [("b, t, 8", float), ("b, 1, t, t", bool)])
    for name, model in ATTENTION.items()
}
CASES |= {  # a function, and the shapes and dtypes of its arrays
    "bias": (partial(biased, YAT), [("b, t, 8", float), ("2, t, t", float)]),
    "lengths": (partial(limited, DOT), [("b, t, 8", float), ("b", int)]),
    "gradient": (partial(gradient, YAT), [("b, t, 8", float)]),
    "Transformer": (zoo.Transformer(KEY, 7, 8, blocks=1, heads=2), [("b, t", int)]),
    "linear_attention": (
        lambda x: pn.linear_attention(x**2, x**2, x, is_causal=True),
        [("b, t, 2, 4", float)],
    ),
    "SparseYatDense": (
        partial(gradient, pn.SparseYatDense(jax.random.key(0), 8, 6, density=0.5)),
        [("b, t, 8", float)],
    ),
    "GroupNorm of images": (pn.GroupNorm(8, groups=2), [("b, h, w, 8", float)]),
    "YatConv of images": (pn.YatConv(KEY, 3, 2, (3, 3)), [("b, h, w, 3", float)]),
    "pooling": (
        pn.sequential(
            partial(pn.max_pool, window=(3, 3), strides=1, padding="SAME"),
            partial(pn.upsample, factor=(2, 1)),
            partial(pn.average_pool, window=(3, 3), strides=1, padding=1, count_include_pad=False),
            partial(pn.adaptive_max_pool, sizes=(5, 3)),
            partial(pn.adaptive_average_pool, sizes=(2, 2)),
            pn.flatten,
        ),
        [("b, h, w, 3", float)],
    ),
    "circular": (pn.YatConv(KEY, 3, 2, 3, padding="CIRCULAR"), [("b, t, 3", float)]),
    "LSTM": (pn.LSTM(KEY, 8, 4, layers=2), [("b, t, 8", float)]),
}
NORMS = {
    "LayerNorm": pn.layer_norm,
    "RMSNorm": pn.rms_norm,
    "GroupNorm": lambda x, where: pn.group_norm(x, 2, where=where),
    "BatchNorm": lambda x, where: pn.observe(pn.BatchNorm(8), x, where=where)[0],
    "YatLayerNorm": partial(counted, pn.YatLayerNorm(KEY, 8)),
}
CASES |= {
    f"{name} where": (
        lambda x, where, call=call: call(x, where=where),
        [("b, h, w, 8", float), ("b, h, w, 1", bool)],
    )
    for name, call in NORMS.items()
}


def drawn(shape, dtype):
    rng = np.random.default_rng(0)
    sizes = [int(SIZES.get(size, size)) for size in shape.replace(" ", "").split(",")]
    if dtype is int:
        return jnp.asarray(rng.integers(1, 5, sizes), jnp.int32)
    return jnp.asarray(rng.random(sizes) < 0.7 if dtype is bool else rng.normal(size=sizes))


@pytest.mark.parametrize("name", CASES)
def test_a_program_of_free_sizes_computes_what_the_function_does(name):
    call, shapes = CASES[name]
    arrays, scope = [drawn(*one) for one in shapes], jax.export.SymbolicScope()
    free = [
        jax.ShapeDtypeStruct(jax.export.symbolic_shape(shape, scope=scope), array.dtype)
        for (shape, _), array in zip(shapes, arrays, strict=True)
    ]
    written = jax.export.export(jax.jit(lambda *arrays: call(*arrays)))(*free)
    wanted = jax.jit(lambda *arrays: call(*arrays))(*arrays)
    np.testing.assert_allclose(written.call(*arrays), wanted, rtol=1e-5, atol=1e-6)
