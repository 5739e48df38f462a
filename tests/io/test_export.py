"""Exported programs: what they take, what is refused, and that they compute what the model does."""

import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn
from pyneurons_yat.io.seals import opened, sealed

pytest.importorskip("flatbuffers")
X = np.linspace(-1.0, 1.0, 12, dtype=np.float32).reshape(4, 3)


class Pair(NamedTuple):
    left: jax.Array
    right: jax.Array | None


def linear(outputs=2):
    return pn.Linear(jax.random.key(0), 3, outputs)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The file of a linear model with a free batch."""
    return pn.export(linear(), X, tmp_path_factory.mktemp("programs") / "model.jax")


@pytest.mark.slow
def test_three_lines_run_it_where_there_is_jax_alone(exported):
    code = (
        "import sys; sys.modules['pyneurons_yat'] = None\n"
        "import jax.export\n"
        f"program = jax.export.deserialize(bytearray(open({str(exported)!r}, 'rb').read()))\n"
        f"y = program.call(__import__('numpy').float32({X[:2].tolist()}))\n"
        "print(y.tolist())"
    )
    ran = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    model = linear()
    wanted = X[:2].astype(float) @ np.asarray(model.kernel, float) + np.asarray(model.bias, float)
    np.testing.assert_allclose(eval(ran.stdout), wanted, rtol=1e-5)


def test_the_batch_is_free_and_all_else_is_checked(exported):
    run = pn.load_exported(exported)
    for x in (X, X[:1], jnp.asarray(X[1:])):
        np.testing.assert_allclose(run(x), linear()(x), rtol=1e-6)
    np.testing.assert_allclose(jax.jit(run)(X), linear()(X), rtol=1e-6)
    for x, error, told in (
        (X[:, :2], ValueError, r"^model.jax: x must be float32\[b,3\] where b = 4, got f"),
        (X[0], ValueError, r"x must be float32\[b,3\], got float32\[3\]"),
        (X.astype(int), TypeError, r"x must be float32\[b,3\], got int64\[4,3\]"),
        ([X], TypeError, "inputs must have the structure"),
        (linear(), TypeError, "must be of arrays in tuples, .* got a Model"),
    ):  # fmt: skip
        with pytest.raises(error, match=told):
            run(x)
    with pytest.raises(TypeError, match="inputs must have the structure"):
        run(X, X)


def test_named_tuples_go_in_and_out_as_dictionaries(tmp_path):
    def swapped(pair, scale):
        return Pair(pair.right, None), [scale * pair.left.sum(1)]

    pair = Pair(X, jnp.ones((4, 2), jnp.int32))
    shapes = ({"left": "n, ...", "right": "n, _"}, None)
    path = pn.export(swapped, (pair, 2.0), tmp_path / "swap.jax", shapes=shapes)
    program = jax.export.deserialize(bytearray(path.read_bytes()))
    found = program.call({"left": X[:2], "right": pair.right[:2]}, 3.0)
    assert found[0]["left"].shape == (2, 2)
    assert found[0]["right"] is None
    again = pn.load_exported(path)(Pair(X[:2], pair.right[:2]), 3.0)
    np.testing.assert_allclose(again[1][0], 3 * X[:2].sum(1), rtol=1e-6)
    with pytest.raises(
        ValueError, match=r"x0.right must be int32\[n,2\] where n = 2, got int32\[3"
    ):
        pn.load_exported(path)(Pair(X[:2], pair.right[:3]), 3.0)
    same = pn.export(
        swapped, (pair, 2.0), tmp_path / "same.jax", shapes=(Pair("n, ...", "n, _"), None)
    )
    assert opened(same.read_bytes())[1] == opened(path.read_bytes())[1]


@pytest.mark.slow
def test_sizes_are_free_where_they_are_named(tmp_path):
    attention = pn.MultiHeadAttention(jax.random.key(0), 4, 4, heads=2)
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    mask = np.tril(np.ones((2, 1, 3, 3), bool))
    path = pn.export(
        lambda x, mask: attention(x, mask=mask),
        (jax.ShapeDtypeStruct(x.shape, x.dtype), mask),
        tmp_path / "attention.jax",
        shapes=("b, t, ...", "b, 1, t, t"),
        constraints=["t >= 2"],
    )
    run = pn.load_exported(path)
    np.testing.assert_allclose(run(x, mask), attention(x, mask=mask), rtol=1e-5, atol=1e-6)
    short = x[:1, :2], mask[:1, :, :2, :2]
    np.testing.assert_allclose(
        run(*short), attention(short[0], mask=short[1]), rtol=1e-5, atol=1e-6
    )
    fixed = pn.load_exported(pn.export(linear(), X, tmp_path / "fixed.jax", shapes=None))
    with pytest.raises(ValueError, match=r"x must be float32\[4,3\], got float32\[3,3\]"):
        fixed(X[:3])


def test_a_program_runs_on_the_platforms_that_it_was_written_for(tmp_path):
    both = pn.export(linear(), X, tmp_path / "both.jax", platforms=("tpu", "cpu"))
    np.testing.assert_allclose(pn.load_exported(both)(X), linear()(X), rtol=1e-6)
    other = pn.export(linear(), X, tmp_path / "other.jax", platforms=["tpu"])
    with pytest.raises(ValueError, match=r"exported for platforms '\('tpu',\)'"):
        pn.load_exported(other)(X)


@pytest.mark.slow
def test_a_program_can_be_differentiated_as_often_as_was_asked(tmp_path):
    model = pn.YatDense(jax.random.key(0), 3, 2)
    run = pn.load_exported(pn.export(model, X, tmp_path / "model.jax", derivatives=1))
    found = jax.grad(lambda x: jnp.sum(run(x)))(X)
    np.testing.assert_allclose(found, jax.grad(lambda x: jnp.sum(model(x)))(X), rtol=1e-4)
    flat = pn.load_exported(pn.export(model, X, tmp_path / "flat.jax"))
    with pytest.raises(ValueError, match="No VJP is available"):
        jax.grad(lambda x: jnp.sum(flat(x)))(X)


# ----------------------------------------------------------------------------- narrower weights


@pytest.mark.parametrize(
    ("options", "share", "far"),
    [({"dtype": "float16"}, 0.52, 2e-3), ({"quantize": 8}, 0.27, 2e-2),
     ({"quantize": 16}, 0.52, 1e-4),
     ({"dtype": jnp.bfloat16, "quantize": 4}, 0.28, 0.3)],
)  # fmt: skip
def test_weights_may_stand_narrower_in_the_file(options, share, far, tmp_path):
    model = pn.Linear(jax.random.key(0), 300, 200)
    x = np.random.default_rng(0).normal(size=(2, 300)).astype(np.float32)
    whole = pn.export(model, x, tmp_path / "whole.jax").stat().st_size
    path = pn.export(model, x, tmp_path / "small.jax", **options)
    assert path.stat().st_size < share * whole
    assert b".py" not in path.read_bytes()  # no names of files on this machine
    y, wanted = pn.load_exported(path)(x), model(x)
    assert y.dtype == wanted.dtype
    np.testing.assert_allclose(y, wanted, atol=far * float(jnp.abs(wanted).max()))


def test_quantized_weights_are_those_of_save(tmp_path):
    model = pn.Linear(jax.random.key(0), 30, 20)
    program = pn.load_exported(
        pn.export(model, np.eye(30, dtype=np.float32), tmp_path / "m.jax", quantize=4)
    )
    loaded = pn.load(pn.save(tmp_path / "m.npz", model, quantize=4))
    np.testing.assert_allclose(
        program(np.eye(30, dtype=np.float32)), loaded(jnp.eye(30)), atol=1e-6
    )


def test_running_statistics_and_integers_keep_their_dtype(tmp_path):
    model = pn.sequential(pn.Embed(jax.random.key(0), 5, 4), pn.BatchNorm(4))
    ids = np.int32([[0, 4], [1, 2]])
    run = pn.load_exported(pn.export(model, ids, tmp_path / "m.jax", dtype="float16"))
    np.testing.assert_allclose(run(ids), model(ids), atol=2e-3)


# ------------------------------------------------------------------------------------- refusals


def test_what_cannot_be_exported_is_refused(tmp_path):
    path = tmp_path / "model.jax"
    for arguments, options, error, told in (
        ((linear(), X, tmp_path / "model.pt"), {}, ValueError, "path must end in .jax or .onnx"),
        ((linear(), X, 3), {}, TypeError, "path must be a file name, got a int"),
        ((3, X, path), {}, TypeError, "model must be a model or a function, got int"),
        ((linear(), "x", path), {}, TypeError, "x must be of arrays of numbers, got a str"),
        ((linear(), linear(), path), {}, TypeError, r"x\[0\] must be of arrays in tuples"),
        ((linear(), X, path), {"shapes": "b"}, ValueError, r"must fit x, float32\[4,3\], got 'b'"),
        ((linear(), X, path), {"shapes": ("b, 3", "b")}, ValueError, "must be text, None, or a"),
        ((linear(), X, path), {"constraints": ["b"]}, ValueError, "shapes must be text"),
        ((lambda x: x if x.shape[0] > 3 else -x, X, path), {}, ValueError, "must free sizes that"),
        ((partial(linear()), X, path), {"quantize": 8}, TypeError, "must be a Model where dtype"),
        ((linear(), X, path), {"quantize": 1}, ValueError, "bits must be an integer from 2 to 16"),
        ((linear(), X, path), {"platforms": ["abacus"]}, ValueError, "a platform must be 'cpu' or"),
        ((linear(), X, path), {"platforms": "cpu"}, TypeError, "platforms must be a list of names"),
        ((linear(), X, path), {"derivatives": -1}, ValueError, "derivatives must be at least 0"),
        ((linear(), X, path), {"derivatives": True}, TypeError, "derivatives must be an integer"),
        ((linear(), X, path), {"dtype": int}, TypeError, "dtype must be floating"),
        ((lambda x: linear(), X, path), {}, TypeError, "what the model returns must be of arrays"),
        ((linear(), X[:, :2], path), {}, ValueError, "the last axis of x must match"),
    ):  # fmt: skip
        with pytest.raises(error, match=told):
            pn.export(*arguments, **options)
    assert not path.exists()


def test_files_that_are_not_export_s_are_refused(exported, tmp_path):
    content, path = exported.read_bytes(), tmp_path / "other.jax"
    program, told = opened(content)
    changed = [
        bytes([*content[:i], content[i] ^ 1, *content[i + 1 :]]) for i in range(0, len(content), 97)
    ]
    changed += [
        content[:-i] + bytes([content[-i] ^ 64]) + content[len(content) - i + 1 :]
        for i in range(1, 120)
    ]
    for damaged in (b"", b"text", content[:-1], content[:99], content + b" ", program, *changed):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"^load_exported: other.jax is damaged"):
            pn.load_exported(path)
    later = {**told, "format": "pyneurons_yat export 2"}
    for written, message in (
        (
            sealed(program, {}) and sealed(b"nothing", told),
            "must be of a version that is read here",
        ),
        (sealed(program, later), "must have the format .*, got pyneurons_yat export 2; update"),
    ):
        path.write_bytes(written)
        with pytest.raises(ValueError, match=message):
            pn.load_exported(path)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        pn.load_exported(tmp_path / "nowhere.jax")
    with pytest.raises(ValueError, match=r"path must end in .jax or .onnx, got 'model.npz'"):
        pn.load_exported(tmp_path / "model.npz")


def test_a_seal_is_a_record_of_onnx_and_tells_what_was_sealed():
    content = sealed(b"program", {"inputs": []})
    assert content.startswith(b"program\x72")
    assert opened(content) == (b"program", {"format": "pyneurons_yat export 1", "inputs": []})


def test_without_flatbuffers_the_extra_is_named(exported, monkeypatch, tmp_path):
    for name in [name for name in sys.modules if name.startswith("jax._src.export.serialization")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "flatbuffers", None)
    for call in (
        lambda: pn.export(linear(), X, tmp_path / "a.jax"),
        lambda: pn.load_exported(exported),
    ):
        with pytest.raises(ImportError, match=r"pip install 'pyneurons_yat\[export\]'"):
            call()
    assert not Path(tmp_path / "a.jax").exists()
