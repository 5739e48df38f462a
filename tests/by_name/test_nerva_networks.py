"""Three networks that `fit` and nerva-jax 1.0.0 train from the same weights to the same ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn
from pyneurons_yat import by_name

pytest.importorskip("nerva_jax", reason="nerva-jax, the peer, is not installed")
from nerva_jax import learning_rate, loss_functions
from nerva_jax.multilayer_perceptron import parse_multilayer_perceptron

RNG = np.random.default_rng(0)
SIZES, EXAMPLES, BATCH, EPOCHS = [6, 5, 4, 3], 24, 8, 4
X, T = RNG.normal(size=(EXAMPLES, 6)), np.eye(3)[RNG.integers(3, size=EXAMPLES)]
WEIGHTS = [RNG.normal(size=shape) / 2 for shape in [(5, 6), (4, 5), (3, 4)]]
NETWORKS = {
    "momentum": (
        "ReLU;ReLU;Linear",
        "Momentum(0.9);Momentum(0.9);Momentum(0.9)",
        "SoftmaxCrossEntropy",
        "Constant(0.01)",
    ),
    "srelu": (
        "SReLU(al=0.1, tl=-0.2, ar=0.3, tr=0.8);HyperbolicTangent;Linear",
        "Nesterov(0.9);Momentum(0.5);Nesterov(0.9)",
        "SquaredError",
        "TimeBased(0.05,0.1)",
    ),
    "batch-norm": (
        "ReLU;BatchNormalization;HyperbolicTangent;BatchNormalization;Linear",
        "Momentum(0.9);GradientDescent;Nesterov(0.8);Momentum(0.5);GradientDescent",
        "SoftmaxCrossEntropy",
        "MultiStepLR(0.1;1,3;0.5)",
    ),
}


def parameters(network):
    """Where nerva keeps what it learns: objects and names, layer by layer."""
    for layer in network.layers:
        dense = hasattr(layer, "W")
        yield from ((layer, name) for name in (("W", "b") if dense else ("gamma", "beta")))
        yield from [(layer.act, "x")] if hasattr(layer, "Dal") else []


def trained_by_nerva(texts, optimizers, loss, rate):
    """Every parameter after the training loop of nerva's README, whose step is compiled here."""
    network = parse_multilayer_perceptron(texts, SIZES, optimizers, ["XavierNormal"] * 3)
    loss, rate = loss_functions.parse_loss_function(loss), learning_rate.parse_learning_rate(rate)
    learned = list(parameters(network))
    each = [one for layer in network.layers for one in layer.optimizer.optimizers]
    places = learned + [(one, "delta_x") for one in each if hasattr(one, "mu")]
    given = iter(WEIGHTS)
    values = [
        next(given) if name == "W" else np.array(getattr(o, name), float) for o, name in places
    ]

    @jax.jit
    def step(values, x, t, eta):
        for (owner, name), value in zip(places, values, strict=True):
            setattr(owner, name, value)
        y = network.feedforward(x)
        network.backpropagate(y, loss.gradient(y, t) / len(x))
        network.optimize(eta)
        return [getattr(owner, name) for owner, name in places]

    for epoch in range(EPOCHS):
        eta = rate(epoch)
        for start in range(0, EXAMPLES, BATCH):
            values = step(values, X[start : start + BATCH], T[start : start + BATCH], eta)
    return [np.asarray(value).T for value in values[: len(learned)]]


def begun(texts):
    """The network by the same names, in float64, with the given weights."""
    model = by_name.network(jax.random.key(0), texts, SIZES)
    leaves, structure = jax.tree.flatten(model)
    given = iter(WEIGHTS)
    leaves = [next(given).T if leaf.ndim == 2 else np.asarray(leaf, float) for leaf in leaves]
    return jax.tree.unflatten(structure, map(jnp.asarray, leaves))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.slow
def test_a_network_learns_what_that_of_nerva_learns(name):
    texts, optimizers, loss, rate = NETWORKS[name]
    model = begun(texts)
    optimizer = by_name.optimizers(model, optimizers, rate, steps_per_epoch=EXAMPLES // BATCH)
    how = {"loss": by_name.loss(loss), "epochs": EPOCHS, "batch_size": BATCH, "progress": False}
    fitted, history = pn.fit(optimizer, model, X, T, **how)
    known = trained_by_nerva(texts.split(";"), optimizers.split(";"), loss, rate)
    learned = jax.tree.leaves(pn.partition(fitted, "params", ...)[0])
    assert history["loss"][-1] < history["loss"][0]
    assert np.abs(learned[0] - WEIGHTS[0].T).max() > 1e-3
    flat = [np.concatenate([np.ravel(leaf) for leaf in leaves]) for leaves in (learned, known)]
    np.testing.assert_allclose(*flat, 1e-6, 1e-9)
