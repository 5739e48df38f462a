"""Model: one pytree class for all models; compiled once, copied, pickled, read by path."""

import copy
import functools
import pickle
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.tree_util import keystr, tree_flatten_with_path
from toys import Both, Tanh, Weights, X, apply, create, tanh, truth

import pyneurons_yat as pn


def rounded(x):
    return jnp.round(x)


def halved(params):
    return jax.tree.map(lambda leaf: leaf / 2, params)


def paths(tree):
    return [keystr(path) for path, _ in tree_flatten_with_path(tree)[0]]


@functools.cache
def two_layers():
    one, two = jax.random.split(jax.random.key(5))
    return pn.Linear(one, 3, 4), pn.YatDense(two, 4, 2, epsilon=1e-3)


COMPOSITIONS = {  # made of these two layers
    "plain": lambda first, _: first,
    "relu": lambda first, _: pn.compose(first, jax.nn.relu),
    "binary": lambda first, _: pn.compose(first, pn.binary),
    "relun": lambda first, _: pn.compose(first, pn.relun(2)),
    "jitted": lambda first, _: pn.compose(first, jnp.tanh, jax.nn.silu, jax.nn.softmax),
    "own": lambda first, _: pn.compose(first, rounded),
    "positional": lambda first, second: pn.sequential(first, jax.nn.gelu, second),
    "named": lambda first, second: pn.sequential({"b": first, "a": jax.nn.relu, "c": second}),
    "reparam": lambda first, _: pn.reparam(first, halved),
    "deep": lambda first, second: pn.compose(
        pn.reparam(pn.sequential(first, pn.reparam(second, halved)), halved)
    ),
    "model in model": lambda *_: Both(jax.random.key(1), 3),
    "Binary": lambda *_: pn.Binary(jax.random.key(1), 3),
    "frozen": lambda first, _: pn.freeze(first, "bias"),
    "bound": lambda *_: pn.bind(Weights(jnp.ones((3, 2))), apply),
}


def composed(name):
    return COMPOSITIONS[name](*two_layers())


def test_five_binds_five_models_one_compilation():
    traces = []

    @jax.jit
    def call(model, x):
        traces.append(1)
        return model(x)

    layers = [pn.bind("Tanh", create, apply) for _ in range(5)]
    models = [layer(jax.random.key(i), 3, 2) for i, layer in enumerate(layers)]
    for model in models:
        np.testing.assert_allclose(call(model, X), truth(model, X), rtol=1e-12)
    assert len(traces) == 1
    assert len({jax.tree.structure(model) for model in models}) == 1
    assert len({hash(layer) for layer in layers}) == 1
    assert len(set(layers)) == 1


@pytest.mark.parametrize("name", COMPOSITIONS)
def test_compositions_made_twice_compile_once(name):
    traces = []

    @jax.jit
    def call(model, x):
        traces.append(1)
        return model(x)

    one, two = composed(name), composed(name)
    assert jax.tree.structure(one) == jax.tree.structure(two)
    np.testing.assert_array_equal(call(one, X), call(two, X))
    assert len(traces) == 1


def test_other_static_configuration_is_another_compilation():
    traces = []

    @jax.jit
    def call(model):
        traces.append(1)
        return model(X)

    for gain in (1.0, 2.0, 1.0):
        model = Tanh(jax.random.key(0), 3, 2, gain=gain)
        np.testing.assert_allclose(call(model), gain * truth(model, X), rtol=1e-12)
    assert len(traces) == 2


@pytest.mark.parametrize("name", COMPOSITIONS)
@pytest.mark.parametrize("clone", [lambda m: pickle.loads(pickle.dumps(m)), copy.deepcopy])
def test_pickle_and_deepcopy_round_trip(name, clone):
    model = composed(name)
    other = clone(model)
    assert other is not model
    assert jax.tree.structure(other) == jax.tree.structure(model)
    jax.tree.map(np.testing.assert_array_equal, other, model)
    call = jax.jit(lambda model, x: model(x))
    np.testing.assert_array_equal(call(other, X), call(model, X))


def test_a_deep_copy_of_what_does_not_pickle_has_the_same_structure():
    model = pn.compose(tanh(), lambda x: 2 * x, functools.partial(jnp.sum, axis=-1))
    assert jax.tree.structure(copy.deepcopy(model)) == jax.tree.structure(model)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(model)


@pytest.mark.parametrize("layer", [pn.Linear, pn.YatDense, pn.Neuron, pn.Binary, pn.Vector])
def test_layers_pickle(layer):
    other = pickle.loads(pickle.dumps(layer))
    assert other == layer
    assert hash(other) == hash(layer)
    assert other.__doc__ == layer.__doc__


