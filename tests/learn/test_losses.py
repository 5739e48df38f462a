"""Losses and metrics against float64 NumPy and closed forms, at the awkward points too."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import pyneurons_yat as pn

RNG = np.random.default_rng(0)
P, T = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 3))
LABELS = np.array([0, 2, 1, 1, 2])
SHARES = np.abs(T) / np.abs(T).sum(-1, keepdims=True)
PROBABILITIES = np.array([0.0, 1.0, 0.25])[RNG.integers(0, 3, size=(5, 3))]
REGRESSION = {"mae": lambda p, t: np.abs(p - t), "mse": lambda p, t: (p - t) ** 2}
ALL = ["mae", "mse", "cross_entropy", "binary_cross_entropy", "accuracy", "binary_accuracy"]
REDUCE = {"mean": np.mean, "sum": np.sum, "none": lambda values: values}


def log_softmax(p):
    return p - np.log(np.exp(p).sum(-1, keepdims=True))


@functools.cache
def every_way(function):
    """By reduction: the value and the gradient of its sum. One program for all of a shape."""

    def call(p, t, weight, reduction):
        value = function(p, t, weight=weight, reduction=reduction)
        return value.sum(), value

    def calls(p, t, weight=None):
        found = {}
        for reduction in REDUCE:
            each = jax.value_and_grad(functools.partial(call, reduction=reduction), has_aux=True)
            (_, value), gradient = each(p, t, weight)
            found[reduction] = value, gradient
        return found

    return jax.jit(calls)


# ------------------------------------------------------------------------------------- values


@pytest.mark.parametrize("reduction", REDUCE)
@pytest.mark.parametrize("name", REGRESSION)
def test_regression_losses_are_the_numpy_formula(name, reduction):
    value, _ = every_way(getattr(pn, name))(P, T)[reduction]
    assert value.dtype == jnp.float64
    np.testing.assert_allclose(value, REDUCE[reduction](REGRESSION[name](P, T)), rtol=1e-14)


@pytest.mark.parametrize("reduction", REDUCE)
def test_cross_entropy_of_labels_and_of_distributions(reduction):
    reduce = REDUCE[reduction]
    by_label = -log_softmax(P)[np.arange(5), LABELS]
    value, _ = every_way(pn.cross_entropy)(P, LABELS)[reduction]
    np.testing.assert_allclose(value, reduce(by_label), rtol=1e-14)
    value, _ = every_way(pn.cross_entropy)(P, SHARES)[reduction]
    np.testing.assert_allclose(value, reduce(-(SHARES * log_softmax(P)).sum(-1)), rtol=1e-14)
    value, _ = every_way(pn.cross_entropy)(P, np.eye(3)[LABELS])[reduction]
    np.testing.assert_allclose(value, reduce(by_label), rtol=1e-14)


@pytest.mark.parametrize("reduction", REDUCE)
def test_binary_cross_entropy_is_the_numpy_formula(reduction):
    share = 1 / (1 + np.exp(-P))
    for targets in (PROBABILITIES, (T > 0).astype(int)):
        expected = -(targets * np.log(share) + (1 - targets) * np.log(1 - share))
        value, _ = every_way(pn.binary_cross_entropy)(P, targets)[reduction]
        assert value.dtype == jnp.float64
        np.testing.assert_allclose(value, REDUCE[reduction](expected), rtol=1e-13)
    _, gradient = every_way(pn.binary_cross_entropy)(P, PROBABILITIES)["mean"]
    np.testing.assert_allclose(gradient, (share - PROBABILITIES) / 15, rtol=1e-12)


def test_l1_is_mae():
    assert pn.l1 is pn.mae


def test_accuracy_counts_largest_predictions_the_first_of_equals():
    right = [0, 1, 0, 1]
    scores = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 3.0], [0.0, 2.0, 1.0], [0.0, 0.0, 1.0]])
    labels = np.array([1, 2, 0, 2])
    found = every_way(pn.accuracy)(scores, labels)
    values = {reduction: value.tolist() for reduction, (value, _) in found.items()}
    assert values == {"mean": 0.5, "sum": 2, "none": right}
    assert jax.jit(pn.accuracy)(scores, np.eye(3)[labels]) == 0.5
    assert pn.accuracy(scores[0], labels[0]) == 0
    assert not np.any(found["mean"][1])


@pytest.mark.parametrize("shape", [(), (2, 0), (2, 3, 4)])
def test_any_shape_goes(shape):
    values = np.ones(shape)
    for function in (pn.mae, pn.mse):
        found = every_way(function)(values, 3 * values)
        assert found["none"][0].shape == shape
        assert found["sum"][0] == values.sum() * (2 if function is pn.mae else 4)
    scores = np.zeros((*shape, 4))
    losses, _ = every_way(pn.cross_entropy)(scores, np.zeros(shape, int))["none"]
    np.testing.assert_allclose(losses, np.full(shape, np.log(4)))
    assert pn.accuracy(scores, np.zeros(shape, int), reduction="sum") == values.sum()


# ------------------------------------------------------------------------------------ weights


def test_the_weighted_mean_is_that_of_the_weights():
    weight = np.array([1.0, 0.0, 2.0, 0.5, 3.0])
    rows = {
        pn.mae: np.abs(P - T),
        pn.mse: (P - T) ** 2,
        pn.cross_entropy: -log_softmax(P)[np.arange(5), LABELS],
        pn.accuracy: (P.argmax(-1) == LABELS).astype(float),
    }
    for function, row in rows.items():
        targets = T if row.ndim == 2 else LABELS
        per_entry = weight[:, None] * np.ones(3) if row.ndim == 2 else weight
        found = every_way(function)(P, targets, weight)
        weighted = {reduction: value for reduction, (value, _) in found.items()}
        np.testing.assert_allclose(weighted["none"], per_entry * row, rtol=1e-13)
        np.testing.assert_allclose(weighted["sum"], (per_entry * row).sum(), rtol=1e-13)
        np.testing.assert_allclose(weighted["mean"], np.average(row, weights=per_entry), rtol=1e-13)


def test_a_weight_per_entry_and_integer_weights():
    weight = np.arange(15).reshape(5, 3)
    expected = np.average((P - T) ** 2, weights=weight)
    np.testing.assert_allclose(jax.jit(pn.mse)(P, T, weight=weight), expected, rtol=1e-14)


def test_all_weights_zero_give_zero():
    for function, targets in ((pn.mae, T), (pn.mse, T), (pn.cross_entropy, LABELS)):
        value, gradient = every_way(function)(P, targets, np.zeros(5))["mean"]
        assert value == 0
        assert not np.any(gradient)


def test_a_weight_of_zero_leaves_out_a_label_that_is_out_of_range():
    labels, weight = LABELS.copy(), np.array([1.0, 0, 1, 1, 1])
    labels[1] = -1
    value, gradient = every_way(pn.cross_entropy)(P, labels, weight)["mean"]
    outside_jit = pn.cross_entropy(P, labels, weight=weight)
    kept = np.arange(5) != 1
    expected = -log_softmax(P)[np.arange(5), labels][kept].mean()
    np.testing.assert_allclose([value, outside_jit], [expected] * 2, rtol=1e-14)
    assert np.isfinite(gradient).all()
    assert not np.any(np.asarray(gradient)[1])


def test_a_weight_of_zero_still_has_the_gradient_of_a_weight():
    summed = jax.jit(jax.grad(lambda w: pn.mse(P, T, weight=w, reduction="sum")))
    gradient = summed(np.zeros(5))
    np.testing.assert_allclose(gradient, ((P - T) ** 2).sum(-1), rtol=1e-14)


@functools.cache
def weighted_sums(function):
    """By reduction: the sum, and its gradients in predictions and weights. One program."""
    # as many examples as classes: the weights of examples are told apart
    classes = {"class_weight": 1.0} if function is pn.cross_entropy else {}

    def call(p, w, t, reduction):
        return function(p, t, weight=w, reduction=reduction, **classes).sum()

    def calls(p, t, w):
        each = {r: jax.value_and_grad(functools.partial(call, reduction=r), (0, 1)) for r in REDUCE}
        return {reduction: function(p, w, t) for reduction, function in each.items()}

    return jax.jit(calls)


@pytest.mark.parametrize(
    ("function", "predictions", "targets", "expected"),
    [
        (pn.mse, [1.0, 1e300], [2.0, 0.0], 1),
        (pn.mse, [1.0, 0.0], [2.0, np.nan], 1),
        (pn.mse, [1.0, -np.inf], [2.0, 0.0], 1),
        (pn.mae, [1.0, np.nan], [3.0, 0.0], 2),
        (pn.mae, [1.0, np.inf], [3.0, np.inf], 2),
        (pn.cross_entropy, [[0.0, 0.0], [-np.inf, -np.inf]], [0, 1], np.log(2)),
        (pn.cross_entropy, [[0.0, 0.0], [-np.inf, 0.0]], [0, 0], np.log(2)),
        (pn.cross_entropy, [[0.0, 0.0], [np.inf, np.nan]], [[0.5, 0.5], [1, 0]], np.log(2)),
        (pn.cross_entropy, [[0.0, 0.0], [0, 1.0]], [[0.5, 0.5], [np.nan, 0]], np.log(2)),
        (pn.binary_cross_entropy, [0.0, np.inf], [1.0, 0.0], np.log(2)),
        (pn.binary_cross_entropy, [0.0, 1.0], [1.0, np.nan], np.log(2)),
    ],
)
def test_a_weight_of_zero_leaves_out_an_error_that_is_not_finite(
    function, predictions, targets, expected
):
    predictions, targets = np.array(predictions), np.array(targets)
    found = weighted_sums(function)(predictions, targets, np.array([1.0, 0.0]))
    both = weighted_sums(function)(predictions, targets, np.array([1.0, 1.0]))
    for reduction in REDUCE:
        value, gradients = found[reduction]
        np.testing.assert_allclose(value, expected, rtol=1e-14)
        assert np.isfinite(gradients[0]).all()
        assert not np.any(np.asarray(gradients[0])[1])
        assert np.isfinite(gradients[1]).all()
        assert not np.isfinite(both[reduction][0])


# ---------------------------------------------------------------------------- awkward numbers


def test_mae_has_gradient_zero_where_prediction_equals_target():
    gradient = jax.jit(jax.grad(pn.mae))(np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.0, 5.0]))
    np.testing.assert_allclose(gradient, np.array([0, 1, -1]) / 3)


@pytest.mark.parametrize("label", [-1, 3, 255, -(2**31)])
def test_a_label_out_of_range_is_refused_where_it_is_known_and_nan_inside_of_jit(label):
    labels = np.array([0, label])
    for function in (pn.cross_entropy, pn.accuracy):
        with pytest.raises(ValueError, match=f"targets must be labels from 0 to 2, got {label};"):
            function(P[:2], labels)
    losses, _ = every_way(pn.cross_entropy)(P[:2], labels)["none"]
    assert np.isfinite(losses[0])
    assert np.isnan(losses[1])


def test_labels_of_any_integer_dtype():
    for dtype in (np.uint8, np.int8, np.int64):
        value, _ = every_way(pn.cross_entropy)(P, LABELS.astype(dtype))["mean"]
        expected, _ = every_way(pn.cross_entropy)(P, LABELS)["mean"]
        np.testing.assert_allclose(value, expected, rtol=0)
        many = jax.jit(pn.cross_entropy)(np.zeros((1, 300)), np.array([127], dtype))
        np.testing.assert_allclose(many, np.log(300), rtol=1e-14)


def test_unsigned_integers_do_not_wrap():
    a, b = np.array([0, 200], np.uint8), np.array([1, 100], np.uint8)
    assert pn.mae(a, b) == 50.5
    assert pn.mse(np.array([100], np.int8), np.array([-100], np.int8)) == 40_000


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16, jnp.float32, jnp.float64])
def test_half_precision_computes_in_float32_and_comes_back(dtype):
    far, zeros = np.array([[300, 0, 0, 0], [0, 0, 0, 0]], dtype)
    p = np.asarray(P, dtype)  # the square of 300 is above the largest float16

    @jax.jit
    def errors(weight):
        return [[f(far, zeros, weight=w) for w in (None, weight)] for f in (pn.mae, pn.mse)]

    for values, expected in zip(errors(np.ones(4)), (75, 22_500), strict=True):
        for value in values:
            assert value.dtype == dtype
            np.testing.assert_allclose(np.asarray(value, float), expected, rtol=4e-3)
    value, gradient = jax.jit(jax.value_and_grad(pn.cross_entropy))(p, LABELS)
    assert value.dtype == gradient.dtype == dtype
    expected = -log_softmax(p.astype(float))[np.arange(5), LABELS].mean()
    np.testing.assert_allclose(np.asarray(value, float), expected, rtol=8e-3)


def test_the_accuracy_of_half_precision_scores_is_not_rounded_to_half_precision():
    scores = np.zeros((1001, 2), jnp.bfloat16)
    labels = (np.arange(1001) >= 1000).astype(int)
    np.testing.assert_allclose(jax.jit(pn.accuracy)(scores, labels), 1000 / 1001, rtol=1e-7)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.float32, jnp.float64])
def test_huge_logits_do_not_overflow(dtype):
    top = float(jnp.finfo(dtype).max) / 2
    p = np.array([[top, -top], [top, top], [0, top]], dtype)
    losses, _ = every_way(pn.cross_entropy)(p, np.array([0, 1, 1]))["none"]
    np.testing.assert_allclose(np.asarray(losses, float), [0, np.log(2), 0], rtol=1e-3)


def test_binary_logits_of_any_size_are_no_nan():
    p, t = np.array([1e300, -1e300, np.inf, -np.inf, 800.0]), np.array([1.0, 0, 1, 0, 0])
    value, gradient = every_way(pn.binary_cross_entropy)(p, t)["mean"]
    np.testing.assert_allclose(value, 160)
    np.testing.assert_allclose(gradient, [0, 0, 0, 0, 0.2])


def test_an_excluded_class_is_no_nan_for_labels_nor_for_distributions():
    p = np.array([[0.0, 1.0, -np.inf]])
    for targets in (np.array([0]), np.array([[1.0, 0.0, 0.0]])):
        value, gradient = every_way(pn.cross_entropy)(p, targets)["mean"]
        np.testing.assert_allclose(value, np.log1p(np.e), rtol=1e-14)
        share = 1 / (1 + np.e)
        np.testing.assert_allclose(gradient, [[share - 1, 1 - share, 0]], rtol=1e-14)
    assert every_way(pn.cross_entropy)(p, np.array([2]))["mean"][0] == np.inf


# ----------------------------------------------------------------- gradients and transforms


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (lambda p, w: pn.mse(p, T, weight=w), (P, np.arange(1.0, 6))),
        (lambda p: pn.cross_entropy(p, LABELS), (P,)),
        (pn.cross_entropy, (P, SHARES)),
        (pn.binary_cross_entropy, (P, SHARES)),
    ],
)
def test_gradients_by_differences_to_second_order(function, args):
    check_grads(jax.jit(function), args, order=2, modes=["rev"])


@pytest.mark.slow
def test_the_same_under_jit_and_vmap():
    for function, targets in (
        (pn.binary_cross_entropy, PROBABILITIES),
        (pn.mae, T),
        (pn.mse, T),
        (pn.cross_entropy, SHARES),
        (pn.cross_entropy, LABELS),
        (pn.accuracy, LABELS),
    ):
        jitted = jax.jit(function)
        np.testing.assert_allclose(jitted(P, targets), function(P, targets), rtol=1e-15)
        each = jax.jit(jax.vmap(function))(P, targets)
        rows = [jitted(p, t) for p, t in zip(P, targets, strict=True)]
        np.testing.assert_allclose(each, rows, rtol=1e-15)


def test_forward_mode():
    slope = jax.jit(jax.jacfwd(pn.mae))(P, T)
    np.testing.assert_allclose(slope, np.sign(P - T) / 15, rtol=1e-14)


# ----------------------------------------------------------------------------------- no entries


@pytest.mark.parametrize("name", ALL)
def test_the_mean_of_an_empty_batch_is_0_and_so_is_its_gradient(name):
    function = getattr(pn, name)
    empty, weights = np.zeros((0, 3)), np.zeros(0)
    without, weighted = (
        every_way(function)(empty, empty),
        every_way(function)(empty, empty, weights),
    )
    for value, gradient in (without["mean"], weighted["mean"], without["sum"]):
        assert value == 0
        assert gradient.shape == (0, 3)
    assert without["none"][0].size == 0
    if name in ("cross_entropy", "accuracy"):
        assert function(empty, np.zeros(0, int)) == 0
