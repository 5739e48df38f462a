"""A name of nerva means what nerva-jax 1.0.0 computes: layers, losses, optimizers, rates."""

import functools
import types

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pyneurons_yat as pn
from pyneurons_yat import by_name

pytest.importorskip("nerva_jax", reason="nerva-jax, the peer, is not installed")
from nerva_jax import layers, learning_rate, loss_functions, optimizers

RNG = np.random.default_rng(0)
N, D, K = 5, 4, 3
X, DY = RNG.normal(size=(N, D)), RNG.normal(size=(N, K))
W, B = RNG.normal(size=(K, D)), RNG.normal(size=K)
LAYERS = [
    "Linear", "ReLU", "Sigmoid", "Softmax", "LogSoftmax", "HyperbolicTangent", "LeakyReLU(0.1)",
    "AllReLU(alpha=0.3)", "SReLU(al=0.2, tl=-0.5, ar=0.3, tr=0.7)",
]  # fmt: skip
SCHEDULES = [
    "Constant(0.01)", "TimeBased(0.1,0.5)", "StepBased(0.1,0.5,3)", "MultiStepLR(0.1;2,5;0.1)",
    "Exponential(0.1,0.2)",
]  # fmt: skip
close = functools.partial(np.testing.assert_allclose, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("text", LAYERS)
def test_feedforward_and_backpropagation_of_a_layer(text):
    model = by_name.layer(text)(jax.random.key(0), D, K, weights=jax.nn.initializers.zeros)
    model = jax.tree.map(lambda leaf: leaf.astype(float), model)
    theirs = layers.parse_linear_layer(text, D, K, "GradientDescent", "Zero")
    place = "[0]." if "SReLU" in text else ""

    @jax.jit
    def both(model, x, w, b, dy):
        model = pn.replace(pn.replace(model, place + "kernel", w.T), place + "bias", b)
        y, pull = jax.vjp(lambda model, x: model(x), model, x)
        theirs.W, theirs.b = w, b
        known = theirs.feedforward(x)
        theirs.backpropagate(known, dy)
        more = theirs.act.Dx if "SReLU" in text else ()
        return (y, *pull(dy)), (known, theirs.DX, theirs.DW.T, theirs.Db, more)

    (y, gradient, dx), (known, known_dx, dw, db, more) = both(model, X, W, B, DY)
    close(y, known)
    close(dx, known_dx)
    kernel, bias, *learned = jax.tree.leaves(gradient)
    close(kernel, dw)
    close(bias, db)
    close(np.ravel(learned), more)


def test_batch_normalization():
    model = by_name.layer("BatchNormalization")(jax.random.key(0), D)
    model = jax.tree.map(lambda leaf: leaf.astype(float), model)
    theirs = layers.BatchNormalizationLayer(D)
    scale, bias, dy = *RNG.normal(size=(2, D)), RNG.normal(size=(N, D))

    @jax.jit
    def both(x, scale, bias, dy):
        ours = pn.replace(pn.replace(model, "scale", scale), "bias", bias)
        y, pull = jax.vjp(lambda model, x: pn.observe(model, x)[0], ours, x)
        theirs.gamma, theirs.beta = scale, bias
        known = theirs.feedforward(x)
        theirs.backpropagate(known, dy)
        return (y, *pull(dy)), (known, theirs.Dgamma, theirs.Dbeta, theirs.DX)

    (y, gradient, dx), (known, d_gamma, d_beta, known_dx) = both(X, scale, bias, dy)
    pairs = (y, known), (gradient.scale, d_gamma), (gradient.bias, d_beta), (dx, known_dx)
    for got, wanted in pairs:
        close(got, wanted)


def test_losses_and_their_gradients():
    found = {
        "SquaredError": loss_functions.SquaredErrorLossFunction(),
        "CrossEntropy": loss_functions.CrossEntropyLossFunction(),
        "SoftmaxCrossEntropy": loss_functions.StableSoftmaxCrossEntropyLossFunction(),
        "LogisticCrossEntropy": loss_functions.LogisticCrossEntropyLossFunction(),
        "NegativeLogLikelihood": loss_functions.NegativeLogLikelihoodLossFunction(),
    }
    probabilities = RNG.dirichlet(np.ones(K), N)
    one_hot, soft = np.eye(K)[RNG.integers(K, size=N)], RNG.dirichlet(np.ones(K), N)

    @jax.jit
    def both(y, t):
        ours, theirs = {}, {}
        for name, known in found.items():
            ours[name] = jax.value_and_grad(by_name.loss(name))(y, t)
            theirs[name] = known(y, t) / N, known.gradient(y, t) / N
        return ours, theirs

    for t in (one_hot, soft):
        jax.tree.map(close, *both(probabilities, t))


@pytest.mark.parametrize("text", ["GradientDescent", "Momentum(0.9)", "Nesterov(mu=0.8)"])
def test_updates_while_the_rate_changes(text):
    rate, begin = "MultiStepLR(0.1;2,5;0.1)", RNG.normal(size=3)
    gradients = RNG.normal(size=(10, 3))
    held = types.SimpleNamespace(x=begin, dx=None)
    theirs = optimizers.parse_optimizer(text)(held, "x", "dx")
    rates = learning_rate.parse_learning_rate(rate)
    one = by_name.optimizer(text, rate)

    def step(carry, gradient):
        updates, state = one.update(gradient, carry[1], carry[0])
        x = optax.apply_updates(carry[0], updates)
        return (x, state), x

    ours = jax.jit(lambda x: jax.lax.scan(step, (x, one.init(x)), gradients)[1])(jnp.array(begin))
    for epoch in range(10):
        held.dx = gradients[epoch]
        theirs.update(rates(epoch))
        close(ours[epoch], held.x)


def test_learning_rates_over_10_epochs():
    ours = jax.jit(jax.vmap(lambda n: [by_name.schedule(text)(n) for text in SCHEDULES]))
    for text, got in zip(SCHEDULES, ours(np.arange(10)), strict=True):
        known = learning_rate.parse_learning_rate(text)
        close(got, [known(epoch) for epoch in range(10)], err_msg=text)