def test_shallow_copy():
    model = tanh()
    assert jax.tree.structure(copy.copy(model)) == jax.tree.structure(model)


def test_key_paths_read_like_the_expression():
    one, two = jax.random.split(jax.random.key(0))
    model = pn.Linear(one, 3, 4)
    yat = pn.YatDense(two, 4, 2)
    assert paths(model) == [".kernel", ".bias"]
    assert paths(pn.sequential(model, jax.nn.relu, yat)) == [
        "[0].kernel", "[0].bias", "[2].kernel", "[2].bias", "[2].alpha",
    ]  # fmt: skip
    assert paths(pn.sequential({"b": model, "a": yat}))[:3] == [
        "['b'].kernel", "['b'].bias", "['a'].kernel",
    ]  # fmt: skip
    assert paths(Both(jax.random.key(0), 3))[:2] == [".first.kernel", ".first.bias"]
    assert paths(pn.compose(model, jax.nn.relu)) == [".kernel", ".bias"]
    assert paths(pn.reparam(model, halved)) == [".kernel", ".bias"]
    assert paths({"a": model}) == ["['a'].kernel", "['a'].bias"]


def test_attributes_and_items():
    model = Tanh(jax.random.key(0), 3, 2)
    assert model.kernel is model.params.kernel
    assert model[0] is model.params.kernel
    assert model.layer == Tanh  # an attribute of the model hides a field of that name
    assert model.params.layer is None
    (params,) = model
    assert params is model.params
    with pytest.raises(AttributeError, match=r"'krenel'; it has \.kernel, \.layer$"):
        model.krenel  # noqa: B018
    assert not hasattr(model, "shape")
    bound = pn.bind({"a": X}, lambda params, x: x)
    assert bound["a"] is X
    with pytest.raises(AttributeError):
        bound.a  # noqa: B018


def test_attributes_that_are_methods_of_tuples():
    class Counted(NamedTuple):
        count: float
        index: float

    model = pn.bind(Counted(1.0, 2.0), lambda params, x: x)
    assert (model.count, model.index) == (1.0, 2.0)


def test_absent_parameters_are_none():
    model = pn.Linear(jax.random.key(0), 3, 2, use_bias=False)
    assert model.bias is None
    assert paths(model) == [".kernel"]


def test_calls_carry_the_name_of_the_layer_into_profiles():
    inner = pn.sequential({"here": tanh()})
    program = jax.make_jaxpr(inner)(X)
    names = [str(equation.source_info.name_stack) for equation in program.eqns]
    assert all(name == "Sequential/Tanh" for name in names)


def test_models_with_typed_and_old_keys():
    typed = pn.Linear(jax.random.key(3), 3, 2)
    old = pn.Linear(jax.random.PRNGKey(3), 3, 2)
    np.testing.assert_array_equal(typed.kernel, old.kernel)


def test_a_model_holds_any_leaves():
    """Keys, integers, text and Python numbers are leaves like any other."""
    model = pn.bind(
        {"key": jax.random.key(0), "steps": 3, "name": "text", "rate": 0.1, "none": None},
        lambda params, x: x,
    )
    assert pn.count(model) == 3
    assert pickle.loads(pickle.dumps(pn.bind({"a": "b"}, apply)))["a"] == "b"
    assert "text" not in repr(model)
    assert pn.count(pn.select(model, "params")) == 1


def test_the_result_of_a_model_may_be_any_pytree():
    model = pn.bind((), lambda params, x, y: {"sum": x + y})
    np.testing.assert_allclose(jax.jit(lambda m: m(X, X))(model)["sum"], 2 * X)


def test_calling_a_model_costs_no_compilation_in_the_loop():
    call = jax.jit(lambda model, x: model(x))
    models = [tanh(i) for i in range(3)]
    for model in models:
        call(model, X)
        call(jax.tree.map(lambda leaf: leaf + 1, model), X)
    assert call._cache_size() == 1


