"""Roles, partitions, and gradients by role."""

import contextlib
from typing import NamedTuple

import hypothesis.extra.numpy as hnp
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import pyneurons_yat as pn

X = np.linspace(-1.0, 1.0, 12).reshape(4, 3)


class Two(NamedTuple):
    a: object
    b: object


def apply(params, x):
    return x


Stateful = pn.bind("Stateful", lambda a, b: Two(a, b), apply, roles={"a": "state"})


def linear(seed=0):
    return pn.Linear(jax.random.key(seed), 3, 2)


def network():
    one, two = jax.random.split(jax.random.key(0))
    return pn.sequential({"hidden": pn.YatDense(one, 3, 4), "out": pn.Linear(two, 4, 1)})


def roles(tree):
    """Role by path, read off through the public functions alone."""
    paths = {
        jax.tree_util.keystr(p): None for p, _ in jax.tree_util.tree_flatten_with_path(tree)[0]
    }
    for role in ("params", "buffers", "frozen", "state", "batch_stats", "other"):
        with contextlib.suppress(ValueError):
            for path, _ in jax.tree_util.tree_flatten_with_path(pn.select(tree, role))[0]:
                paths[jax.tree_util.keystr(path)] = role
    return paths


def test_without_rules_inexact_arrays_are_params_and_the_rest_buffers():
    tree = {
        "f": np.ones(2, np.float32),
        "h": jnp.ones(2, jnp.bfloat16),
        "c": np.ones(2, np.complex64),
        "i": np.ones(2, np.int32),
        "b": np.array(True),
        "k": jax.random.key(0),
        "p": 1.0,
        "n": 3,
        "s": "text",
        "o": object(),
    }
    params = {path for path, role in roles(tree).items() if role == "params"}
    assert params == {"['f']", "['h']", "['c']", "['p']"}
    assert {role for role in roles(tree).values() if role != "params"} == {"buffers"}


def test_roles_declared_by_a_layer_hold_wherever_the_model_is():
    model = pn.sequential({"s": Stateful(np.ones(2), np.ones(2)), "l": linear()})
    assert roles(model)["['s'].a"] == "state"
    assert roles(model)["['s'].b"] == "params"
    assert roles({"deep": (model,)})["['deep'][0]['s'].a"] == "state"
    assert roles(pn.stack([model, model]))["['s'].a"] == "state"


def test_a_role_counts_for_everything_below_its_path():
    model = Stateful({"x": np.ones(2), "y": (np.ones(1),)}, np.ones(2))
    assert roles(model) == {".a['x']": "state", ".a['y'][0]": "state", ".b": "params"}


def test_a_path_is_no_prefix_of_another_name():
    class Fields(NamedTuple):
        mean: float
        meaning: float

    layer = pn.bind("L", lambda: Fields(1.0, 2.0), apply, roles={"mean": "state"})
    assert roles(layer()) == {".mean": "state", ".meaning": "params"}


def test_the_more_specific_role_of_a_layer_wins():
    layer = pn.bind(
        "L", lambda: Two(1.0, Two(1.0, 2.0)), apply, roles={"b": "state", "b.a": "other"}
    )
    assert roles(layer()) == {".a": "params", ".b.a": "other", ".b.b": "state"}
    layer = pn.bind("L", lambda: Two(1.0, 2.0), apply, roles={"": "state", "b": "params"})
    assert roles(layer()) == {".a": "state", ".b": "params"}


def test_the_outermost_rule_wins():
    inner = Stateful(np.ones(2), np.ones(2))
    outer = pn.bind("Outer", lambda: Two(inner, 1.0), apply, roles={"a": "other"})
    assert roles(outer()) == {".a.a": "other", ".a.b": "other", ".b": "params"}


def test_partition_gives_the_first_filter_that_takes_a_leaf():
    model = network()
    by_name, frozen, rest = pn.partition(
        pn.freeze(model, "['hidden'].kernel"),
        lambda path, leaf: path.endswith("bias"),
        "frozen",
        ...,
    )
    assert [pn.count(part) for part in (by_name, frozen, rest)] == [4 + 1, 12, 4 + 4]
    everything, nothing = pn.partition(model, "params", ...)
    assert pn.count(everything) == pn.count(model)
    assert pn.count(nothing) == 0
    with pytest.raises(ValueError, match="must take something that those before it have left"):
        pn.partition(model, ..., "params")


