"""Run twice by test_sharding.py: two processes save in one file what spans both, and load it."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

import pyneurons_yat as pn
from pyneurons_yat.io import entries, processes

TABLE = np.arange(48.0, dtype=np.float32).reshape(8, 6)


def place(*spec):
    mesh = jax.make_mesh((2,), ("x",), axis_types=(jax.sharding.AxisType.Auto,))
    return NamedSharding(mesh, P(*spec))


def put(array, *spec):
    return jax.make_array_from_callback(array.shape, place(*spec), lambda index: array[index])


def tree():
    keys = jax.jit(lambda: jax.random.split(jax.random.key(1), 4), out_shardings=place("x"))
    return {
        "rows": put(TABLE, "x"),
        "columns": put(TABLE.astype(jnp.bfloat16), None, "x"),
        "whole": put(TABLE + 1),
        "local": jnp.asarray(TABLE + 2),
        "NumPy": TABLE + 3,
        "keys": keys(),
    }


def alone():
    """What one process has that has it all."""
    keys = jax.random.split(jax.random.key(1), 4)
    return {
        "rows": TABLE,
        "columns": TABLE.astype(jnp.bfloat16),
        "whole": TABLE + 1,
        "local": TABLE + 2,
        "NumPy": TABLE + 3,
        "keys": keys,
    }


def same(found, wanted):
    """Whether an array has the bits of another, of which this process may have a part."""
    assert found.shape == wanted.shape
    if jnp.issubdtype(found.dtype, jax.dtypes.prng_key):
        found, wanted = map(jax.random.key_data, (found, wanted))
    assert found.dtype == wanted.dtype
    for shard in jnp.asarray(found).addressable_shards:
        np.testing.assert_array_equal(np.asarray(shard.data), np.asarray(wanted)[shard.index])


def raised(function, *args):
    try:
        function(*args)
    except (OSError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    raise AssertionError("nothing was raised")


def check(path):
    saved = pn.save(path, tree())
    jax.tree.map(same, pn.load(saved, tree()), alone())
    jax.tree.map(same, pn.load(saved, alone()), alone())
    moved = {**tree(), "rows": put(TABLE, None, "x"), "whole": put(TABLE, "x"), "NumPy": put(TABLE)}
    found = pn.load(saved, moved)
    jax.tree.map(same, found, alone())
    assert found["rows"].sharding == place(None, "x")
    assert not found["keys"].is_fully_addressable
    if jax.process_index() == 0:  # what one process has it saves alone
        pn.save(path.with_name(f"alone{path.suffix}"), alone())
        assert path.with_name(f"alone{path.suffix}").read_bytes() == path.read_bytes()
    whole = path.read_bytes()
    entries.AT_ONCE, processes.AT_ONCE = 70, 50  # a few rows of a block at a time
    assert pn.save(path, tree()).read_bytes() == whole
    jax.tree.map(same, pn.load(saved, tree()), alone())
    entries.AT_ONCE = processes.AT_ONCE = 1 << 26
    small = pn.load(pn.save(path.with_name(f"small{path.suffix}"), [tree()["rows"]], quantize=8))
    np.testing.assert_allclose(small[0], TABLE, atol=0.2)


def fail(path):
    """What goes wrong in one process goes wrong in both, and nobody waits for ever."""
    first = jax.process_index() == 0
    before = path.read_bytes()
    under = path / "no folder" / path.name
    told = raised(pn.save, under, tree())
    assert told.startswith("NotADirectoryError" if first else "OSError: save: process 0 failed")
    told = raised(pn.load, path.with_name(f"{1 - jax.process_index()}-none{path.suffix}"), tree())
    assert told.startswith("FileNotFoundError: load: there is no file")
    mine = path.with_name(f"mine{jax.process_index()}{path.suffix}")
    mine.write_bytes(before)
    told = raised(pn.load, mine if first else mine.with_name("none.npz"), tree())
    assert told.startswith("OSError: load: process 1 failed" if first else "FileNotFoundError")
    other = pn.save(mine, {"a": TABLE + jax.process_index()})
    assert "must be the same file" in raised(pn.load, other, {"a": put(TABLE)})
    damaged = path.with_name(f"damaged{path.suffix}")
    data = bytearray(before)
    at = before.find((TABLE + 1).tobytes()) + 40
    data[at] ^= 1
    if first:
        damaged.write_bytes(data)
    pn.load(path, tree())  # until the file is there
    assert "is damaged" in raised(pn.load, damaged, tree())
    assert path.read_bytes() == before


if __name__ == "__main__":
    address, process, *paths = sys.argv[1:]
    jax.distributed.initialize(address, num_processes=2, process_id=int(process))
    for path in map(Path, paths):
        check(path)
        fail(path)
    print("done")
