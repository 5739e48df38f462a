"""The equations are what JAX differentiates in the layers that run, and what nerva computes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn
from pyneurons_yat import equations, ops

RNG = np.random.default_rng(0)
X, W, B, ALPHA = (RNG.normal(size=shape) for shape in ((4, 3), (3, 2), (1, 2), (1, 2)))
SCALE, SHIFT = RNG.normal(size=(2, 1, 3))
SCORES = RNG.uniform(0.3, 2, (4, 3))
SHARES = RNG.dirichlet(np.ones(3), 4)
ONE_HOT = np.eye(3)[[0, 2, 1, 2]]
KEY = jax.random.key(0)
SMALL, POWER = 0.2, 1.7


def holding(model, *leaves):
    """The model with other leaves."""
    return jax.tree.unflatten(jax.tree.structure(model), leaves)


LINEAR, NEURONS = pn.Linear(KEY, 3, 2), pn.YatDense(KEY, 3, 2, epsilon=SMALL)
BATCH_NORM, LAYER_NORM = pn.BatchNorm(3, epsilon=SMALL), pn.LayerNorm(3, epsilon=SMALL)
DROPOUT = pn.Dropout(0.25)
KEPT = np.asarray(pn.observe(DROPOUT, jnp.ones((4, 3)), key=KEY)[0] > 0, float)


def batch_norm(x, scale, shift):
    model = holding(BATCH_NORM, scale[0], shift[0], jnp.zeros(3), jnp.ones(3))
    return pn.observe(model, x)[0]


def yat_scores(x, w, b, a, epsilon):
    return ops.yat_scores(x, w.T, b, a, epsilon=epsilon)


LAYERS = {
    "linear": ((X, W, B), (), lambda x, w, b: holding(LINEAR, w, b[0])(x)),
    "yat": ((X, W, B, ALPHA), (SMALL,), lambda x, w, b, a: holding(NEURONS, w, b[0], a[0])(x)),
    "yat-op": ((X, W, B, ALPHA, SMALL), (), lambda *p: ops.yat(*p[:4], epsilon=p[4])),
    "yat-direct": (
        (X, W, B, ALPHA, SMALL),
        (),
        lambda *p: ops.yat(*p[:4], epsilon=p[4], distance="direct"),
    ),
    "yat-scores": ((X, W, B, ALPHA, SMALL), (), yat_scores),
    "activation": ((X,), (jnp.sin, jnp.cos), jnp.sin),
    "relu": ((X,), (), jax.nn.relu),
    "leaky_relu": ((X, 0.3), (), lambda x, a: holding(pn.PReLU(), a[None])(x)),
    "leaky_relu-all_relu": ((X, -0.3), (), ops.all_relu),
    "sigmoid": ((X,), (), jax.nn.sigmoid),
    "tanh": ((X,), (), jnp.tanh),
    "srelu": (
        (X, 0.2, -0.3, 0.4, 0.5),
        (),
        lambda x, *p: holding(pn.SReLU(), *(v[None] for v in p))(x),
    ),
    "srelu-crossed": ((X, 0.2, 0.5, 0.4, -0.3), (), ops.srelu),
    "softmax": ((X,), (), jax.nn.softmax),
    "log_softmax": ((X,), (), jax.nn.log_softmax),
    "dropout": ((X,), (KEPT, 0.25), lambda x: pn.observe(DROPOUT, x, key=KEY)[0]),
    "batch_norm": ((X, SCALE, SHIFT), (SMALL,), batch_norm),
    "layer_norm": (
        (X, SCALE, SHIFT),
        (SMALL,),
        lambda x, g, b: holding(LAYER_NORM, g[0], b[0])(x),
    ),
    "standardize": ((X,), (SMALL,), lambda x: batch_norm(x, jnp.ones((1, 3)), jnp.zeros((1, 3)))),
    "softermax": ((SCORES, POWER, SMALL), (), lambda x, n, e: ops.softermax(x, n=n, epsilon=e)),
    "softer_sigmoid": ((SCORES, POWER), (), ops.softer_sigmoid),
    "score_tanh": ((SCORES, POWER), (), ops.score_tanh),
    "soft_tanh": ((X, POWER), (), ops.soft_tanh),
}
LOSSES = {
    "squared_error": (X, ONE_HOT, lambda y, t: pn.mse(y, t, reduction="sum")),
    "softmax_cross_entropy": (X, SHARES, lambda y, t: pn.cross_entropy(y, t, reduction="sum")),
    "softmax_cross_entropy-labels": (
        X,
        ONE_HOT,
        lambda y, t: pn.cross_entropy(y, jnp.argmax(t, 1), reduction="sum"),
    ),
    "cross_entropy": (
        SCORES,
        SHARES,
        lambda y, t: pn.negative_log_likelihood(jnp.log(y), t, reduction="sum"),
    ),
    "negative_log_likelihood": (
        SCORES,
        ONE_HOT,
        lambda y, t: pn.negative_log_likelihood(jnp.log(y), t, reduction="sum"),
    ),
    "logistic_cross_entropy": (
        X,
        SHARES,
        lambda y, t: jnp.sum(t * pn.binary_cross_entropy(y, jnp.ones_like(y), reduction="none")),
    ),
}


def same(got, wanted, rtol=1e-11):
    for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        assert np.shape(one) == np.shape(other)
        np.testing.assert_allclose(one, other, rtol, 1e-13)


@pytest.mark.parametrize("case", LAYERS)
def test_a_layer_and_its_gradients_by_jax_are_the_equations(case):
    arguments, constants, layer = LAYERS[case]
    forward = getattr(equations, case.split("-")[0])
    backward = getattr(equations, f"{case.split('-')[0]}_backward")

    @jax.jit
    def both(arguments):
        y, pull = jax.vjp(layer, *arguments)
        dy = jnp.cos(jnp.arange(y.size, dtype=float)).reshape(y.shape)
        gradients = backward(*arguments, *constants, dy)
        ours = gradients if isinstance(gradients, tuple) else (gradients,)
        return (y, pull(dy)), (forward(*arguments, *constants), ours[: len(arguments)])

    wanted, got = both(tuple(map(jnp.asarray, arguments)))
    same(got, wanted)


@pytest.mark.parametrize("case", LOSSES)
def test_a_loss_and_its_gradient_by_jax_are_the_equations(case):
    y, t, loss = LOSSES[case]
    name = case.split("-")[0]

    @jax.jit
    def both(y, t):
        ours = getattr(equations, name)(y, t), getattr(equations, f"{name}_gradient")(y, t)
        return jax.value_and_grad(loss)(y, t), ours

    wanted, got = both(y, t)
    same(got, wanted)


def test_every_equation_is_held_against_a_layer_or_loss():
    held = {name.split("-")[0] for name in LAYERS | LOSSES}
    assert held == {n for n in equations.__all__ if not n.endswith(("_backward", "_gradient"))}


def test_large_numbers_do_not_overflow():
    large = jnp.array([[1e4, -1e4, 0.0]])

    @jax.jit
    def all_of_them(x):
        t = jnp.array([[0.0, 1.0, 0.0]])
        loss, d = equations.softmax_cross_entropy, equations.softmax_cross_entropy_gradient
        return (
            equations.softmax(x), equations.log_softmax(x), loss(x, t), d(x, t),
            equations.sigmoid_backward(x, x), equations.logistic_cross_entropy(x, t),
        )  # fmt: skip

    wanted = ([[1, 0, 0]], [[0, -2e4, -1e4]], 2e4, [[1, -1, 0]], [[0, 0, 0]], 1e4)
    for got, known in zip(all_of_them(large), wanted, strict=True):
        np.testing.assert_array_equal(got, known)


ROW, TALL = SHARES[:1], SHARES[:, :1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: equations.linear(X[None], W, B), r"linear: X must be a matrix, got shape \(1, 4"),
        (
            lambda: equations.linear(X, W, B[0]),
            r"linear: b must be a matrix, got shape \(2,\); of ",
        ),
        (lambda: equations.linear(X, W, W), r"row_repeat: x must be a row \(1, n\), got shape"),
        (
            lambda: equations.squared_error(X, ROW),
            r"squared_error: Y and T must have one shape, go",
        ),
        (
            lambda: equations.squared_error_gradient(X, TALL),
            "squared_error_gradient: Y and T must h",
        ),
        (lambda: equations.softmax_cross_entropy(X, ROW), "hadamard: X and Y must have one shape"),
        (lambda: equations.softmax_cross_entropy_gradient(X, TALL), "gradient: Y and T must have"),
        (lambda: equations.log_softmax_backward(X, TALL), "log_softmax_backward: X and DY must ha"),
        (lambda: equations.dropout(X, ROW, 0.5), r"hadamard: .* got \(4, 3\) and \(1, 3\)"),
    ],
)
def test_nothing_is_broadcast_in_silence(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# ---------------------------------------------------------------------------------- nerva


def ours_after_linear(forward, backward):
    """A layer of nerva is a linear layer and a function of its result."""

    def run(x, w, b, dy, *numbers):
        z = equations.linear(x, w, b)
        dz, *more = [*jax.tree.leaves(backward(z, *numbers, dy))]
        return forward(z, *numbers), *equations.linear_backward(x, w, b, dz), *more

    return run


NERVA = {
    "ReLU": (equations.relu, equations.relu_backward),
    "LeakyReLU(alpha=0.3)": (
        lambda z: equations.leaky_relu(z, 0.3),
        lambda z, dy: equations.leaky_relu_backward(z, 0.3, dy)[0],
    ),
    "AllReLU(alpha=-0.3)": (
        lambda z: equations.leaky_relu(z, -0.3),
        lambda z, dy: equations.leaky_relu_backward(z, -0.3, dy)[0],
    ),
    "Sigmoid": (equations.sigmoid, equations.sigmoid_backward),
    "HyperbolicTangent": (equations.tanh, equations.tanh_backward),
    "SReLU(al=0.2, tl=-0.3, ar=0.4, tr=0.5)": (equations.srelu, equations.srelu_backward),
    "Softmax": (equations.softmax, equations.softmax_backward),
    "LogSoftmax": (equations.log_softmax, equations.log_softmax_backward),
    "Linear": (lambda z: z, lambda z, dy: dy),
}


@pytest.mark.parametrize("name", NERVA)
def test_feedforward_and_backpropagation_are_nervas(name):
    nerva = pytest.importorskip("nerva_jax.layers", reason="nerva-jax is a peer")
    layer = nerva.parse_linear_layer(name, 3, 2, "GradientDescent", "Zero")
    numbers = (0.2, -0.3, 0.4, 0.5) if name.startswith("SReLU") else ()

    @jax.jit
    def both(x, w, b, dy):
        layer.W, layer.b = w.T, b[0]
        y = layer.feedforward(x)
        layer.backpropagate(y, dy)
        more = layer.act.Dx if numbers else ()
        wanted = y, layer.DX, layer.DW.T, layer.Db[None, :], *more
        return wanted, ours_after_linear(*NERVA[name])(x, w, b, dy, *numbers)

    wanted, got = both(X, W, B, RNG.normal(size=(4, 2)))
    same(got, wanted, 1e-6 if numbers else 1e-11)  # nerva holds the numbers of SReLU in float32


def test_batch_norm_is_nervas():
    nerva = pytest.importorskip("nerva_jax.layers", reason="nerva-jax is a peer")
    layer = nerva.BatchNormalizationLayer(3)

    @jax.jit
    def both(x, gamma, beta, dy):
        layer.gamma, layer.beta = gamma[0], beta[0]
        y = layer.feedforward(x)
        layer.backpropagate(y, dy)
        wanted = y, layer.DX, layer.Dgamma[None, :], layer.Dbeta[None, :]
        ours = equations.batch_norm_backward(x, gamma, beta, 1e-7, dy)
        return wanted, (equations.batch_norm(x, gamma, beta, 1e-7), *ours)

    wanted, got = both(X, SCALE, SHIFT, SCORES)
    same(got, wanted)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("SquaredError", "squared_error"),
        ("CrossEntropy", "cross_entropy"),
        ("SoftmaxCrossEntropy", "softmax_cross_entropy"),
        ("LogisticCrossEntropy", "logistic_cross_entropy"),
        ("NegativeLogLikelihood", "negative_log_likelihood"),
    ],
)
def test_losses_are_nervas(theirs, ours):
    nerva = pytest.importorskip("nerva_jax.loss_functions", reason="nerva-jax is a peer")
    loss = nerva.parse_loss_function(theirs)

    @jax.jit
    def both(y, t):
        equation, gradient = getattr(equations, ours), getattr(equations, f"{ours}_gradient")
        return (loss(y, t), loss.gradient(y, t)), (equation(y, t), gradient(y, t))

    wanted, got = both(SCORES, SHARES)
    same(got, wanted)
