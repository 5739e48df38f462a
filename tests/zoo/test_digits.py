"""Networks that learn scikit-learn's digits: with state and noise, and with coarse weights."""

import jax
import numpy as np
import optax
import pytest

import pyneurons_yat as pn
from pyneurons_yat.zoo import yat_classifier

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def parts():
    pytest.importorskip("sklearn")
    from pyneurons_yat.data import digits

    return digits()


def fitted(model, x, y, epochs, rate):
    steps = epochs * -(-len(x) // 64)
    optimizer = optax.adam(optax.cosine_decay_schedule(rate, steps))
    options = {"loss": pn.cross_entropy, "epochs": epochs, "batch_size": 64, "progress": False}
    return pn.fit(optimizer, model, x, y, key=jax.random.key(1), **options)[0]


def flatten(x):
    return x.reshape(x.shape[0], -1)


def network(key):
    keys = jax.random.split(key, 3)
    return pn.sequential(
        {
            "conv": pn.Conv(keys[0], 1, 16, (3, 3)),
            "norm": pn.BatchNorm(16),
            "relu": jax.nn.relu,
            "yat": pn.YatConv(keys[1], 16, 32, (3, 3), strides=2, epsilon=1.0),
            "yat_norm": pn.BatchNorm(32),
            "flatten": flatten,
            "dropout": pn.Dropout(0.3),
            "logits": pn.Linear(keys[2], 512, 10),
        }
    )


def test_a_network_with_state_and_noise_reaches_98_percent(parts):
    train, test = parts
    with jax.enable_x64(False):
        x, held = (part.x.reshape(-1, 8, 8, 1) for part in parts)
        model = fitted(network(jax.random.key(0)), x, train.y, epochs=20, rate=3e-3)
        logits = model(held)
        np.testing.assert_array_equal(logits, model(held))
        apart = model(held[:7])  # what an example gives does not depend on the others
        np.testing.assert_allclose(apart, logits[:7], rtol=1e-4, atol=1e-4)
        drawn = pn.observe(model, held, key=jax.random.key(2))[0]
    assert pn.accuracy(logits, test.y) >= 0.98
    assert not np.allclose(drawn, logits)
    assert not np.array_equal(model["norm"].mean, np.zeros(16))


def test_coarse_weights_stay_within_two_points_of_float(parts):
    train, test = parts
    scores = {}
    with jax.enable_x64(False):
        transforms = {"float": None, "ternary": pn.ternary(), "int8": pn.quantize(8)}
        for name, transform in transforms.items():
            model = yat_classifier(jax.random.key(0), 64, 128, 10)
            if transform is not None:
                model = pn.reparam(model, transform)
            model = fitted(model, train.x, train.y, epochs=30, rate=1e-2)
            scores[name] = float(pn.accuracy(model(test.x), test.y))
            if name == "ternary":
                kernel = transform(model.params)["hidden"].kernel
                assert len(np.unique(kernel[:, 0])) == 3
    assert scores["float"] > 0.95, scores
    assert scores["ternary"] > scores["float"] - 0.02, scores
    assert scores["int8"] > scores["float"] - 0.02, scores
