"""What the convolutions take and what they refuse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pyneurons_yat import ops

FORWARD, TRANSPOSED = (ops.conv, ops.yat_conv), (ops.conv_transpose, ops.yat_conv_transpose)
EVERY = (*FORWARD, *TRANSPOSED)
every_op = pytest.mark.parametrize("op", EVERY, ids=lambda op: op.__name__)


@pytest.mark.parametrize("padding", [1, (1, 1), ((1, 1), 1), [(1, 1), [1, 1]]], ids=str)
def test_equal_paddings(padding):
    x, kernel = np.ones((2, 4, 5, 1)), np.ones((3, 3, 1, 1))
    for op in FORWARD:
        np.testing.assert_array_equal(op(x, kernel, padding=padding), op(x, kernel))


def test_negative_padding_cuts():
    x = np.random.default_rng(0).normal(size=(6, 2))
    kernel = np.ones((2, 2, 1))
    for op in EVERY:
        got = op(x, kernel, padding=((-2, -1),))
        np.testing.assert_allclose(got, op(x[2:-1], kernel, padding=0), 1e-12)


@pytest.mark.parametrize("padding", ["SAME", "VALID", "CIRCULAR", "REFLECT", 2, ((0, 3), (1, 0))])
@pytest.mark.parametrize("strides", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2])
def test_shapes(padding, strides, dilation):
    sizes = {"padding": padding, "strides": strides, "input_dilation": dilation}
    x, kernel = np.ones((2, 5, 4, 1)), np.ones((2, 3, 1, 2))
    one, two = (jax.eval_shape(lambda x, k, op=op: op(x, k, **sizes), x, kernel) for op in FORWARD)
    assert one.shape == two.shape
    if padding == "SAME":
        dilated = ((5 - 1) * dilation + 1, (4 - 1) * dilation + 1)
        assert one.shape == (2, *(-(-n // strides) for n in dilated), 2)


@pytest.mark.parametrize("padding", ["SAME", "CIRCULAR"])
@pytest.mark.parametrize("strides", [1, 2, 3, 5])
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_transposed_sizes(padding, strides, size):
    for op in TRANSPOSED:
        y = jax.eval_shape(
            lambda x, k, op=op: op(x, k, strides=strides, padding=padding),
            np.ones((2, 4, 1)),
            np.ones((size, 1, 2)),
        )
        assert y.shape == (2, 4 * strides, 2)


def test_whole_numbers_become_floats_and_python_numbers_do_not_promote():
    x, kernel = np.ones((4, 1), int), np.ones((3, 1, 1), int)
    for op in EVERY:
        assert op(x, kernel).dtype == jnp.result_type(float)
        assert op(jnp.ones((4, 1), jnp.bfloat16), jnp.ones((3, 1, 1), jnp.bfloat16), 0.5).dtype == (
            jnp.bfloat16
        )


X, KERNEL = (2, 6, 5, 4), (3, 3, 4, 6)


@pytest.mark.parametrize(
    ("x", "kernel", "options", "error", "message"),
    [
        (X, (4, 6), {}, ValueError, "kernel must have 1, 2 or 3 spatial axes"),
        (X, (2,) * 6, {}, ValueError, "kernel must have 1, 2 or 3 spatial axes"),
        ((5, 4), KERNEL, {}, ValueError, r"so x must have shape \(\*B, S, S, I\), got \(5, 4\)"),
        (X, (0, 3, 4, 6), {}, ValueError, "window of kernel must not be empty"),
        (X, (3, 3, 3, 6), {}, ValueError, r"has 4, kernel \(3, 3, 3, 6\) wants 3"),
        (X, KERNEL, {"feature_group_count": 2}, ValueError, "in 2 groups wants 8"),
        (X, (3, 3, 1, 6), {"feature_group_count": 4}, ValueError, "must divide .* got 4 for 4 and"),
        (X, KERNEL, {"feature_group_count": 0}, ValueError, "feature_group_count must be at least"),
        (X, KERNEL, {"feature_group_count": 1.0}, TypeError, "must be an integer, got float"),
        (
            X,
            KERNEL,
            {"strides": 0},
            ValueError,
            "strides must be an integer or 2 of them, at least 1",
        ),
        (X, KERNEL, {"strides": (1, 2, 1)}, ValueError, "strides must be an integer or 2 of them"),
        (X, KERNEL, {"strides": 1.5}, TypeError, "strides must be an integer or 2 of them"),
        (X, KERNEL, {"strides": True}, TypeError, "strides must be an integer"),
        (X, KERNEL, {"kernel_dilation": (1, 0)}, ValueError, "kernel_dilation must be"),
        (X, KERNEL, {"padding": "same"}, ValueError, "padding must be SAME, VALID, .* got 'same'"),
        (X, KERNEL, {"padding": (1, 1, 1)}, ValueError, "padding must be"),
        (X, KERNEL, {"padding": ((1, 1, 1), 0)}, ValueError, "padding must be"),
        (X, KERNEL, {"padding": 0.5}, TypeError, "padding must be"),
        (X, KERNEL, {"padding": (1, "SAME")}, TypeError, "padding must be"),
        (X, KERNEL, {"padding": b"ab"}, TypeError, "padding must be"),
        (X, KERNEL, {"padding": (b"ab", b"ab")}, TypeError, "padding must be"),
        (X, KERNEL, {"strides": b"ab"}, TypeError, "strides must be"),
        (X, KERNEL, {"padding": -2}, ValueError, "the window spans 3 entries of spatial axis 0"),
        (X, KERNEL, {"padding": 0, "kernel_dilation": 3}, ValueError, "the window spans 7 entries"),
        (X, KERNEL, {"bias": np.ones(4)}, ValueError, r"bias must have shape \(\) or \(6,\)"),
        (X, KERNEL, {"bias": 1j}, TypeError, "bias must be real"),
        (X, KERNEL, {"bias": "1"}, TypeError, "bias must be an array"),
    ],
    ids=str,
)
def test_every_convolution_refuses_the_same(x, kernel, options, error, message):
    for op in EVERY:
        with pytest.raises(error, match=f"^{op.__name__}: .*{message}"):
            op(np.ones(x), np.ones(kernel), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"padding": "CAUSAL"}, "CAUSAL padding is for 1 spatial axis, got 2"),
        ({"padding": "REFLECT", "kernel_dilation": 6}, r"REFLECT padding of \(6, 6\) needs more"),
        ({"input_dilation": 0}, "input_dilation must be"),
        (
            {"x": (2, 0, 5, 4), "padding": "CIRCULAR"},
            "CIRCULAR padding of spatial axis 0",
        ),
        ({"x": (2, 6, 0, 4)}, "the window spans 3 entries of spatial axis 1"),
    ],
)
def test_forward_convolutions_refuse(options, message):
    options = {"x": X, **options}
    x = np.ones(options.pop("x"))
    for op in FORWARD:
        with pytest.raises(ValueError, match=f"^{op.__name__}: {message}"):
            op(x, np.ones(KERNEL), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"padding": "CAUSAL"}, "padding must be SAME, VALID, CIRCULAR, an integer"),
        ({"padding": "REFLECT"}, "padding must be SAME, VALID, CIRCULAR, an integer"),
        ({"output_padding": -1}, "output_padding must be"),
        ({"output_padding": 1, "padding": "CIRCULAR"}, "output_padding must be 0 with CIRCULAR"),
        ({"transpose_kernel": True}, r"has 4, kernel \(3, 3, 4, 6\) wants 6"),
    ],
)
def test_transposed_convolutions_refuse(options, message):
    for op in TRANSPOSED:
        with pytest.raises(ValueError, match=f"^{op.__name__}: .*{message}"):
            op(np.ones(X), np.ones(KERNEL), **options)


def test_transposed_convolutions_want_entries_and_a_flag():
    for op in TRANSPOSED:
        with pytest.raises(ValueError, match=f"^{op.__name__}: the spatial axes of x must not be"):
            op(np.ones((0, 4)), np.ones((3, 4, 6)), strides=2)
        for wrong in ("no", 1, None):
            with pytest.raises(TypeError, match=f"^{op.__name__}: transpose_kernel must be True"):
                op(np.ones(X), np.ones(KERNEL), transpose_kernel=wrong)


@pytest.mark.parametrize("op", [ops.yat_conv, ops.yat_conv_transpose], ids=lambda op: op.__name__)
def test_yat_convolutions_refuse_what_the_dense_product_refuses(op):
    x, kernel = np.ones(X), np.ones(KERNEL)
    with pytest.raises(ValueError, match=f"^{op.__name__}: epsilon must be above 0"):
        op(x, kernel, epsilon=0.0)
    with pytest.raises(ValueError, match=f"^{op.__name__}: distance must be 'expanded' or"):
        op(x, kernel, distance="exact")
    with pytest.raises(ValueError, match=f"^{op.__name__}: alpha must have shape"):
        op(x, kernel, alpha=np.ones((6, 1)))
