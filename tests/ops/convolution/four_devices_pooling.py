"""Run by test_pooling_on_many_devices on four host devices: a batch that lies on all of them.

The axes of the mesh are explicit, as `jax.make_mesh` makes them.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec as P

from pyneurons_yat import ops

jax.config.update("jax_disable_most_optimizations", True)  # small programs, each run once

FIRST, SECOND = P("data"), P(None, "data")
IMAGES = np.random.default_rng(0).normal(size=(4, 6, 5, 2)).astype(np.float32)
VIDEOS = np.random.default_rng(0).normal(size=(2, 4, 6, 2)).astype(np.float32)
PLACES = np.random.default_rng(0).integers(0, 90, IMAGES.shape)

IMAGE_OPS = {
    "max": lambda x: ops.max_pool(x, (2, 2), padding="SAME"),
    "average": lambda x: ops.average_pool(x, (2, 2), padding=1),
    "adaptive": lambda x: ops.adaptive_max_pool(x, (4, 1), return_indices=True)[0],
    "global": ops.global_max_pool,
    "global average": ops.global_average_pool,
    "unpool": lambda x: ops.max_unpool(x, jnp.asarray(PLACES), (9, 10)),
    "upsample": lambda x: ops.upsample(x, (2, 2), method="linear"),
    "flatten": ops.flatten,
}
VIDEO_OPS = {
    "max and places": lambda x: ops.max_pool(x, 3, return_indices=True)[0],
    "average": lambda x: ops.average_pool(x, 3),
    "adaptive": lambda x: ops.adaptive_average_pool(x, 4),
    "nearest": lambda x: ops.upsample(x, 2),
}


def on_a_mesh(mesh, table, x, spec):
    """Each op gives on the mesh what it gives without, and leaves the batch where it lies."""

    def loss(x):
        results = {name: op(x) for name, op in table.items()}
        return sum(jnp.sum(y**2) for y in results.values()), results

    f = jax.jit(jax.value_and_grad(loss, has_aux=True))
    wanted = f(x)
    with jax.set_mesh(mesh):
        got = f(jax.device_put(x, spec))
    for name, y in got[0][1].items():
        assert tuple(y.sharding.spec)[: len(spec)] == tuple(spec), (name, y.sharding.spec)
    for one, two in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(one, two, 1e-5, 1e-5)


def main():
    mesh = jax.make_mesh((4,), ("data",))
    on_a_mesh(mesh, IMAGE_OPS, IMAGES, FIRST)
    on_a_mesh(mesh, VIDEO_OPS, VIDEOS, SECOND)


if __name__ == "__main__":
    main()
