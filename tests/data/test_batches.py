"""batches, prefetch and train_test_split: which examples come, in which order, of which arrays."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pyneurons_yat as pn
from pyneurons_yat.data import batches, prefetch, train_test_split

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(11, 3)), RNG.normal(size=(11, 2))


@pytest.mark.parametrize(("size", "remainder", "sizes"), [
    (4, "keep", [4, 4, 3]), (4, "drop", [4, 4]), (None, "keep", [11]), (20, "drop", [11]),
])  # fmt: skip
def test_in_the_order_of_the_data(size, remainder, sizes):
    found = batches(X, {"y": Y}, size, remainder=remainder)
    assert [len(batch.x) for batch in found] == sizes
    assert len(found) == len(sizes)
    np.testing.assert_array_equal(np.concatenate([batch.x for batch in found]), X[: sum(sizes)])
    np.testing.assert_array_equal(found[-1].y["y"], Y[sum(sizes) - sizes[-1] : sum(sizes)])


def test_a_key_shuffles_inputs_and_targets_alike():
    one, again, other = (batches(np.arange(11), -np.arange(11), 4, key=key) for key in keys())
    order = np.concatenate([batch.x for batch in one])
    assert sorted(order) == list(range(11))
    assert order.tolist() != sorted(order)
    np.testing.assert_array_equal(np.concatenate([batch.y for batch in one]), -order)
    np.testing.assert_array_equal(np.concatenate([batch.x for batch in again]), order)
    assert np.concatenate([batch.x for batch in other]).tolist() != order.tolist()


def keys():
    return jax.random.key(0), jax.random.key(0), jax.random.key(1)


def test_it_is_a_sequence_that_leaves_arrays_where_they_are():
    found = batches(X, jnp.asarray(Y), 4)
    assert type(found[0].x) is np.ndarray
    assert isinstance(found[0].y, jax.Array)
    assert np.shares_memory(found[0].x, X)
    assert [len(batch.x) for batch in found[1:]] == [4, 3]
    assert repr(found) == "Batches(3 of 4)"
    assert batches(X, batch_size=4)[1].y is None
    with pytest.raises(IndexError):
        found[3]


@pytest.mark.slow
def test_a_loop_over_them_is_fit():
    optimizer = optax.adam(0.1)
    model = pn.Linear(jax.random.key(0), 3, 2, dtype=float)
    wanted, _ = pn.fit(optimizer, model, X, Y, batch_size=4, epochs=2, progress=False)
    step, state = pn.train_step(pn.mse, optimizer), pn.TrainState.create(model, optimizer)
    for _ in range(2):
        for batch in prefetch(batches(X, Y, 4)):
            state, _ = step(state, batch)
    listed, _ = pn.fit(optimizer, model, batches(X, Y, 4), epochs=2, progress=False)
    for one, two, three in zip(*map(jax.tree.leaves, (state.model, listed, wanted)), strict=True):
        np.testing.assert_allclose(one, three, 1e-12)
        np.testing.assert_allclose(two, three, 1e-12)


def test_prefetch_is_so_many_ahead_and_ends():
    asked = []

    def source():
        for i in range(4):
            asked.append(i)
            yield {"a": np.full(2, i)}

    found = prefetch(source(), 2)
    first = next(found)
    assert isinstance(first["a"], jax.Array)
    assert asked == [0, 1, 2]
    assert [int(batch["a"][0]) for batch in found] == [1, 2, 3]
    assert list(prefetch([], 3)) == []
    assert [int(x[0]) for x in prefetch([np.zeros(1)], 3)] == [0]


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: batches(X, Y[:3]), ValueError, "^batches: x and y must have the same number of"),
        (lambda: batches([]), ValueError, "^batches: x and y must .* got shapes of no leaf"),
        (lambda: batches(X, Y, 0), ValueError, "^batches: batch_size must be at least 1, got 0"),
        (lambda: batches(X, Y, 2.0), TypeError, "^batches: batch_size must be an integer"),
        (lambda: batches(X, remainder="pad"), ValueError, "^batches: remainder must be 'keep' or"),
        (lambda: prefetch([], 0), ValueError, "^prefetch: number must be at least 1, got 0"),
    ],
)
def test_malformed_batches_are_refused(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


@pytest.mark.parametrize(("share", "tests"), [(0.2, 2), (0.5, 6), (0.05, 1)])
def test_a_split_has_every_example_once_and_the_number_asked_for(share, tests):
    x = {"a": np.arange(11), "b": np.arange(22).reshape(11, 2)}
    train, test = train_test_split(jax.random.key(0), x, np.arange(11.0), test_share=share)
    assert (len(test.y), len(train.y)) == (tests, 11 - tests)
    assert sorted([*train.y, *test.y]) == list(range(11))
    for part in (train, test):
        np.testing.assert_array_equal(part.x["a"], part.y)
        np.testing.assert_array_equal(part.x["b"][:, 0], 2 * part.y)
    again, _ = train_test_split(jax.random.key(0), x, np.arange(11.0), test_share=share)
    np.testing.assert_array_equal(again.y, train.y)
    other, _ = train_test_split(jax.random.key(1), x, np.arange(11.0), test_share=share)
    assert other.y.tolist() != train.y.tolist()


def test_a_stratified_split_has_the_shares_of_the_labels():
    labels = np.repeat(["rose", "daisy", "tulip"], [50, 30, 20])
    for seed in range(3):
        train, test = train_test_split(jax.random.key(seed), labels, stratify=labels)
        assert [int(np.sum(test.x == name)) for name in ("rose", "daisy", "tulip")] == [10, 6, 4]
        assert train.y is None
    uneven = np.repeat([0, 1, 2], [7, 2, 2])
    _, test = train_test_split(jax.random.key(0), uneven, test_share=5 / 11, stratify=uneven)
    counts = np.bincount(test.x, minlength=3)
    assert counts.sum() == 5
    assert np.all(np.abs(counts - np.array([7, 2, 2]) * 5 / 11) < 1)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"test_share": 0.01}, ValueError, "must leave examples in both parts, got 0.01 of 11"),
        ({"test_share": 1.0}, ValueError, "must leave examples in both parts, got 1.0 of 11"),
        ({"test_share": -1.0}, ValueError, "test_share must be between 0 and 1, got -1.0"),
        ({"test_share": "half"}, TypeError, "test_share must be a Python number, got 'half'"),
        ({"stratify": X}, ValueError, r"stratify must be labels of shape \(N,\), got .*\(11, 3\)"),
        ({"stratify": X[:4, 0]}, ValueError, "must have the same number of examples"),
    ],
)
def test_malformed_splits_are_refused(options, kind, message):
    with pytest.raises(kind, match=f"^train_test_split: .*{message}"):
        train_test_split(jax.random.key(0), X, Y, **options)
