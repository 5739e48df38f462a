"""fit(optimizer, model, x, y): what is refused, and in which words."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pyneurons_yat as pn

RNG = np.random.default_rng(0)
X = RNG.normal(size=(10, 3))
Y = X @ RNG.normal(size=(3, 2)) + 1
SGD = optax.sgd(0.1)


def linear():
    return pn.Linear(jax.random.key(0), 3, 2, dtype=float)


def fit(optimizer, model, x, y, **options):
    return pn.fit(optimizer, model, x, y, progress=False, **options)


def named(name):
    def metric(predictions, targets):
        return 0.0

    metric.__name__ = name
    return metric


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"batch_size": -3}, "batch_size must be at least 1, got -3"),
        ({"remainder": "leave"}, "remainder must be 'keep' or 'drop', got 'leave'"),
        ({"steps": 3}, "steps must be left out beside arrays, got 3"),
        ({"patience": 3}, "patience must come with a number to monitor, got 3 without one"),
        ({"patience": 0, "monitor": "loss"}, "patience must be at least 1, got 0"),
        ({"monitor": "accuracy"}, "monitor must be 'loss' or 'seconds', got 'accuracy'"),
        ({"accumulate": 0}, "accumulate must be at least 1, got 0"),
        ({"accumulate": 2, "per_example": True}, "accumulate must be 1 with per_example, got 2"),
        ({"validation": X}, r"validation must be a pair \(x, y\) or an iterable .*shape \(10, 3\)"),
        ({"validation": (X,)}, r"validation must be a pair \(x, y\) or .*, got a tuple of 1"),
        ({"validation": (X, Y[:3])}, r"validation must have the same.* \(10, 3\), \(3, 2\);"),
        ({"validation": (X[:0], Y[:0])}, "validation must have the same .* at least one"),
        ({"metrics": [pn.mae, pn.mae]}, "must differ, got loss, mae, mae"),
        ({"metrics": [named("validation_loss")]}, "must differ, got loss, validation_loss"),
        ({"metrics": [pn.mae, named("validation_mae")]}, "must differ, got loss, mae, validation_"),
        ({"metrics": [named("seconds")]}, "must differ, got loss, seconds"),
        ({"metrics": [lambda p, t: 0.0, lambda p, t: 1.0]}, "must differ, got loss, <lambda>, <la"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        fit(SGD, linear(), X, Y, **options)


@pytest.mark.parametrize(
    ("x", "y"),
    [(X, Y[:9]), (X[:0], Y[:0]), (X, 1.0), (X.tolist(), Y.tolist()), ({"a": X, "b": X[:3]}, Y)],
)
def test_unequal_numbers_of_examples_are_refused(x, y):
    with pytest.raises(ValueError, match="x and y must have the same number of examples"):
        fit(SGD, linear(), x, y)


def test_other_misuse_is_refused():
    with pytest.raises(TypeError, match="unexpected keyword epoch; it takes loss, metrics, epochs"):
        fit(SGD, linear(), X, Y, epoch=3)
    with pytest.raises(TypeError, match="model must be a Model or a TrainState, got a dict of 2"):
        fit(SGD, linear().params._asdict(), X, Y)
    with pytest.raises(TypeError, match=r"got a Layer; a layer.* where it is called: layer\(key"):
        fit(SGD, pn.Linear, X, Y)
    with pytest.raises(TypeError, match=r"^fit: y must be given for the loss mse, .* pass \*x$"):
        pn.fit(SGD, linear(), (X, Y), progress=False)
    with pytest.raises(TypeError, match="^evaluate: y must be given for the loss mae, got None"):
        pn.evaluate(linear(), X, loss=pn.mae)
    with pytest.raises(
        ValueError, match="must have a leaf of the role 'params' to train, got Linear without"
    ):
        fit(SGD, pn.freeze(linear()), X, Y)
    with pytest.raises(ValueError, match=r"\(10, 2\) and \(10,\); reshape .* cross_entropy"):
        fit(SGD, linear(), X, Y[:, 0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "mse"}, "fit: loss must be a function of .* got 'mse'; pass"),
        ({"metrics": pn.mae}, r"fit: metrics must be a sequence .*; write metrics=\[pn.mae\]"),
        ({"metrics": "mae"}, "fit: metrics must be a sequence of functions"),
        ({"epochs": 1.5}, "fit: epochs must be an integer, got float"),
        ({"epochs": True}, "fit: epochs must be an integer, got bool"),
        ({"batch_size": 2.0}, "fit: batch_size must be an integer, got float"),
        ({"maximize": "yes"}, "fit: maximize must be True or False, got 'yes'"),
        ({"per_example": 1}, "fit: per_example must be True or False, got 1"),
        ({"callback": "stop"}, r"fit: callback must be a function \(epoch, .* got 'stop'"),
        ({"monitor": pn.mse}, "fit: monitor must be a name in the report"),
        ({"key": 0}, r"fit: key must be a PRNG key, got 0; jax.random.key\(0\)"),
        ({"key": np.ones(2)}, "fit: key must be a PRNG key"),
        ({"loss": lambda p, t: jnp.sum(p > t)}, "fit: the loss must be a real .* got dtype int64"),
        ({"loss": lambda p, t: None}, "fit: the loss must be a scalar, got a NoneType"),
        (
            {"loss": lambda p, t: (pn.mse(p, t), 0, 0)},
            "fit: the loss must be a scalar, got a tuple",
        ),
    ],
)
def test_what_is_no_loss_metric_or_key_is_refused(options, message):
    with pytest.raises(TypeError, match=message):
        fit(SGD, linear(), X, Y, **options)
