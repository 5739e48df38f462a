"""Sparse layers against dense ones: products, training steps, memory, and MNIST's test accuracy.

Every kernel has a fixed number of non-zeros for each output; `BCOO` is JAX's own sparse array of
the same entries. The network is 784-1024-1024-10. A step is the cross entropy of 100 images, its
gradient and adam. Memory is that of the parameters, indices included, and of adam's state. For the
accuracies, 8,000 of MNIST's 10,000 test images are learned and 2,000 tested; after each epoch but
the last few the rule of SET moves three tenths of the non-zeros. Adam's steps do not grow with the
weights, which are larger by 1 / sqrt(density): so is the learning rate.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.experimental.sparse import BCOO

import pyneurons_yat as pn
from pyneurons_yat.ops.sparse import densified

from .graph import DATA
from .harness import Absent, Case, Contender, Target

ROUNDS = 15
UNITS, BATCHES, DENSITIES = 1024, (32, 256), (0.01, 0.05, 0.1)
SIZES, BATCH, RATE = (784, 1024, 1024, 10), 100, 2e-3
DENSITY, EPOCHS, MOVING, SEEDS = 0.05, 20, 16, 3
OURS, DENSE, STORED = "pyneurons_yat sparse", "dense", "BCOO"
KINDS = {"Yat": (pn.YatDense, pn.SparseYatDense), "relu": (pn.Linear, pn.SparseLinear)}


def cases() -> Iterator[Case]:
    """Products, then steps and memory, then what is learned."""
    for batch in BATCHES:
        for density in DENSITIES:
            yield product_case(batch, density)
    for kind in KINDS:
        for density in (0.01, DENSITY):
            yield step_case(kind, density)
        yield memory_case(kind)
    yield from map(accuracy_case, KINDS)


def product_case(batch: int, density: float, units: int = UNITS) -> Case:
    """The value and the gradients of one product of `units` inputs with as many outputs."""
    one, two, three = jax.random.split(jax.random.key(0), 3)
    kernel = pn.SparseLinear(one, units, units, density=density, use_bias=False).kernel
    x, cotangent = jax.random.normal(two, (batch, units)), jax.random.normal(three, (batch, units))
    stored = stored_of(kernel)

    def ours(x: jax.Array, values: jax.Array, indices: jax.Array) -> jax.Array:
        return pn.sparse_linear(x, kernel._replace(values=values, indices=indices))

    def of_stored(x: jax.Array, values: jax.Array, indices: jax.Array) -> jax.Array:
        return (BCOO((values, indices), shape=stored.shape) @ x.T).T

    calls = {
        OURS: (ours, kernel.values, kernel.indices),
        STORED: (of_stored, stored.data, stored.indices),
        DENSE: (lambda x, kernel: x @ kernel, densified(kernel)),
    }
    contenders = [
        Contender(name, "", gradient_of(function, cotangent, x, *arrays))
        for name, (function, *arrays) in calls.items()
    ]
    rivals = [STORED, DENSE] if density <= 0.01 else [STORED]
    targets = [Target(OURS, rival, "<=", 1.0) for rival in rivals]
    name = f"product of {batch} rows, {units} x {units}, density {density}"
    return Case(name, DENSE, contenders, targets)


def stored_of(kernel: pn.SparseKernel) -> BCOO:
    """The transpose of a kernel, output after output, as JAX stores it."""
    count, outputs = kernel.values.shape
    order = jnp.argsort(kernel.indices, axis=0)
    inputs = jnp.take_along_axis(kernel.indices, order, 0).T.ravel()
    places = jnp.stack([jnp.repeat(jnp.arange(outputs, dtype=jnp.int32), count), inputs], 1)
    values = jnp.take_along_axis(kernel.values, order, 0).T.ravel()
    return BCOO((values, places), shape=(outputs, kernel.inputs.size))


def gradient_of(
    function: Callable[..., Any], cotangent: jax.Array, *arrays: jax.Array
) -> Callable[[], Any]:
    """The value and the gradients in x and values of `vdot(function(*arrays), cotangent)`."""

    def scalar(cotangent: jax.Array, *arrays: jax.Array) -> jax.Array:
        return jnp.vdot(function(*arrays), cotangent)

    compiled = jax.jit(jax.value_and_grad(scalar, (1, 2)))
    return lambda: jax.block_until_ready(compiled(cotangent, *arrays))


# --------------------------------------------------------------------------- whole networks


def network(kind: str, density: float | None, seed: int = 0) -> pn.Model:
    """A network of dense layers, or of sparse ones, of that density together."""
    shapes = list(pairwise(SIZES))
    shares = [1.0] * len(shapes) if density is None else pn.erdos_renyi(shapes, density)
    keys = jax.random.split(jax.random.key(seed), len(shapes))
    layers = []
    for i, (key, shape, share) in enumerate(zip(keys, shapes, shares, strict=True)):
        last = i == len(shapes) - 1
        whole, sparse = KINDS["relu" if last else kind]
        layers.append(whole(key, *shape) if share == 1 else sparse(key, *shape, density=share))
        layers += [] if last or kind == "Yat" else [jax.nn.relu]
    return pn.sequential(*layers)


def step_case(kind: str, density: float) -> Case:
    """A step of each network, from the state that the one before has left."""
    optimizer = optax.adam(RATE)
    generator = np.random.default_rng(0)
    x = jnp.asarray(generator.random((BATCH, SIZES[0]), np.float32))
    y = jnp.asarray(generator.integers(0, 10, BATCH))
    models = {OURS: network(kind, density), DENSE: network(kind, None)}
    contenders = [
        Contender(name, "", stepping(model, optimizer, (x, y))) for name, model in models.items()
    ]
    targets = [Target(OURS, DENSE, "<=", 1.0)] if density <= 0.01 else []
    return Case(f"step of the {kind} network, density {density}", DENSE, contenders, targets)


def stepping(model: pn.Model, optimizer: Any, batch: Any) -> Callable[[], Any]:
    """Takes a step and awaits it."""
    step = pn.train_step(pn.cross_entropy, optimizer)
    state = pn.TrainState.create(model, optimizer)
    return lambda: jax.block_until_ready(step(state, batch)[0].model)


def memory_case(kind: str) -> Case:
    """The bytes of parameters, indices and adam's state."""
    models = {OURS: network(kind, DENSITY), DENSE: network(kind, None)}
    contenders = [Contender(name, "", partial(held, model)) for name, model in models.items()]
    target = Target(OURS, DENSE, "<=", 0.08)
    return Case(
        f"memory of the {kind} network, density {DENSITY}", DENSE, contenders, [target], "bytes"
    )


