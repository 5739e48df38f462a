"""Roles stay with what they were declared for: through creation, indexing and slicing."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import pytest

import pyneurons_yat as pn
from pyneurons_yat.core import frozen_models
from pyneurons_yat.core.filters import leaf_places


class Norm(NamedTuple):
    scale: jax.Array | None
    mean: jax.Array


def create(*, affine=True):
    return Norm(jnp.ones(3) if affine else None, jnp.zeros(3))


def apply(params, x):
    return x - params.mean


def frozen_paths(model):
    return [place.path for place in leaf_places(model) if place.role == "frozen"]


def test_a_misspelt_role_is_an_error_when_the_model_is_made():
    Wrong = pn.bind("Wrong", create, apply, roles={"maen": "batch_stats"})
    with pytest.raises(ValueError, match=r"Wrong: the role 'batch_stats' .* '\.maen'.*\.mean"):
        Wrong()


def test_a_role_may_be_declared_for_a_field_that_is_absent():
    Absent = pn.bind("Absent", create, apply, roles={"scale": "frozen", "mean": "batch_stats"})
    model = Absent(affine=False)
    assert pn.count(pn.select(model, "batch_stats")) == 3
    assert frozen_paths(model) == []


@pytest.fixture
def network():
    one, two, three = jax.random.split(jax.random.key(0), 3)
    return pn.sequential(pn.Linear(one, 3, 4), pn.Linear(two, 4, 4), pn.Linear(three, 4, 2))


def test_parts_of_a_frozen_sequential_stay_frozen(network):
    frozen = pn.freeze(network, "[0].kernel", "[1]")
    assert frozen_paths(frozen) == ["[0].kernel", "[1].kernel", "[1].bias"]
    assert frozen_paths(frozen[0]) == [".kernel"]
    assert frozen_paths(frozen[1]) == [".kernel", ".bias"]
    assert frozen_paths(frozen[-1]) == []
    assert frozen_paths(frozen[1:]) == ["[0].kernel", "[0].bias"]
    assert [len(frozen_paths(part)) for part in frozen] == [1, 2, 0]
    assert frozen[2] is network[2]


def test_a_sequential_that_is_frozen_whole_has_frozen_parts(network):
    named = pn.sequential({"a": network[0], "b": network[1]})
    frozen = pn.freeze(named)
    assert frozen_paths(frozen["b"]) == [".kernel", ".bias"]
    assert frozen_paths(frozen[:1]) == ["['a'].kernel", "['a'].bias"]


def test_names_of_parts_are_text(network):
    with pytest.raises(TypeError, match="a name must be text, got a int"):
        pn.sequential({1: network, "1": jax.nn.relu})


def test_an_observe_with_a_positional_key_is_refused():
    def observe(params, x, key=None):
        return x, params

    with pytest.raises(TypeError, match="in the observe of Noisy key must be keyword-only"):
        pn.bind("Noisy", create, apply, observe)


def test_frozen_models_are_those_under_a_rule_or_with_frozen_leaves_alone(network):
    part = pn.sequential({"norm": pn.BatchNorm(4), "drop": pn.Dropout(0.5), "act": jax.nn.relu})
    model = pn.sequential({"first": network[0], "part": part})
    assert frozen_models(model) == set()
    assert frozen_models(pn.freeze(model, "['part']")) == {
        "['part']", "['part']['norm']", "['part']['drop']", "['part']['act']",
    }  # fmt: skip
    kernel = pn.freeze(model, "['first'].kernel")
    assert frozen_models(kernel) == set()
    assert frozen_models(pn.freeze(kernel, "['first'].bias")) == {"['first']"}
    assert "" in frozen_models(pn.freeze(model))
    assert frozen_models({"a": pn.freeze(part), "b": part}) >= {"['a']", "['a']['drop']"}
    assert frozen_models({"b": part}) == set()
