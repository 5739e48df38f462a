"""A damaged file is no model, no file runs code, a save that breaks off changes nothing."""

import contextlib
import os
import pickle
import stat
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn

# ------------------------------------------------------------------------------ damaged files


def damaged(path, data, like):
    """What load makes of these bytes: a tree, or None with a ValueError; never anything else."""
    path.write_bytes(data)
    with contextlib.suppress(ValueError):
        return pn.load(path, like)


def test_a_truncated_file_is_refused_at_every_length(path, assert_same):
    tree = {"a": jnp.arange(100.0), "b": jnp.ones((3, 5), jnp.bfloat16)}
    whole = pn.save(path, tree).read_bytes()
    for length in [*range(0, len(whole), 64), len(whole) - 1]:
        assert damaged(path, whole[:length], tree) is None, length
    assert_same(damaged(path, whole, tree), tree)


@pytest.mark.slow
def test_a_flipped_byte_is_noticed_or_harmless(path, assert_same):
    """Zip archives have bytes that say nothing about the arrays, such as the hour of writing."""
    tree = {"a": jnp.arange(8.0), "b": jnp.ones((2, 3), jnp.bfloat16), "c": jax.random.key(0)}
    whole = pn.save(path, tree).read_bytes()
    unnoticed = 0
    for place in range(len(whole)):
        for flip in (0x01, 0xFF) if path.suffix == ".safetensors" else (0x04,):
            data = bytearray(whole)
            data[place] ^= flip
            if (found := damaged(path, bytes(data), tree)) is not None:
                assert_same(found, tree)
                unnoticed += 1
    assert unnoticed < (len(whole) / 2 if path.suffix == ".npz" else 20)


def test_foreign_files_are_refused(path):
    tree = {"a": np.ones(3)}
    np.savez(path.with_name("plain"), a=np.ones(3))
    np.savez(path.with_name("ours"), __metadata__=np.array('{"format": "pyneurons_yat 99"}'))
    np.savez(path.with_name("list"), __metadata__=np.array("[1]"))
    np.savez(path.with_name("number"), __metadata__=np.array(3))
    np.savez(path.with_name("poor"), __metadata__=np.array('{"format": "pyneurons_yat 1"}'))
    np.save(path.with_name("array.npy"), np.ones(3))
    foreign = [file.read_bytes() for file in path.parent.glob("*.np[yz]")]
    foreign += [b"", b"\0" * 100, b"# a text\n" * 20, b"PK\3\4", pickle.dumps(tree), b"\xff" * 8]
    with zipfile.ZipFile(path.with_name("some.zip"), "w") as archive:
        archive.writestr("['a'].npy", "no array")
    foreign.append(path.with_name("some.zip").read_bytes())
    if path.suffix == ".safetensors":
        from safetensors.numpy import save

        foreign.append(save({"['a']": np.ones(3)}))
        foreign.append(save({"['a']": np.ones(3)}, metadata={"format": "pt", "dtypes": "3"}))
    for data in foreign:
        assert damaged(path, data, tree) is None


def test_a_file_of_one_kind_under_the_name_of_the_other(tmp_path):
    pytest.importorskip("safetensors")
    npz, safe = tmp_path / "a.npz", tmp_path / "a.safetensors"
    one, other = (pn.save(path, [1.0]).read_bytes() for path in (npz, safe))
    assert damaged(safe, one, [1.0]) is None
    assert damaged(npz, other, [1.0]) is None


class Bomb:
    """Unpickled, it leaves a mark."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def test_nothing_is_ever_unpickled(tmp_path):
    path, mark = tmp_path / "a.npz", tmp_path / "mark"
    np.savez(path, **{"['a']": np.array([Bomb(mark)], object)})
    with pytest.raises(ValueError, match="pickle"):
        pn.load(path, {"a": np.ones(1)})
    path.write_bytes(pickle.dumps(Bomb(mark)))
    with pytest.raises(ValueError, match="damaged"):
        pn.load(path, {"a": np.ones(1)})
    assert not mark.exists()


# ------------------------------------------------------------------------------ atomic writing


class BrokenOffError(Exception):
    """What goes wrong in the middle of a save."""


@pytest.mark.parametrize("place", ["fsync", "replace", "write"])
def test_a_save_that_breaks_off_leaves_the_old_file(path, monkeypatch, place, assert_same):
    pn.save(path, [jnp.zeros(3)])
    before = path.read_bytes()

    def breaks(*_, **__):
        raise BrokenOffError

    if place == "fsync":
        monkeypatch.setattr(os, "fsync", breaks)
    elif place == "replace":
        monkeypatch.setattr("pathlib.Path.replace", breaks)
    else:
        monkeypatch.setattr("pyneurons_yat.io.files.write", breaks)
    with pytest.raises(BrokenOffError):
        pn.save(path, [jnp.ones(3)])
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]
    pn.save(path, [jnp.ones(3)])
    assert_same(pn.load(path, [jnp.zeros(3)]), [jnp.ones(3)])


def test_the_file_has_the_rights_of_any_other_file(path):
    other = path.with_name("other")
    other.touch()
    assert stat.S_IMODE(pn.save(path, {}).stat().st_mode) == stat.S_IMODE(other.stat().st_mode)


def test_folders_are_made_and_text_paths_go(path):
    deep = path.parent / "a" / "b" / path.name
    pn.save(str(deep), [1.0])
    assert pn.load(str(deep), [0.0]) == [1.0]
