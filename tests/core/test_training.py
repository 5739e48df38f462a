"""training: every call of a model inside a function is a training-time call."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn

X = np.linspace(-1.0, 2.0, 12).reshape(4, 3)
MOMENTUM = 0.5


class Parts(NamedTuple):
    linear: pn.Model
    norm: pn.Model
    drop: pn.Model


def create(key, n, *, rate=0.0):
    one = pn.Linear(key, n, n, dtype=jnp.float64)
    return Parts(one, pn.BatchNorm(n, momentum=MOMENTUM, dtype=jnp.float64), pn.Dropout(rate))


def apply(p, x):
    return x + p.drop(p.norm(p.linear(x)))


Block = pn.bind("Block", create, apply)


def norm(n=3):
    return pn.BatchNorm(n, momentum=MOMENTUM, dtype=jnp.float64)


def truth(statistics, x):
    """Running mean and variance after one more batch, by plain NumPy."""
    mean, variance = statistics
    return (
        MOMENTUM * mean + (1 - MOMENTUM) * x.mean(0),
        MOMENTUM * variance + (1 - MOMENTUM) * x.var(0, ddof=1),
    )


def fresh(n=3):
    return np.zeros(n), np.ones(n)


def close(model, statistics):
    np.testing.assert_allclose(model.mean, statistics[0], rtol=1e-12)
    np.testing.assert_allclose(model.variance, statistics[1], rtol=1e-12)


def normalized(x):
    return (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5)


def test_a_block_with_one_forward_pass_moves_as_a_loop_in_float64():
    model = Block(jax.random.key(0), 3)
    step = jax.jit(pn.training(lambda model, x: model(x)))
    statistics = fresh()
    for batch in np.random.default_rng(0).normal(size=(20, 8, 3)):
        y, model = step(model, batch)
        inside = batch @ np.asarray(model.linear.kernel) + np.asarray(model.linear.bias)
        statistics = truth(statistics, inside)
        np.testing.assert_allclose(y, batch + normalized(inside), rtol=1e-9, atol=1e-12)
    close(model.norm, statistics)


def twice(model, x):
    return jnp.sum(model(x) * model(2.0 * x))


def after_two(x=X):
    return truth(truth(fresh(), x), 2 * x)


WAYS = {
    "eager": lambda f: pn.training(f),
    "jit outside": lambda f: jax.jit(pn.training(f)),
    "jit inside": lambda f: pn.training(jax.jit(f)),
    "both": lambda f: jax.jit(pn.training(jax.jit(f))),
    "remat inside": lambda f: jax.jit(pn.training(jax.checkpoint(f))),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_norm_called_twice_moves_twice(way):
    model = norm()
    value, moved = WAYS[way](twice)(model, X)
    np.testing.assert_allclose(value, np.sum(normalized(X) * normalized(2 * X)), rtol=1e-4)
    close(moved, after_two())
    assert jax.tree.structure(moved) == jax.tree.structure(model)
    close(model, fresh())
    assert moved.scale is model.scale or way == "jit outside" or way != "eager"


@pytest.mark.parametrize("way", WAYS)
def test_gradients_and_hessians_are_those_of_the_computation(way):
    f = WAYS[way](lambda model, x: jnp.sum(model(jnp.sin(x)) ** 3))
    cubes = np.sum(normalized(np.sin(X)) ** 3, 0)  # the plain value is cubes @ scale**3

    def trained(scale):
        value, moved = f(pn.replace(norm(), "scale", scale), X)
        return value, moved.mean

    scale = np.array([1.0, 0.5, 2.0])
    gradient, mean = jax.grad(trained, has_aux=True)(scale)
    np.testing.assert_allclose(gradient, 3 * cubes * scale**2, rtol=1e-8)
    np.testing.assert_allclose(mean, truth(fresh(), np.sin(X))[0], rtol=1e-12)
    second = jax.jit(jax.hessian(lambda scale: trained(scale)[0]))(scale)
    np.testing.assert_allclose(second, np.diag(6 * cubes * scale), rtol=1e-8, atol=1e-12)


def test_what_moves_can_be_differentiated():
    def moved(x):
        return pn.training(lambda model, x: model(x).sum())(norm(), x)[1].mean[0]

    gradient = jax.jit(jax.grad(moved))(X)
    np.testing.assert_allclose(gradient, [[0.125, 0, 0]] * 4, rtol=1e-12)


@pytest.mark.slow
def test_a_gradient_that_the_function_takes_itself():
    def penalty(model, x):
        return jnp.sum(jax.grad(lambda x: jnp.sum(jnp.tanh(model(x))))(x) ** 2)

    value, moved = jax.jit(jax.value_and_grad(pn.training(penalty), has_aux=True))(norm(), X)
    assert np.isfinite(value[0])
    close(value[1], truth(fresh(), X))
    close(pn.training(penalty)(norm(), X)[1], truth(fresh(), X))


def test_an_inner_step_of_meta_learning_moves_in_each_of_its_calls():
    def loss(model, x):
        return jnp.mean((model(x) - 1.0) ** 2)

    def after_a_step(model, x):
        gradient = pn.grad(loss)(model, x)
        params, rest = pn.partition(model, "params", ...)
        return loss(pn.merge(jax.tree.map(lambda p, g: p - 0.1 * g, params, gradient), rest), 2 * x)

    call = jax.jit(jax.value_and_grad(pn.training(after_a_step), has_aux=True))
    (value, moved), gradient = call(norm(), X)
    close(moved, after_two())
    assert np.isfinite(value)
    assert np.abs(np.asarray(gradient.scale)).min() > 0


@pytest.mark.parametrize("way", ["eager", "jit outside", "jit inside"])
@pytest.mark.parametrize("positive", [True, False])
def test_in_a_cond_only_the_branch_that_is_taken_moves(way, positive):
    def either(model, x, condition):
        return jax.lax.cond(condition, lambda: model(x).sum(), lambda: x.sum())

    _, moved = WAYS[way](either)(norm(), X, positive)
    close(moved, truth(fresh(), X) if positive else fresh())


@pytest.mark.parametrize("way", WAYS)
def test_a_scan_draws_a_mask_at_each_step_and_moves_at_each(way):
    def scanned(model, x):
        def step(_, x):
            return None, model[1](model[0](x))

        return jax.lax.scan(step, None, x)[1]

    model = pn.sequential(norm(), pn.Dropout(0.5))
    x = np.random.default_rng(1).normal(size=(5, 8, 3))
    y, moved = WAYS[way](scanned)(model, x, key=jax.random.key(0))
    masks = {tuple(step.ravel() == 0) for step in np.asarray(y)}
    assert len(masks) == 5
    statistics = fresh()
    for batch in x:
        statistics = truth(statistics, batch)
    close(moved[0], statistics)


def test_a_while_loop_moves_at_each_turn():
    def looped(model, x):
        return jax.lax.fori_loop(0, 3, lambda _, total: total + model(x).sum(), 0.0)

    statistics = truth(truth(truth(fresh(), X), X), X)
    for way in ("eager", "jit outside"):
        close(WAYS[way](looped)(norm(), X)[1], statistics)


@pytest.mark.slow
def test_over_models_and_keys():
    keys = jax.random.split(jax.random.key(0), 3)
    models = jax.vmap(lambda key: Block(key, 3, rate=0.5))(keys)
    each = jax.vmap(lambda model, key: pn.observe(model, X, key=key))
    y, moved = jax.jit(each)(models, keys)
    for i, key in enumerate(keys):
        one = jax.tree.map(lambda leaf, i=i: leaf[i], models)
        alone, after = pn.observe(one, X, key=key)
        np.testing.assert_allclose(y[i], alone, rtol=1e-9)
        np.testing.assert_allclose(moved.norm.mean[i], after.norm.mean, rtol=1e-9)
    assert len({tuple(np.asarray(row - X).ravel() == 0) for row in y}) == 3


@pytest.mark.slow
def test_inside_of_everything():
    block = pn.bind("Outer", lambda key: (Block(key, 3),), lambda p, x: p[0](x))
    keys = iter(jax.random.split(jax.random.key(0), 7))
    models = {
        "sequential": (pn.sequential(Block(next(keys), 3), jnp.tanh), lambda m: m[0].norm),
        "compose": (pn.compose(Block(next(keys), 3), jnp.tanh), lambda m: m.norm),
        "reparam": (pn.reparam(Block(next(keys), 3), lambda p: p), lambda m: m.norm),
        "block": (block(next(keys)), lambda m: m[0].norm),
        "tie": (
            pn.tie(
                pn.sequential(Block(next(keys), 3), Block(next(keys), 3)),
                {"[1].linear.kernel": "[0].linear.kernel"},
            ),
            lambda m: m[0].norm,
        ),
        "parametrized": (pn.reparam(Block(next(keys), 3), pn.weight_norm()), lambda m: m.norm),
    }
    for name, (model, of) in models.items():
        _, moved = jax.jit(pn.observe)(model, X)
        assert jax.tree.structure(moved) == jax.tree.structure(model), name
        assert np.abs(np.asarray(of(moved).mean)).min() > 0, name
        assert jax.eval_shape(pn.observe, model, X)[1].layer == model.layer, name


@pytest.mark.parametrize("remat", [False, True])
def test_repeated_copies_move_as_a_loop_over_them(remat):
    model = pn.repeat(Block, 3, remat=remat)(jax.random.key(0), 3)

    def loss(model):
        y, moved = pn.observe(model, X)
        return jnp.sum(y**2), moved

    (value, moved), gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))(model)
    x, parts = jnp.asarray(X), []
    for copy in model:
        x, part = pn.observe(copy, x)
        parts.append(part)
    np.testing.assert_allclose(value, jnp.sum(x**2), rtol=1e-9)
    for i, part in enumerate(parts):
        np.testing.assert_allclose(moved[i].norm.mean, part.norm.mean, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(moved[i].norm.variance, part.norm.variance, rtol=1e-9)
    assert np.isfinite(gradient.each.linear.kernel).all()


@pytest.mark.slow
def test_captured_outside_and_inside():
    model = pn.sequential({"norm": norm(), "f": jnp.tanh})
    (y, moved), _ = pn.capture(pn.training(lambda m, x: pn.name(m(x), "y")))(model, X)
    np.testing.assert_allclose(y, np.tanh(normalized(X)), rtol=1e-9)
    close(moved["norm"], truth(fresh(), X))
    for way in WAYS.values():
        (y, seen), moved = way(lambda m, x: pn.capture(m)(x))(model, X)
        np.testing.assert_allclose(seen["['norm']"], normalized(X), rtol=1e-9)
        close(moved["norm"], truth(fresh(), X))


def test_any_tree_of_models_and_any_function():
    models = {"a": norm(), "b": (norm(), 3.0)}

    def both(models, x, scale, *, key=None):
        assert key is not None
        return scale * models["a"](x).sum() + models["b"][0](2 * x).sum() + models["b"][1]

    _, moved = pn.training(both)(models, X, 2.0, key=jax.random.key(0))
    close(moved["a"], truth(fresh(), X))
    close(moved["b"][0], truth(fresh(), 2 * X))
    assert moved["b"][1] == 3.0


def test_a_model_that_the_function_returns_holds_what_moved():
    (y, inner), moved = jax.jit(pn.training(lambda m, x: (m(x), m)))(norm(), X)
    close(inner, truth(fresh(), X))
    close(moved, truth(fresh(), X))
    assert jax.tree.structure(inner) == jax.tree.structure(norm())
    np.testing.assert_allclose(inner(X), moved(X))
    assert y.shape == X.shape


def test_observe_inside_of_training_is_a_call_of_its_own():
    def f(model, x):
        y, moved = pn.observe(model, x)
        return y, moved

    (_, inner), outer = pn.training(f)(norm(), X)
    close(inner, truth(fresh(), X))
    close(outer, fresh())


def test_frozen_and_resting_parts_compute_what_they_compute_in_inference():
    drop = pn.sequential(norm(), pn.Dropout(0.5))
    for rest in (pn.freeze(drop), pn.inference(drop), pn.compose(pn.inference(drop), jnp.array)):
        y, moved = pn.observe(pn.sequential(rest), X, key=jax.random.key(0))
        np.testing.assert_array_equal(y, drop(X))
        close(moved[0].params[0], fresh())
    partly = pn.freeze(pn.sequential({"a": norm(), "b": norm()}), "a")
    _, moved = pn.observe(partly, X)
    close(moved["a"], fresh())
    assert np.abs(np.asarray(moved["b"].mean)).min() > 0
    with pytest.raises(TypeError, match="inference: model must be a Model, got a int"):
        pn.inference(3)


def test_inside_of_a_vmap_over_data_it_says_what_to_write():
    with pytest.raises(
        ValueError, match=r"vmap over part of the data .* jax.vmap\(training\(f\)\)"
    ):
        pn.training(lambda model, x: jax.vmap(lambda x: model(x).sum())(x))(norm(), X[None])
    stacked = jax.vmap(lambda _: norm(), axis_size=2)(None)
    with pytest.raises(ValueError, match="stacked models; call training inside the vmap"):
        pn.training(lambda m, x: jax.vmap(lambda m: m(x))(m))(stacked, X)


def test_a_missing_key_names_the_part_that_wants_one():
    model = pn.sequential({"a": pn.Linear(jax.random.key(0), 3, 3), "drop": pn.Dropout(0.5)})
    for call in (pn.observe, jax.jit(pn.observe)):
        with pytest.raises(TypeError, match=r"Dropout at .*'drop'.*: in training key must be"):
            call(model, X)


def test_what_moves_keeps_its_dtype_shape_and_structure():
    def bind(observe):
        return pn.bind("Count", lambda: {"n": jnp.int32(0)}, lambda p, x: x, observe)()

    cases = [
        (lambda p, x: (x, {"n": p["n"] + 0.5}), r"keep shape and dtype of \['n'\], int32"),
        (lambda p, x: (x, {"n": jnp.zeros(2, jnp.int32)}), "keep shape and dtype"),
        (lambda p, x: (x, {"m": p["n"]}), "parameters of the structure that it took"),
    ]
    for observe, told in cases:
        with pytest.raises(TypeError, match=told):
            pn.observe(bind(observe), X)
    _, moved = pn.observe(bind(lambda p, x: (x, {"n": p["n"] + 1})), X)
    assert int(moved["n"]) == 1
    assert moved["n"].dtype == jnp.int32


def test_a_loss_that_encodes_twice_moves_through_its_gradient():
    encoder = Block(jax.random.key(0), 3)

    def contrast(model, x):
        return jnp.mean((model(x) - model(2 * x)) ** 2)

    call = jax.jit(pn.value_and_grad(pn.training(contrast), has_aux=True))
    (_, moved), gradient = call(encoder, X)
    kernel, bias = np.asarray(encoder.linear.kernel), np.asarray(encoder.linear.bias)
    close(moved.norm, truth(truth(fresh(), X @ kernel + bias), 2 * X @ kernel + bias))
    assert np.isfinite(gradient.linear.kernel).all()


@pytest.mark.parametrize("jitted", [False, True])
def test_a_key_among_the_leaves_moves_as_the_key_that_observe_returns(jitted):
    def observe(params, x):
        return x * params["w"], params | {"key": jax.random.split(params["key"])[0]}

    layer = pn.bind("Keyed", lambda params: params, lambda params, x: x * params["w"], observe)
    model = layer({"w": jnp.ones(()), "key": jax.random.key(5)})
    step = pn.training(lambda model, x: model(model(x)).sum())
    _, moved = (jax.jit(step) if jitted else step)(model, X)
    wanted = jax.random.split(jax.random.split(jax.random.key(5))[0])[0]
    assert jax.random.key_data(moved["key"]).tolist() == jax.random.key_data(wanted).tolist()


def test_training_wants_a_function():
    with pytest.raises(TypeError, match="training: f must be a function, got a int"):
        pn.training(3)
