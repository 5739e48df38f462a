"""Run by test_memory in a process of its own: what `memory` tells, and what a run then takes.

    XLA_FLAGS=--xla_force_host_platform_device_count=8 python tests/learn/memory_used.py mlp fsdp

It prints two numbers: the bytes that were told, of all devices together, which one process holds
here; and by how much the process grows beyond what it took before there was a state, at its peak.
"""

import ctypes
import re
import sys
import threading
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import optax

import pyneurons_yat as pn
from pyneurons_yat import zoo

KEY, ADAM = jax.random.key(0), optax.adam(1e-3)


def mlp(key):
    return pn.MLP(key, (1024, 4096, 4096, 1024))


def cnn(key):
    one, two, three = jax.random.split(key, 3)
    return pn.sequential(
        pn.YatConv(one, 3, 32, (3, 3), epsilon=0.1),
        pn.BatchNorm(32),
        pn.YatConv(two, 32, 64, (3, 3), strides=2, epsilon=0.1),
        pn.BatchNorm(64),
        pn.global_average_pool,
        pn.Linear(three, 64, 10),
    )


def transformer(key):
    return zoo.Transformer(key, 4096, 256, blocks=4, heads=4)


def tokens(key):
    found = jax.random.randint(key, (32, 129), 0, 4096)
    return found[:, :-1], found[:, 1:]


CASES = {
    "mlp": (mlp, lambda key: (jax.random.normal(key, (4096, 1024)),) * 2, pn.mse),
    "cnn": (
        cnn,
        lambda key: (jax.random.normal(key, (64, 64, 64, 3)), jnp.arange(64) % 10),
        pn.cross_entropy,
    ),
    "transformer": (transformer, tokens, pn.cross_entropy),
}


def anonymous():
    """The bytes that the process holds beside files."""
    found = re.search(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return 1024 * int(found[1])


class Peak:
    """The most that the process holds while a block of code runs."""

    def __enter__(self):
        self.value, self.over = 0, False
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def watch(self):
        while not self.over:
            self.value = max(self.value, anonymous())
            time.sleep(0.0005)

    def __exit__(self, *_):
        self.over = True
        self.thread.join()


def settled():
    """What the process holds once what was freed has gone back."""
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    return anonymous()


def warm(on_mesh):
    """Starts the threads of a process, by a step of a small model: they are not of the step."""
    model, x = pn.Linear(KEY, 8, 8), jnp.ones((64, 8))
    step = pn.train_step(pn.mse, ADAM, **on_mesh)
    jax.block_until_ready(step(pn.TrainState.create(model, ADAM), (x, x)))


def main(case, layout=None):
    make, data, loss = CASES[case]
    on_mesh, places = {}, None

    def created(key):
        return pn.TrainState.create(make(key), ADAM, jax.random.key(1))

    state = jax.eval_shape(created, KEY)
    if layout is not None:
        axes = {"axis_types": (jax.sharding.AxisType.Auto,)}
        name = {"tensor_parallel": "model", "sequence_parallel": "sequence"}.get(layout, "data")
        mesh = jax.make_mesh((jax.device_count(),), (name,), **axes)
        on_mesh = {"mesh": mesh, "layout": getattr(pn, layout)}
        places = pn.shardings(state, **on_mesh)
    create = jax.jit(created, out_shardings=places)
    create.lower(KEY).compile()
    batch = jax.eval_shape(data, KEY)
    needs = pn.memory(state, batch, optimizer=ADAM, loss=loss, **on_mesh)
    step = pn.train_step(loss, ADAM, **on_mesh)
    batch = jax.device_get(jax.jit(data)(KEY))
    warm(on_mesh)
    before = settled()
    state = jax.block_until_ready(create(KEY))
    if layout is None:
        batch = jax.tree.map(jnp.asarray, batch)
    lay = settled() - before
    with Peak() as peak:
        for _ in range(8):
            state, _ = jax.block_until_ready(step(state, batch))
    print(needs, f"before the step {lay / 2**20:.1f} MiB", sep="\n", file=sys.stderr)
    print(needs.total * jax.device_count(), peak.value - before)


if __name__ == "__main__":
    main(*sys.argv[1:])
