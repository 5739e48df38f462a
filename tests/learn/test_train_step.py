"""train_step: against optax by hand, in parts, in float16, and going on from a file to the bit."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pyneurons_yat as pn

SGD = optax.sgd(0.1)
X = np.random.default_rng(0).normal(size=(12, 3))
Y = np.sin(X[:, :2])


def linear():
    return pn.Linear(jax.random.key(0), 3, 2)


def model():
    keys = jax.random.split(jax.random.key(0), 2)
    return pn.sequential(pn.YatDense(keys[0], 3, 8), pn.Linear(keys[1], 8, 2))


def noisy():
    keys = jax.random.split(jax.random.key(0), 2)
    return pn.sequential(
        pn.Linear(keys[0], 3, 8), pn.BatchNorm(8), pn.Dropout(0.3), pn.Linear(keys[1], 8, 2)
    )


def close(one, other, rtol=1e-6):
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol, atol=1e-7),
        jax.tree.leaves(one),
        jax.tree.leaves(other),
    )


def run(state, step, steps, batch=(X, Y)):
    for _ in range(steps):
        state, metrics = step(state, batch)
    return state, metrics


@pytest.mark.slow
def test_it_is_optax_by_hand():
    optimizer = optax.chain(
        optax.clip_by_global_norm(0.5), optax.adamw(optax.cosine_decay_schedule(1e-2, 9))
    )
    state, metrics = run(
        pn.TrainState.create(model(), optimizer),
        pn.train_step(pn.mse, optimizer, metrics=[pn.mae]),
        5,
    )
    by_hand, memory = model(), optimizer.init(model())

    @jax.jit
    def step(by_hand, memory):
        value, gradient = jax.value_and_grad(lambda m: jnp.mean((m(X) - Y) ** 2))(by_hand)
        updates, memory = optimizer.update(gradient, memory, by_hand)
        return optax.apply_updates(by_hand, updates), memory, value

    for _ in range(5):
        before = by_hand
        by_hand, memory, value = step(by_hand, memory)
    close(state.model, by_hand)
    close(metrics["loss"], value)
    close(metrics["mae"], jnp.mean(jnp.abs(before(X) - Y)))
    assert int(state.step) == 5


@pytest.mark.slow
def test_a_loss_of_the_model_itself():
    def loss(model, x, y):
        return jnp.mean((model(x) - y) ** 2) + 1e-3 * jnp.sum(model[1].kernel ** 2)

    state, metrics = run(
        pn.TrainState.create(model(), optax.sgd(0.1)), pn.train_step(loss, optax.sgd(0.1)), 1
    )
    value, gradient = jax.value_and_grad(loss)(model(), X, Y)
    close(metrics["loss"], value)
    close(state.model, jax.tree.map(lambda w, g: w - 0.1 * g, model(), gradient))


@pytest.mark.parametrize("parts", [2, 3, 12])
def test_accumulated_gradients_are_those_of_the_whole_batch(parts):
    optimizer = optax.sgd(0.1)
    whole = run(pn.TrainState.create(model(), optimizer), pn.train_step(pn.mse, optimizer), 2)
    split = run(
        pn.TrainState.create(model(), optimizer),
        pn.train_step(pn.mse, optimizer, accumulate=parts),
        2,
    )
    close(whole, split, 1e-5)


@pytest.mark.slow
def test_parts_draw_apart_and_move_statistics_one_after_another():
    optimizer = optax.sgd(0.0)
    state = pn.TrainState.create(noisy(), optimizer, jax.random.key(1))
    step = pn.train_step(pn.mse, optimizer, accumulate=3)
    after, first = step(state, (X, Y))
    moved = noisy()
    for part in np.split(X, 3):
        _, moved = pn.observe(moved, part, key=jax.random.key(2))
    close(after.model[1].mean, moved[1].mean)
    again, second = step(after._replace(model=state.model), (X, Y))
    assert first["loss"] != second["loss"]  # with masks of its own
    close(again.model[1].mean, after.model[1].mean)


def test_frozen_leaves_stay_to_the_bit_and_have_no_optimiser_state():
    frozen = pn.freeze(model(), "[0].kernel")
    optimizer = optax.adamw(1e-2, weight_decay=0.1)
    state = pn.TrainState.create(frozen, optimizer)
    assert len(jax.tree.leaves(state.opt_state[0].mu)) == 4
    after, _ = run(state, pn.train_step(pn.mse, optimizer), 100)
    np.testing.assert_array_equal(after.model[0].kernel, model()[0].kernel)
    assert not np.allclose(after.model[1].kernel, model()[1].kernel)


def test_the_loss_scale_does_not_change_what_is_learned_and_follows_overflow():
    optimizer = optax.sgd(0.1)
    step = pn.train_step(pn.mse, optimizer)
    plain, _ = run(pn.TrainState.create(model(), optimizer), step, 4)
    scale = pn.LossScale.create(2.0**10, period=3)
    scaled, _ = run(pn.TrainState.create(model(), optimizer, loss_scale=scale), step, 4)
    close(plain.model, scaled.model)
    assert float(scaled.loss_scale.scale) == 2.0**11
    assert int(scaled.loss_scale.steps) == 1
    before = scaled
    after, metrics = step(scaled, (X * np.inf, Y))
    close(before.model, after.model)
    assert float(after.loss_scale.scale) == 2.0**10
    assert int(after.loss_scale.steps) == 0
    assert not np.isfinite(metrics["loss"])


def test_a_step_that_is_left_out_leaves_everything_else_in_the_model_too():
    """Statistics, keys and counts; the next good step learns from finite ones."""

    def observe(params, x):
        moved = {"count": params["count"] + 1, "key": jax.random.split(params["key"])[0]}
        return x * params["w"], params | moved

    odd = pn.bind("Odd", lambda params: params, lambda params, x: x * params["w"], observe)
    odd = odd({"w": jnp.ones(()), "count": jnp.int32(0), "key": jax.random.key(5)})
    keys = jax.random.split(jax.random.key(0), 2)
    whole = pn.sequential(pn.Linear(keys[0], 3, 3), pn.BatchNorm(3), odd, pn.Linear(keys[1], 3, 2))
    step = pn.train_step(pn.mse, SGD)
    state = pn.TrainState.create(whole, SGD, loss_scale=pn.LossScale.create())
    left_out, _ = step(state, (np.where(X[1, 1] == X, np.nan, X), Y))
    close(left_out.model[1], state.model[1], 0)
    assert (int(left_out.model[2]["count"]), left_out.model[2]["count"].dtype) == (0, jnp.int32)
    good, metrics = step(left_out, (X, Y))
    assert np.isfinite(metrics["loss"])
    assert not np.allclose(good.model[1].mean, state.model[1].mean)
    assert int(good.model[2]["count"]) == 1
    keys = [jax.random.key_data(m["key"]).tolist() for m in (odd, left_out.model[2], good.model[2])]
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize("parts", [1, 2])
def test_gradients_of_float16_parameters_reach_the_optimiser(parts):
    """Adam divides by their size: below 6e-8 they still move the parameters by the rate."""
    optimizer = optax.adam(1e-2, eps=0)
    half = pn.bind(jnp.ones(2, jnp.float16), lambda w, x: x * w[None])

    def tiny(predictions, targets):
        return 1e-8 * jnp.mean((predictions - targets).astype(jnp.float32))

    x = np.ones((4, 2), np.float16)
    state = pn.TrainState.create(half, optimizer, loss_scale=pn.LossScale.create())
    after, _ = pn.train_step(tiny, optimizer, accumulate=parts)(state, (x, x))
    assert [a.dtype for a in jax.tree.leaves(after)] == [a.dtype for a in jax.tree.leaves(state)]
    np.testing.assert_allclose(np.asarray(after.model.params, float), 0.99, rtol=1e-3)


@pytest.mark.parametrize(("dtype", "largest"), [(jnp.float16, 2.0**15), (jnp.float32, 2.0**17)])
def test_the_scale_grows_as_far_as_the_dtype_of_the_loss(dtype, largest):
    half = pn.bind(jnp.ones(2, dtype), lambda w, x: x * w[None])
    scale = pn.LossScale.create(2.0**14, period=1)
    state = pn.TrainState.create(half, SGD, loss_scale=scale)
    x, step = jnp.ones((4, 2), dtype), pn.train_step(pn.mse, SGD)
    for _ in range(3):
        before = state
        state, _ = step(state, (x, 0 * x))
        assert (state.model.params != before.model.params).all()
    assert float(state.loss_scale.scale) == largest


def test_float16_learns_with_a_loss_scale_what_it_cannot_without():
    """Gradients below 6e-8 are 0 in float16: here all of them, unless the loss is scaled."""
    x = jnp.asarray(X, jnp.float16)

    def tiny(predictions, targets):
        return 1e-8 * jnp.mean(jnp.abs(predictions - targets).astype(jnp.float32))

    optimizer = optax.scale(-1e6)

    def trained(scale):
        half = pn.reparam(model(), pn.cast(jnp.float16))
        state = pn.TrainState.create(half, optimizer, loss_scale=scale)
        targets = jnp.asarray(np.sign(Y) + 1, jnp.float16)
        return run(state, pn.train_step(tiny, optimizer), 50, (x, targets))[1]["loss"]

    assert trained(pn.LossScale.create()) < 0.8 * trained(None)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_training_goes_on_from_a_file_to_the_bit(tmp_path, suffix):
    optimizer = optax.adamw(1e-2)
    step = pn.train_step(pn.mse, optimizer)
    state = pn.TrainState.create(noisy(), optimizer, jax.random.key(7), pn.LossScale.create())
    like, states = state, [state]
    for _ in range(20):
        state, _ = step(state, (X, Y))
        states.append(state)
    for taken in range(21):
        path = pn.save(tmp_path / f"state{suffix}", states[taken])
        again = pn.load(path, like)
        for _ in range(20 - taken):
            again, _ = step(again, (X, Y))
        for one, other in zip(jax.tree.leaves(again), jax.tree.leaves(state), strict=True):
            assert one.dtype == other.dtype
            if jnp.issubdtype(one.dtype, jax.dtypes.prng_key):
                one, other = jax.random.key_data(one), jax.random.key_data(other)
            assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


def test_steps_made_alike_compile_once():
    optimizer = optax.sgd(0.1)
    state = pn.TrainState.create(model(), optimizer)
    traces = []

    def loss(predictions, targets):
        traces.append(1)
        return pn.mse(predictions, targets)

    run(state, pn.train_step(loss, optimizer), 3)
    run(state, pn.train_step(loss, optimizer), 3)
    assert len(traces) == 1


def test_the_state_is_a_pytree_for_scan_and_vmap():
    optimizer = optax.sgd(0.1)
    step = pn.train_step(pn.mse, optimizer)
    batches = np.stack([X] * 3), np.stack([Y] * 3)
    scanned, seen = jax.lax.scan(step, pn.TrainState.create(model(), optimizer), batches)
    looped, _ = run(pn.TrainState.create(model(), optimizer), step, 3)
    close(scanned, looped, 1e-5)
    assert seen["loss"].shape == (3,)

    def start(key):
        return pn.TrainState.create(pn.Linear(key, 3, 2), optimizer)

    many = jax.vmap(start)(jax.random.split(jax.random.key(0), 4))
    many, seen = jax.vmap(step, (0, None))(many, (X, Y))
    assert many.model.kernel.shape == (4, 3, 2)
    assert seen["loss"].shape == (4,)


def test_the_moving_average_is_that_of_the_parameters():
    first, second = noisy(), jax.tree.map(lambda leaf: leaf + 1, noisy())
    average = pn.moving_average(first, second, 0.75)
    close(average[0].kernel, first[0].kernel + 0.25)
    close(average[1].mean, second[1].mean)
    with pytest.raises(ValueError, match="same structure"):
        pn.moving_average(first, model())
    with pytest.raises(
        ValueError, match=r"moving_average: \.bias must have .* got \(2,\) and \(1,\)"
    ):
        pn.moving_average(linear(), pn.replace(linear(), "bias", jnp.ones(1), reshape=True))
    for decay in (5.0, -0.1, jnp.nan, jnp.ones(1)):
        with pytest.raises(ValueError, match="decay must be one number between 0 and 1"):
            pn.moving_average(first, second, decay)


@pytest.mark.parametrize("decay", [0.75, np.float64(0.75), jnp.float32(0.75), jnp.float64(0.75)])
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32, jnp.float64])
def test_the_moving_average_keeps_its_dtype_and_computes_in_float32(dtype, decay):
    old, new = jnp.asarray(X[:2], dtype)
    moved = jax.jit(pn.moving_average)(old, new, decay)
    assert moved.dtype == dtype
    expected = 0.75 * np.asarray(old, float) + 0.25 * np.asarray(new, float)
    np.testing.assert_allclose(np.asarray(moved, float), expected, atol=jnp.finfo(dtype).eps)
    assert pn.moving_average(old.astype(jnp.float32), new, decay).dtype == jnp.float32


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: pn.train_step(pn.mse, optax.sgd(1), accumulate=0), ValueError, "at least 1"),
        (lambda: pn.train_step(pn.mse, optax.sgd(1), metrics=[pn.mae] * 2), ValueError, "differ"),
        (lambda: pn.TrainState.create(pn.Linear, optax.sgd(1)), TypeError, "must be a Model"),
        (lambda: pn.TrainState.create(pn.freeze(model()), optax.sgd(1)), ValueError, "without one"),
        (lambda: pn.LossScale.create(0.0), ValueError, "one number from 1.18e-38"),
        (lambda: pn.LossScale.create(np.inf), ValueError, "to 3.4e\\+38, .* got inf"),
        (lambda: pn.LossScale.create(1e39), ValueError, "which float32 holds, got 1e\\+39"),
        (lambda: pn.LossScale.create(1e-39), ValueError, "which float32 holds, got 1e-39"),
        (lambda: pn.LossScale.create(1.0, 2.5), TypeError, "period must be an integer, got float"),
        (lambda: pn.LossScale.create(1.0, 0), ValueError, "period must be at least 1, got 0"),
        (lambda: pn.TrainState.create(model(), 0.1), TypeError, "TrainState: optimizer must be an"),
        (lambda: pn.TrainState.create(model(), SGD, 0), TypeError, "key must be a PRNG key, got 0"),
        (lambda: pn.TrainState.create(model(), SGD, None, 8.0), TypeError, "must be a LossScale"),
        (lambda: pn.train_step(pn.mse, 0.1), TypeError, "train_step: optimizer must be an optax"),
        (lambda: pn.train_step("mse", SGD), TypeError, "train_step: loss must be a function"),
        (lambda: pn.train_step(pn.mse, SGD, metrics=pn.mae), TypeError, "write metrics="),
        (
            lambda: pn.train_step(pn.mse, SGD)(model(), (X, Y)),
            TypeError,
            "state must be a TrainState, got a Model; TrainState.create",
        ),
        (
            lambda: pn.train_step(optax.l2_loss, SGD)(pn.TrainState.create(model(), SGD), (X, Y)),
            ValueError,
            r"train_step: the loss must be a scalar, got shape \(12, 2\)",
        ),
        (
            lambda: pn.train_step(pn.mse, optax.sgd(1))(
                pn.TrainState.create(model(), optax.sgd(1)), jnp.asarray(X)
            ),
            TypeError,
            r"a pair \(x, y\), got an array of shape \(12, 3\)",
        ),
        (
            lambda: pn.train_step(pn.mse, optax.sgd(1))(
                pn.TrainState.create(model(), optax.sgd(1)), {"x": X, "y": Y}
            ),
            TypeError,
            "got a dict of 2",
        ),
        (
            lambda: pn.train_step(pn.mse, optax.sgd(1), accumulate=5)(
                pn.TrainState.create(model(), optax.sgd(1)), (X, Y)
            ),
            ValueError,
            "must divide the number",
        ),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_model_that_needs_a_key_says_where_training_takes_it():
    optimizer = optax.sgd(1)
    with pytest.raises(TypeError, match="Dropout.* in training .* key"):
        pn.train_step(pn.mse, optimizer)(pn.TrainState.create(noisy(), optimizer), (X, Y))
