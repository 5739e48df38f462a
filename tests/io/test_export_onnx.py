"""Programs in ONNX: onnxruntime computes what Python does, for layers of every family."""

import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from exported_models import case, names

import pyneurons_yat as pn

pytest.importorskip("safetensors", reason="the zoo's trained models need it")
FEW = {"linear attention, RadialFeatures"}
"""Cosines of arguments in the thousands: what float32 rounds in them is seen in the third digit."""
LONG = {"linear attention, MaclaurinFeatures"}
"""Powers up to the fortieth, in which rounding adds up."""


@pytest.fixture(autouse=True)
def _as_users_run_it():
    pytest.importorskip("onnxruntime")
    pytest.importorskip("jax2onnx")
    with jax.enable_x64(False), jax.numpy_rank_promotion("allow"):
        yield


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", names())
def test_onnxruntime_computes_what_python_does(name, tmp_path):
    call, shapes, inputs = case(name)
    run = pn.load_exported(pn.export(call, inputs[0], tmp_path / "model.onnx", shapes=shapes))
    limit = 5e-3 if name in FEW else 5e-5 if name in LONG else 1e-5
    for x in inputs:
        wanted, found = jax.tree.leaves(jax.jit(call)(*x)), run(*x)
        found = call_order(found) if isinstance(found, dict) else jax.tree.leaves(found)
        for one, two in zip(found, wanted, strict=True):
            assert one.dtype == two.dtype
            scale = max(1.0, float(np.max(np.abs(two), initial=0)))
            np.testing.assert_allclose(one, two, rtol=limit, atol=limit * scale)


def call_order(graph):
    """The arrays of a graph in the order of its fields."""
    return jax.tree.leaves(pn.GraphsTuple(**graph))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_file_is_plain_onnx_with_names(tmp_path):
    import onnx
    import onnxruntime

    def scaled(x, pair):
        return {"sum": x + pair["left"], "rest": [pair["right"]]}

    x = np.ones((2, 3), np.float32)
    pair = {"left": x, "right": np.ones(4, np.int32)}
    shapes = ("b, ...", {"left": "b, ...", "right": "n"})
    path = pn.export(scaled, (x, pair), tmp_path / "model.onnx", shapes=shapes)
    onnx.checker.check_model(onnx.load(path))
    session = onnxruntime.InferenceSession(str(path))
    assert [(one.name, one.shape) for one in session.get_inputs()] == [
        ("x0", ["b", 3]), ("x1.left", ["b", 3]), ("x1.right", ["n"])
    ]  # fmt: skip
    assert [one.name for one in session.get_outputs()] == ["y.rest.0", "y.sum"]
    assert "pyneurons_yat export 1" in session.get_modelmeta().custom_metadata_map["pyneurons_yat"]
    found = pn.load_exported(path)(x, pair)
    assert found["sum"].tolist() == [[2.0] * 3] * 2
    content = path.read_bytes()
    for damaged in (content[:-1], content[:99], content[: len(content) // 2], b"text"):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"^load_exported: model.onnx is damaged, or was not"):
            pn.load_exported(path)
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([], "other", [], [])), str(path))
    with pytest.raises(ValueError, match=r"model.onnx is damaged, or was not written by export"):
        pn.load_exported(path)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("options", [{"dtype": "float16"}, {"quantize": 8}])
@pytest.mark.parametrize("name", ["YatDense", "YatConv", "Transformer", "LSTM", "LayerNorm"])
def test_weights_may_stand_narrower_in_the_file(name, options, tmp_path):
    call, shapes, inputs = case(name)
    model = call.args[0] if name not in ("Transformer",) else call
    whole = pn.export(model, inputs[0], tmp_path / "whole.onnx", shapes=shapes).stat().st_size
    path = pn.export(model, inputs[0], tmp_path / "small.onnx", shapes=shapes, **options)
    if name in ("YatDense", "LSTM"):
        numbers = sum(leaf.nbytes for leaf in jax.tree.leaves(model))
        assert path.stat().st_size < whole - 0.4 * numbers
    found, wanted = pn.load_exported(path)(*inputs[1]), model(*inputs[1])
    assert found.dtype == wanted.dtype
    far = 0.05 if "quantize" in options else 0.01
    np.testing.assert_allclose(found, wanted, atol=far * float(jnp.abs(wanted).max()))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_what_onnx_cannot_say_is_refused(tmp_path):
    path, x = tmp_path / "model.onnx", jnp.ones((2, 3))

    def called(x):
        return jax.pure_callback(np.sin, jax.ShapeDtypeStruct(x.shape, x.dtype), x)

    for call, options, told in (
        (called, {"shapes": None}, "jax2onnx must know every operation of the model, got: .*back"),
        (jnp.sin, {"derivatives": 1}, "platforms and derivatives must come with .jax, got .onnx"),
        (jnp.sin, {"platforms": ("cpu",)}, "platforms and derivatives must come with .jax"),
        (jnp.sin, {"shapes": "2*b, 3"}, r"a size of ONNX must be a number or a name, got 2\*b"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=told):
            pn.export(call, x, path, **options)
    assert not path.exists()


@pytest.mark.filterwarnings("ignore")
def test_functions_of_jax_are_its_own_afterwards(tmp_path):
    pytest.importorskip("jax2onnx")

    def refused(x):
        return jax.pure_callback(np.sin, jax.ShapeDtypeStruct(x.shape, x.dtype), x)

    held, path, x = dict(vars(jnp)), tmp_path / "model.onnx", jnp.arange(3.0)
    for _ in range(2):
        pn.export(partial(jnp.cumsum, axis=0), x, path)
        np.testing.assert_array_equal(pn.load_exported(path)(x), [0, 1, 3])
    with pytest.raises(ValueError, match="must know every operation"):
        pn.export(refused, x, path, shapes=None)
    assert {name for name, function in held.items() if getattr(jnp, name) is not function} == set()


def test_without_the_extra_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jax2onnx", None)
    wanted = r"^export: jax2onnx must be installed, got none; pip install 'pyneurons_yat\[onnx\]'$"
    with pytest.raises(ImportError, match=wanted):
        pn.export(jnp.sin, jnp.ones(3), tmp_path / "model.onnx")
