"""Run twice by test_sharding.py: one process does not save an array that spans two."""

import sys

import jax
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

import pyneurons_yat as pn

TABLE = np.arange(4.0, dtype=np.float32)


def put(*spec):
    mesh = jax.make_mesh((2,), ("x",), axis_types=(jax.sharding.AxisType.Auto,))
    return jax.make_array_from_callback((4,), NamedSharding(mesh, P(*spec)), lambda i: TABLE[i])


def check(path):
    try:
        pn.save(path, {"a": {"b": put("x")}})
    except ValueError as error:
        print(error)
    replicated = {"a": put()}
    loaded = pn.load(pn.save(path, replicated), replicated)
    np.testing.assert_array_equal(np.asarray(loaded["a"]), TABLE)
    spread = pn.load(path, {"a": put("x")})["a"]
    (shard,) = spread.addressable_shards
    np.testing.assert_array_equal(np.asarray(shard.data), TABLE[shard.index])
    assert not spread.is_fully_addressable


if __name__ == "__main__":
    address, process, *paths = sys.argv[1:]
    jax.distributed.initialize(address, num_processes=2, process_id=int(process))
    for path in paths:
        check(path)
