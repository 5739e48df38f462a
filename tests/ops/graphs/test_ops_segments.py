"""Sums, extremes and normalisers over segments: values, masks, dtypes, checks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pyneurons_yat import ops


def test_ids_out_of_range_take_no_part():
    data, ids = np.array([1.0, 2.0, 4.0, 8.0]), np.array([0, -1, 2, 0])
    assert ops.segment_reduce(data, ids, 2).tolist() == [9, 0]
    assert ops.segment_reduce(data, ids, 2, reduction="mean").tolist() == [4.5, 0]
    assert ops.segment_reduce(data, ids, 2, reduction="max").tolist() == [8, 0]
    np.testing.assert_allclose(ops.segment_softermax(data, ids, 2), [1 / 9, 0, 0, 8 / 9])
    assert np.asarray(ops.segment_softmax(data, ids, 2))[[1, 2]].tolist() == [0, 0]


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint32", "int64", "uint64"])
def test_narrow_ids_count_as_far_as_wide_ones(dtype):
    data, ids = np.array([1.0, 2.0, 4.0]), np.array([0, 127, 127], dtype)
    mean = np.asarray(ops.segment_reduce(data, ids, 300, reduction="mean"))
    assert (mean.shape, mean[0], mean[127], mean.sum()) == ((300,), 1, 3, 4)
    np.testing.assert_allclose(ops.segment_softermax(data, ids, 300), [1, 1 / 3, 2 / 3])
    np.testing.assert_allclose(np.asarray(ops.segment_softmax(data, ids, 300))[0], 1)
    weights = ops.degree_weights(ids, ids, 300, normalization="mean")
    np.testing.assert_allclose(weights, [1, 0.5, 0.5])


def test_ids_may_be_a_list():
    assert ops.segment_reduce(np.array([1.0, 2.0, 4.0]), [0, 2, 2], 3).tolist() == [1, 0, 6]


def test_what_is_minus_infinite_has_no_share():
    x, ids = np.array([1.0, -np.inf, -np.inf, 2.0, 2.0]), [0, 0, 1, 2, 2]

    def mean(x):
        return ops.segment_reduce(x, ids, 3, reduction="softmax")

    def shares(x):
        return ops.segment_softmax(x, ids, 3)

    assert mean(x).tolist() == [1, 0, 2]
    assert shares(x).tolist() == [1, 0, 0, 0.5, 0.5]
    slopes = jax.jit(jax.grad(lambda x: mean(x).sum()))(x)
    assert slopes.tolist() == [1, 0, 0, 0.5, 0.5]
    assert jax.jit(jax.grad(lambda x: (shares(x) ** 2).sum()))(x).tolist() == [0] * 5


def test_no_segments():
    data, ids = np.ones(2), np.array([0, 1])
    for function in (ops.segment_softmax, ops.segment_softermax):
        y, pull = jax.vjp(lambda x, function=function: function(x, ids, 0), data)
        assert (y.tolist(), pull(y)[0].tolist()) == ([0, 0], [0, 0])
    for name in ("sum", "mean", "max", "min", "softmax"):
        assert ops.segment_reduce(data, ids, 0, reduction=name).shape == (0,)


@pytest.mark.parametrize("shape", [(3, 0), (0, 2), (0, 0), (0,)])
def test_nothing_to_normalize_gives_nothing(shape):
    scores, ids = np.ones(shape), np.zeros(shape[0], int)
    for function in (ops.segment_softmax, ops.segment_softermax):
        for size in (0, 2):
            total = jax.value_and_grad(lambda s: function(s, ids, size).sum())  # noqa: B023
            y, gradient = jax.jit(total)(scores)
            assert y == 0
            assert gradient.shape == shape
    for reduction in ("sum", "mean", "max", "min", "softmax"):
        y = ops.segment_reduce(scores, ids, 2, reduction=reduction)
        np.testing.assert_array_equal(y, np.zeros((2, *shape[1:])))


def test_awkward_scores():
    ids = np.array([0, 0, 1, 1, 2, 2])
    scores = np.array([0.0, 0.0, 1e300, 1e300, 1e-200, -3.0])

    def loss(scores):
        y = ops.segment_softermax(scores, ids, 4, n=3.0)
        return y[2] + 2 * y[4], y

    gradient, y = jax.jit(jax.grad(loss, has_aux=True))(scores)
    np.testing.assert_allclose(y, [0, 0, 0.5, 0.5, 0, 0], atol=1e-300)
    assert np.isfinite(gradient).all()
    shares = ops.segment_softmax(np.array([-1e300, 1e300, -np.inf, 0.0, -np.inf, -np.inf]), ids, 4)
    np.testing.assert_array_equal(np.asarray(shares)[:4], [0, 1, 0, 1])


def test_a_masked_score_may_be_anything():
    ids, where = np.array([0, 0, 1]), np.array([True, False, False])
    scores = np.array([2.0, np.nan, np.inf])
    for function in (ops.segment_softmax, ops.segment_softermax):

        def loss(scores, function=function):
            y = function(scores, ids, 2, where=where)
            return y[0] ** 2, y

        gradient, y = jax.jit(jax.grad(loss, has_aux=True))(scores)
        np.testing.assert_allclose(y, [1, 0, 0])
        np.testing.assert_allclose(gradient, 0, atol=1e-12)
    for name, wanted in {"sum": 2, "mean": 2, "max": 2, "min": 2, "softmax": 2}.items():
        got = ops.segment_reduce(scores, ids, 2, reduction=name, where=where)
        np.testing.assert_array_equal(got, [wanted, 0])


def test_equal_extremes_share_the_gradient():
    def largest(x):
        return ops.segment_reduce(x, np.array([0, 0, 0, 1]), 2, reduction="max").sum()

    assert jax.jit(jax.grad(largest))(np.array([2.0, 1.0, 2.0, 3.0])).tolist() == [0.5, 0, 0.5, 1]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_low_precision_sums_accumulate_in_float32(dtype):
    ones = np.ones(4096, jnp.dtype(dtype))
    assert ops.segment_reduce(ones, np.zeros(4096, int), 1).item() == 4096
    graph = ops.make_graph(ones[:, None], np.arange(4096), np.zeros(4096, int))
    mean = ops.propagate(graph, normalization="mean").nodes
    assert mean.dtype == dtype
    assert float(mean[0, 0]) == 1


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([1.0], np.zeros(1, int), 1), TypeError, "must be an array"),
        ((np.ones(2), np.zeros(3, int), 1), ValueError, r"segment_ids \(E,\)"),
        ((np.ones(2), np.zeros(2), 1), TypeError, "segment_ids must be integers"),
        ((np.ones(2), np.zeros(2, int), 1.5), TypeError, "num_segments must be an integer"),
        ((np.ones(2), np.zeros(2, int), -1), ValueError, "num_segments must be at least 0"),
    ],
)
@pytest.mark.parametrize("name", ["segment_reduce", "segment_softmax", "segment_softermax"])
def test_segments_check_alike(name, arguments, error, message):
    with pytest.raises(error, match=f"{name}: .*{message}"):
        getattr(ops, name)(*arguments)


@pytest.mark.parametrize("name", ["segment_reduce", "segment_softmax", "segment_softermax"])
def test_segments_check_masks(name):
    data, ids = np.ones((2, 3)), np.zeros(2, int)
    with pytest.raises(TypeError, match="where must be boolean"):
        getattr(ops, name)(data, ids, 1, where=np.ones(2))
    with pytest.raises(ValueError, match="where must have the first axes of shape"):
        getattr(ops, name)(data, ids, 1, where=np.ones(3, bool))
    both = np.ones((2, 3), bool)
    with_all = getattr(ops, name)(data, ids, 1, where=both)
    np.testing.assert_array_equal(with_all, getattr(ops, name)(data, ids, 1))


def test_softermax_checks_its_numbers():
    data, ids = np.ones((2, 3)), np.zeros(2, int)
    with pytest.raises(ValueError, match="n must be above 0"):
        ops.segment_softermax(data, ids, 1, n=0.0)
    with pytest.raises(ValueError, match="epsilon must have shape"):
        ops.segment_softermax(data, ids, 1, epsilon=np.ones(3))
    with pytest.raises(ValueError, match="n must have shape"):
        ops.segment_softermax(data, ids, 1, n=np.ones(2))
