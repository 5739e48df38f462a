"""Files whose entries were renamed, swapped, retyped, reshaped; and a process killed in a save."""

import json
import os
import re
import signal
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn
from pyneurons_yat.io import replacing
from pyneurons_yat.io.entries import entry_of
from pyneurons_yat.io.formats import Contents

TREE = {
    "a": jnp.arange(6.0, dtype=jnp.float32).reshape(2, 3),
    "b": jnp.ones((3, 2), jnp.bfloat16),
    "c": jnp.arange(6, dtype=jnp.int32).reshape(2, 3),
    "key": jax.random.key(3),
}
A, B, C, KEY = (f"['{name}']" for name in TREE)


def read(path):
    """The arrays and the metadata of a file, by other means than load."""
    if path.suffix == ".npz":
        arrays = dict(np.load(path))
        return arrays, json.loads(arrays.pop("__metadata__").item())
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    metadata, arrays = header.pop("__metadata__"), {}
    kinds = {"F32": "f4", "BF16": "bfloat16", "I32": "i4", "U32": "u4"}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        array = np.frombuffer(body[first:last], kinds[entry["dtype"]])
        arrays[name] = array.reshape(entry["shape"])
    return arrays, metadata


def write(path, arrays, metadata):
    """The file of these arrays and this metadata."""
    if path.suffix == ".npz":
        np.savez(path, **arrays, __metadata__=np.array(json.dumps(metadata)))
        return
    from safetensors.numpy import save_file

    save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, path, metadata)


def test_what_is_read_here_is_what_load_reads(path, assert_same):
    pn.save(path, TREE)
    write(path, *read(path))
    assert_same(pn.load(path, TREE), TREE)


def rename(arrays, old, new):
    return {new if name == old else name: array for name, array in arrays.items()}


def swap(arrays, one, other):
    return {**arrays, one: arrays[other], other: arrays[one]}


TAMPERING = {
    "an entry renamed": lambda a: rename(a, A, "['x']"),
    "an entry renamed to another": lambda a: {k: v for k, v in rename(a, A, C).items() if k != A},
    "two entries swapped": lambda a: swap(a, A, C),
    "an entry dropped": lambda a: {k: v for k, v in a.items() if k != B},
    "an entry added": lambda a: {**a, "['x']": np.ones(2, "f4")},
    "other bits of one size": lambda a: {**a, A: a[A].view("i4")},
    "other bits of another size": lambda a: {**a, A: a[A].ravel().view("u2")},
    "a value cast": lambda a: {**a, C: a[C].astype("f4")},
    "reshaped": lambda a: {**a, A: a[A].reshape(3, 2)},
    "flattened": lambda a: {**a, A: a[A].ravel()},
    "a key's bits in float": lambda a: {**a, KEY: a[KEY].view("f4")},
    "one value changed": lambda a: {**a, A: a[A] + np.eye(2, 3, dtype="f4")},
}


@pytest.mark.parametrize("name", TAMPERING)
def test_a_changed_entry_is_noticed(path, name):
    """Even where the result would fit: a tree of the shape (3, 2) asked for, and one came."""
    pn.save(path, TREE)
    arrays, metadata = read(path)
    write(path, TAMPERING[name](arrays), metadata)
    for like in (TREE, {**TREE, "a": jnp.zeros((3, 2), jnp.float32)}):
        with pytest.raises(ValueError, match=rf"load: {path.name} is damaged"):
            pn.load(path, like)


def with_dtypes(change):
    """A tampering with the manifest's dtypes."""

    def tamper(metadata):
        dtypes = json.loads(metadata["dtypes"])
        return {**metadata, "dtypes": json.dumps(change(dtypes), sort_keys=True)}

    return tamper