def test_a_wrong_name_or_place_lists_what_there_is():
    linear = pn.Linear(jax.random.key(0), 3, 2)
    named = pn.sequential({"hidden": linear, "act": jax.nn.relu})
    for model, index, kind, words in (
        (
            named,
            "hiden",
            KeyError,
            r"Sequential has no part 'hiden'; it has \['hidden'\], \['act'\]",
        ),
        (named, 2, IndexError, r"Sequential has no part 2; it has"),
        (pn.sequential(linear), "hidden", KeyError, r"no part 'hidden'; it has \[0\]"),
        (linear, "kernel", KeyError, r"Linear has no part 'kernel'; it has \.kernel, \.bias"),
        (pn.bind({"a": X}, rounded), "b", KeyError, r"no part 'b'; it has \['a'\]"),
        (pn.bind((), rounded), "b", KeyError, "it has no parameters"),
    ):
        with pytest.raises(kind, match=words):
            model[index]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("eval", r"model\(x\), is inference"),
        ("train", r"pn\.training\(f\)"),
        ("parameters", r"pn\.select\(model, \"params\"\)"),
        ("state_dict", r"pn\.save"),
        ("forward", r"call the model"),
    ],
)
def test_methods_of_other_libraries_point_to_what_is_here(name, words):
    for model in (pn.Linear(jax.random.key(0), 3, 2), pn.sequential({"a": jax.nn.relu})):
        with pytest.raises(AttributeError, match=words):
            getattr(model, name)


def test_completion_knows_fields_and_names():
    linear = pn.Linear(jax.random.key(0), 3, 2)
    assert {"kernel", "bias", "layer", "params", "static"} <= set(dir(linear))
    assert {"kernel", "bias"} <= set(dir(pn.bind(linear, rounded)))
    named = pn.sequential({"hidden": linear, "act": jax.nn.relu})
    assert named._ipython_key_completions_() == ["hidden", "act"]
    assert pn.bind(named, rounded)._ipython_key_completions_() == ["hidden", "act"]
    assert linear._ipython_key_completions_() == []
    ipython = pytest.importorskip("IPython.core.completer")
    completer = ipython.IPCompleter(namespace={"named": named, "linear": linear}, use_jedi=False)
    for text, expected in (('named["', "hidden"), ("linear.ke", ".kernel")):
        with ipython.provisionalcompleter():
            found = [match.text for match in completer.completions(text, len(text))]
        assert any(match.endswith(expected) for match in found), found


def test_labels_and_masks_of_the_structure_of_a_model_are_not_applied_by_optax():
    """Optax calls what is callable, and such trees are models."""
    model = pn.sequential(pn.Linear(jax.random.key(0), 3, 2))
    labels = jax.tree.map(lambda leaf: "slow" if leaf.ndim == 1 else "fast", model)
    optimizer = optax.multi_transform({"slow": optax.sgd(0.1), "fast": optax.sgd(1.0)}, labels)
    ones = jax.tree.map(jnp.ones_like, model)
    updates, _ = optimizer.update(ones, optimizer.init(model), model)
    assert float(updates[0].bias[0]) == pytest.approx(-0.1)
    assert float(updates[0].kernel[0, 0]) == -1.0
    decayed = optax.masked(optax.sgd(1.0), jax.tree.map(lambda leaf: leaf.ndim == 2, model))
    updates, _ = decayed.update(ones, decayed.init(model), model)
    assert (float(updates[0].bias[0]), float(updates[0].kernel[0, 0])) == (1.0, -1.0)


def test_models_have_no_leaves_of_a_weak_type():
    """A number made an array without a dtype costs no second compilation after the first step."""

    class Scaled(NamedTuple):
        scale: jax.Array
        inner: dict

    def make():
        weak = jnp.full(3, jnp.log(2.0))
        return Scaled(weak, {"deep": 2 * jnp.full(2, 1.0), "n": 3})

    assert jax.typeof(make().scale).weak_type
    Weak = pn.bind("Weak", make, lambda params, x: params.scale * x)
    stacked = pn.repeat(Weak, 2)()
    for model in (
        Weak(),
        pn.bind(make(), rounded),
        stacked,
        pn.replace(Weak(), "scale", make()[0]),
    ):
        leaves = [leaf for leaf in jax.tree.leaves(model) if isinstance(leaf, jax.Array)]
        assert not any(jax.typeof(leaf).weak_type for leaf in leaves)
    np.testing.assert_array_equal(Weak().scale, np.full(3, np.log(2.0)))

    @jax.jit
    def step(model):
        return jax.tree.map(lambda leaf: leaf - 0.1, model)

    step(step(pn.replace(Weak(), "inner", None)))
    assert step._cache_size() == 1


def test_parameters_without_a_name_are_told_of():
    model = pn.bind("Bare", lambda key, n: jnp.ones(n), lambda kernel, x: x * kernel)(
        jax.random.key(0), 3
    )
    with pytest.raises(AttributeError, match=r"it has one array without a name: model\.params"):
        _ = model.kernel
