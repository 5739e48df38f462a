"""rewire: what goes, where new entries come, and what the optimizer knows of them."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pyneurons_yat as pn

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 30)), RNG.normal(size=(40, 3))
ADAM = optax.adam(0.1)
HALF = pn.prune_magnitude(0.5)


def network(density=0.2):
    return pn.sequential(
        {
            "hidden": pn.SparseYatDense(jax.random.key(0), 30, 8, density=density),
            "norm": pn.LayerNorm(8),
            "out": pn.SparseLinear(jax.random.key(1), 8, 3, density=0.5),
        }
    )


def trained(optimizer=ADAM, model=None, **options):
    state = pn.TrainState.create(model or network(), optimizer, jax.random.key(2), **options)
    return pn.fit(optimizer, state, X, Y, batch_size=20, epochs=2, progress=False)[0]


def new_entries(before, after):
    """Where the kernel has another index than before, each column looked at as a set."""
    old, now = np.asarray(before.indices), np.asarray(after.indices)
    return np.stack([~np.isin(a, b) for a, b in zip(now.T, old.T, strict=True)], 1)


def check_sound(before, after):
    """The number of entries of each output stays, none is there twice, all are in range."""
    assert after.values.shape == before.values.shape
    indices = np.asarray(after.indices)
    assert all(len(set(column)) == len(column) for column in indices.T)
    assert 0 <= indices.min() <= indices.max() < before.inputs.size


RULES = {  # a rule, and what it takes of values in NumPy
    "magnitude": (HALF, lambda v: abs(v) <= np.sort(abs(v), axis=None)[v.size // 2 - 1]),
    "set": (
        pn.prune_set(0.3),
        lambda v: (
            ((v > 0) & (v <= np.sort(v[v > 0])[round(0.3 * (v > 0).sum()) - 1]))
            | ((v < 0) & (v >= np.sort(v[v < 0])[-round(0.3 * (v < 0).sum())]))
        ),
    ),
    "threshold": (pn.prune_threshold(0.4), lambda v: abs(v) < 0.4),
    "own": (lambda values: values > 0.2, lambda v: v > 0.2),
}


@pytest.mark.parametrize("name", RULES)
def test_what_goes_and_what_stays(name):
    rule, truth = RULES[name]
    before = pn.SparseLinear(jax.random.key(0), 30, 8, density=0.2, kernel_init=jax.random.normal)
    after = pn.rewire(jax.random.key(1), before, rule, kernel_init=jax.nn.initializers.ones)
    gone = truth(np.asarray(before.kernel.values))
    assert 0 < gone.sum() < gone.size
    check_sound(before.kernel, after.kernel)
    np.testing.assert_array_equal(new_entries(before.kernel, after.kernel), gone)
    kept = np.where(gone, 1, before.kernel.values)
    np.testing.assert_array_equal(after.kernel.values, kept)
    np.testing.assert_array_equal(after.bias, before.bias)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_nothing_goes_or_all(share):
    before = pn.SparseLinear(jax.random.key(0), 30, 8, density=0.2)
    for rule in (pn.prune_magnitude(share), pn.prune_set(share)):
        after = pn.rewire(jax.random.key(1), before, rule)
        check_sound(before.kernel, after.kernel)
        assert (new_entries(before.kernel, after.kernel) == (share == 1)).all()


def test_zeros_go_by_the_rule_of_set():
    assert pn.prune_set(0.0)(jnp.array([[0.0, 1.0, -1.0]])).tolist() == [[True, False, False]]


@pytest.mark.slow
def test_where_a_column_is_nearly_full_new_entries_take_the_places_of_old_ones():
    before = pn.SparseLinear(jax.random.key(0), 10, 6, density=0.9)
    after = pn.rewire(jax.random.key(1), before, pn.prune_magnitude(1.0))
    check_sound(before.kernel, after.kernel)
    assert (new_entries(before.kernel, after.kernel).sum(0) == 1).all()
    dense = pn.SparseLinear(jax.random.key(0), 4, 3, density=1)
    check_sound(dense.kernel, pn.rewire(jax.random.key(1), dense, HALF).kernel)


def test_new_places_are_drawn_evenly():
    before = pn.SparseLinear(jax.random.key(0), 10, 2000, density=0.1)
    after = pn.rewire(jax.random.key(1), before, pn.prune_magnitude(1.0))
    counts = np.bincount(np.asarray(after.kernel.indices).ravel(), minlength=10)
    assert abs(counts - 200).max() < 5 * np.sqrt(200)


def test_the_default_leaves_the_pruned_output_and_a_filter_leaves_layers():
    before = network()
    after = pn.rewire(jax.random.key(1), before, HALF, which="hidden")
    assert new_entries(before["hidden"].kernel, after["hidden"].kernel).sum() == 24
    jax.tree.map(np.testing.assert_array_equal, before["out"], after["out"])
    kernel = before["hidden"].kernel
    gone = np.asarray(HALF(kernel.values))
    pruned = pn.replace(before, "hidden.kernel.values", jnp.where(gone, 0, kernel.values))
    np.testing.assert_allclose(after(X), pruned(X), 1e-5, 1e-6)


def test_copies_of_a_repeat_are_each_pruned():
    before = pn.repeat(pn.SparseLinear, 3)(jax.random.key(0), 12, 12, density=0.25)
    after = pn.rewire(jax.random.key(1), before, HALF)
    for one, two in zip(pn.unstack(before.each), pn.unstack(after.each), strict=True):
        check_sound(one.kernel, two.kernel)
        assert new_entries(one.kernel, two.kernel).sum() == 18


def leaves_of(state, name, what="kernel.values"):
    """The leaves of the optimizer's state that belong to the values of a layer."""
    return [
        leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(state.opt_state)
        if f"['{name}'].{what}" in jax.tree_util.keystr(path)
    ]


