"""A model is created, trained a step, saved and loaded under FSDP; no process has it twice.

    python tests/io/large_model.py 3000

prints the peak memory of each of these on eight devices of this process, for 3,000 MB of
parameters. It is that of the process itself, without the pages of files, above what it held before;
"with files" counts those too. `test_large_model.py` runs it with less.

On CPUs XLA otherwise starts all that it can at once, and holds what comes of it; and the allocator
otherwise keeps what was freed. Both would be in what is measured.
"""

import json
import os
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

SETTINGS = {
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_force_host_platform_device_count=8 "
    "--xla_cpu_enable_concurrency_optimized_scheduler=false",
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "MALLOC_TRIM_THRESHOLD_": "65536",
}
MB = 1e6
LAYERS = 64


def held():
    """The memory of this process in MB: its own, and with pages of files."""
    lines = Path("/proc/self/status").read_text().splitlines()
    found = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith("Rss")}
    own = int(found["RssAnon"]) * 1024 / MB
    return own, own + int(found["RssFile"]) * 1024 / MB


@contextmanager
def peak(what, size):
    """Prints the peak of the memory above that before, as a multiple of a size."""
    before, most, done = held(), list(held()), threading.Event()

    def watch():
        while not done.wait(0.002):
            most[:] = map(max, most, held())

    watching, start = threading.Thread(target=watch), time.perf_counter()
    watching.start()
    yield
    done.set()
    watching.join()
    own, whole = ((now - then) / size for now, then in zip(most, before, strict=True))
    after = (held()[0] - before[0]) / size
    found = {"what": what, "peak": round(own, 3), "with files": round(whole, 3)}
    found |= {"after": round(after, 3), "seconds": round(time.perf_counter() - start, 1)}
    print(json.dumps(found), flush=True)


def main(megabytes, folder):
    import jax
    import jax.numpy as jnp
    import numpy as np
    import optax

    import pyneurons_yat as pn

    width = 8 * round((megabytes * MB / 4 / LAYERS) ** 0.5 / 8)
    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    sgd = optax.sgd(0.1)
    train = pn.train_step(pn.mse, sgd, mesh=mesh, layout=pn.fsdp)

    def start(key):
        keys = jax.random.split(key, LAYERS)
        parts = [pn.Linear(one, width, width, use_bias=False) for one in keys]
        return pn.TrainState.create(pn.sequential(*parts), sgd)

    key, x = jax.random.key(0), np.ones((8, width), np.float32)
    shapes = pn.shard(jax.eval_shape(start, key), mesh, pn.fsdp)
    places = pn.shardings(shapes, mesh, pn.fsdp)
    size = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(shapes)) / MB
    print(json.dumps({"what": "size", "MB": round(size)}))
    # Compiled first: the memory that this takes grows with the number of layers, not their size.
    create = jax.jit(start, out_shardings=places).lower(key).compile()
    step = jax.jit(train, donate_argnums=0).lower(shapes, (x, x)).compile()
    total = jax.jit(lambda state: [jnp.sum(leaf) for leaf in jax.tree.leaves(state)])
    total = total.lower(shapes).compile()
    with peak("create", size):
        state = jax.block_until_ready(create(key))
    batch = jax.device_put((x, x), jax.NamedSharding(mesh, jax.P("data")))
    with peak("step", size):
        state, _ = jax.block_until_ready(step(state, batch))
    with peak("save", size):
        path = pn.save(folder / "state.safetensors", state)
    wanted = jax.device_get(total(state))
    del state
    with peak("load", size):
        state = jax.block_until_ready(pn.load(path, shapes))
    assert jax.device_get(total(state)) == wanted
    assert path.stat().st_size / MB < 1.01 * size


if __name__ == "__main__":
    if any(os.environ.get(name) != value for name, value in SETTINGS.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **SETTINGS})
    with tempfile.TemporaryDirectory() as folder:
        main(float(sys.argv[1]), Path(folder))
