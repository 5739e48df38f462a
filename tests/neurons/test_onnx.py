"""Layers are traced by exporters that replace functions of `jax.numpy` meanwhile."""

import jax
import jax.numpy as jnp
import pytest

import pyneurons_yat as pn

LAYERS = {
    "YatDense": (lambda: pn.YatDense(jax.random.key(0), 8, 4), (2, 8)),
    "YatConv": (lambda: pn.YatConv(jax.random.key(0), 3, 4, (3, 3)), (2, 6, 6, 3)),
    "MultiHeadAttention": (
        lambda: pn.MultiHeadAttention(jax.random.key(0), 8, 8, heads=2),
        (2, 5, 8),
    ),
    "YatMultiHeadAttention": (
        lambda: pn.YatMultiHeadAttention(jax.random.key(0), 8, 8, heads=2),
        (2, 5, 8),
    ),
    "YatSelfAttention": (lambda: pn.YatSelfAttention(jax.random.key(0), 8, 8, heads=2), (2, 5, 8)),
    "LSTM": (lambda: pn.LSTM(jax.random.key(0), 8, 4), (2, 5, 8)),
    "RNN": (lambda: pn.RNN(jax.random.key(0), 8, 4), (2, 5, 8)),
    "Yat LSTM": (lambda: pn.RNN(jax.random.key(0), 8, 4, cell=pn.YatLSTMCell), (2, 5, 8)),
    "LayerNorm": (lambda: pn.LayerNorm(8), (2, 8)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_shapes_are_read_whatever_replaces_the_functions_of_jax_numpy(name, monkeypatch):
    """Exporters let `jnp.shape` and its like give traced arrays, of which no shape can be made."""
    make, shape = LAYERS[name]
    model = make()
    for function in ("shape", "ndim", "size"):
        monkeypatch.setattr(jnp, function, lambda x, *rest: jnp.ones(()))
    jax.make_jaxpr(model)(jnp.ones(shape, jnp.float32))
