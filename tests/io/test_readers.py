"""Other programs read what save writes, and load reads what version 0.1 wrote."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn
from pyneurons_yat.io.entries import entry_of
from pyneurons_yat.io.formats import Contents

pytest.importorskip("safetensors")
VALUES = [[1.5, -2.0, 0.25], [3.0, -0.5, 4.0]]
KINDS = {
    "bfloat16": "BF16",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "float16": "F16",
    "complex64": "C64",
}


def header(path):
    data = path.read_bytes()
    return json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])


@pytest.mark.parametrize("dtype", KINDS)
def test_dtypes_of_the_format_stand_in_the_file_as_such(tmp_path, dtype, assert_same):
    tree = {
        "a": jnp.array(VALUES, dtype),
        "b": jnp.array(1.5, dtype),
        "c": jnp.zeros((0, 2), dtype),
    }
    path = pn.save(tmp_path / "model.safetensors", tree)
    entries = header(path)
    assert {entries[f"['{name}']"]["dtype"] for name in tree} == {KINDS[dtype]}
    assert_same(pn.load(path, tree), tree)


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_torch_reads_the_same_numbers(tmp_path, dtype):
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file

    path = pn.save(tmp_path / "model.safetensors", [jnp.array(VALUES, dtype)])
    (tensor,) = load_file(path).values()
    assert tensor.dtype == getattr(torch, dtype)
    np.testing.assert_array_equal(tensor.float().numpy(), VALUES)


def test_dtypes_that_the_format_lacks_are_kept_as_bits(tmp_path, assert_same):
    tree = [jnp.arange(-4, 4).astype(jnp.int4), jnp.ones(3, jnp.float8_e4m3b11fnuz)]
    path = pn.save(tmp_path / "model.safetensors", tree)
    assert {entry.get("dtype") for entry in header(path).values()} == {None, "U8"}
    assert_same(pn.load(path, tree), tree)


def test_files_of_version_0_1_are_read(tmp_path, assert_same):
    """They hold bfloat16 and float8 as integers, and say in words what these are."""
    from safetensors.numpy import save_file

    tree = {"a": jnp.array(VALUES, jnp.bfloat16), "b": jnp.array(VALUES, jnp.float8_e5m2)}
    bits = {
        f"['{name}']": np.asarray(leaf).view(f"u{leaf.dtype.itemsize}")
        for name, leaf in tree.items()
    }
    entries = {name: entry_of(array) for name, array in bits.items()}
    contents = Contents(entries, {f"['{name}']": leaf.dtype.name for name, leaf in tree.items()})
    save_file(bits, tmp_path / "old.safetensors", contents.metadata())
    assert_same(pn.load(tmp_path / "old.safetensors", tree), tree)
