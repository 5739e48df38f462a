"""Augmentation: which pixels come where, how often, and what is refused."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pyneurons_yat as pn
from pyneurons_yat.data import mixup, noise, random_crop, random_erase, random_flip, random_shift

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(256, 5, 4, 2)).astype(np.float32) + 10  # no pixel is 0
LABELS = np.arange(256) % 3
KEY = jax.random.key(0)


def drawn(function, x=IMAGES, y=LABELS, **options):
    x, y = jax.jit(partial(function, **options))(jax.random.key(0), (x, y))
    return np.asarray(x), np.asarray(y)


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("fill", ["constant", "edge", "reflect", "wrap"])
def test_a_crop_is_a_part_and_every_place_occurs(padding, fill):
    x, y = drawn(random_crop, size=(3, 2), padding=padding, fill=fill)
    rim = (padding, padding)
    padded = np.pad(IMAGES, [(0, 0), rim, rim, (0, 0)], mode=fill)
    places = [(i, j) for i in range(3 + 2 * padding) for j in range(3 + 2 * padding)]
    parts = np.stack([padded[:, i : i + 3, j : j + 2] for i, j in places])
    hits = (parts == x).all((2, 3, 4))
    assert hits.any(0).all()
    assert hits.any(1).all()
    assert x.shape == (256, 3, 2, 2)
    assert x.dtype == np.float32
    np.testing.assert_array_equal(y, LABELS)


def test_a_shift_moves_by_at_most_so_many_pixels():
    x, _ = drawn(random_shift, most=1)
    padded = np.pad(IMAGES, [(0, 0), (1, 1), (1, 1), (0, 0)])
    moved = np.stack([padded[:, i : i + 5, j : j + 4] for i in range(3) for j in range(3)])
    hits = (moved == x).all((2, 3, 4))
    assert (hits.sum(0) == 1).all()
    assert hits.any(1).all()
    still, _ = drawn(random_shift, most=0)
    np.testing.assert_array_equal(still, IMAGES)
    assert drawn(random_shift, x=IMAGES.astype(np.uint8), most=1)[0].dtype == np.uint8


@pytest.mark.parametrize(("axis", "share"), [(-2, 0.5), (1, 0.5), (-2, 1.0), (-2, 0.0)])
def test_a_flip_turns_a_share_of_the_examples(axis, share):
    x, _ = drawn(random_flip, share=share, axis=axis)
    turned = (x == np.flip(IMAGES, axis)).all((1, 2, 3))
    kept = (x == IMAGES).all((1, 2, 3))
    assert (turned ^ kept).all()
    assert abs(turned.mean() - share) < 0.2
    assert share not in (0.0, 1.0) or turned.mean() == share


def test_a_flip_takes_examples_of_any_rank():
    x, _ = drawn(random_flip, x=np.arange(6.0).reshape(2, 3), y=np.zeros(2), axis=1, share=1.0)
    np.testing.assert_array_equal(x, [[2, 1, 0], [5, 4, 3]])


def test_what_is_erased_is_one_rectangle_of_the_shape_asked_for():
    images = np.ones((400, 20, 30, 1), np.float32)
    options = {"area": (0.05, 0.3), "aspect": (0.5, 2.0), "value": -1.0, "share": 0.75}
    x, _ = drawn(random_erase, x=images, y=np.zeros(400), **options)
    erased = x[..., 0] == -1
    assert set(np.unique(x)) == {-1, 1}
    rows, columns = erased.any(2), erased.any(1)
    np.testing.assert_array_equal(erased, rows[:, :, None] & columns[:, None])
    assert (np.abs(np.diff(np.pad(rows, [(0, 0), (1, 1)]).astype(int))).sum(1) <= 2).all()
    some = erased.any((1, 2))
    assert abs(some.mean() - 0.75) < 0.07
    height, width = rows[some].sum(1), columns[some].sum(1)
    covered = height * width / 600
    assert covered.min() > 0.03
    assert covered.max() < 0.34
    assert abs(covered.mean() - 0.175) < 0.01
    assert 0.4 < (height / width).min() < 0.7
    assert 1.5 < (height / width).max() < 2.5
    assert rows[some].any(0).all()
    assert columns[some].any(0).all()


def test_noise_is_normal_and_of_the_dtype():
    x, _ = drawn(noise, x=np.full((500, 20), 3, np.float32), y=None, deviation=0.5)
    assert x.dtype == np.float32
    assert abs(x.mean() - 3) < 0.02
    assert abs(x.std() - 0.5) < 0.02
    assert drawn(noise, x=jnp.zeros(4, jnp.bfloat16), deviation=1.0)[0].dtype == jnp.bfloat16


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [0.3, 1.0])
def test_mixup_mixes_pairs_by_a_beta(alpha):
    labels = np.arange(300)
    x, y = drawn(mixup, x=np.eye(300, dtype=np.float32), y=labels, alpha=alpha, classes=300)
    np.testing.assert_allclose(x, y, atol=1e-6)  # inputs and targets by one weight and one partner
    own = x[labels, labels]
    others = (x > 0).sum(1)
    assert others.max() == 2
    np.testing.assert_allclose(x.sum(1), 1, 1e-5)
    weights = own[others == 2]
    np.testing.assert_allclose(weights.mean(), 0.5, atol=0.08)
    np.testing.assert_allclose(weights.var(), 1 / (4 * (2 * alpha + 1)), atol=0.03)
    assert (np.abs(weights - weights[0]) > 1e-3).any()


@pytest.mark.slow
def test_mixup_takes_numbers_and_tells_of_labels_that_are_none():
    x, y = drawn(mixup, x=IMAGES, y=IMAGES[:, 0, 0, 0])
    np.testing.assert_allclose(y, x[:, 0, 0, 0], 1e-6)
    _, y = drawn(mixup, x=np.ones((2, 1)), y=np.array([0, 3]), classes=3)
    assert np.isnan(y).any()


def composed(key, batch):
    one, two, three = jax.random.split(key, 3)
    return mixup(three, noise(one, random_shift(two, batch, most=1)), classes=3)


@pytest.mark.slow
def test_composed_they_train_a_classifier():
    def flat(x):
        return x.reshape(len(x), -1)

    model = pn.sequential(flat, pn.Linear(jax.random.key(0), 40, 3, dtype=float))
    _, history = pn.fit(
        optax.adam(0.01), model, IMAGES - 10, LABELS, loss=pn.cross_entropy, metrics=[pn.accuracy],
        batch_size=64, epochs=2, key=jax.random.key(1), augment=composed, progress=False,
    )  # fmt: skip
    assert np.isfinite(history["loss"]).all()
    assert 0 <= history["accuracy"][-1] <= 1


PAIR = (IMAGES, LABELS)


@pytest.mark.parametrize(
    ("function", "batch", "options", "kind", "message"),
    [
        (random_crop, IMAGES, {"size": 2}, TypeError, r"batch must be a pair \(x, y\), got an arr"),
        (random_crop, (IMAGES[0], 0), {"size": 2}, ValueError, r"x must be images .*\(5, 4, 2\)"),
        (random_crop, PAIR, {"size": (6, 2)}, ValueError, r"size must be at most .*\(5, 4\), got"),
        (random_crop, PAIR, {"size": 0}, ValueError, "size must be an integer or 2 of them, at le"),
        (random_crop, PAIR, {"size": 2, "padding": -1}, ValueError, "padding must be at least 0"),
        (random_crop, PAIR, {"size": 2, "fill": "zero"}, ValueError, "fill must be 'constant' or"),
        (random_shift, PAIR, {"most": 1.5}, TypeError, "most must be an integer, got float"),
        (random_flip, PAIR, {"axis": 0}, ValueError, "axis must be none of the examples"),
        (random_flip, PAIR, {"axis": -4}, ValueError, "axis must be none of the examples"),
        (random_flip, PAIR, {"axis": 4}, ValueError, "axis must name different axes of x"),
        (random_flip, PAIR, {"share": 2.0}, ValueError, "share must be between 0 and 1, got 2.0"),
        (random_flip, ([1.0], 0), {}, TypeError, "x must be an array, got"),
        (random_erase, PAIR, {"area": (0.5, 0.2)}, ValueError, "area must rise, to at most 1"),
        (random_erase, PAIR, {"area": (0.5, 1.2)}, ValueError, "area must rise, to at most 1"),
        (random_erase, PAIR, {"area": 0.5}, TypeError, "area must be two numbers, got 0.5"),
        (random_erase, PAIR, {"aspect": (0.0, 1)}, ValueError, r"aspect\[0\] must be above 0"),
        (noise, PAIR, {"deviation": -1.0}, ValueError, "deviation must be at least 0 and finite"),
        (noise, (LABELS, LABELS), {}, TypeError, "x must be an array of a floating dtype, got int"),
        (mixup, PAIR, {}, ValueError, "y must be of a floating dtype, or labels .* classes=None"),
        (mixup, PAIR, {"alpha": 0.0}, ValueError, "alpha must be above 0 and finite, got 0.0"),
        (mixup, PAIR, {"classes": 0}, ValueError, "classes must be at least 1, got 0"),
        (mixup, (IMAGES, 1.0), {}, TypeError, "y must be an array, got 1.0"),
        (mixup, (IMAGES, IMAGES[:3]), {}, ValueError, "x and y must have the same number of exam"),
        (mixup, (IMAGES, IMAGES), {"classes": 2}, ValueError, "classes must be left out beside"),
    ],
)
def test_malformed_calls_are_refused(function, batch, options, kind, message):
    with pytest.raises(kind, match=f"^{function.__name__}: .*{message}"):
        function(KEY, batch, **options)
