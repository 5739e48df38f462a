"""Models under the transforms of JAX: as argument, result, closure, carry, and optimiser state."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from toys import Both, Tanh, X, tanh, truth

import pyneurons_yat as pn


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


@pytest.mark.slow
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


@pytest.mark.slow
def test_shard_map_and_donation():
    model = pn.YatDense(jax.random.key(0), 3, 2)
    mesh = jax.make_mesh((1,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    rows, everywhere = jax.P("data"), jax.P()
    call = jax.shard_map(lambda m, x: m(x), mesh=mesh, in_specs=(everywhere, rows), out_specs=rows)
    np.testing.assert_allclose(call(model, X), model(X), rtol=1e-12)
    gradient = jax.grad(lambda m: call(m, X).sum())(model)
    expected = jax.grad(lambda m: m(X).sum())(model)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), gradient, expected)
    step = jax.jit(lambda m: jax.tree.map(lambda leaf: leaf + 1, m), donate_argnums=0)
    moved = step(jax.tree.map(jnp.copy, model))
    np.testing.assert_array_equal(moved.bias, np.ones(2))


def test_vmap_prefixes_and_models_of_axes():
    models = pn.stack([tanh(0), tanh(1)])
    axes = jax.tree.map(lambda leaf: 0, models)
    y = jax.vmap(lambda m, x: m(x), in_axes=(axes, None))(models, X)
    np.testing.assert_allclose(y[1], truth(tanh(1), X), rtol=1e-12)


@pytest.mark.parametrize("optimizer", [optax.adamw(0.1), optax.sgd(0.02, momentum=0.9)])
def test_optimiser_states_over_models(optimizer):
    model = Both(jax.random.key(0), 3)

    def loss(m):
        return jnp.mean((m(X) - 1) ** 2)

    @jax.jit
    def step(model, state):
        value, gradient = jax.value_and_grad(loss)(model)
        updates, state = optimizer.update(gradient, state, model)
        return optax.apply_updates(model, updates), state, value

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
