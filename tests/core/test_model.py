"""Model: one pytree class for all models, under every transform of JAX."""

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

import pyneurons_yat as pn

X = np.linspace(-1.0, 1.0, 12).reshape(4, 3)


class Weights(NamedTuple):
    kernel: jax.Array
    layer: jax.Array | None = None


def create(key, inputs, outputs):
    return Weights(jax.random.normal(key, (inputs, outputs)))


def apply(params, x, *, gain=1.0):
    return gain * jnp.tanh(x @ params.kernel)


class Pair(NamedTuple):
    first: pn.Model
    second: pn.Model


def create_pair(key, n):
    one, two = jax.random.split(key)
    return Pair(pn.Linear(one, n, n), pn.YatDense(two, n, n))


def apply_pair(params, x):
    return params.second(params.first(x))


def rounded(x):
    return jnp.round(x)


def halved(params):
    return jax.tree.map(lambda leaf: leaf / 2, params)


Tanh = pn.bind("Tanh", create, apply)
Both = pn.bind("Both", create_pair, apply_pair)


def tanh(seed=0, inputs=3, outputs=3):
    return Tanh(jax.random.key(seed), inputs, outputs)


def truth(model, x):
    return np.tanh(x @ np.asarray(model.params.kernel))


def paths(tree):
    return [keystr(path) for path, _ in tree_flatten_with_path(tree)[0]]


def compositions():
    one, two = jax.random.split(jax.random.key(5))
    first, second = pn.Linear(one, 3, 4), pn.YatDense(two, 4, 2, epsilon=1e-3)
    return {
        "plain": first,
        "relu": pn.compose(first, jax.nn.relu),
        "binary": pn.compose(first, pn.binary),
        "relun": pn.compose(first, pn.relun(2)),
        "jitted": pn.compose(first, jnp.tanh, jax.nn.silu, jax.nn.softmax),
        "own": pn.compose(first, rounded),
        "positional": pn.sequential(first, jax.nn.gelu, second),
        "named": pn.sequential({"b": first, "a": jax.nn.relu, "c": second}),
        "reparam": pn.reparam(first, halved),
        "deep": pn.compose(pn.reparam(pn.sequential(first, pn.reparam(second, halved)), halved)),
        "model in model": Both(jax.random.key(1), 3),
        "Binary": pn.Binary(jax.random.key(1), 3),
        "frozen": pn.freeze(first, "bias"),
        "bound": pn.bind(Weights(jnp.ones((3, 2))), apply),
    }


COMPOSITIONS = tuple(compositions())


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

    one, two = compositions()[name], compositions()[name]
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
    model = compositions()[name]
    other = clone(model)
    assert other is not model
    assert jax.tree.structure(other) == jax.tree.structure(model)
    jax.tree.map(np.testing.assert_array_equal, other, model)
    np.testing.assert_array_equal(other(X), model(X))


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


def test_vmap_over_keys_makes_an_ensemble():
    keys = jax.random.split(jax.random.key(7), 5)
    ensemble = jax.vmap(lambda key: Tanh(key, 3, 2))(keys)
    assert ensemble.kernel.shape == (5, 3, 2)
    y = jax.vmap(lambda model, x: model(x), in_axes=(0, None))(ensemble, X)
    for key, row in zip(jax.random.split(jax.random.key(7), 5), y, strict=True):
        np.testing.assert_allclose(row, truth(Tanh(key, 3, 2), X), rtol=1e-12)


def test_a_layer_itself_goes_through_vmap_and_jit():
    keys = jax.random.split(jax.random.key(7), 5)
    assert jax.vmap(pn.Linear, in_axes=(0, None, None))(keys, 3, 2).kernel.shape == (5, 3, 2)
    model = jax.jit(pn.Linear, static_argnums=(1, 2))(jax.random.key(0), 3, 2)
    np.testing.assert_array_equal(model.kernel, pn.Linear(jax.random.key(0), 3, 2).kernel)


def test_a_model_is_a_parameter_of_another_model():
    model = Both(jax.random.key(0), 3)
    assert isinstance(model.first, pn.Model)
    np.testing.assert_allclose(jax.jit(lambda m, x: m(x))(model, X), model.second(model.first(X)))
    gradient = jax.grad(lambda m: m(X).sum())(model)
    inner = jax.grad(lambda m: model.second(m(X)).sum())(model.first)
    np.testing.assert_allclose(gradient.first.kernel, inner.kernel, rtol=1e-12)
    assert gradient.layer == model.layer
    assert gradient.second.layer == pn.YatDense


def test_scan_over_stacked_models_equals_the_loop():
    models = [tanh(i) for i in range(4)]
    y, outputs = jax.lax.scan(lambda x, model: (model(x), model(x)), X, pn.stack(models))
    expected = X
    for model, output in zip(models, outputs, strict=True):
        expected = truth(model, expected)
        np.testing.assert_allclose(output, expected, rtol=1e-12)
    np.testing.assert_allclose(y, expected, rtol=1e-12)


