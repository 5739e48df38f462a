"""The keys of paths are of JAX's own classes, so whatever reads key paths can read models."""

from collections import OrderedDict
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import (
    DictKey,
    FlattenedIndexKey,
    GetAttrKey,
    SequenceKey,
    keystr,
    tree_flatten_with_path,
)

import pyneurons_yat as pn

OWN = DictKey | FlattenedIndexKey | GetAttrKey | SequenceKey


class Two(NamedTuple):
    a: object
    b: object


def apply(params, x):
    return x


def linear():
    return pn.Linear(jax.random.key(0), 3, 2)


MODELS = {
    "a named tuple": (linear, ["kernel", "bias"]),
    "one array": (lambda: pn.bind(jnp.ones(2), apply), ["params"]),
    "a dictionary": (lambda: pn.bind({"b": jnp.ones(2), "a": jnp.ones(3)}, apply), ["a", "b"]),
    "an ordered one": (
        lambda: pn.bind(OrderedDict(b=jnp.ones(2), a=jnp.ones(3)), apply),
        ["b", "a"],
    ),  # fmt: skip
    "a list": (lambda: pn.bind([jnp.ones(2), {"a": jnp.ones(1)}], apply), ["0", "1/a"]),
    "a tuple": (lambda: pn.bind((jnp.ones(2), jnp.ones(3)), apply), ["0", "1"]),
    "numbers as names": (lambda: pn.bind({2: jnp.ones(2), 1: jnp.ones(3)}, apply), ["1", "2"]),
    "a named sequential": (
        lambda: pn.sequential({"hidden": linear(), "act": jnp.tanh}),
        ["hidden/kernel", "hidden/bias"],
    ),
    "a sequential": (lambda: pn.sequential(jnp.tanh, linear()), ["1/kernel", "1/bias"]),
    "a model": (lambda: pn.bind(linear(), apply), ["params/kernel", "params/bias"]),
    "transformed": (
        lambda: pn.reparam(linear(), pn.weight_norm()),
        ["kernel/scale", "kernel/direction", "bias"],
    ),
    "repeated": (
        lambda: pn.repeat(pn.Linear, 2)(jax.random.key(0), 3, 3),
        ["each/kernel", "each/bias"],
    ),  # fmt: skip
    "nested": (
        lambda: pn.bind(Two({"x": linear()}, [jnp.ones(1)]), apply),
        ["a/x/kernel", "a/x/bias", "b/0"],
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_keys_are_of_the_classes_of_jax(name):
    make, expected = MODELS[name]
    model = make()
    pairs, structure = tree_flatten_with_path(model)
    assert all(isinstance(key, OWN) for keys, _ in pairs for key in keys)
    assert [keystr(keys, simple=True, separator="/") for keys, _ in pairs] == expected
    assert structure == jax.tree.structure(model) == jax.tree.structure(make())
    for keys, leaf in pairs:  # every path reads
        assert pn.replace(model, keys, leaf) is not model
        assert pn.replace(model, keystr(keys), leaf) is not model
        (found,) = jax.tree.leaves(pn.select(model, keystr(keys)))
        assert found is leaf


@pytest.mark.parametrize("name", MODELS)
def test_parameters_come_back_as_they_were_given(name):
    model = MODELS[name][0]()
    again = jax.tree.map(lambda leaf: leaf, model)
    assert type(again.params) is type(model.params)
    assert jax.tree.structure(again.params) == jax.tree.structure(model.params)
    if isinstance(model.params, dict):
        assert list(again.params) == list(model.params)


def test_dictionaries_are_one_structure_whatever_their_order():
    one, other = (pn.bind(dict.fromkeys(keys, jnp.ones(1)), apply) for keys in ("ab", "ba"))
    assert jax.tree.structure(one) == jax.tree.structure(other)
    ordered = [pn.bind(OrderedDict.fromkeys(keys, jnp.ones(1)), apply) for keys in ("ab", "ba")]
    assert jax.tree.structure(ordered[0]) != jax.tree.structure(ordered[1])
    assert list(ordered[1].params) == ["b", "a"]


def test_parameters_that_are_changed_from_outside_do_not_change_a_model():
    params = {"a": np.ones(1)}
    model = pn.bind(params, apply)
    params["b"] = np.ones(1)
    model.params["c"] = np.ones(1)
    assert list(model.params) == ["a"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MODELS)
def test_orbax_saves_and_restores(name, tmp_path):
    orbax = pytest.importorskip("orbax.checkpoint")
    model = MODELS[name][0]()
    with orbax.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "model", model)
        checkpointer.wait_until_finished()
        shapes = jax.eval_shape(lambda: MODELS[name][0]())
        again = checkpointer.restore(tmp_path / "model", shapes)
    assert jax.tree.structure(again) == jax.tree.structure(model)
    jax.tree.map(np.testing.assert_array_equal, again, model)


@pytest.mark.parametrize("name", ["one array", "a named sequential", "a dictionary"])
def test_chex_compares_models(name):
    chex = pytest.importorskip("chex")
    model = MODELS[name][0]()
    chex.assert_trees_all_equal(model, jax.tree.map(jnp.array, model))
    with pytest.raises(AssertionError, match="hidden|params|'a'"):
        chex.assert_trees_all_close(model, jax.tree.map(lambda leaf: leaf + 1, model))


@pytest.mark.parametrize("name", MODELS)
def test_treescope_draws_models(name):
    treescope = pytest.importorskip("treescope")
    model = MODELS[name][0]()
    head = repr(model).partition("  ")[0]  # the name, before the count of parameters
    assert treescope.render_to_text(model).startswith(head)
