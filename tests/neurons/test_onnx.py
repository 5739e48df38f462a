"""Layers become ONNX: jax2onnx replaces functions of `jax.numpy` while it traces a model."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn
from pyneurons_yat.io.onnx_programs import functions_kept

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


MASKED = pytest.mark.xfail(reason="any_of in ops/attention/blocks.py has a rule for jax.vmap")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=MASKED if n == "YatSelfAttention" else ()) for n in LAYERS]
)
def test_jax2onnx_exports_what_onnxruntime_computes_alike(name):
    jax2onnx, onnxruntime = map(pytest.importorskip, ("jax2onnx", "onnxruntime"))
    make, shape = LAYERS[name]
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    with jax.enable_x64(False):
        jax.clear_caches()  # of what was traced with functions of jax.numpy replaced, or before
        model = make()
        with functions_kept():
            file = jax2onnx.to_onnx(lambda x: model(x), inputs=[shape], model_name="model")
        jax.clear_caches()
        session = onnxruntime.InferenceSession(file.SerializeToString())
        (y,) = session.run(None, {session.get_inputs()[0].name: x})
        np.testing.assert_allclose(y, model(x), rtol=1e-4, atol=1e-5)