def grouped():
    groups = pn.label({"slow": "hidden", "fast": ...})
    return optax.multi_transform({"slow": optax.adam(0.01), "fast": optax.sgd(0.1, 0.9)}, groups)


OPTIMIZERS = {  # how it is made, and how many numbers it has for each value of the hidden layer
    "adam": (lambda: ADAM, 2),
    "clipped": (lambda: optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(0.1)), 2),
    "by group": (grouped, 2),
    "sgd": (lambda: optax.sgd(0.1), 0),
    "accumulating": (lambda: optax.MultiSteps(ADAM, 2), 3),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_optimizer_begins_anew_with_new_entries_alone(name):
    make, number = OPTIMIZERS[name]
    optimizer = make()
    before = trained(optimizer)
    after = pn.rewire(jax.random.key(1), before, HALF, optimizer=optimizer)
    assert jax.tree.structure(after) == jax.tree.structure(before)
    gone = new_entries(before.model["hidden"].kernel, after.model["hidden"].kernel)
    pairs = list(zip(leaves_of(before, "hidden"), leaves_of(after, "hidden"), strict=True))
    assert len(pairs) == number
    for old, new in pairs:
        np.testing.assert_array_equal(new, np.where(gone, 0, old))
    others = [leaves_of(state, "norm", "scale") for state in (before, after)]
    jax.tree.map(np.testing.assert_array_equal, *others)
    assert len(others[0]) >= min(number, 1)
    again, _ = pn.fit(optimizer, after, X, Y, batch_size=20, epochs=1, progress=False)
    assert int(again.step) == int(before.step) + 2


def test_slow_parameters_of_lookahead_are_the_new_values():
    optimizer = optax.lookahead(optax.sgd(0.1), 3, 0.5)
    before = trained(optimizer)
    ones = jax.nn.initializers.ones
    after = pn.rewire(jax.random.key(1), before, HALF, kernel_init=ones, optimizer=optimizer)
    gone = new_entries(before.model["hidden"].kernel, after.model["hidden"].kernel)
    old, new = (state.opt_state.slow["hidden"].kernel.values for state in (before, after))
    np.testing.assert_array_equal(new, np.where(gone, 1, old))


@pytest.mark.slow
def test_a_loss_scale_and_frozen_layers():
    model = pn.freeze(network(), "out.kernel")
    half = jax.tree.map(lambda a: a.astype(jnp.float16) if a.dtype.kind == "f" else a, model)
    state = trained(ADAM, half, loss_scale=pn.LossScale.create(8.0))
    after = pn.rewire(jax.random.key(1), state, HALF, which="hidden", optimizer=ADAM)
    assert {leaf.dtype for leaf in leaves_of(after, "hidden")} == {jnp.dtype(jnp.float32)}
    assert leaves_of(after, "out") == []


@pytest.mark.slow
def test_under_jit():
    state, move = trained(), partial(pn.rewire, prune=HALF, optimizer=ADAM)
    one, two = (f(jax.random.key(1), state) for f in (move, jax.jit(move)))
    jax.tree.map(np.testing.assert_array_equal, one.model, two.model)


# ------------------------------------------------------------------------------- within fit


def moving(last, epoch, state, report):
    """A callback that moves entries after every epoch but the last."""
    key = jax.random.fold_in(jax.random.key(5), state.step)
    return pn.rewire(key, state, HALF, optimizer=ADAM) if epoch < last else None


