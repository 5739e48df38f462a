"""predict: the outputs of a model for all of the data, in batches."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn

X = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
MODEL = pn.YatDense(jax.random.key(0), 3, 2)


@pytest.mark.parametrize("batch_size", [None, 1, 3, 7, 100])
def test_the_outputs_of_batches_are_those_of_all(batch_size):
    found = pn.predict(MODEL, X, batch_size=batch_size)
    assert isinstance(found, np.ndarray)
    np.testing.assert_allclose(found, MODEL(X), rtol=1e-6)


def test_an_iterable_of_batches_in_every_form():
    batches = [X[:4], jnp.asarray(X[4:6]), X[6:]]
    for given in (batches, iter(batches), lambda: iter(batches), (batch for batch in batches)):
        np.testing.assert_allclose(pn.predict(MODEL, given), MODEL(X), rtol=1e-6)


def test_trees_in_and_out():
    def apply(params, x):
        return {"sum": x["a"] + params * x["b"][:, 0], "whole": (x["b"],)}

    model = pn.bind(jnp.float32(2), apply)
    x = {"a": X[:, 0], "b": X}
    found = pn.predict(model, x, batch_size=4)
    np.testing.assert_allclose(found["sum"], 3 * X[:, 0], rtol=1e-6)
    np.testing.assert_array_equal(found["whole"][0], X)
    parts = [jax.tree.map(lambda leaf: leaf[:5], x), jax.tree.map(lambda leaf: leaf[5:], x)]
    np.testing.assert_allclose(pn.predict(model, parts)["sum"], found["sum"])


def test_it_is_inference_and_keeps_dtypes():
    model = pn.sequential(pn.Linear(jax.random.key(0), 3, 4, dtype=jnp.bfloat16), pn.Dropout(0.5))
    found = pn.predict(model, jnp.asarray(X, jnp.bfloat16), batch_size=2)
    assert found.dtype == jnp.bfloat16
    np.testing.assert_array_equal(found, pn.predict(model, jnp.asarray(X, jnp.bfloat16)))


def test_a_batch_size_compiles_once_and_once_for_the_remainder():
    traced = []

    def apply(params, x):
        traced.append(x.shape)
        return params * x

    model = pn.bind(jnp.float32(2), apply)
    for _ in range(3):
        pn.predict(model, X, batch_size=2)
    assert sorted(set(traced)) == [(1, 3), (2, 3)]
    assert len(traced) <= 3


def test_what_predict_refuses():
    with pytest.raises(TypeError, match="predict: model must be a Model"):
        pn.predict(lambda x: x, X)
    with pytest.raises(ValueError, match="predict: x must have the same number of examples"):
        pn.predict(MODEL, X[:0])
    with pytest.raises(ValueError, match="predict: x must have the same number of examples"):
        pn.predict(MODEL, (X, X[:3]))
    with pytest.raises(ValueError, match="predict: batch_size must be at least 1, got 0"):
        pn.predict(MODEL, X, batch_size=0)
    with pytest.raises(ValueError, match="predict: batch_size and remainder must be left out"):
        pn.predict(MODEL, [X], batch_size=2)
    for nothing in ([], iter(()), lambda: iter([])):
        with pytest.raises(ValueError, match="predict: the data must yield batches, got none"):
            pn.predict(MODEL, nothing)
    with pytest.raises(ValueError, match="evaluate: the data must yield batches, got none"):
        pn.evaluate(MODEL, iter(()))
    summed = pn.bind(jnp.float32(2), lambda params, x: params * x.sum())
    with pytest.raises(ValueError, match=r"one entry per example .* got shape \(\) for 7 examples"):
        pn.predict(summed, X)