MANIFESTS = {
    "float as int": with_dtypes(lambda d: {**d, A: "int32"}),
    "bfloat16 as float16": with_dtypes(lambda d: {**d, B: "float16"}),
    "another kind of key": with_dtypes(lambda d: {**d, KEY: "key rbg"}),
    "a key as numbers": with_dtypes(lambda d: {**d, KEY: "uint32"}),
    "numbers as a key": with_dtypes(lambda d: {**d, C: "key threefry2x32"}),
    "no such dtype": with_dtypes(lambda d: {**d, A: "float31"}),
    "an entry renamed": with_dtypes(lambda d: {("['x']" if k == A else k): d[k] for k in d}),
    "an entry dropped": with_dtypes(lambda d: {k: d[k] for k in d if k != A}),
    "a list": with_dtypes(list),
    "a version to come": lambda m: {**m, "format": "pyneurons_yat 3"},
    "no checksum": lambda m: {k: v for k, v in m.items() if k != "checksum"},
    "no dtypes": lambda m: {k: v for k, v in m.items() if k != "dtypes"},
    "nothing": lambda _: {},
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_changed_manifest_is_noticed(path, name):
    pn.save(path, TREE)
    arrays, metadata = read(path)
    write(path, arrays, MANIFESTS[name](metadata))
    told = "must have the format" if name in ("a version to come", "nothing") else "is damaged"
    with pytest.raises(ValueError, match=rf"load: {path.name} {told}"):
        pn.load(path, TREE)


@pytest.mark.parametrize(
    ("arrays", "dtypes", "message"),
    [
        ({"['x']": A}, {"['x']": "float32"}, f"lacks {A}"),
        ({"['x']": A, A: A}, {"['x']": "float32", A: "float32"}, "has extra ['x']"),
        ({A: C}, {A: "int32"}, f"{A} is int32[2,3] in "),
        ({A: B}, {A: "bfloat16"}, f"{A} is bfloat16[3,2] in "),
    ],
)
def test_a_sound_file_of_other_entries_names_them(path, arrays, dtypes, message):
    """Written by another program that knows the format, checksum and all."""
    pn.save(path, TREE)
    found, _ = read(path)
    kept = {B: "bfloat16", C: "int32", KEY: "key threefry2x32"}
    taken = {name: name for name in kept} | arrays
    tampered = {new: found[old] for new, old in taken.items()}
    entries = {name: entry_of(array) for name, array in tampered.items()}
    write(path, tampered, Contents(entries, kept | dtypes).metadata())
    with pytest.raises(ValueError, match=re.escape(message)):
        pn.load(path, TREE)


SAVE_FOR_EVER = """
import sys
import jax.numpy as jnp
import pyneurons_yat as pn
trees = [[jnp.full(300_000, value), jnp.full(3, value)] for value in (1.0, 2.0)]
pn.save(sys.argv[1], trees[0])
print("ready", flush=True)
while True:
    for tree in trees:
        pn.save(sys.argv[1], tree)
"""


@pytest.mark.slow
def test_a_process_killed_while_it_saves_leaves_a_whole_file(path):
    like = [jnp.zeros(300_000, jnp.float32), jnp.zeros(3, jnp.float32)]
    for pause in (0.013, 0.031):
        command = [sys.executable, "-c", SAVE_FOR_EVER, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "ready\n"
            try:
                process.wait(pause)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        large, small = pn.load(path, like)
        assert small[0] in (1.0, 2.0)
        assert (large == small[0]).all()
        path.with_name(f"{path.name}.0123.part").touch()  # as one that was killed leaves it
        pn.save(path, like)
        assert os.listdir(path.parent) == [path.name]


def test_what_another_writer_is_writing_stays(path, monkeypatch):
    """Only what nobody holds open is removed, whichever process or thread it is that writes."""
    others = path.with_name(f"other.{path.name}.0123.part"), path.with_name(f"{path.name}.part")
    for other in others:
        other.touch()
    during = []
    real = replacing.os.fsync

    def writing(number):
        monkeypatch.setattr(replacing.os, "fsync", real)
        pn.save(path, [2.0])  # another save of the same path, from beginning to end
        during.extend(os.listdir(path.parent))
        real(number)

    monkeypatch.setattr(replacing.os, "fsync", writing)
    pn.save(path, [1.0])
    assert len([name for name in during if name.endswith(".part")]) == 3
    assert sorted(os.listdir(path.parent)) == sorted([path.name, *(other.name for other in others)])
    assert pn.load(path, [0.0]) == [1.0]