def run(state, epochs, first=0):
    callback = lambda epoch, *told: moving(3, first + epoch, *told)  # noqa: E731
    options = {"batch_size": 20, "epochs": epochs, "progress": False}
    return pn.fit(ADAM, state, X, Y, callback=callback, **options)


def test_fit_goes_on_with_what_the_callback_gives_and_is_resumed_to_the_bit():
    state = pn.TrainState.create(network(), ADAM, jax.random.key(2))
    whole, history = run(state, 4)
    half, first = run(state, 2)
    again, second = run(half, 2, 2)
    for one, two in zip(*map(jax.tree.leaves, (whole, again)), strict=True):
        if jnp.issubdtype(one.dtype, jax.dtypes.prng_key):
            one, two = map(jax.random.key_data, (one, two))
        np.testing.assert_array_equal(one, two)
    assert history["loss"] == (first + second)["loss"]
    assert new_entries(state.model["hidden"].kernel, whole.model["hidden"].kernel).any()


def test_a_callback_may_change_a_state_by_hand():
    def callback(epoch, state, report):
        seen.append(float(report["loss"]))
        return state._replace(model=pn.replace(state.model, "bias", sevens))

    sevens = jnp.full(3, 7.0, jnp.float32)
    seen, model = [], pn.Linear(jax.random.key(0), 30, 3)
    options = {"batch_size": 20, "progress": False, "callback": callback}
    tuned, history = pn.fit(optax.sgd(0.0), model, X, Y, epochs=2, **options)
    np.testing.assert_array_equal(tuned.bias, [7, 7, 7])
    wanted = float(pn.mse(pn.replace(model, "bias", sevens)(X), Y))
    assert history["loss"] == seen
    np.testing.assert_allclose(seen[1], wanted, 1e-5)
    best, history = pn.fit(optax.sgd(0.0), model, X, Y, epochs=2, monitor="loss", **options)
    np.testing.assert_array_equal(best.bias, model.bias)  # of the epoch as it was measured
    assert history.best == 0


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            lambda s: s._replace(model=pn.replace(s.model, "bias", None)),
            TypeError,
            "TrainState must have the structure of the one",
        ),
        (
            lambda s: s._replace(model=pn.replace(s.model, "bias", jnp.ones(4), reshape=True)),
            ValueError,
            r"TrainState must have float32\[3\] at \.model\.bias, got float(32|64)\[4\]",
        ),
    ],
)
def test_fit_refuses_another_kind_of_state(change, error, message):
    model = pn.Linear(jax.random.key(0), 30, 3)
    with pytest.raises(error, match=message):
        pn.fit(
            ADAM, model, X, Y, epochs=3, progress=False, callback=lambda _, state, __: change(state)
        )


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda key, m, s: pn.rewire(key, X, HALF), TypeError, "must be a Model or a TrainState"),
        (lambda key, m, s: pn.rewire(key, m, 0.3), TypeError, "prune must be a function of values"),
        (lambda key, m, s: pn.rewire(key, m, jnp.abs), TypeError, "prune must return booleans"),
        (
            lambda key, m, s: pn.rewire(key, m, lambda v: v[0] > 0),
            ValueError,
            r"the result of prune must have shape \(6, 8\)",
        ),
        (
            lambda key, m, s: pn.rewire(key, m, HALF, kernel_init=lambda *_: jnp.ones(3)),
            ValueError,
            "the result of kernel_init must have shape",
        ),
        (lambda key, m, s: pn.rewire(key, m, HALF, which="norm"), ValueError, "which must take"),
        (lambda key, m, s: pn.rewire(key, m, HALF, which="a"), ValueError, "rewire: a filter must"),
        (
            lambda key, m, s: pn.rewire(key, pn.to_dense(m), HALF),
            ValueError,
            "which must take the values of a sparse layer, got no sparse layers",
        ),
        (lambda key, m, s: pn.rewire(key, s, HALF), TypeError, "optimizer must be an optax"),
        (lambda key, m, s: pn.rewire(key, m, HALF, optimizer=ADAM), TypeError, "must be left out"),
        (
            lambda key, m, s: pn.rewire(key, s, HALF, optimizer=optax.sgd(0.1)),
            ValueError,
            "must be the one that made the TrainState",
        ),
        (lambda key, m, s: pn.prune_magnitude(1.5), ValueError, "share must be between 0 and 1"),
        (lambda key, m, s: pn.prune_set("a"), TypeError, "share must be a Python number"),
        (lambda key, m, s: pn.prune_threshold(-1.0), ValueError, "threshold must be at least 0"),
    ],
)
def test_errors(call, error, message):
    model = network()
    with pytest.raises(error, match=message):
        call(jax.random.key(1), model, pn.TrainState.create(model, ADAM))
