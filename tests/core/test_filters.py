"""One way to say which leaves: the same filter takes the same leaves in every function."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pyneurons_yat as pn

X = np.linspace(-1.0, 1.0, 12).reshape(4, 3)


class Two(NamedTuple):
    first: object
    second: object


def apply(params, x):
    return x


@pytest.fixture(scope="module")
def model():
    keys = jax.random.split(jax.random.key(0), 3)
    inner = pn.sequential({"a": pn.Linear(keys[0], 4, 4), "norm": pn.BatchNorm(4)})
    return pn.sequential(
        {"hidden": pn.Linear(keys[1], 3, 4), "inner": inner, "out": pn.Linear(keys[2], 4, 2)}
    )


def paths(tree):
    return [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(tree)]


KERNELS = ["['hidden'].kernel", "['inner']['a'].kernel", "['out'].kernel"]
STATISTICS = ["['inner']['norm'].mean", "['inner']['norm'].variance"]
CASES = {
    "a role": ("batch_stats", STATISTICS),
    "a path": ("['hidden'].kernel", ["['hidden'].kernel"]),
    "a plain path": ("hidden.kernel", ["['hidden'].kernel"]),
    "a plain path with a dot": (".hidden.kernel", ["['hidden'].kernel"]),
    "half a plain path": ("inner['a'].bias", ["['inner']['a'].bias"]),
    "a part": ("inner.a", ["['inner']['a'].kernel", "['inner']['a'].bias"]),
    "an ending": ("*kernel", KERNELS),
    "a beginning": ("hid*", ["['hidden'].kernel", "['hidden'].bias"]),
    "a pattern of a part": ("*.a", ["['inner']['a'].kernel", "['inner']['a'].bias"]),
    "a pattern with brackets": ("['inner']*mean", ["['inner']['norm'].mean"]),
    "a pattern of a key": ("[*].kernel", [KERNELS[0], KERNELS[1], KERNELS[2]]),
    "several": (pn.where("hidden.bias", "batch_stats"), ["['hidden'].bias", *STATISTICS]),
    "a predicate": (lambda path, leaf: path.endswith("kernel") and leaf.ndim == 2, KERNELS),
}


@pytest.mark.parametrize("case", CASES)
def test_every_function_takes_the_same_leaves(model, case):
    one, expected = CASES[case]
    assert paths(pn.select(model, one)) == expected
    first, rest = pn.partition(model, one, ...)
    assert paths(first) == expected
    assert sorted(paths(first) + paths(rest)) == sorted(paths(model))
    marks = pn.where(one)(model)
    assert jax.tree.structure(marks) == jax.tree.structure(model)
    assert [
        path for path, mark in zip(paths(model), jax.tree.leaves(marks), strict=True) if mark
    ] == (expected)
    assert paths(pn.select(pn.freeze(model, one), "frozen")) == expected
    gradient = pn.grad(lambda m: sum(leaf.sum() for leaf in jax.tree.leaves(m)), wrt=one)(model)
    assert paths(gradient) == expected


@pytest.mark.parametrize("case", CASES)
def test_transforms_take_the_same_leaves(model, case):
    one, expected = CASES[case]
    whole = pn.reparam(model, pn.cast(jnp.bfloat16, one))
    changed = whole.layer.apply.transformed(whole.params)
    low = [path for path, leaf in zip(paths(changed), jax.tree.leaves(changed), strict=True)
           if leaf.dtype == jnp.bfloat16]  # fmt: skip
    assert low == expected


@pytest.mark.parametrize(
    "nothing", ["param", "*krenel", "hidden.krenel", "state", lambda p, v: False]
)
def test_a_filter_that_fits_nothing_lists_what_there_is(model, nothing):
    calls = {
        "select": lambda: pn.select(model, "params", nothing),
        "partition": lambda: pn.partition(model, nothing, ...),
        "freeze": lambda: pn.freeze(model, nothing),
        "unfreeze": lambda: pn.unfreeze(pn.freeze(model), nothing),
        "where": lambda: pn.where(nothing)(model),
        "label": lambda: pn.label({"a": nothing, "b": ...})(model),
        "value_and_grad": lambda: pn.grad(lambda m: 0.0, wrt=nothing)(model),
        "reparam": lambda: pn.reparam(model, pn.cast(jnp.bfloat16, nothing))(X),
    }
    for function, call in calls.items():
        with pytest.raises(ValueError, match=f"{function}: a filter must fit something") as info:
            call()
        assert "['hidden'].kernel" in str(info.value)
    with pytest.raises(ValueError, match="the roles are batch_stats, params, the paths"):
        pn.select(model, nothing)


def test_a_long_list_is_cut_short():
    many = {f"leaf{i:02}": np.ones(1) for i in range(30)}
    with pytest.raises(ValueError, match=r"\['leaf19'\] and 10 more$"):
        pn.select(many, "nowhere")
    with pytest.raises(ValueError, match="there are no leaves"):
        pn.select((), "params")
    with pytest.raises(ValueError, match="the paths the root"):
        pn.select(np.ones(2), "nowhere")


def test_the_rest_may_be_nothing(model):
    everything, nothing = pn.partition(model, "params", "batch_stats", ...)[::2]
    assert paths(nothing) == []
    assert len(paths(everything)) == 8
    assert pn.partition((), ...) == ((),)


def test_no_filter_is_an_error(model):
    for call in (lambda: pn.select(model), pn.where):
        with pytest.raises(ValueError, match="filters must be at least one, got none"):
            call()


@pytest.mark.parametrize("wrong", [3, None, ["params"], pn.Linear, pn.label({})])
def test_what_is_no_filter(model, wrong):
    with pytest.raises(TypeError, match=r"a filter must be a role, a path, .* got a "):
        pn.select(model, wrong)


def test_a_role_goes_before_a_path_of_its_name():
    tree = {"params": np.ones(1), "other": np.ones(1)}
    assert paths(pn.select(tree, "params")) == ["['other']", "['params']"]
    assert paths(pn.select(tree, ".params")) == ["['params']"]


def test_names_with_dots_are_read_exactly():
    tree = {"a": {"b": 1.0}, "a.b": 2.0, "a.b.c": 3.0}
    assert paths(pn.select(tree, "['a.b']")) == ["['a.b']"]
    assert paths(pn.select(tree, "['a']['b']")) == ["['a']['b']"]
    assert pn.replace(tree, "['a.b']", 5.0)["a.b"] == 5.0
    frozen = pn.freeze(pn.bind(tree, apply), "['a.b']")
    assert paths(pn.select(frozen, "frozen")) == ["['a.b']"]


def test_positions_read_plainly_too():
    tree = (np.ones(1), [np.ones(1), np.ones(1)])
    assert paths(pn.select(tree, "1.0")) == paths(pn.select(tree, "[1][0]")) == ["[1][0]"]
    assert paths(pn.select(tree, "1")) == ["[1][0]", "[1][1]"]
    eleven = tuple(map(float, range(12)))
    assert paths(pn.select(eleven, "1")) == ["[1]"]


def test_parameters_that_are_no_container_add_nothing_to_a_path():
    tree = {
        "m": pn.bind(np.ones(2), apply),
        "w": pn.bind(pn.Linear(jax.random.key(0), 3, 2), apply),
    }
    for one in ("m", "['m']", "m.params", "['m'].params"):
        assert paths(pn.select(tree, one)) == ["['m'].params"]
    for one in ("w.kernel", "['w'].kernel", "['w'].params.kernel", "*kernel"):
        assert paths(pn.select(tree, one)) == ["['w'].params.kernel"]
    seen = []
    pn.select(tree, lambda path, leaf: seen.append(path) or True)
    assert seen == ["['m']", "['w'].kernel", "['w'].bias"]
    assert pn.replace(tree, "w.bias", np.zeros(2))["w"].bias.sum() == 0


def test_roles_may_be_declared_by_plain_paths_and_for_parameters_of_parameters():
    inner = pn.sequential({"hidden": pn.Linear(jax.random.key(0), 3, 2)})
    for path in ("hidden.kernel", "['hidden'].kernel"):
        outer = pn.bind(inner, apply, roles={path: "slow"})
        assert paths(pn.select(outer, "slow")) == [".params['hidden'].kernel"]


def test_where_is_a_mask_for_optax(model):
    params = pn.select(model, "params")
    optimizer = optax.adamw(0.1, weight_decay=1.0, mask=pn.where("*kernel"))
    updates, _ = optimizer.update(
        jax.tree.map(jnp.zeros_like, params), optimizer.init(params), params
    )
    for path, update, value in zip(
        paths(params), jax.tree.leaves(updates), jax.tree.leaves(params), strict=True
    ):
        expected = -0.1 * np.asarray(value) if path.endswith("kernel") else np.zeros(value.shape)
        np.testing.assert_allclose(update, expected, rtol=1e-6)
    masked = optax.masked(optax.sgd(1.0), pn.where("hidden", "*bias"))
    moved, _ = masked.update(jax.tree.map(jnp.ones_like, params), masked.init(params), params)
    signs = [float(leaf.ravel()[0]) for leaf in jax.tree.leaves(moved)]
    assert signs == [-1 if "hidden" in p or p.endswith("bias") else 1 for p in paths(params)]


def test_label_makes_groups_for_optax(model):
    groups = pn.label({"slow": "hidden", "still": "*scale", "fast": ...})
    params = pn.select(model, "params")
    rates = {"slow": 0.1, "still": 0.0, "fast": 1.0}
    optimizer = optax.multi_transform(
        {name: optax.sgd(rate) for name, rate in rates.items()}, groups
    )
    ones = jax.tree.map(jnp.ones_like, params)
    updates, _ = jax.jit(optimizer.update)(ones, optimizer.init(params), params)
    for path, update in zip(paths(params), jax.tree.leaves(updates), strict=True):
        rate = 0.1 if "hidden" in path else 0.0 if path.endswith("scale") else 1.0
        np.testing.assert_allclose(update, np.full(update.shape, -rate), rtol=1e-6)
    with pytest.raises(ValueError, match=r"label: no filter takes the leaf at \"\['hidden'\].bias"):
        pn.label({"a": "*kernel"})(params)
    with pytest.raises(TypeError, match="label: mapping must be a mapping, got a list"):
        pn.label(["a"])


def test_what_where_and_label_return_is_equal_when_made_alike():
    assert pn.where("*kernel", ...) == pn.where("*kernel", ...)
    assert hash(pn.label({"a": "params"})) == hash(pn.label({"a": "params"}))
    assert pn.where("*kernel") != pn.where("*bias")


def test_parts_of_transformed_arrays_are_no_arrays_to_transform():
    """`*kernel` fits the place of an array; what stands there for it is not pruned in its stead."""
    model = pn.reparam(pn.Linear(jax.random.key(0), 3, 2), pn.weight_norm())
    assert paths(pn.select(model, "*kernel")) == [".kernel.scale", ".kernel.direction"]
    with pytest.raises(ValueError, match=r"got '\*kernel'.*\.kernel\.scale"):
        pn.reparam(model, pn.mask(0.5))
    pruned = pn.reparam(model, pn.mask(0.5, "kernel.direction"))
    assert paths(pruned)[1:3] == [".kernel.direction.value", ".kernel.direction.keep"]
    assert pn.reparam(model, pn.cast(jnp.bfloat16))(X.astype(jnp.bfloat16)).dtype == jnp.bfloat16
