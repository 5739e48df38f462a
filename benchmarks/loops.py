"""Three ways to train: `fit`, a Python loop over `train_step`, and a scan over an epoch.

All take the same steps on the same batches, in order, from the same weights. `fit` chooses between
loop and scan itself, and looks at every number on the way. On a CPU XLA takes the gradient of a
convolution several times slower inside of a scan, and a step of a small network longer outside.
"""

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

import pyneurons_yat as pn
from pyneurons_yat import zoo

from .fit import BATCH, BATCHES, digits
from .harness import Case, Contender, Target

ROUNDS = 9
EPOCHS = 2
BRIEF = 20  # times as many epochs of the network whose step takes a tenth of a millisecond
OPTIMIZER = optax.adam(1e-3)
FIT, LOOP, SCAN = "fit", "loop over train_step", "scanned epoch"
LIMIT = 1.1
TARGETS = (
    Target(FIT, LOOP, "<=", LIMIT),
    Target(FIT, SCAN, "<=", LIMIT, why="a call of fit costs some 2 ms, whatever it trains"),
)
WORK = "cross entropy, its gradient, adam"
SIDE = 8  # of an image


class Network(NamedTuple):
    """A model, and how it is shown the digits."""

    name: str
    model: pn.Model
    inputs: Callable[[jax.Array], jax.Array]
    targets: Callable[[jax.Array, jax.Array], jax.Array] = lambda images, labels: labels
    times: int = 1  # as many epochs as others


def cases() -> Iterator[Case]:
    """A network of each kind."""
    images, labels = digits()
    for network in networks(jax.random.key(0)):
        yield case(network, network.inputs(images), network.targets(images, labels))


def networks(key: jax.Array) -> Iterator[Network]:
    """Dense, convolutional, recurrent, and with attention."""
    keys = jax.random.split(key, 6)
    dense = pn.sequential(pn.YatDense(keys[0], 64, 64), pn.Linear(keys[1], 64, 10))
    yield Network("Yat MLP 64-64-10", dense, lambda images: images, times=BRIEF)
    yield Network("residual Yat convolutions, batch norm", convolutional(keys[2]), square)
    last = pn.sequential(pn.GRU(keys[3], SIDE, 64), final, pn.Linear(keys[4], 64, 10))
    yield Network("GRU of 64 on rows", last, rows)
    transformer = zoo.Transformer(keys[5], 17, 32, blocks=2, heads=4)
    yield Network("transformer on pixels", transformer, shown, following)


class Residual(NamedTuple):
    """The parts of a residual block."""

    conv: pn.Model
    norm: pn.Model


def create_residual(key: jax.Array, channels: int) -> Residual:
    """A convolution that keeps the size, and a norm."""
    return Residual(pn.YatConv(key, channels, channels, (3, 3)), pn.BatchNorm(channels))


def apply_residual(params: Residual, x: jax.Array) -> jax.Array:
    """What comes in, and what the block makes of it."""
    return x + params.norm(params.conv(x))


Block = pn.bind("Block", create_residual, apply_residual)


def convolutional(key: jax.Array, channels: int = 16) -> pn.Model:
    """Two residual blocks behind a first convolution, and a mean over the image."""
    keys = jax.random.split(key, 4)
    return pn.sequential(
        pn.YatConv(keys[0], 1, channels, (3, 3)),
        Block(keys[1], channels),
        Block(keys[2], channels),
        mean,
        pn.Linear(keys[3], channels, 10),
    )


def mean(x: jax.Array) -> jax.Array:
    """The mean over an image."""
    return jnp.mean(x, (-3, -2))


def final(y: jax.Array) -> jax.Array:
    """What a recurrent network says last."""
    return y[..., -1, :]


def square(images: jax.Array) -> jax.Array:
    """Images of one channel."""
    return images.reshape(-1, SIDE, SIDE, 1)


def rows(images: jax.Array) -> jax.Array:
    """An image as a sequence of its rows."""
    return images.reshape(-1, SIDE, SIDE)


def pixels(images: jax.Array) -> jax.Array:
    """An image as a sequence of 64 gray levels, 0 to 16."""
    return jnp.round(16 * images).astype(jnp.int32)


def shown(images: jax.Array) -> jax.Array:
    """The pixels but the last."""
    return pixels(images)[:, :-1]


def following(images: jax.Array, _: jax.Array) -> jax.Array:
    """The pixel after each of those."""
    return pixels(images)[:, 1:]


def case(network: Network, x: jax.Array, y: jax.Array) -> Case:
    """The three ways to train one network."""
    state = pn.TrainState.create(network.model, OPTIMIZER)
    step = pn.train_step(pn.cross_entropy, OPTIMIZER)
    batches = [(x[i : i + BATCH], y[i : i + BATCH]) for i in range(0, len(x), BATCH)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *batches)
    scan = jax.jit(partial(jax.lax.scan, step))
    epochs = EPOCHS * network.times
    calls = {
        FIT: partial(by_fit, state, x, y, epochs),
        LOOP: partial(by_loop, step, state, batches, epochs),
        SCAN: partial(by_scan, scan, state, stacked, epochs),
    }
    contenders = [Contender(way, WORK, call, epochs * BATCHES) for way, call in calls.items()]
    return Case(f"loops {network.name}", FIT, contenders, TARGETS, rate="steps/s")


def by_fit(state: pn.TrainState, x: jax.Array, y: jax.Array, epochs: int) -> Any:
    """The model after some epochs of `fit`."""
    options = {"loss": pn.cross_entropy, "batch_size": BATCH, "epochs": epochs, "progress": False}
    return pn.fit(OPTIMIZER, state, x, y, **options)[0].model


def by_loop(step: Callable[..., Any], state: pn.TrainState, batches: list[Any], epochs: int) -> Any:
    """The model after a Python loop, which reads the losses of an epoch at its end."""
    losses = []
    for batch in itertools.chain.from_iterable(itertools.repeat(batches, epochs)):
        state, metrics = step(state, batch)
        losses.append(metrics["loss"])
        if len(losses) == len(batches):
            jax.device_get(losses)
            losses.clear()
    return state.model


def by_scan(scan: Callable[..., Any], state: pn.TrainState, stacked: Any, epochs: int) -> Any:
    """The model after a scan over each epoch, whose losses are read at its end."""
    for _ in range(epochs):
        state, metrics = scan(state, stacked)
        jax.device_get(metrics)
    return state.model
