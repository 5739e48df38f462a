"""freeze and unfreeze: roles that go along with the parts of a model."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn
from pyneurons_yat.core import frozen_models
from pyneurons_yat.core.filters import leaf_places

X = np.linspace(-1.0, 1.0, 12).reshape(4, 3)


class Inner(NamedTuple):
    one: pn.Model
    two: pn.Model


class Outer(NamedTuple):
    blocks: Inner
    table: dict
    scale: jax.Array


def create(key):
    keys = jax.random.split(key, 4)
    one, two, three, four = (pn.Linear(k, 3, 3) for k in keys)
    return Outer(Inner(one, two), {"x": three, "y": (four, jnp.ones(3))}, jnp.ones(()))


def apply(params, x):
    return params.scale * params.blocks.two(params.blocks.one(x))


Nested = pn.bind("Nested", create, apply)


def nested():
    return Nested(jax.random.key(0))


def roles(tree):
    return {place.path: place.role for place in leaf_places(tree)}


def frozen(tree):
    return [path for path, role in roles(tree).items() if role == "frozen"]


def test_what_is_frozen_by_a_path_is_frozen_whichever_way_it_is_read():
    model = pn.freeze(
        pn.sequential({"hidden": pn.Linear(jax.random.key(0), 3, 4), "act": jax.nn.relu}),
        "hidden.kernel",
    )
    ways = [model["hidden"], model[0], next(iter(model)), model.params["hidden"], model[:1][0]]
    for part in ways:
        assert frozen(part) == [".kernel"]


@pytest.mark.parametrize(
    ("path", "read"),
    [
        ("blocks.one.kernel", lambda m: m.blocks.one),
        ("blocks.one.kernel", lambda m: m.params.blocks.one),
        ("blocks.one.kernel", lambda m: m[0].one),
        ("blocks.one.kernel", lambda m: next(iter(m)).blocks.one),
        ("table.x.kernel", lambda m: m.table["x"]),
        ("table['y'][0].kernel", lambda m: m.table["y"][0]),
        ("table.y.0.kernel", lambda m: m.table["y"][0]),
        ("*kernel", lambda m: m.blocks.two),
        (
            "blocks.two.kernel",
            lambda m: jax.tree.leaves(m, is_leaf=lambda n: isinstance(n, pn.Model) and n is not m)[
                1
            ],
        ),
    ],
)
def test_a_part_of_any_depth_takes_its_role_along(path, read):
    model = pn.freeze(nested(), path)
    part = read(model)
    assert frozen(part) == [".kernel"]
    assert len(frozen(pn.concat([part, part]))) == 1
    assert frozen(pn.sequential(part)) == ["[0].kernel"]
    gradient = pn.grad(lambda part: part(X).sum())(part)
    assert [leaf.shape for leaf in jax.tree.leaves(gradient)] == [(3,)]
    np.testing.assert_array_equal(model(X), nested()(X))


def test_a_model_whose_parameters_are_a_model_takes_roles_along():
    model = pn.freeze(pn.bind(pn.Linear(jax.random.key(0), 3, 2), lambda m, x: m(x)), "kernel")
    assert frozen(model) == frozen(model.params) == [".kernel"]


def test_roles_that_a_layer_declares_for_its_parts_go_along_too():
    Declared = pn.bind("Declared", create, apply, roles={"blocks.one": "slow", "table": "slow"})
    model = Declared(jax.random.key(0))
    assert set(roles(model.blocks.one).values()) == {"slow"}
    assert set(roles(model.table["y"][0]).values()) == {"slow"}
    assert set(roles(model.blocks.two).values()) == {"params"}
    bound = pn.bind(model.params, apply, roles={"blocks": "slow"})
    assert set(roles(bound.blocks.two).values()) == {"slow"}


def test_the_order_of_freezing_does_not_matter():
    one = pn.freeze(pn.freeze(nested(), "blocks"), "scale")
    other = pn.freeze(pn.freeze(nested(), "scale"), "blocks.two", "blocks.one")
    assert jax.tree.structure(one) == jax.tree.structure(other)
    assert jax.tree.structure(pn.freeze(one, "blocks")) == jax.tree.structure(one)


def test_unfreezing_undoes_freezing():
    model = nested()
    for filters in ((), ("blocks",), ("*kernel", "scale"), ("params",)):
        back = pn.unfreeze(pn.freeze(model, *filters), *filters)
        assert jax.tree.structure(back) == jax.tree.structure(model)
    assert jax.tree.structure(pn.unfreeze(pn.freeze(model), "frozen")) == jax.tree.structure(model)


def test_unfreezing_a_part_of_what_is_frozen():
    whole = pn.freeze(nested())
    head = pn.unfreeze(whole, "blocks.two")
    assert frozen(head.blocks.two) == []
    assert frozen(head.blocks.one) == [".kernel", ".bias"]
    assert set(roles(head)) - set(frozen(head)) == {".blocks.two.kernel", ".blocks.two.bias"}
    bias = pn.unfreeze(whole, "*bias")
    assert {path for path, role in roles(bias).items() if role == "params"} == {
        path for path in roles(bias) if path.endswith("bias")
    }


def test_unfreezing_gives_every_leaf_its_own_role_back():
    norm = pn.sequential(pn.BatchNorm(3), pn.Dropout(0.5))
    whole = pn.freeze(norm)
    assert set(roles(whole).values()) == {"frozen"}
    assert roles(pn.unfreeze(whole)) == roles(norm)
    assert roles(pn.unfreeze(whole, "[0]")) == roles(norm)
    affine = pn.unfreeze(whole, "params")
    assert roles(affine)["[0].scale"] == "params"
    assert roles(affine)["[0].mean"] == "frozen"


def test_a_part_without_leaves_can_be_frozen_and_unfrozen():
    model = pn.sequential({"drop": pn.Dropout(0.5), "out": pn.Linear(jax.random.key(0), 3, 2)})
    drop = pn.freeze(model, "drop")
    assert frozen_models(drop) == {"['drop']"}
    assert frozen_models(drop["drop"]) == {""}
    assert frozen_models(pn.unfreeze(drop, "drop")) == set()
    assert frozen_models(pn.freeze(model, "*kernel")) == set()
    assert frozen_models(pn.unfreeze(pn.freeze(model), "out.bias")) == {"['drop']"}


def test_freezing_overrules_what_layers_around_declare():
    Slow = pn.bind("Slow", create, apply, roles={"blocks": "slow"})
    model = pn.freeze(Slow(jax.random.key(0)), "blocks.one.kernel")
    assert frozen(model) == [".blocks.one.kernel"]
    assert roles(model)[".blocks.one.bias"] == "slow"
    back = pn.unfreeze(model)
    assert roles(back) == roles(Slow(jax.random.key(0)))


def low_rank(kernel):
    down = jnp.ones((kernel.shape[0], 1))
    return {"down": down, "kernel": kernel, "up": jnp.zeros((1, kernel.shape[1]))}


def adapted(params):
    return params["kernel"] + params["down"] @ params["up"]


def test_freezing_what_stands_in_the_place_of_an_array_leaves_it_there():
    """Its layer then declares other roles, but is still known as what gives the array."""
    layer = pn.bind("LowRank", low_rank, adapted, roles={"kernel": "frozen"})
    model = pn.Linear(jax.random.key(0), 3, 2)
    tuned = pn.reparam(model, pn.parametrise(layer, "*kernel"))
    assert frozen(tuned) == [".kernel['kernel']"]
    for changed in (pn.freeze(tuned), pn.unfreeze(tuned), pn.freeze(tuned, "*['up']")):
        np.testing.assert_allclose(changed(X), model(X), rtol=1e-6)
    assert frozen(pn.unfreeze(tuned)) == []
    assert frozen(pn.freeze(tuned, "bias")) == [".kernel['kernel']", ".bias"]


def test_frozen_parts_in_a_repeat():
    model = pn.repeat(pn.Linear, 3)(jax.random.key(0), 3, 3)
    half = pn.freeze(model, "*kernel")
    assert frozen(half) == [".each.kernel"]
    assert frozen(half[1]) == frozen(half.each) == [".kernel"]


def test_one_compilation_for_models_frozen_alike():
    call = jax.jit(lambda model: model(X))
    for seed in range(3):
        call(pn.freeze(Nested(jax.random.key(seed)), "blocks.*kernel"))
    assert call._cache_size() == 1


@pytest.mark.parametrize("function", [pn.freeze, pn.unfreeze])
def test_only_models_are_frozen(function):
    with pytest.raises(TypeError, match="freeze: model must be a Model, got a dict"):
        function({"a": np.ones(2)})
