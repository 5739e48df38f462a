"""Pooling at its awkward points: padding, ties, NaN, dtypes, large windows, and what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from devices import run_on_devices

from pyneurons_yat import ops

MAXIMA = [
    (lambda x: ops.max_pool(x, 4), lambda x: x),
    (lambda x: ops.adaptive_max_pool(x, 1), lambda x: x),
    (lambda x: ops.global_max_pool(x[None]), lambda x: x[0]),
]


@pytest.mark.parametrize("pool", [m for m, _ in MAXIMA], ids=["max", "adaptive", "global"])
def test_among_equals_the_first_gets_the_gradient(pool):
    x = np.array([[1.0, -2.0], [3.0, -2.0], [3.0, -5.0], [3.0, -2.0]])
    gradient = jax.jit(jax.grad(lambda x: pool(x).sum()))(x)
    np.testing.assert_array_equal(gradient, [[0, 1], [1, 0], [0, 0], [0, 0]])


@pytest.mark.parametrize("pool", [m for m, _ in MAXIMA], ids=["max", "adaptive", "global"])
def test_a_nan_is_not_hidden(pool):
    x = np.array([[1.0, 2.0], [np.nan, 1.0], [3.0, np.inf], [0.0, 0.0]])
    np.testing.assert_array_equal(np.ravel(pool(x)), [np.nan, np.inf])


def test_in_two_axes_the_first_in_reading_order_wins():
    x = np.array([[0.0, 0, 7], [7, 0, 0], [7, 7, 0]])[..., None]
    for pool in (ops.max_pool, ops.adaptive_max_pool):
        sizes = (3, 3) if pool is ops.max_pool else (1, 1)
        y, places = pool(x, sizes, return_indices=True)
        assert (float(y[0, 0, 0]), int(places[0, 0, 0])) == (7.0, 2)


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.uint8, bool, jnp.bfloat16, np.float32])
def test_padding_is_never_the_largest_nor_pointed_to(dtype):
    lowest = {np.int8: -128, np.int32: -(2**31), np.uint8: 0, bool: False}.get(dtype, -np.inf)
    x = np.full((3, 1), lowest).astype(dtype)
    y, places = ops.max_pool(x, 2, strides=2, padding=1, return_indices=True)
    assert y.dtype == dtype
    np.testing.assert_array_equal(np.asarray(y, float), np.full((2, 1), float(lowest)))
    np.testing.assert_array_equal(places, [[0], [1]])


def test_places_in_a_ring_and_a_mirror_are_those_of_the_entries():
    x = np.array([[5.0], [1.0], [2.0], [4.0]])
    for padding, wanted in (("CIRCULAR", [0, 0, 3, 0]), ("REFLECT", [0, 0, 3, 3])):
        y, places = ops.max_pool(x, 3, strides=1, padding=padding, return_indices=True)
        np.testing.assert_array_equal(places[:, 0], wanted)
        np.testing.assert_array_equal(y, x[wanted])


def test_averages_of_halves_are_accumulated_in_float32():
    x = np.ones((4096, 1), jnp.bfloat16)
    for y in (ops.average_pool(x, 4096), ops.adaptive_average_pool(x, 1)):
        assert (float(y[0, 0]), y.dtype) == (1.0, jnp.bfloat16)
    assert float(ops.global_average_pool(x[None])[0, 0]) == 1.0


def test_whole_numbers_have_averages():
    x = np.array([[1], [2], [4]])
    assert ops.average_pool(x, 2, strides=1)[:, 0].tolist() == [1.5, 3.0]
    assert ops.adaptive_average_pool(x, 2)[:, 0].tolist() == [1.5, 3.0]
    assert ops.max_pool(x, 2, strides=1)[:, 0].tolist() == [2, 4]
    assert ops.upsample(x, 2).dtype == x.dtype
    assert ops.upsample(x, 2, method="linear")[1, 0] == 1.25


def test_a_large_window_is_a_short_program():
    program = jax.make_jaxpr(lambda x: ops.max_pool(x, 1000, strides=7))(np.ones((3000, 1)))
    assert str(program).count("slice") < 60
    x = np.random.default_rng(0).normal(size=(300, 2))
    known = np.stack([x[s : s + 201 : 2].max(0) for s in range(0, 300 - 200, 7)])
    np.testing.assert_array_equal(ops.max_pool(x, 101, strides=7, dilation=2), known)


def test_a_pool_of_pools_and_its_way_back():
    x = np.random.default_rng(0).normal(size=(2, 6, 4, 3))
    y, places = ops.max_pool(x, (2, 2), return_indices=True)
    back = np.asarray(ops.max_unpool(y, places, (6, 4)))
    np.testing.assert_array_equal(back[back != 0], x[back != 0])
    assert np.count_nonzero(back) == y.size
    np.testing.assert_array_equal(ops.max_pool(np.where(back, back, -9), (2, 2)), y)


@pytest.mark.slow
def test_pooling_on_many_devices():
    """Values and gradients on a mesh with explicit axes, over which the batch lies."""
    run_on_devices(4, __file__, "four_devices_pooling.py")


X = np.ones((2, 6, 5, 3))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: ops.max_pool(X, 0), ValueError, "max_pool: window must be an integer or 1 of"),
        (lambda: ops.max_pool(X, (2.0, 2)), TypeError, "window must be an integer or 2 of them"),
        (lambda: ops.max_pool(X, (2,) * 4), ValueError, "window must have 1, 2 or 3 entries"),
        (lambda: ops.max_pool(X, ()), ValueError, "window must have 1, 2 or 3 entries"),
        (lambda: ops.max_pool(X[0, 0, 0], 2), ValueError, "is for 1 spatial axes, so x must"),
        (lambda: ops.max_pool(X, (7, 2)), ValueError, "the window spans 7 entries of spatial ax"),
        (lambda: ops.max_pool(X, (2, 2), padding=3), ValueError, "padding must leave each window"),
        (lambda: ops.max_pool(X, 2, padding="EVEN"), ValueError, "padding must be SAME, VALID"),
        (lambda: ops.max_pool(X, 2, strides=0), ValueError, "strides must be an integer or 1"),
        (lambda: ops.max_pool(X * 1j, 2), TypeError, "max_pool: x must be real"),
        (lambda: ops.average_pool(X, 2, ceil_mode=1), TypeError, "ceil_mode must be True or Fa"),
        (lambda: ops.average_pool([[1.0]], 1), TypeError, "average_pool: x must be an array"),
        (lambda: ops.adaptive_max_pool(X, (2, 0)), ValueError, "sizes must be an integer or 2"),
        (lambda: ops.adaptive_max_pool(X[:, :0], (2, 2)), ValueError, "x must have spatial axes"),
        (lambda: ops.global_max_pool(X[0, 0]), ValueError, "global_max_pool: x must have spatia"),
        (lambda: ops.global_average_pool(X, axis=-1), ValueError, "which the channels are not"),
        (lambda: ops.upsample(X, 2.0), TypeError, "upsample: factor must be an integer or 1"),
        (lambda: ops.upsample(X, 2, method="area"), ValueError, "method must be 'nearest' or"),
        (lambda: ops.flatten(X, start_axis=4), ValueError, "flatten: start_axis must be an ax"),
        (lambda: ops.flatten(X, start_axis=1.0), TypeError, "start_axis must be an integer"),
        (lambda: ops.max_unpool(X, X, (6, 5)), TypeError, "indices must be integers"),
        (
            lambda: ops.max_unpool(X, np.full(X.shape, 30), (6, 5)),
            ValueError,
            "indices must be from 0 to 29, got 30",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, error, words):
    with pytest.raises(error, match=words.replace("(", r"\(")):
        call()
