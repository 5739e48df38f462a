"""Training steps per second: a digits network with adam, batch 64.

The network is 64-64-10: a layer of Yat neurons (or relu(x w + b)), then a linear layer. Within a
case all loops compute the same numbers: from the same weights, over the same batches in the same
order, the cross entropy, its gradient and adam. The hidden layer is `pn.yat` on parameters held
the peer's way; nmn's is its own YatNMN. The batches lie on the device beforehand; nothing is
shuffled. `fit` compiles whole epochs, and does more: it shuffles and reports each epoch's loss.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import optax

import pyneurons_yat as pn

from .harness import Case, Contender, Target, peer

ROUNDS = 25
BATCH, BATCHES, EPOCHS = 64, 28, 20
OPTIMIZER = optax.adam(1e-3)
RAW, LOOP, EPOCH = "raw jax + optax", "pyneurons_yat loop", "pyneurons_yat fit"
STEP = "pyneurons_yat train_step"
PYTHON = "a call passes a tree of models and a state: tens of microseconds of Python"
TARGETS = (
    Target(LOOP, RAW, "<=", 1.15, why=PYTHON),
    Target(STEP, RAW, "<=", 1.2, why=PYTHON),
    Target(EPOCH, LOOP, "<=", 1.0),
    Target(EPOCH, RAW, "<=", 1.0),
)

Weights = dict[str, dict[str, Any]]
Hidden = Callable[..., jax.Array]
Step = Callable[..., tuple[Any, Any]]


def cases() -> Iterator[Case]:
    """The Yat network, then the ReLU network."""
    first, second, third = jax.random.split(jax.random.key(0), 3)
    readout = pn.Linear(third, 64, 10)
    yat = pn.sequential(pn.YatDense(first, 64, 64, use_alpha=False), readout)
    yield case("yat 64-64, linear 64-10", yat, pn.yat, is_yat=True)
    relu = pn.sequential(pn.Linear(second, 64, 64), jax.nn.relu, readout)
    yield case("relu 64-64, linear 64-10", relu, relu_dense, is_yat=False)


def relu_dense(x: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
    """The ReLU network's hidden layer."""
    return jax.nn.relu(x @ kernel + bias[None, :])


def case(name: str, model: pn.Model, hidden: Hidden, *, is_yat: bool) -> Case:
    """All loops over one network."""
    images, labels = digits()
    batches = [(images[i : i + BATCH], labels[i : i + BATCH]) for i in range(0, len(images), BATCH)]
    weights = {"hidden": arrays(model[0]), "readout": arrays(model[-1])}
    work = "cross entropy, its gradient, adam"

    def loop(name: str, step: Step, carry: Any) -> Contender:
        return Contender(name, work, stepper(step, carry, batches))

    contenders = [
        loop(RAW, *raw(weights, hidden)),
        loop(LOOP, *ours(model)),
        loop(STEP, *train_step(model)),
        Contender(
            EPOCH,
            f"{work}; shuffling, epochs compiled",
            epochs(model, images, labels, seed=1),
            EPOCHS * BATCHES,
        ),
        *peer(
            "equinox", "equinox", ["equinox"], lambda: [loop("equinox", *equinox(weights, hidden))]
        ),
        *peer("flax.nnx", "flax", ["flax nnx"], lambda: [loop("flax nnx", *flax(weights, hidden))]),
    ]
    if not is_yat:
        return Case(f"fit {name}", RAW, contenders, TARGETS, rate="steps/s")
    contenders += peer("nmn.nnx", "nmn flax", ["nmn"], lambda: [loop("nmn", *nmn(weights))])
    bounds = [*TARGETS, Target("nmn", LOOP, ">=", 4)]
    return Case(f"fit {name}", RAW, contenders, bounds, rate="steps/s")


