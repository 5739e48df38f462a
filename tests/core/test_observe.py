"""observe: the training-time call, defined, derived, and threaded through combinators."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pyneurons_yat as pn

X = np.arange(12.0).reshape(4, 3)


class Norm(NamedTuple):
    scale: jax.Array
    mean: jax.Array
    variance: jax.Array


def create_norm(n):
    return Norm(jnp.ones(n), jnp.zeros(n), jnp.ones(n))


def normalise(x, mean, variance, scale, epsilon):
    return (x - mean[None]) / jnp.sqrt(variance[None] + epsilon) * scale[None]


def apply_norm(params, x, *, epsilon=1e-5):
    return normalise(x, params.mean, params.variance, params.scale, epsilon)


def observe_norm(params, x, *, epsilon=1e-5, momentum=0.9):
    mean, variance = x.mean(0), x.var(0)
    y = normalise(x, mean, variance, params.scale, epsilon)
    moved = params._replace(
        mean=momentum * params.mean + (1 - momentum) * mean,
        variance=momentum * params.variance + (1 - momentum) * variance,
    )
    return y, moved


BatchNorm = pn.bind(
    "BatchNorm",
    create_norm,
    apply_norm,
    observe_norm,
    roles={"mean": "batch_stats", "variance": "batch_stats"},
)


def apply_noise(params, x, *, rate=1.0, key=None):
    return x if key is None else x + rate * jax.random.normal(key, x.shape)


Noise = pn.bind("Noise", lambda: (), apply_noise)


def noise(x, *, key=None):
    return x if key is None else x + jax.random.normal(key, x.shape)


def expected_norm(x, epsilon=1e-5):
    return (x - x.mean(0)) / np.sqrt(x.var(0) + epsilon)


def test_batch_norm_uses_and_moves_its_statistics():
    model = BatchNorm(3, momentum=0.5)
    y, moved = pn.observe(model, X)
    np.testing.assert_allclose(y, expected_norm(X), rtol=1e-12)
    np.testing.assert_allclose(moved.mean, 0.5 * X.mean(0))
    np.testing.assert_allclose(moved.variance, 0.5 + 0.5 * X.var(0))
    np.testing.assert_allclose(model.mean, np.zeros(3))
    assert jax.tree.structure(moved) == jax.tree.structure(model)


def test_inference_is_pure():
    model = BatchNorm(3)
    np.testing.assert_allclose(model(X), X / np.sqrt(1 + 1e-5), rtol=1e-12)


def test_static_configuration_goes_to_apply_and_observe_where_it_is_named():
    model = BatchNorm(3, momentum=0.5, epsilon=1.0)
    np.testing.assert_allclose(model(X), X / np.sqrt(2), rtol=1e-12)
    np.testing.assert_allclose(pn.observe(model, X)[0], expected_norm(X, 1.0), rtol=1e-12)
    y, moved = pn.observe(model, X, momentum=0.0, epsilon=2.0)
    np.testing.assert_allclose(y, expected_norm(X, 2.0), rtol=1e-12)
    np.testing.assert_allclose(moved.mean, X.mean(0))


def test_derived_for_a_layer_without_observe():
    model = pn.Linear(jax.random.key(0), 3, 2)
    y, after = pn.observe(model, X)
    np.testing.assert_array_equal(y, model(X))
    assert jax.tree.leaves(after)[0] is model.kernel
    y, _ = pn.observe(model, X, key=jax.random.key(1))
    np.testing.assert_array_equal(y, model(X))


def test_derived_hands_the_key_to_an_apply_that_takes_one():
    model = Noise(rate=2.0)
    np.testing.assert_array_equal(model(X), X)
    with pytest.raises(TypeError, match="^Model: in training key must be a PRNG key, got None"):
        pn.observe(pn.bind((), apply_noise), X)
    y, after = pn.observe(model, np.zeros((50, 40)), key=jax.random.key(3))
    assert 3.5 < np.var(y) < 4.5
    assert after.static == (("rate", 2.0),)


def combinators():
    """Batch norm inside every combinator, with the place of its statistics."""
    norm = BatchNorm(3, momentum=0.5)
    return {
        "sequential": (pn.sequential(jnp.negative, norm), lambda m: m[1].mean, -1),
        "named": (pn.sequential({"n": norm, "f": jnp.tanh}), lambda m: m["n"].mean, 1),
        "compose": (pn.compose(norm, jnp.tanh), lambda m: m.mean, 1),
        "reparam": (pn.reparam(norm, lambda p: p._replace(scale=2 * p.scale)), lambda m: m.mean, 1),
        "nested": (
            pn.compose(pn.sequential({"a": pn.sequential(pn.compose(norm, jnp.sin))}), jnp.cos),
            lambda m: m.params["a"][0].mean,
            1,
        ),
        "reparam of sequential": (
            pn.reparam(pn.sequential(norm, jnp.tanh), lambda p: p),
            lambda m: m[0].mean,
            1,
        ),
    }


@pytest.mark.parametrize("name", tuple(combinators()))
@pytest.mark.parametrize("jitted", [False, True])
def test_combinators_pass_the_call_on_and_carry_statistics_back(name, jitted):
    model, mean_of, sign = combinators()[name]
    call = jax.jit(pn.observe) if jitted else pn.observe
    y, moved = call(model, X)
    np.testing.assert_allclose(mean_of(moved), sign * 0.5 * X.mean(0), rtol=1e-12)
    np.testing.assert_allclose(mean_of(model), np.zeros(3))
    assert jax.tree.structure(moved) == jax.tree.structure(model)
    assert not np.allclose(y, model(X))
    _, again = call(moved, X)
    np.testing.assert_allclose(mean_of(again), sign * 0.75 * X.mean(0), rtol=1e-12)


def test_the_key_is_split_among_parts():
    model = pn.sequential(noise, Noise(), pn.compose(pn.sequential(noise), noise))
    y, _ = pn.observe(model, np.zeros((1000, 1)), key=jax.random.key(0))
    np.testing.assert_allclose(np.var(y), 4.0, rtol=0.2)  # four independent draws of variance 1
    np.testing.assert_array_equal(model(X), X)


def test_any_number_of_inputs():
    """As a network of images and times has them, and one of queries and memory."""

    def apply(params, x, t, *more, key=None, gain=1.0):
        y = params * x + gain * t + sum(more)
        return y if key is None else y + jax.random.normal(key, y.shape)

    model, t = pn.bind(np.ones(3), apply), 2 * X
    whole = pn.compose(model, jnp.negative)
    noise = -np.asarray(pn.observe(whole, 0 * X, 0 * X, key=jax.random.key(1))[0])
    assert len(np.unique(noise)) == noise.size
    y, after = pn.observe(whole, X, t, key=jax.random.key(1))
    np.testing.assert_allclose(y, -(3 * X + noise), rtol=1e-12)
    y, _ = pn.observe(whole, X, t, X, X, key=jax.random.key(1), gain=2.0)
    np.testing.assert_allclose(y, -(7 * X + noise), rtol=1e-12)
    assert jax.tree.structure(after) == jax.tree.structure(whole)


class Holder(NamedTuple):
    part: pn.Model


def create_holder(part):
    return Holder(part)


def call_part(params, x):
    return params.part(x)


Held = pn.bind("Held", create_holder, call_part)


@pytest.mark.parametrize(
    ("part", "place"),
    [
        (BatchNorm(3, momentum=0.5), ".part"),
        (pn.compose(BatchNorm(3, momentum=0.5), jnp.tanh), ".part"),
        (pn.reparam(BatchNorm(3, momentum=0.5), lambda p: p), ".part"),
        (pn.sequential(jnp.array, BatchNorm(3, momentum=0.5)), ".part[1]"),
        (pn.sequential({"n": BatchNorm(3, momentum=0.5)}), ".part['n']"),
        (Held(Held(BatchNorm(3, momentum=0.5))), ".part.part.part"),
    ],
)
def test_a_layer_that_holds_a_moving_model_moves_it_by_calling_it(part, place):
    model = Held(part)
    _, moved = pn.observe(model, X)
    pairs = jax.tree_util.tree_leaves_with_path(moved)
    leaves = {jax.tree_util.keystr(k): leaf for k, leaf in pairs}
    np.testing.assert_allclose(leaves[place + ".mean"], 0.5 * X.mean(0), rtol=1e-12)
    assert jax.tree.structure(moved) == jax.tree.structure(model)


@pytest.mark.parametrize(
    ("part", "place"),
    [
        (pn.sequential(noise), r"noise at '\.part\[0\]'"),
        (
            pn.compose(pn.Linear(jax.random.key(0), 3, 3), noise),
            r"noise in Linear \| noise at '\.part'",
        ),
        (Noise(), r"Noise at '\.part'"),
    ],
)
def test_a_part_that_draws_is_given_a_key_or_named(part, place):
    model = Held(part)
    assert not np.allclose(pn.observe(model, X, key=jax.random.key(0))[0], model(X))
    with pytest.raises(TypeError, match=f"{place}: in training key must be a PRNG key, got None"):
        pn.observe(model, X)


@pytest.mark.parametrize(
    "part",
    [
        pn.Linear(jax.random.key(0), 3, 3),
        pn.compose(pn.Linear(jax.random.key(0), 3, 3), jnp.tanh),
        pn.reparam(pn.Linear(jax.random.key(0), 3, 3), lambda p: p),
        pn.sequential(pn.Linear(jax.random.key(0), 3, 3), jnp.tanh),
    ],
)
def test_a_layer_that_holds_plain_models_gets_observe_derived(part):
    y, _ = pn.observe(Held(part), X, key=jax.random.key(0))
    np.testing.assert_array_equal(y, part(X))


def test_a_layer_may_hand_its_key_on():
    model = pn.bind(Holder(Noise()), lambda params, x, *, key=None: params.part(x, key=key))
    y, _ = pn.observe(model, np.zeros((50, 40)), key=jax.random.key(3))
    assert 0.9 < np.var(y) < 1.1


def test_an_observe_written_by_hand_works():
    def observe(params, x, *, key=None):
        y, part = pn.observe(params.part, x, key=key)
        return y, params._replace(part=part)

    model = pn.bind("Held", create_holder, call_part, observe)(BatchNorm(3, momentum=0.5))
    y, moved = pn.observe(model, X, key=jax.random.key(0))
    np.testing.assert_allclose(y, expected_norm(X), rtol=1e-12)
    np.testing.assert_allclose(moved.part.mean, 0.5 * X.mean(0))


@pytest.mark.parametrize("wrong", [pn.Linear, jnp.tanh, 3, {"a": 1}])
def test_only_models_can_be_observed(wrong):
    with pytest.raises(TypeError, match="observe: model must be a Model"):
        pn.observe(wrong, X)


def test_an_observe_that_returns_the_output_alone_is_refused():
    """Two rows of output would unpack into an output and parameters."""
    model = pn.bind(X[0], lambda params, x: x, lambda params, x: x)
    with pytest.raises(TypeError, match=r"Model: observe must return \(y, parameters\)"):
        pn.observe(model, X[:2])


def test_unknown_options_are_refused():
    with pytest.raises(TypeError, match="momentun"):
        pn.observe(BatchNorm(3), X, momentun=0.1)


def test_observe_under_scan_grad_and_vmap():
    model = BatchNorm(3, momentum=0.5)

    def step(model, x):
        y, model = pn.observe(model, x)
        return model, y

    batches = np.stack([X, 2 * X, 3 * X])
    last, _ = jax.lax.scan(step, model, batches)
    mean = np.zeros(3)
    for batch in batches:
        mean = 0.5 * mean + 0.5 * batch.mean(0)
    np.testing.assert_allclose(last.mean, mean, rtol=1e-12)
    gradient = jax.grad(lambda m: (pn.observe(m, X)[0] ** 2).sum())(model)
    np.testing.assert_allclose(gradient.scale, 2 * (expected_norm(X) ** 2).sum(0), rtol=1e-10)
    _, many = jax.vmap(pn.observe, in_axes=(None, 0))(model, batches)
    np.testing.assert_allclose(many.mean[2], 1.5 * X.mean(0))


def test_training_with_batch_statistics_trains_params_only():
    one, two = jax.random.split(jax.random.key(0))
    model = pn.sequential(pn.Linear(one, 3, 4), BatchNorm(4), jnp.tanh, pn.Linear(two, 4, 1))
    x = np.asarray(jax.random.normal(jax.random.key(1), (64, 3)))
    target = np.sin(x[:, :1])
    optimizer = optax.adam(0.03)

    def loss(model):
        y, model = pn.observe(model, x)
        return jnp.mean((y - target) ** 2), model

    @jax.jit
    def step(model, state):
        (value, model), gradient = pn.value_and_grad(loss, has_aux=True)(model)
        params, rest = pn.partition(model, "params", ...)
        updates, state = optimizer.update(gradient, state, params)
        return pn.merge(optax.apply_updates(params, updates), rest), state, value

    state = optimizer.init(pn.select(model, "params"))
    assert pn.count(pn.select(model, "batch_stats")) == 8
    for _ in range(150):
        model, state, value = step(model, state)
    assert value < 0.05
    hidden = np.asarray(model[0](x))
    np.testing.assert_allclose(model[1].mean, hidden.mean(0), atol=0.1)
    np.testing.assert_allclose(np.mean((model(x) - target) ** 2), value, atol=0.02)
