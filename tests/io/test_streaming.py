"""Files in blocks: the same bytes and numbers however large a block is, and checksums that join."""

import json
import zlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pyneurons_yat as pn
from pyneurons_yat.io import entries
from pyneurons_yat.io.checksums import joined

TREE = {
    "matrix": np.arange(35.0, dtype=np.float32).reshape(5, 7),
    "half": jnp.arange(24, dtype=jnp.bfloat16).reshape(4, 3, 2),
    "row": np.arange(9, dtype=np.int8)[None],
    "scalar": np.float64(2.5),
    "empty": np.zeros((3, 0, 2), np.float32),
    "none": np.zeros((0, 4), np.int16),
    "bits": jnp.arange(-8, 8).astype(jnp.int4),
    "keys": jax.random.split(jax.random.key(0), 3),
}


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_checksums_join(one, other):
    assert joined(zlib.crc32(one), zlib.crc32(other), len(other)) == zlib.crc32(one + other)


def test_checksums_of_long_parts_join():
    one, other = b"begin", b"\1\2\3" * 1_234_567
    assert joined(zlib.crc32(one), zlib.crc32(other), len(other)) == zlib.crc32(one + other)


@pytest.mark.parametrize("size", [1, 30, 60, 100])
def test_blocks_of_any_size_make_the_same_file_and_the_same_tree(
    path, size, monkeypatch, assert_same
):
    wanted = pn.save(path, TREE).read_bytes()
    monkeypatch.setattr(entries, "AT_ONCE", size)
    assert pn.save(path, TREE).read_bytes() == wanted
    assert_same(pn.load(path, TREE), TREE)


def test_the_library_would_write_the_same(tmp_path):
    """But for the order of what is told, which it does not keep, and spaces behind the header."""
    library = pytest.importorskip("safetensors.numpy")
    path = pn.save(tmp_path / "model.safetensors", {k: TREE[k] for k in ("matrix", "row", "empty")})
    data = path.read_bytes()
    begin = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:begin])
    told = header.pop("__metadata__")
    assert begin % 8 == 0
    assert list(told) == sorted(told)
    arrays = {name: array.copy() for name, array in library.load(data).items()}
    other = library.save(arrays, told)
    start = 8 + int.from_bytes(other[:8], "little")
    expected = json.loads(other[8:start])
    del expected["__metadata__"]
    assert list(header.items()) == list(expected.items())
    assert data[begin:] == other[start:]


def test_a_loaded_tree_does_not_know_its_file(path, assert_same):
    """What is read is in memory of its own, whatever becomes of the file, and may be written to."""
    pn.save(path, TREE)
    found = pn.load(path, TREE)
    path.write_bytes(b"\0" * path.stat().st_size)
    assert_same(found, TREE)
    found["matrix"][0, 0] = 3.0
    assert found["matrix"][0, 0] == 3.0