def digits() -> tuple[jax.Array, jax.Array]:
    """scikit-learn's digits, scaled to at most 1, less the five that would make a partial batch."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    rows = slice(BATCH * BATCHES)
    return jnp.asarray(images[rows] / 16, jnp.float32), jnp.asarray(labels[rows], jnp.int32)


def arrays(layer: pn.Model) -> dict[str, Any]:
    """The parameters of a layer by name, without absent ones."""
    return {name: value for name, value in layer.params._asdict().items() if value is not None}


def logits(weights: Weights, x: jax.Array, hidden: Hidden) -> jax.Array:
    """The network on bare dicts."""
    readout = weights["readout"]
    return hidden(x, **weights["hidden"]) @ readout["kernel"] + readout["bias"][None, :]


def stepper(
    step: Step, carry: Any, batches: list[tuple[jax.Array, jax.Array]]
) -> Callable[[], Any]:
    """A call that takes one step on the next batch and returns the loss."""
    turns = itertools.cycle(batches)

    def call() -> Any:
        nonlocal carry
        carry, loss = step(carry, *next(turns))
        return loss

    return call


def raw(weights: Weights, hidden: Hidden) -> tuple[Step, Any]:
    """JAX and optax on bare dicts."""

    def loss(weights: Weights, x: jax.Array, y: jax.Array) -> jax.Array:
        return pn.cross_entropy(logits(weights, x, hidden), y)

    return optax_step(jax.value_and_grad(loss)), (weights, OPTIMIZER.init(weights))


def ours(model: pn.Model) -> tuple[Step, Any]:
    """The same loop over a model."""

    def loss(model: pn.Model, x: jax.Array, y: jax.Array) -> jax.Array:
        return pn.cross_entropy(model(x), y)

    return optax_step(pn.value_and_grad(loss)), (model, OPTIMIZER.init(model))


def train_step(model: pn.Model) -> tuple[Step, Any]:
    """The step that the package compiles, which counts the steps too."""
    compiled = pn.train_step(pn.cross_entropy, OPTIMIZER)

    def step(state: pn.TrainState, x: jax.Array, y: jax.Array) -> tuple[pn.TrainState, jax.Array]:
        state, metrics = compiled(state, (x, y))
        return state, metrics["loss"]

    return step, pn.TrainState.create(model, OPTIMIZER)


def optax_step(differentiate: Callable[..., Any]) -> Step:
    """One compiled step of adam on any pytree."""

    @jax.jit
    def step(carry: Any, x: jax.Array, y: jax.Array) -> tuple[Any, jax.Array]:
        params, state = carry
        loss, gradient = differentiate(params, x, y)
        updates, state = OPTIMIZER.update(gradient, state, params)
        return (optax.apply_updates(params, updates), state), loss

    return step


def epochs(
    model: pn.Model, images: jax.Array, labels: jax.Array, seed: int | None
) -> Callable[[], Any]:
    """A call of `fit` for several epochs, from the same model each time; with a seed, shuffled."""
    options = {"loss": pn.cross_entropy, "batch_size": BATCH, "epochs": EPOCHS, "progress": False}

    def call() -> Any:
        key = None if seed is None else jax.random.key(seed)
        return pn.fit(OPTIMIZER, model, images, labels, key=key, **options)

    return call


def equinox(weights: Weights, hidden: Hidden) -> tuple[Step, Any]:
    """The loop of equinox's documentation."""
    import equinox as eqx

    class Network(eqx.Module):
        weights: Weights

        def __call__(self, x: jax.Array) -> jax.Array:
            return logits(self.weights, x, hidden)

    def loss(network: Network, x: jax.Array, y: jax.Array) -> jax.Array:
        return pn.cross_entropy(network(x), y)

    @eqx.filter_jit
    def step(carry: Any, x: jax.Array, y: jax.Array) -> tuple[Any, jax.Array]:
        network, state = carry
        value, gradient = eqx.filter_value_and_grad(loss)(network, x, y)
        updates, state = OPTIMIZER.update(gradient, state, network)
        return (eqx.apply_updates(network, updates), state), value

    network = Network(weights)
    return step, (network, OPTIMIZER.init(eqx.filter(network, eqx.is_inexact_array)))


def flax(weights: Weights, hidden: Hidden) -> tuple[Step, Any]:
    """The loop of flax's documentation."""
    from flax import nnx

    class Dense(nnx.Module):
        def __init__(self, arrays: dict[str, Any], function: Hidden):
            self.function = function
            for name, array in arrays.items():
                setattr(self, name, nnx.Param(array))
            self.names = tuple(arrays)

        def __call__(self, x: jax.Array) -> jax.Array:
            return self.function(x, **{name: getattr(self, name)[...] for name in self.names})

    return nnx_step(nnx.Sequential(Dense(weights["hidden"], hidden), nnx_readout(weights)))


def nmn(weights: Weights) -> tuple[Step, Any]:
    """The same loop with nmn's dense layer."""
    from flax import nnx
    from nmn.nnx import YatNMN

    layer = YatNMN(64, 64, use_alpha=False, rngs=nnx.Rngs(0))
    return nnx_step(nnx.Sequential(filled(layer, weights["hidden"]), nnx_readout(weights)))


def nnx_readout(weights: Weights) -> Any:
    """The linear layer of flax with given weights."""
    from flax import nnx

    return filled(nnx.Linear(64, 10, rngs=nnx.Rngs(0)), weights["readout"])


def filled(layer: Any, arrays: dict[str, Any]) -> Any:
    """An nnx layer with its parameters set."""
    for name, array in arrays.items():
        getattr(layer, name)[...] = array
    return layer


def nnx_step(network: Any) -> tuple[Step, Any]:
    """A compiled step that changes network and optimizer in place."""
    from flax import nnx

    def loss(network: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        return pn.cross_entropy(network(x), y)

    @nnx.jit
    def train(network: Any, optimizer: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        value, gradient = nnx.value_and_grad(loss)(network, x, y)
        optimizer.update(network, gradient)
        return value

    def step(carry: Any, x: jax.Array, y: jax.Array) -> tuple[Any, jax.Array]:
        network, optimizer = carry
        return carry, train(network, optimizer, x, y)

    return step, (network, nnx.Optimizer(network, OPTIMIZER, wrt=nnx.Param))