def test_a_leaf_that_no_filter_takes_is_named():
    with pytest.raises(ValueError, match=r"\['hidden'\]\.alpha.*'params'") as info:
        pn.partition(network(), lambda path, leaf: "alpha" not in path)
    assert "..." in str(info.value)
    with pytest.raises(ValueError, match="root"):
        pn.partition(1.0, "buffers")


def test_merge_refuses_overlap_and_gap_naming_the_path():
    params, rest = pn.partition(pn.freeze(network(), "['out']"), "params", ...)
    with pytest.raises(ValueError, match=r"parts \[0, 2\] overlap.*\['hidden'\]\.kernel"):
        pn.merge(params, rest, params)
    with pytest.raises(ValueError, match=r"no part has a leaf.*\['out'\]\.kernel"):
        pn.merge(params)
    with pytest.raises(ValueError, match="part 1 must have the structure"):
        pn.merge(params, pn.partition(linear(), ...)[0])
    with pytest.raises(ValueError, match="parts must be at least one"):
        pn.merge()


def leaves():
    arrays = hnp.arrays(
        st.sampled_from(["float32", "float64", "int32", "bool"]),
        hnp.array_shapes(min_dims=0, max_dims=2, max_side=2),
    )
    return arrays | st.floats(allow_nan=False) | st.integers() | st.text(max_size=3)


def holes():
    part = pn.select((1.0, 2), "buffers")
    return st.sampled_from([part[0], pn.select(part, "buffers")[0]])


def trees():
    return st.recursive(
        leaves() | holes(),
        lambda inner: (
            st.lists(inner | st.none(), max_size=3)
            | st.builds(Two, inner | st.none(), inner)
            | st.dictionaries(st.sampled_from(["a", "b", "a.b", "[0]"]), inner, max_size=3)
            | inner.map(lambda params: pn.bind((params,), apply))
            | st.builds(Stateful, inner, inner)
        ),
        max_leaves=8,
    )


FILTERS = st.sampled_from(
    [
        "params",
        "buffers",
        "state",
        "*a*",
        "[0]",
        ...,
        lambda path, leaf: len(path) % 2 == 0,
        lambda path, leaf: isinstance(leaf, np.ndarray),
    ]
)


def fitting(tree, *filters):
    """The filters that take something which those before them have left."""
    kept = []
    for one in filters:
        with contextlib.suppress(ValueError):
            pn.partition(tree, *kept, one, ...)
            kept.append(one)
    return kept


@settings(max_examples=200)
@given(trees(), st.lists(FILTERS, max_size=4))
def test_merge_undoes_partition(tree, filters):
    filters = fitting(tree, *filters)
    parts = pn.partition(tree, *filters, ...)
    assert len(parts) == len(filters) + 1
    assert sum(len(jax.tree.leaves(part)) for part in parts) == len(jax.tree.leaves(tree))
    merged = pn.merge(*parts)
    assert jax.tree.structure(merged) == jax.tree.structure(tree)
    pairs = zip(jax.tree.leaves(merged), jax.tree.leaves(tree), strict=True)
    assert all(one is other for one, other in pairs)


@settings(max_examples=100)
@given(trees(), FILTERS, FILTERS)
def test_a_part_can_be_partitioned_again(tree, one, other):
    parts = pn.partition(tree, *fitting(tree, one), ...)
    again = pn.merge(*(pn.merge(*pn.partition(part, *fitting(part, other), ...)) for part in parts))
    assert jax.tree.structure(again) == jax.tree.structure(tree)
    pairs = zip(jax.tree.leaves(again), jax.tree.leaves(tree), strict=True)
    assert all(one is other for one, other in pairs)


def test_an_older_hole_is_no_gap_and_a_gap_is_no_older_hole():
    first, second = pn.partition(pn.freeze(network(), "['out']"), "params", ...)
    bias, others = pn.partition(first, lambda path, leaf: path.endswith("bias"), ...)
    whole = pn.merge(pn.merge(bias, others), second)
    assert pn.count(whole) == pn.count(pn.merge(bias, others, second)) == pn.count(network())
    for parts in ((bias,), (bias, second), (pn.merge(bias, others),)):
        with pytest.raises(ValueError, match="no part has a leaf"):
            pn.merge(*parts)
    with pytest.raises(ValueError, match=r"parts \[1, 2\] overlap"):
        pn.merge(bias, others, first)


