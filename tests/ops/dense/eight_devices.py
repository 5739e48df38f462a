"""Run by test_ops_yat on eight host devices: the ops on explicit meshes and in shard_map."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from pyneurons_yat import ops

RNG = np.random.default_rng(0)
ARRAYS = [RNG.normal(size=s).astype(np.float32) for s in ((8, 6), (6, 4), (4,), (4,))]


def loss(x, kernel, bias, alpha, epsilon, **options):
    """One number, through the product and each of the row functions."""
    y = ops.yat(x, kernel, bias, alpha, epsilon=epsilon, **options)
    return jnp.sum(ops.soft_tanh(y) * ops.vector(y)) + jnp.sum(ops.softermax(y, n=epsilon) ** 2)


def close(got, wanted):
    for one, two in zip(got, wanted, strict=True):
        np.testing.assert_allclose(one, two, 1e-4, 1e-4)


def explicit(specs, out_sharding, distance, wanted):
    """The gradient with arguments sharded so, on axes that are explicit."""
    mesh = jax.make_mesh((4, 2), ("data", "model"))
    with jax.set_mesh(mesh):
        shards = [
            jax.device_put(a, NamedSharding(mesh, s)) for a, s in zip(ARRAYS, specs, strict=True)
        ]
        f = functools.partial(loss, distance=distance, out_sharding=out_sharding)
        got = jax.jit(jax.grad(f, (0, 1, 2, 3, 4)))(*shards, 0.5)
    assert [g.sharding.spec for g in got[:2]] == [s.sharding.spec for s in shards[:2]]
    close(got, wanted)


def mapped(distance, wanted):
    """The gradient of a loss that is summed over the devices of a shard_map."""
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    specs = (P("data"), P(), P(), P(), P())

    @functools.partial(jax.shard_map, mesh=mesh, in_specs=specs, out_specs=specs)
    def gradient(*arguments):
        def total(*a):
            return jax.lax.psum(loss(*a, distance=distance), "data")

        return jax.grad(total, (0, 1, 2, 3, 4))(*arguments)

    close(gradient(*ARRAYS, jnp.float32(0.5)), wanted)


def main():
    jax.config.update("jax_numpy_rank_promotion", "raise")
    wanted = jax.grad(loss, (0, 1, 2, 3, 4))(*ARRAYS, 0.5)
    whole = P(None)
    for distance in ("expanded", "direct"):
        explicit([P("data", None), P(None, None), whole, whole], None, distance, wanted)
        columns = [P("data", None), P(None, "model"), P("model"), P("model")]
        explicit(columns, None, distance, wanted)
        mapped(distance, wanted)
    features = [P("data", "model"), P("model", None), whole, whole]
    explicit(features, P("data", None), "expanded", wanted)


if __name__ == "__main__":
    main()