def held(model: pn.Model) -> int:
    """The bytes of a model and of adam's state for it."""
    state = pn.TrainState.create(model, optax.adam(RATE))
    return sum(leaf.nbytes for leaf in jax.tree.leaves((state.model, state.opt_state)))


def accuracy_case(kind: str) -> Case:
    """The test accuracies, a sample per seed."""
    file = DATA / "mnist10k.npz"
    if file.is_file():
        rows: list[Contender | Absent] = [
            Contender(name, "", partial(accuracies, file, kind, density))
            for name, density in ((OURS, DENSITY), (DENSE, None))
        ]
    else:
        cure = f"set PYNEURONS_YAT_DATA to the folder of {file.name}"
        rows = [Absent(name, cure) for name in (OURS, DENSE)]
    target = Target(OURS, DENSE, ">=", -0.01, "difference")
    title = f"test accuracy of the {kind} network on MNIST, density {DENSITY}, {SEEDS} seeds"
    return Case(title, DENSE, rows, [target], "accuracy")


def accuracies(file: Path, kind: str, density: float | None) -> list[float]:
    """The accuracy after each of the trainings; nothing else looks at the images of the test."""
    images, labels = (np.load(file)[name] for name in ("images", "labels"))
    x = jnp.asarray(images.reshape(-1, SIZES[0]) / 255, jnp.float32)
    y, known = jnp.asarray(labels, jnp.int32), len(images) * 4 // 5
    found = []
    for seed in range(SEEDS):
        model = trained(network(kind, density, seed), x[:known], y[:known], density, seed)
        found.append(float(pn.accuracy(model(x[known:]), y[known:])))
    return found


def trained(model: pn.Model, x: jax.Array, y: jax.Array, density: Any, seed: int) -> pn.Model:
    """The model after `EPOCHS` epochs; of a sparse one non-zeros have moved."""
    rate = RATE / np.sqrt(1 if density is None else density)
    steps = EPOCHS * -(-len(x) // BATCH)
    optimizer = optax.adam(optax.cosine_decay_schedule(rate, steps))

    def move(epoch: int, state: pn.TrainState, report: Any) -> pn.TrainState | None:
        if density is None or epoch >= MOVING:
            return None
        key = jax.random.fold_in(jax.random.key(seed), state.step)
        return pn.rewire(key, state, pn.prune_set(0.3), optimizer=optimizer)

    return pn.fit(
        optimizer,
        model,
        x,
        y,
        loss=pn.cross_entropy,
        batch_size=BATCH,
        epochs=EPOCHS,
        key=jax.random.key(100 + seed),
        callback=move,
        progress=False,
    )[0]