def test_grad_of_a_part():
    """A function of what one part of a model holds: it merges the rest itself."""
    model = pn.freeze(linear(), "kernel")
    params, rest = pn.partition(model, "params", ...)
    gradient = pn.grad(lambda params: squares(pn.merge(params, rest)))(params)
    np.testing.assert_allclose(gradient.bias, 2 * np.asarray(model.bias))
    assert jax.tree.structure(gradient) == jax.tree.structure(pn.select(params, "params"))


@settings(max_examples=50)
@given(trees(), FILTERS)
def test_select_is_the_first_part(tree, one):
    assume(fitting(tree, one))
    selected, part = pn.select(tree, one), pn.partition(tree, one, ...)[0]
    assert jax.tree.structure(selected) == jax.tree.structure(part)
    pairs = zip(jax.tree.leaves(selected), jax.tree.leaves(part), strict=True)
    assert all(one is other for one, other in pairs)


def test_select_does_not_insist_on_the_rest():
    assert pn.count(pn.select(network(), "*bias")) == 5
    assert pn.count(pn.select(pn.freeze(linear(), "bias"), "params", "frozen")) == 8


def test_holes_have_no_leaves_and_are_equal():
    two, one = pn.partition(linear(), "params", ...)
    assert jax.tree.leaves(one) == []
    assert jax.tree.structure(one) == jax.tree.structure(pn.partition(linear(1), "params", ...)[1])
    assert jax.tree.structure(one) != jax.tree.structure(two)
    assert "Hole" not in repr(jax.tree.map(lambda leaf: leaf, two))


def test_freeze_by_path_below_and_all():
    model = network()
    assert roles(pn.freeze(model, "['hidden']"))["['hidden'].alpha"] == "frozen"
    assert set(roles(pn.freeze(model)).values()) == {"frozen"}
    both = pn.freeze(model, "['hidden'].kernel", "['out'].bias")
    assert sorted(path for path, role in roles(both).items() if role == "frozen") == [
        "['hidden'].kernel",
        "['out'].bias",
    ]
    np.testing.assert_array_equal(both(X), model(X))


def test_freezing_twice_is_freezing_once():
    once = pn.freeze(linear(), "kernel")
    assert jax.tree.structure(pn.freeze(once, "kernel")) == jax.tree.structure(once)
    more = pn.freeze(once, "bias")
    assert set(roles(more).values()) == {"frozen"}


def test_freezing_overrules_the_roles_of_a_layer():
    model = pn.freeze(Stateful(np.ones(2), np.ones(2)), "a")
    assert roles(model)[".a"] == "frozen"


def test_freezing_what_is_not_there():
    with pytest.raises(ValueError, match=r"freeze: a filter must fit .*, got 'krenel'") as info:
        pn.freeze(linear(), "krenel")
    assert ".kernel, .bias" in str(info.value)
    with pytest.raises(ValueError, match="got 'bias'"):
        pn.freeze(pn.Linear(jax.random.key(0), 3, 2, use_bias=False), "bias")
    for wrong in (pn.Linear, {"kernel": np.ones(2)}):
        with pytest.raises(TypeError, match="freeze: model must be a Model"):
            pn.freeze(wrong, "kernel")


def squares(model):
    return sum((leaf**2).sum() for leaf in jax.tree.leaves(model))


def test_grad_by_role():
    model = pn.freeze(linear(), "kernel")
    gradient = pn.grad(squares)(model)
    assert jax.tree.structure(gradient) == jax.tree.structure(pn.select(model, "params"))
    np.testing.assert_allclose(gradient.bias, 2 * np.asarray(model.bias))
    frozen = pn.grad(squares, wrt="frozen")(model)
    np.testing.assert_allclose(frozen.kernel, 2 * np.asarray(model.kernel))
    everything = pn.grad(squares, wrt=...)(model)
    assert jax.tree.structure(everything) == jax.tree.structure(model)
    chosen = pn.grad(squares, wrt=lambda path, leaf: path == ".kernel")(model)
    assert [leaf.shape for leaf in jax.tree.leaves(chosen)] == [(3, 2)]


def test_grad_passes_integers_and_keys_by():
    model = pn.bind({"w": np.array([2.0]), "n": np.array([3]), "key": jax.random.key(0)}, apply)
    gradient = pn.grad(lambda m: (m["w"] * m["n"]).sum())(model)
    np.testing.assert_array_equal(jax.tree.leaves(gradient), [[3.0]])