def test_model_as_argument_closure_carry_and_output():
    model = tanh()
    expected = truth(model, X)
    np.testing.assert_allclose(jax.jit(lambda m, x: m(x))(model, X), expected, rtol=1e-12)
    np.testing.assert_allclose(jax.jit(lambda x: model(x))(X), expected, rtol=1e-12)
    doubled = jax.jit(lambda m: jax.tree.map(lambda leaf: 2 * leaf, m))(model)
    assert doubled.layer == model.layer
    np.testing.assert_allclose(doubled(X), np.tanh(2 * X @ np.asarray(model.kernel)), rtol=1e-12)

    def step(carried, x):
        moved = jax.tree.map(lambda leaf: leaf + 1, carried)
        return moved, carried(x[None])[0]

    last, rows = jax.lax.scan(step, model, X)
    np.testing.assert_allclose(last.kernel, np.asarray(model.kernel) + len(X), rtol=1e-12)
    for i, row in enumerate(rows):
        np.testing.assert_allclose(row, np.tanh(X[i] @ (np.asarray(model.kernel) + i)), rtol=1e-12)


@pytest.mark.parametrize("wrap", [jax.jit, jax.vmap, jax.checkpoint])
def test_a_model_is_a_function_to_transforms(wrap):
    model = tanh()
    np.testing.assert_allclose(wrap(model)(X), truth(model, X), rtol=1e-12)


def test_grad_with_respect_to_models_and_inputs():
    model = tanh()
    x, w = X, np.asarray(model.kernel)
    slope = 1 - np.tanh(x @ w) ** 2
    by_model, by_x = jax.grad(lambda m, x: m(x).sum(), argnums=(0, 1))(model, X)
    np.testing.assert_allclose(by_model.kernel, x.T @ slope, rtol=1e-12)
    np.testing.assert_allclose(by_x, slope @ w.T, rtol=1e-12, atol=1e-14)
    remembered = jax.grad(jax.checkpoint(lambda m, x: m(x).sum()))(model, X)
    np.testing.assert_allclose(remembered.kernel, by_model.kernel, rtol=1e-12)
    tangent = jax.tree.map(jnp.ones_like, model)
    _, y = jax.jvp(lambda m: m(X), (model,), (tangent,))
    np.testing.assert_allclose(y, slope * x.sum(-1, keepdims=True), rtol=1e-12)


def test_hessian_of_a_model():
    model = tanh(inputs=2, outputs=1)
    x = X[:, :2]
    hessian = jax.hessian(lambda m: m(x).sum())(model).kernel.kernel
    t = np.tanh(x @ np.asarray(model.kernel))[:, 0]
    expected = np.einsum("b,bi,bj->ij", -2 * t * (1 - t**2), x, x)
    np.testing.assert_allclose(np.squeeze(hessian), expected, rtol=1e-10, atol=1e-12)


def test_while_loop_and_cond_carry_models():
    model = tanh()

    def halve(m):
        return jax.tree.map(lambda leaf: leaf / 2, m)

    small = jax.lax.while_loop(lambda m: jnp.abs(m.kernel).max() > 0.1, halve, model)
    w = np.asarray(model.kernel)
    while np.abs(w).max() > 0.1:
        w = w / 2
    np.testing.assert_allclose(small.kernel, w)
    chosen = jax.lax.cond(True, halve, lambda m: m, model)
    np.testing.assert_allclose(chosen.kernel, np.asarray(model.kernel) / 2)
    y = jax.lax.fori_loop(0, 3, lambda i, x: model(x), X)
    np.testing.assert_allclose(y, truth(model, truth(model, truth(model, X))), rtol=1e-12)


def test_vmap_prefixes_and_models_of_axes():
    models = pn.stack([tanh(0), tanh(1)])
    axes = jax.tree.map(lambda leaf: 0, models)
    y = jax.vmap(lambda m, x: m(x), in_axes=(axes, None))(models, X)
    np.testing.assert_allclose(y[1], truth(tanh(1), X), rtol=1e-12)


@pytest.mark.parametrize(
    "optimizer", [optax.adamw(0.1), optax.sgd(0.02, momentum=0.9), optax.lbfgs(0.1)]
)
def test_optimiser_states_over_models(optimizer):
    model = Both(jax.random.key(0), 3)

    def loss(m):
        return jnp.mean((m(X) - 1) ** 2)

    @jax.jit
    def step(model, state):
        value, gradient = jax.value_and_grad(loss)(model)
        updates, state = optimizer.update(
            gradient, state, model, value=value, grad=gradient, value_fn=loss
        )
        return optax.apply_updates(model, updates), state, value

    optimizer = optax.with_extra_args_support(optimizer)
    state, values = optimizer.init(model), []
    for _ in range(10):
        model, state, value = step(model, state)
        values.append(float(value))
    assert values[-1] < 0.6 * values[0]
    assert jax.tree.structure(model) == jax.tree.structure(Both(jax.random.key(0), 3))


def test_eval_shape_of_creation():
    shapes = jax.eval_shape(lambda key: Both(key, 3), jax.random.key(0))
    model = Both(jax.random.key(0), 3)
    assert isinstance(shapes, pn.Model)
    assert jax.tree.structure(shapes) == jax.tree.structure(model)
    assert [s.shape for s in jax.tree.leaves(shapes)] == [s.shape for s in jax.tree.leaves(model)]
    assert shapes.first.kernel.dtype == jnp.float32
    assert jax.eval_shape(lambda m, x: m(x), shapes, X).shape == (4, 3)


def test_attributes_and_items():
    model = Tanh(jax.random.key(0), 3, 2)
    assert model.kernel is model.params.kernel
    assert model[0] is model.params.kernel
    assert model.layer == Tanh  # an attribute of the model hides a field of that name
    assert model.params.layer is None
    (params,) = model
    assert params is model.params
    with pytest.raises(AttributeError, match="Tanh has no attribute or parameter 'krenel'"):
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
    assert pn.count(model) == 4
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
