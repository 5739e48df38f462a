"""sequential: models and functions one after another."""

from collections import OrderedDict

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn

X = np.linspace(-1.0, 1.0, 12).reshape(4, 3)


def dense(seed, inputs, outputs):
    return pn.Linear(jax.random.key(seed), inputs, outputs)


def truth(model, x):
    return x @ np.asarray(model.kernel, np.float64) + np.asarray(model.bias, np.float64)


FIRST, LAST = dense(0, 3, 5), dense(1, 5, 2)
EXPECTED = truth(LAST, np.maximum(truth(FIRST, X), 0))


def positional():
    return pn.sequential(FIRST, jax.nn.relu, LAST)


def named():
    return pn.sequential({"z": FIRST, "relu": jax.nn.relu, "a": LAST})


@pytest.mark.parametrize("make", [positional, named])
def test_value(make):
    np.testing.assert_allclose(make()(X), EXPECTED, rtol=1e-6)
    np.testing.assert_allclose(jax.jit(lambda m, x: m(x))(make(), X), EXPECTED, rtol=1e-6)
    np.testing.assert_allclose(pn.observe(make(), X)[0], EXPECTED, rtol=1e-6)


def test_positions_and_negative_positions():
    model = positional()
    assert model[0] is FIRST
    assert model[1] is jax.nn.relu
    assert model[2] is LAST
    assert model[-1] is LAST
    assert model[np.int64(2)] is LAST
    with pytest.raises(IndexError):
        model[3]


def test_names_keep_their_order():
    model = named()
    assert model["z"] is FIRST
    assert model["relu"] is jax.nn.relu
    assert model[0] is FIRST
    assert model[-1] is LAST
    assert list(model) == [FIRST, jax.nn.relu, LAST]
    with pytest.raises(KeyError):
        model["b"]


def test_iteration_and_unpacking():
    first, function, last = positional()
    assert (first, function, last) == (FIRST, jax.nn.relu, LAST)
    assert len(list(named())) == 3


def test_slices_are_sequential_models():
    np.testing.assert_allclose(positional()[:1](X), FIRST(X))
    np.testing.assert_allclose(positional()[1:](FIRST(X)), EXPECTED, rtol=1e-6)
    np.testing.assert_allclose(positional()[::2](X), LAST(FIRST(X)))
    assert named()[1:]["a"] is LAST
    np.testing.assert_allclose(named()[:2](X), np.maximum(FIRST(X), 0))
    for model in (positional(), named()):
        with pytest.raises(ValueError, match="parts must be at least one"):
            model[3:]


def test_nested():
    inner = pn.sequential({"hidden": dense(2, 5, 5), "tanh": jnp.tanh})
    model = pn.sequential(FIRST, inner, LAST)
    expected = truth(LAST, np.tanh(truth(inner["hidden"], truth(FIRST, X))))
    np.testing.assert_allclose(model(X), expected, rtol=1e-6)
    assert model[1]["hidden"] is inner["hidden"]
    keys = [
        jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_flatten_with_path(model)[0]
    ]
    assert keys[2] == "[1]['hidden'].kernel"


def test_the_same_parts_give_the_same_structure():
    assert jax.tree.structure(positional()) == jax.tree.structure(positional())
    assert jax.tree.structure(named()) == jax.tree.structure(named())
    assert jax.tree.structure(named()) != jax.tree.structure(positional())


def test_mappings_of_any_kind():
    model = pn.sequential(OrderedDict(z=FIRST, a=LAST))
    assert model["a"] is LAST
    assert jax.tree.structure(model) == jax.tree.structure(pn.sequential({"z": FIRST, "a": LAST}))


def test_only_functions():
    model = pn.sequential(jnp.sin, jnp.cos)
    np.testing.assert_allclose(model(X), np.cos(np.sin(X)), rtol=1e-12)
    assert pn.count(model) == 0


def test_the_original_is_not_touched():
    parts = {"a": FIRST}
    model = pn.sequential(parts)
    parts["b"] = LAST
    assert len(list(model)) == 1


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ((FIRST, pn.Linear), "part 1 is the layer Linear, which has no parameters yet"),
        ((FIRST, 3), "part 1 must be a model or a function, got a int"),
        (([FIRST, LAST],), "part 0 must be a model or a function, got a list"),
        (({"one": pn.YatDense},), "part 'one' is the layer YatDense"),
        (({"one": None},), "part 'one' must be a model or a function"),
    ],
)
def test_wrong_parts_are_a_type_error_that_names_the_part(parts, words):
    with pytest.raises(TypeError, match=words):
        pn.sequential(*parts)


@pytest.mark.parametrize("parts", [(), ({},)])
def test_no_parts(parts):
    with pytest.raises(ValueError, match="parts must be at least one"):
        pn.sequential(*parts)


def test_replace_a_part():
    other = dense(9, 3, 5)
    model = pn.replace(named(), "['z']", other)
    np.testing.assert_allclose(model(X), LAST(np.maximum(other(X), 0)), rtol=1e-6)
    model = pn.replace(positional(), "[2].bias", np.full(2, 100.0))
    assert np.asarray(model(X)).min() > 50