def test_value_and_grad_and_auxiliaries():
    model = linear()
    value, gradient = pn.value_and_grad(squares)(model)
    np.testing.assert_allclose(value, (np.asarray(model.kernel) ** 2).sum(), rtol=1e-6)
    (value, aux), _ = pn.value_and_grad(lambda m: (squares(m), "aux"), has_aux=True)(model)
    assert aux == "aux"
    other, aux = pn.grad(lambda m: (squares(m), 5), has_aux=True)(model)
    assert aux == 5
    np.testing.assert_array_equal(other.kernel, gradient.kernel)


def test_arguments_pass_through():
    gradient = pn.grad(lambda m, x, *, scale: scale * m(x).sum())(linear(), X, scale=2.0)
    np.testing.assert_allclose(gradient.bias, [8.0, 8.0])


@pytest.mark.parametrize("function", [pn.grad, pn.value_and_grad])
def test_a_role_that_nothing_has(function):
    with pytest.raises(
        ValueError, match=r"got 'nowhere'; the roles are params, the paths \.kernel"
    ):
        function(squares, wrt="nowhere")(linear())


@pytest.mark.parametrize("wrong", [3, None, ("params", "frozen")])
def test_a_filter_that_is_none(wrong):
    with pytest.raises(TypeError, match="a filter must be a role, a path, a pattern, ... or a fun"):
        pn.partition(linear(), wrong)
    with pytest.raises(TypeError, match="a filter must be a role"):
        pn.grad(squares, wrt=wrong)(linear())


def test_under_jit_and_vmap_and_hessian():
    model = pn.freeze(linear(), "kernel")
    expected = pn.grad(squares)(model)
    jitted = jax.jit(pn.grad(squares))(model)
    np.testing.assert_array_equal(jitted.bias, expected.bias)
    models = pn.stack([model, jax.tree.map(lambda leaf: leaf + 1, model)])
    many = jax.vmap(pn.grad(squares))(models)
    np.testing.assert_allclose(many.bias, [[0, 0], [2, 2]])
    parts = jax.jit(lambda m: pn.partition(m, "params", ...))(model)
    np.testing.assert_array_equal(jax.jit(pn.merge)(*parts)(X), model(X))
    params, rest = parts
    hessian = jax.hessian(lambda p: squares(pn.merge(p, rest)))(params)
    np.testing.assert_allclose(hessian.bias.bias, 2 * np.eye(2))


def test_weight_decay_leaves_frozen_leaves_bit_identical():
    """Freezing is exclusion from the optimised tree: nothing reaches what is not there."""
    model = pn.freeze(network(), "['hidden'].kernel")
    optimizer = optax.adamw(0.05, weight_decay=0.5)
    state = optimizer.init(pn.select(model, "params"))

    @jax.jit
    def step(model, state):
        gradient = pn.grad(lambda m: jnp.mean((m(X) - 1) ** 2))(model)
        params, rest = pn.partition(model, "params", ...)
        updates, state = optimizer.update(gradient, state, params)
        return pn.merge(optax.apply_updates(params, updates), rest), state

    moved = model
    for _ in range(10):
        moved, state = step(moved, state)
    assert step._cache_size() == 1
    kept, was = moved["hidden"].kernel, model["hidden"].kernel
    assert np.asarray(kept).tobytes() == np.asarray(was).tobytes()
    for path in ("bias", "alpha"):
        assert (getattr(moved["hidden"], path) != getattr(model["hidden"], path)).any()
    assert (moved["out"].kernel != model["out"].kernel).all()
    # The same with the frozen leaf inside the optimised tree, at gradient 0, does move it.
    zeros = jax.tree.map(jnp.zeros_like, model)
    updates, _ = jax.jit(optimizer.update)(zeros, optimizer.init(model), model)
    assert jnp.abs(updates["hidden"].kernel).max() > 0


def test_a_part_survives_a_map():
    params, rest = pn.partition(pn.freeze(linear(), "kernel"), "params", ...)
    doubled = jax.tree.map(lambda leaf: leaf + 1, params)
    model = pn.merge(doubled, rest)
    np.testing.assert_array_equal(model.bias, np.ones(2))
    np.testing.assert_array_equal(model.kernel, linear().kernel)
