"""Run by test_meshes on eight host devices: what one of eight devices holds, as compiled.

Nothing runs but the compiler: it tells how much memory it will need on a device.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from four_devices import made
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import pyneurons_yat as pn

LONG = (1, 16_384, 8, 64)
FEATURES, SERIES, EDGES = (1, 16_384, 4, 128), (512, 64, 32), (32_768, 32)
NODES = 64
IDS = np.random.default_rng(0).integers(0, NODES, EDGES[0])


def attention(alpha, x, **options):
    return pn.yat_attention(x, x + 1, x + 2, alpha=alpha, **options)


def linear(scale, x):
    return pn.linear_attention(scale * x**2, x**2, x, is_causal=True)


def edges(scale, x):
    ids = jnp.asarray(IDS)
    return pn.segment_reduce(pn.segment_softmax(scale * x, ids, NODES) * x, ids, NODES)


CASES = {  # a function, its parameters, the shape and the sharding of x, and the least ratio
    "attention": (attention, jnp.ones(8), LONG, P(None, "sequence"), 6),
    "causal": (partial(attention, is_causal=True), jnp.ones(8), LONG, P(None, "sequence"), 6),
    "linear": (linear, jnp.ones(128), FEATURES, P(None, "sequence"), 5),
    "LSTM": (lambda m, x: m(x), made(pn.LSTM, 32, 32), SERIES, P("sequence"), 6),
    "edges": (edges, jnp.ones(32), EDGES, P("sequence"), 6),
}


def temporary(function, parameters, x):
    """The bytes that the gradient needs beside its arguments and results, on a device."""

    def loss(parameters, x):
        return jnp.sum(function(parameters, x) ** 2)

    compiled = jax.jit(jax.grad(loss, (0, 1))).lower(parameters, x).compile()
    return compiled.memory_analysis().temp_size_in_bytes, compiled.as_text()


def main():
    jax.config.update("jax_disable_most_optimizations", False)
    mesh = jax.make_mesh((8,), ("sequence",), axis_types=(AxisType.Auto,))
    for name, (function, parameters, shape, spec, least) in CASES.items():
        alone, _ = temporary(function, parameters, jax.ShapeDtypeStruct(shape, jnp.float32))
        with jax.set_mesh(mesh):
            x = jax.ShapeDtypeStruct(shape, jnp.float32, sharding=NamedSharding(mesh, spec))
            divided, text = temporary(function, jax.device_put(parameters, P()), x)
        print(f"{name}: {alone / 2**20:.1f} MiB on one device, {divided / 2**20:.1f} on each of 8")
        assert divided * least <= alone, (name, alone, divided)
        assert "all-gather" not in text, name


if __name__ == "__main__":
    main()
