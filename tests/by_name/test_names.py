"""Every name that nerva's manual documents is found, and so are those of optax, JAX and our own."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pyneurons_yat as pn
from pyneurons_yat import by_name
from pyneurons_yat.by_name import layers, optimization

LAYERS = [
    "Linear", "ReLU", "Sigmoid", "Softmax", "LogSoftmax", "HyperbolicTangent",
    "AllReLU(0.3)", "AllReLU(alpha=0.3)", "LeakyReLU(0.5)", "LeakyReLU(alpha=0.1)", "TReLU(0.1)",
    "SReLU", "SReLU()", "SReLU(al=0.2)", "SReLU(al=0,tl=0,ar=0,tr=1)", "SReLU(0.1, 0, 0.2, 1)",
    "BatchNormalization",
]  # fmt: skip
WEIGHTS = [
    "XavierNormal", "XavierUniform", "HeNormal", "HeUniform", "Normal", "Uniform", "Zero",
    "Normal(0,0.1)", "Normal(a=0, b=0.1)", "Uniform(-1,1)", "Xavier", "XavierNormalized", "He",
]  # fmt: skip
OPTIMIZERS = [
    "GradientDescent", "GradientDescent()", "Momentum(0.9)", "Momentum(mu=0.9)", "Nesterov(0.9)",
    "Nesterov(mu=0.9)",
]  # fmt: skip
RATES = {  # with what they are in the epochs 0 to 5
    "Constant(0.01)": [0.01] * 6,
    "Constant(lr=0.01)": [0.01] * 6,
    "0.01": [0.01] * 6,
    "TimeBased(0.1,0.5)": [0.1, 0.1 / 1.5, 0.1 / 3, 0.1 / 7.5, 0.1 / 22.5, 0.1 / 78.75],
    "TimeBased(lr=0.1, decay=0)": [0.1] * 6,
    "StepBased(0.1,0.5,2)": [0.1, 0.05, 0.05, 0.025, 0.025, 0.0125],
    "StepBased(0.1, drop_rate=0.5, change_rate=10)": [0.1] * 6,
    "MultiStepLR(0.1;2,5;0.1)": [0.1, 0.1, 0.01, 0.01, 0.01, 0.001],
    "MultiStepLR(lr=0.1; milestones=2,5; gamma=0.1)": [0.1, 0.1, 0.01, 0.01, 0.01, 0.001],
    "MultiStepLR(0.1;4;0.5)": [0.1, 0.1, 0.1, 0.1, 0.05, 0.05],
    "MultistepLR(0.1, [2, 5], 0.1)": [0.1, 0.1, 0.01, 0.01, 0.01, 0.001],
    "MultistepLR(0.1, 4, 0.5)": [0.1, 0.1, 0.1, 0.1, 0.05, 0.05],
    "Exponential(0.1,0.2)": list(0.1 * np.exp(-0.2 * np.arange(6))),
    "linear_schedule(1, 0, 4)": [1, 0.75, 0.5, 0.25, 0, 0],
}


@pytest.mark.parametrize("text", LAYERS)
def test_layers_of_the_manual(text):
    named = by_name.layer(text)
    shapes = jax.eval_shape(
        lambda key: named(key, 3, 2 if named.sized else None), jax.random.key(0)
    )
    y = jax.eval_shape(lambda model, x: model(x), shapes, jnp.ones((4, 3)))
    assert y.shape == (4, 2 if named.sized else 3)
    assert named.sized == (text != "BatchNormalization")


def test_a_network_is_as_sparse_as_asked_for():
    texts, sizes = "ReLU;YatDense;Linear", "40;20;10;2"
    make, key = jax.eval_shape, jax.random.key(0)
    one = make(lambda key: by_name.network(key, texts, sizes, densities="0.5;0.1;1"), key)
    assert [one[0].kernel.values.shape, one[1].kernel.values.shape] == [(20, 20), (2, 10)]
    assert one[2].kernel.shape == (10, 2)
    options = {"overall_density": 0.25, "weights": "HeNormal"}
    two = make(lambda key: by_name.network(key, texts, sizes, **options), key)
    share = pn.erdos_renyi([(40, 20), (20, 10), (10, 2)], 0.25)
    assert two[0].kernel.values.shape == (round(40 * share[0]), 20)
    rules = [by_name.pruning(text) for text in ("Magnitude(0.5)", "SET(0.5)", "Threshold(0.15)")]
    values = np.array([[3.0, -0.1], [0.2, -4.0]])
    gone = [rule(values).tolist() for rule in rules]
    assert gone == [[[False, True], [True, False]]] * 2 + [[[False, True], [False, False]]]


def test_an_activation_is_the_function_that_its_name_says():
    x = np.array([-2.0, 0.25, 3.0])
    known = {
        "LeakyReLU(0.1)": [-0.2, 0.25, 3.0],
        "AllReLU(alpha=-0.5)": [1.0, 0.25, 3.0],
        "TReLU(0.3)": [0.0, 0.0, 3.0],
        "SReLU(0.1, -1, 0.5, 2)": [-1.1, 0.25, 2.5],
        "PReLU": [-0.5, 0.25, 3.0],
        "relu": [0.0, 0.25, 3.0],
        "soft_tanh(n=1)": [-2 / 3, 0.2, 0.75],
    }
    found = {text: by_name.activation(text) for text in known}
    got = jax.jit(lambda x: {text: f(x) for text, f in found.items()})(x)
    for text, values in known.items():
        np.testing.assert_allclose(got[text], values, 1e-6, err_msg=text)
    assert by_name.activation(jnp.sin) is jnp.sin


def test_initializers_of_the_manual_draw_what_they_say():
    deviations = {  # of 120 inputs and 80 outputs
        "XavierNormal": (2 / 200) ** 0.5, "XavierUniform": (2 / 200) ** 0.5,
        "HeNormal": (2 / 120) ** 0.5, "HeUniform": (2 / 120) ** 0.5,
        "Normal": 1.0, "Uniform": 12**-0.5, "Zero": 0.0,
        "Normal(0,0.1)": 0.1, "Normal(a=0, b=0.1)": 0.1, "Uniform(-1,1)": 3**-0.5,
        "Xavier": (2 / 200) ** 0.5, "XavierNormalized": (2 / 200) ** 0.5,
        "He": (2 / 120) ** 0.5, "normal(0.02)": 0.02, "ones": 0.0,
    }  # fmt: skip
    assert deviations.keys() > {*WEIGHTS}
    found = {text: by_name.initializer(text) for text in deviations}

    @jax.jit
    def draw(key):
        keys = dict(zip(found, jax.random.split(key, len(found)), strict=True))
        return {text: init(keys[text], (120, 80), jnp.float32) for text, init in found.items()}

    got = jax.tree.map(np.asarray, draw(jax.random.key(0)))
    for text, deviation in deviations.items():
        np.testing.assert_allclose(got[text].std(), deviation, 0.03, 1e-6, err_msg=text)
    assert np.abs(got["XavierNormal"]).max() > 3 * deviations["XavierNormal"]  # not truncated
    assert got["Uniform"].min() >= 0 > got["Uniform(-1,1)"].min()
    assert np.abs(got["HeUniform"]).max() <= (6 / 120) ** 0.5


@pytest.mark.parametrize("text", OPTIMIZERS)
def test_optimizers_of_the_manual(text):
    one = by_name.optimizer(text, "TimeBased(0.1,0.5)")
    state = one.init({"x": jnp.zeros(2)})
    assert isinstance(one, optax.GradientTransformation)
    assert len(jax.tree.leaves(state)) == 1 + (text[0] in "MN")  # a count, what is accumulated


def test_losses_of_the_manual_are_means_over_examples():
    p, t = np.array([[0.5, 0.5], [0.2, 0.8]]), np.array([[1.0, 0.0], [0.25, 0.75]])
    logs = np.log(np.exp(p) / np.exp(p).sum(1, keepdims=True))
    known = {
        "SquaredError": ((p - t) ** 2).sum(1),
        "CrossEntropy": -(t * np.log(p)).sum(1),
        "SoftmaxCrossEntropy": -(t * logs).sum(1),
        "LogisticCrossEntropy": (t * np.log1p(np.exp(-p))).sum(1),
        "NegativeLogLikelihood": -np.log((p * t).sum(1)),
        "mse": ((p - t) ** 2).mean(1),
        "huber(delta=0.1)": np.where(
            abs(p - t) < 0.1, (p - t) ** 2 / 2, 0.1 * abs(p - t) - 0.005
        ).mean(1),
        "cross_entropy(label_smoothing=0.5)": -((t + 0.5) / 2 * logs).sum(1),
    }
    found = {text: by_name.loss(text) for text in known}
    got = jax.jit(lambda p, t: {text: loss(p, t) for text, loss in found.items()})(p, t)
    for text, errors in known.items():
        np.testing.assert_allclose(got[text], errors.mean(), 1e-9, err_msg=text)
    assert by_name.loss("huber(delta=0.1)") is found["huber(delta=0.1)"]
    assert by_name.loss("huber(delta=0.1)").__name__ == "huber"
    labels = by_name.loss("CrossEntropy")(p, np.array([0, 1]))
    np.testing.assert_allclose(labels, -np.log([0.5, 0.8]).mean(), 1e-9)


def test_learning_rates_of_the_manual():
    found = [by_name.schedule(text) for text in RATES]
    later = [by_name.schedule(text, steps_per_epoch=3) for text in RATES]

    @jax.jit
    @jax.vmap
    def rates(count):
        return [f(count) for f in found], [f(3 * count + 2) for f in later]

    for each in rates(np.arange(6)):
        for text, got in zip(RATES, each, strict=True):
            np.testing.assert_allclose(got, RATES[text], 1e-6, err_msg=text)
    assert float(by_name.schedule("TimeBased(0.1,0.5)")(1)) == pytest.approx(0.1 / 1.5)


def test_every_optimizer_of_optax_with_a_learning_rate_is_there():
    known = {"adam", "adamw", "lbfgs", "lion", "muon", "prodigy", "rmsprop", "schedule_free_sgd"}
    assert known < optimization.table().keys()
    for text in ("adam(1e-3)", "adamw(1e-3, weight_decay=0.1)", "muon(0.01, nesterov=False)"):
        assert by_name.optimizer(text).init({"x": jnp.ones((2, 2))}) is not None
    given = by_name.optimizer("sgd(momentum=0.5)", 0.1)
    updates, _ = given.update({"x": np.ones(2)}, given.init({"x": np.zeros(2)}))
    np.testing.assert_allclose(updates["x"], -0.1, 1e-6)
    assert by_name.optimizer(given) is given


def must_be_written(parameter):
    """Whether a name needs this argument: it has no default, and no caller fills it in."""
    return parameter.default is parameter.empty and parameter.name not in layers.SIZES


def test_every_layer_of_the_library_is_there():
    ours = {name for name in pn.__all__ if isinstance(getattr(pn, name), pn.Layer)}
    assert ours < set(layers.names())
    wanted = {n: inspect.signature(getattr(pn, n)).parameters.values() for n in ours}
    needs = {"Conv": "([3])", "ConvTranspose": "([3])", "Dropout": "(0.5)"}
    needs |= {f"Yat{name}": text for name, text in needs.items() if name != "Dropout"}
    needs |= dict.fromkeys(("MultiHeadAttention", "YatMultiHeadAttention"), "(heads=2)")
    needs |= dict.fromkeys(("SparseLinear", "SparseYatDense"), "(density=0.5)")
    needs |= {"YatSelfAttention": "(heads=2)", "GroupNorm": "(groups=2)"}
    free = {name for name in ours if not any(map(must_be_written, wanted[name]))}

    def make(key):
        found = {name: by_name.layer(name + needs.get(name, "")) for name in free | needs.keys()}
        keys = dict(zip(found, jax.random.split(key, len(found)), strict=True))
        return {n: layer(keys[n], 6, 64 if layer.sized else None) for n, layer in found.items()}

    made = jax.eval_shape(make, jax.random.key(0))
    assert made["Binary"].weight.shape == (6, 64)  # neurons side by side
    assert made["Embed"].embedding.shape == (6, 64)
    assert made["Conv"].kernel.shape == (3, 6, 64)
