"""concat split stack unstack implode explode replace."""

from typing import NamedTuple

import hypothesis.extra.numpy as hnp
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pyneurons_yat as pn


class Two(NamedTuple):
    a: object
    b: object


def apply(params, x):
    return x


def structures(leaf):
    """Nested trees with None, tuples, NamedTuples, dictionaries and models in models."""
    return st.recursive(
        leaf,
        lambda inner: (
            st.lists(inner, max_size=3).map(tuple)
            | st.builds(Two, inner, inner | st.none())
            | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
            | inner.map(lambda params: pn.bind(params, apply))
        ),
        max_leaves=5,
    )


def assert_equal(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    jax.tree.map(np.testing.assert_array_equal, one, other)
    dtypes = [[leaf.dtype for leaf in jax.tree.leaves(tree)] for tree in (one, other)]
    assert dtypes[0] == dtypes[1]


def arrays(*shapes):
    return hnp.arrays(st.sampled_from(["float64", "int32"]), st.sampled_from(shapes))


@settings(max_examples=40)
@given(structures(arrays((), (2,), (3, 0))).filter(jax.tree.leaves), st.integers(1, 3))
def test_unstack_undoes_stack(tree, n):
    trees = [jax.tree.map(lambda leaf, i=i: leaf + leaf.dtype.type(i), tree) for i in range(n)]
    back = pn.unstack(pn.stack(trees))
    assert len(back) == n
    for one, other in zip(back, trees, strict=True):
        assert_equal(one, other)


@settings(max_examples=40)
@given(st.integers(0, 3), st.data())
def test_concat_undoes_split(last, data):
    leaves = arrays((last,), (1, last), (2, last))
    tree = data.draw(structures(leaves).filter(jax.tree.leaves))
    pieces = pn.split(tree)
    assert len(pieces) == last
    assert all(leaf.shape[-1] == 1 for piece in pieces for leaf in jax.tree.leaves(piece))
    if pieces:
        assert_equal(pn.concat(pieces), tree)


def test_concat_puts_neurons_side_by_side():
    neurons = [pn.Neuron(key, 3) for key in jax.random.split(jax.random.key(0), 4)]
    layer = pn.concat(neurons)
    assert layer.layer == pn.Neuron
    expected = np.concatenate([np.asarray(neuron.weight) for neuron in neurons], axis=-1)
    np.testing.assert_array_equal(layer.weight, expected)
    assert layer.bias.shape == (1, 4)


def test_bare_arrays_and_unequal_widths():
    joined = pn.concat([np.ones((2, 1)), np.zeros((2, 3))])
    np.testing.assert_array_equal(joined, [[1, 0, 0, 0]] * 2)


def test_any_iterable_of_trees():
    stacked = pn.stack(pn.Neuron(key, 3) for key in jax.random.split(jax.random.key(0), 4))
    assert stacked.weight.shape == (4, 3, 1)
    assert pn.concat(iter([np.ones(2), np.ones(3)])).shape == (5,)


def test_keys_are_leaves_too():
    trees = pn.unstack({"key": jax.random.split(jax.random.key(0), 3)})
    assert len(trees) == 3
    assert pn.stack(trees)["key"].shape == (3,)


def test_implode_and_explode_with_functions_of_ones_own():
    assert pn.implode(max, [(1, {"a": 9}), (3, {"a": 4})]) == (3, {"a": 9})
    assert pn.explode(lambda n: [n, -n], (1, {"a": 2})) == [(1, {"a": 2}), (-1, {"a": -2})]


def test_under_jit_and_grad():
    models = [pn.Linear(key, 3, 2) for key in jax.random.split(jax.random.key(0), 3)]
    stacked = jax.jit(lambda models: pn.stack(models))(models)
    for one, other in zip(jax.jit(pn.unstack)(stacked), models, strict=True):
        assert_equal(one, other)
    gradient = jax.grad(lambda models: (pn.stack(models).kernel[1] ** 2).sum())(models)
    np.testing.assert_allclose(gradient[1].kernel, 2 * np.asarray(models[1].kernel))
    np.testing.assert_array_equal(gradient[0].kernel, np.zeros((3, 2)))


@pytest.mark.parametrize("join", [pn.concat, pn.stack, lambda trees: pn.implode(sum, trees)])
def test_trees_of_other_structures_are_an_error(join):
    model = pn.Linear(jax.random.key(0), 3, 2)
    no_bias = pn.Linear(jax.random.key(0), 3, 2, use_bias=False)
    for other in (no_bias, model.params, pn.freeze(model, "bias")):
        with pytest.raises(ValueError, match="tree 1 must have the structure of tree 0"):
            join([model, other])
    with pytest.raises(ValueError, match="tree 2 must have the structure"):
        join([model, model, no_bias])


@pytest.mark.parametrize("join", [pn.concat, pn.stack])
def test_no_trees_are_an_error(join):
    with pytest.raises(ValueError, match="trees must be at least one"):
        join([])


def test_shapes_that_do_not_fit_are_an_error():
    with pytest.raises(ValueError, match=r"concat: leaves .* \(3, 1\), \(2, 1\)"):
        pn.concat([np.ones((3, 1)), np.ones((2, 1))])
    with pytest.raises(ValueError, match="concat: leaves"):
        pn.concat([np.ones((2, 2)), np.ones(2)])
    with pytest.raises(ValueError, match="concat: leaves must have at least one axis"):
        pn.concat([1.0, 2.0])
    with pytest.raises(ValueError, match=r"stack: leaves .* \(3, 1\), \(2, 1\)"):
        pn.stack([np.ones((3, 1)), np.ones((2, 1))])


@pytest.mark.parametrize("cut", [pn.split, pn.unstack])
def test_leaves_of_unequal_length_are_an_error_not_a_truncation(cut):
    with pytest.raises(ValueError, match="2 and 3"):
        cut({"a": np.ones((2, 2)), "b": np.ones((3, 3))})
    with pytest.raises(ValueError, match="scalar"):
        cut({"a": np.ones((2, 2)), "b": np.float32(1)})
    with pytest.raises(ValueError, match="without leaves"):
        cut({"a": None})


def test_explode_of_unequal_lists_is_an_error():
    with pytest.raises(ValueError, match="1 and 2"):
        pn.explode(list, ("a", "bc"))


def linear():
    return pn.Linear(jax.random.key(0), 3, 2)


@pytest.mark.parametrize("path", ["kernel", ".kernel"])
def test_replace_a_leaf(path):
    model = linear()
    other = pn.replace(model, path, np.zeros((3, 2)))
    np.testing.assert_array_equal(other.kernel, np.zeros((3, 2)))
    assert other.bias is model.bias
    assert model.kernel.any()


def test_replace_at_every_key_path_of_jax():
    tree = {"a": [1.0, Two(2.0, {"b.c": 3.0})], "b": pn.bind({"x": linear()}, apply)}
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
        for written in (path, jax.tree_util.keystr(path)):
            changed = pn.replace(tree, written, "new")
            leaves = jax.tree.leaves(changed)
            assert leaves.count("new") == 1
            assert jax.tree.structure(changed) == jax.tree.structure(tree)
            assert not any(other is leaf for other in leaves if not isinstance(other, float))


def test_replace_a_subtree_a_model_and_everything():
    model = pn.sequential({"a": linear(), "b": jnp.tanh})
    other = pn.YatDense(jax.random.key(1), 3, 4)
    assert pn.replace(model, "['a']", other)["a"] is other
    assert pn.replace(model, "", 3) == 3
    bare = pn.replace(model, "['a'].bias", None)
    assert bare["a"].bias is None
    assert pn.replace(bare, "['a'].bias", np.ones(2))["a"].bias.sum() == 2


def test_replace_places_with_a_common_beginning():
    tree = {"a": 1, "ab": 2, "a.b": 3}
    assert pn.replace(tree, "['ab']", 0) == {"a": 1, "ab": 0, "a.b": 3}
    assert pn.replace(tree, "['a.b']", 0) == {"a": 1, "ab": 2, "a.b": 0}
    many = tuple(range(12))
    assert pn.replace(many, "[1]", -1)[:3] == (0, -1, 2)
    assert pn.replace(many, "[11]", -1)[10:] == (10, -1)


@pytest.mark.parametrize(
    ("path", "beside"),
    [
        ("krenel", ".kernel, .bias"),
        ("kernel.deeper", "there is nothing"),
        ("kernel[0]", "there is nothing"),
        ("[0]", ".kernel, .bias"),
        ("['kernel']", ".kernel, .bias"),
        (".", ".kernel, .bias"),
    ],
)
def test_replace_at_no_place_lists_what_is_there(path, beside):
    with pytest.raises(ValueError, match="replace: no place") as info:
        pn.replace(linear(), path, 0.0)
    assert beside in str(info.value)


def test_replace_below_a_bare_array_or_an_absent_field():
    with pytest.raises(ValueError, match="no place"):
        pn.replace(np.ones(3), "a", 1)
    with pytest.raises(ValueError, match="no place"):
        pn.replace(pn.replace(linear(), "bias", None), "bias.deeper", 1)


def test_replace_under_jit():
    model = jax.jit(lambda m, v: pn.replace(m, "bias", v))(linear(), np.ones(2))
    np.testing.assert_array_equal(model.bias, np.ones(2))


def test_replace_keeps_the_shape_of_an_array_unless_asked():
    model = pn.sequential({"a": linear()})
    for value in (np.ones((2, 3)), np.ones(3), 0.5, jax.ShapeDtypeStruct((3,), jnp.float32)):
        with pytest.raises(
            ValueError, match=r"replace: value must have shape \(3, 2\).*reshape=Tru"
        ):
            pn.replace(model, "a.kernel", value)
    wide = pn.replace(model, "a.kernel", np.ones((5, 2)), reshape=True)
    assert wide["a"].kernel.shape == (5, 2)
    assert pn.replace(model, "a.kernel", np.zeros((3, 2)))["a"].kernel.sum() == 0
    assert pn.replace(model, "a", pn.Linear(jax.random.key(0), 9, 9))["a"].kernel.shape == (9, 9)
    assert pn.replace(model, "a.kernel", {"low": np.ones(1)})["a"].kernel["low"].shape == (1,)
    assert pn.replace({"n": 1}, "n", 2) == {"n": 2}
    shapes = jax.jit(lambda m, v: pn.replace(m, "a.bias", v))
    with pytest.raises(ValueError, match=r"shape \(2,\), as there is at '.a.bias', got \(3,\)"):
        shapes(model, np.ones(3))


def test_replace_reads_plain_paths():
    model = pn.sequential({"a": linear(), "b": pn.sequential(linear())})
    for path in ("a.bias", ".a.bias", "['a'].bias"):
        assert pn.replace(model, path, np.ones(2))["a"].bias.sum() == 2
    for path in ("b.0.bias", "b[0].bias", "['b'].0.bias"):
        assert pn.replace(model, path, np.ones(2))["b"][0].bias.sum() == 2
