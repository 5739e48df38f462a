"""The Yat product at its awkward points, its errors, and its peer."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import truth
from derivatives import reverse
from devices import run_on_devices
from hypothesis import given, settings
from hypothesis import strategies as st

from pyneurons_yat import ops

DISTANCES = ("expanded", "direct")
both_distances = pytest.mark.parametrize("distance", DISTANCES)
both_products = pytest.mark.parametrize("op", [ops.yat, ops.yat_scores], ids=lambda f: f.__name__)


def near(scale, seed=0):
    """Rows x that lie near the columns of a kernel: |x - w| = 1e-3 |w|, in float32."""
    rng = np.random.default_rng(seed)
    kernel = scale * rng.normal(size=(64, 8))
    step = rng.normal(size=kernel.shape)
    step *= 1e-3 * np.linalg.norm(kernel, axis=0) / np.linalg.norm(step, axis=0)
    return (kernel + step).T.astype(np.float32), kernel.astype(np.float32)


def on_the_diagonal(op, x, kernel, **options):
    """The products of x_i with its near neighbour w_i."""
    y = op(x, kernel.T, **options) if op is ops.yat_scores else op(x, kernel, **options)
    return y.diagonal()


@both_products
@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_only_the_direct_distance_is_accurate_near_the_kernel(op, scale):
    x, kernel = near(scale)
    wanted = np.diagonal(truth.yat(x, kernel))
    error = {
        d: np.max(np.abs(np.asarray(on_the_diagonal(op, x, kernel, distance=d)) / wanted - 1))
        for d in DISTANCES
    }
    assert error["direct"] < 1e-4
    assert error["expanded"] > 1e-2


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_the_direct_gradient_is_accurate_near_the_kernel(scale):
    x, kernel = near(scale)

    def loss(x, kernel):
        return on_the_diagonal(ops.yat, x, kernel, distance="direct").sum()

    dx, dkernel = map(np.asarray, jax.jit(jax.grad(loss, (0, 1)))(x, kernel))
    far = np.asarray(x.T, np.float64) - kernel
    ratio = (np.asarray(x.T, np.float64) * kernel).sum(0) / ((far**2).sum(0) + 1e-5)
    wanted = 2 * ratio * kernel - 2 * ratio**2 * far, 2 * ratio * x.T + 2 * ratio**2 * far
    size = np.linalg.norm(wanted[0], axis=0)
    assert np.all(np.linalg.norm(dx.T - wanted[0], axis=0) < 1e-4 * size)
    assert np.all(np.linalg.norm(dkernel - wanted[1], axis=0) < 1e-4 * size)


def test_the_expanded_error_stays_within_the_documented_bound():
    x, kernel = near(1.0)
    wanted = np.diagonal(truth.yat(x, kernel))
    relative = np.abs(np.asarray(on_the_diagonal(ops.yat, x, kernel)) / wanted - 1)
    squares = (np.linalg.norm(x, axis=1) + np.linalg.norm(kernel, axis=0)) ** 2
    distance = ((x.T.astype(np.float64) - kernel) ** 2).sum(0)
    assert np.all(relative < (64 + 4) * 2**-24 * squares / (distance + 1e-5))


def test_a_negative_expanded_distance_is_held_at_zero():
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(64, 200)).astype(np.float32)
    x = kernel.T * np.float32(1 + 1e-6)
    dot = np.asarray(jnp.diagonal(x @ kernel))
    rounded = (x * x).sum(1) + (kernel * kernel).sum(0) - 2 * dot
    assert (rounded < -1e-5).any()  # an unclamped denominator would be negative
    both = reverse(lambda x: jnp.diagonal(ops.yat(x, kernel)))
    y, (dx,) = jax.tree.map(np.asarray, both((x,), np.ones(200, np.float32)))
    assert np.all(y >= 0)
    assert np.all(y <= dot**2 / 1e-5 * 1.001)
    # Held at 0, the distance passes no gradient: 2 r w is left.
    held = y > dot**2 / 1e-5 * 0.999
    assert held.any()
    np.testing.assert_allclose(dx[held], (2 * dot / 1e-5 * kernel).T[held], 1e-4)


@both_distances
def test_at_the_kernel_the_answer_is_the_square_over_epsilon(distance):
    kernel = np.array([[1.0], [2.0], [-2.0]], np.float32)
    both = reverse(functools.partial(ops.yat, distance=distance, epsilon=0.5))
    y, (dx, dkernel) = both((kernel[:, 0], kernel), np.ones(1, np.float32))
    assert y == 9.0**2 / 0.5
    np.testing.assert_array_equal(dx, 2 * 9 / 0.5 * kernel[:, 0])
    np.testing.assert_array_equal(dkernel, 2 * 9 / 0.5 * kernel)


@both_distances
def test_zero_tiny_and_huge(distance):
    op = jax.jit(functools.partial(ops.yat, distance=distance))
    kernel = np.array([[3.0], [4.0]], np.float32)
    np.testing.assert_allclose(op(np.zeros(2, np.float32), kernel, 2.0), 4 / (25 + 1e-5), 1e-6)
    tiny = np.full(2, 1e-25, np.float32)
    np.testing.assert_allclose(op(tiny, kernel, 1.0), 1 / (25 + 1e-5), 1e-6)
    slope = jax.jit(jax.grad(lambda x, kernel: op(x, kernel).sum()))
    assert np.isfinite(slope(tiny, kernel)).all()
    huge = np.full((1, 2), 1e18, np.float32)  # the squared numerator, 4e72, is out of range
    wanted = truth.yat(huge, -huge.T)
    np.testing.assert_allclose(op(huge, -huge.T), wanted, 1e-6)
    np.testing.assert_allclose(slope(huge, -huge.T), huge / 4, 1e-5)


@both_distances
def test_second_derivatives_beside_a_tiny_denominator(distance):
    # With w = 0 this is b^2 / (|x|^2 + e), whose denominator has a square below 1e-43.
    kernel, bias, epsilon = np.zeros((2, 1), np.float32), 1e-11, 1e-22
    op = functools.partial(ops.yat, bias=bias, epsilon=epsilon, distance=distance)
    hessian = jax.jit(jax.hessian(lambda x: op(x, kernel)[0]))(np.full(2, 1e-12, np.float32))
    x, far = np.full(2, 1e-12), 2e-24 + epsilon
    wanted = bias**2 * (8 * np.outer(x, x) / far**3 - 2 * np.eye(2) / far**2)
    np.testing.assert_allclose(
        hessian, wanted, 1e-4
    )  # the square of the denominator is below 1e-43


@both_distances
def test_infinite_and_missing_inputs_are_not_hidden(distance):
    kernel = np.ones((2, 1), np.float32)
    y = ops.yat(np.array([[np.nan, 1], [np.inf, 1]], np.float32), kernel, distance=distance)
    assert not np.isfinite(y).any()


@both_distances
def test_a_peak_out_of_float16_saturates(distance):
    kernel = np.full((4, 1), 0.5, np.float16)
    both = reverse(lambda x: ops.yat(x, kernel, distance=distance))
    y, (gradient,) = both((kernel.T,), np.ones((1, 1), np.float16))
    assert y == jnp.finfo(jnp.float16).max
    np.testing.assert_array_equal(gradient, jnp.finfo(jnp.float16).max)


def test_products_of_small_floats_are_summed_in_float32():
    ones = np.ones((1, 4096), np.float16)  # a float16 sum of squares would be infinite
    np.testing.assert_allclose(ops.yat(16 * ones, -4 * ones.T), 64.0**2 * 4096 / 400, 1e-3)


def test_python_numbers_do_not_promote_and_integers_become_floats():
    x, kernel = jnp.ones((2, 3), jnp.bfloat16), jnp.ones((3, 1), jnp.bfloat16)
    assert ops.yat(x, kernel, 0.5, 2.0, epsilon=1e-3).dtype == jnp.bfloat16
    assert ops.yat(x, kernel, jnp.ones(1, jnp.float32)).dtype == jnp.float32
    for epsilon in (np.float64(1e-3), np.ones((), np.float32), jnp.ones((), jnp.float32)):
        assert ops.yat(x, kernel, epsilon=epsilon).dtype == jnp.bfloat16
        assert ops.yat_scores(x, kernel.T, epsilon=epsilon).dtype == jnp.bfloat16
        assert ops.yat_pairs(x, x, epsilon=epsilon).dtype == jnp.bfloat16
        for op in (ops.yat_conv, ops.yat_conv_transpose):
            assert op(x, kernel[None], epsilon=epsilon).dtype == jnp.bfloat16
    whole = ops.yat(np.array([[1, 2]]), np.array([[1], [1]]), 1, 2, epsilon=1)
    assert whole.dtype == jnp.result_type(float)
    assert whole.tolist() == [[2 * 4.0**2 / (1 + 1)]]
    assert ops.yat(np.array([[1, 2]]), jnp.ones((2, 1), jnp.float32)).dtype == jnp.float32


@both_distances
@pytest.mark.usefixtures("optimized")
def test_no_array_of_batch_times_features_times_outputs_is_held(distance):
    x, kernel = jnp.ones((64, 129), jnp.float32), jnp.ones((129, 65), jnp.float32)

    def loss(x, kernel):
        return ops.yat(x, kernel, distance=distance).sum()

    along = lambda *a: jax.jvp(loss, a, a)  # noqa: E731
    for derivative in (jax.value_and_grad(loss, (0, 1)), along):
        compiled = jax.jit(derivative).lower(x, kernel).compile()
        assert compiled.memory_analysis().temp_size_in_bytes < 64 * 129 * 65 * 4 / 4


@pytest.mark.slow
@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_a_joint_rotation_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    x, kernel = rng.normal(size=(3, 4)), rng.normal(size=(4, 2))
    turn, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    for distance in DISTANCES:
        op = functools.partial(ops.yat, bias=0.3, epsilon=0.1, distance=distance)
        np.testing.assert_allclose(op(x @ turn, turn.T @ kernel), op(x, kernel), 1e-9)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_same_numbers_as_nmn(fused, dtype):
    layers = pytest.importorskip("nmn.nnx.layers.nmn")
    from flax import nnx

    rng = np.random.default_rng(0)
    shapes = (5, 7), (7, 3), (3,), (5, 3)
    x, kernel, bias, weights = (rng.normal(size=shape).astype(dtype) for shape in shapes)
    alpha = np.array([1.5], dtype)
    graph, state = nnx.split(layers.YatNMN(7, 3, epsilon=1e-3, fused=fused, rngs=nnx.Rngs(0)))

    def peer(x, kernel, bias, alpha):
        given = {"kernel": kernel, "bias": bias, "alpha": alpha}
        filled = jax.tree_util.tree_map_with_path(lambda path, _: given[path[0].key], state)
        return nnx.merge(graph, filled)(x)

    ours = functools.partial(ops.yat, epsilon=1e-3)
    arguments = x, kernel, bias, alpha
    tolerance = 1e-5 if dtype == "float32" else 1e-2
    with jax.numpy_rank_promotion("allow"):  # the peer's bias needs it
        known, gradients = reverse(peer)(arguments, weights)
    y, found = reverse(ours)(arguments, weights)
    np.testing.assert_allclose(y, known, tolerance)
    for mine, theirs in zip(found, gradients, strict=True):
        np.testing.assert_allclose(mine, theirs, 0, 2 * tolerance * np.max(np.abs(theirs)))


def both(bias=None, alpha=None, **options):
    """The same call of both functions, at (2, 3) and (3, 4)."""
    x, kernel = np.ones((2, 3)), np.ones((3, 4))
    return [
        functools.partial(ops.yat, x, kernel, bias, alpha, **options),
        functools.partial(ops.yat_scores, x, kernel.T, bias, alpha, **options),
    ]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            {"bias": np.ones(3)},
            ValueError,
            r"bias must have shape \(\) or \(4,\), .*\(3,",
        ),
        ({"alpha": np.ones((4, 1))}, ValueError, r"alpha must have shape .* got shape \(4, 1\)"),
        ({"epsilon": np.ones((1, 1, 4))}, ValueError, r"epsilon must have shape"),
        ({"epsilon": 0.0}, ValueError, r"epsilon must be above 0 and finite, got 0.0"),
        ({"epsilon": np.array([1.0, 1, 1, -1])}, ValueError, r"epsilon must be above 0"),
        ({"epsilon": float("nan")}, ValueError, r"epsilon must be above 0 and finite, got nan"),
        (
            {"distance": "exact"},
            ValueError,
            r"distance must be 'expanded' or 'direct', got",
        ),
        ({"bias": 1j}, TypeError, r"bias must be real, got dtype complex128"),
        ({"alpha": "2"}, TypeError, r"alpha must be an array or a number, got str"),
        ({"bias": [0.0] * 4}, TypeError, r"bias must be an array or a number, got list"),
        ({"epsilon": jax.ShapeDtypeStruct((), float)}, TypeError, r"epsilon must be an array"),
    ],
    ids=str,
)
def test_both_products_refuse_the_same_arguments(call, error, message):
    for op in both(**call):
        with pytest.raises(error, match=f"^{op.func.__name__}: {message}"):
            op()


@pytest.mark.parametrize(
    ("op", "left", "right", "message"),
    [
        (ops.yat, (8, 63), (64, 10), r"x \(8, 63\) has 63 features, kernel \(64, 10\) wants 64"),
        (ops.yat, (), (3, 4), r"x must have shape \(\*B, I\) and kernel \(I, O\), got \(\) and"),
        (ops.yat, (2, 3), (3,), r"x must have shape"),
        (ops.yat, (2, 3), (1, 3, 4), r"x must have shape"),
        (ops.yat_scores, (2, 3), (4, 2), r"query \(2, 3\) has 3 features, key \(4, 2\) wants 2"),
        (ops.yat_scores, (5, 2, 3), (4, 3), r"query must have shape .* the same batch axes"),
        (ops.yat_scores, (5, 2, 3), (1, 4, 3), r"query must have shape .* the same batch axes"),
        (ops.yat_scores, (3,), (3,), r"query must have shape"),
    ],
)
def test_shapes_that_do_not_fit(op, left, right, message):
    with pytest.raises(ValueError, match=f"^{op.__name__}: .*{message}"):
        op(np.ones(left), np.ones(right))


@both_products
def test_complex_arrays_are_refused(op):
    with pytest.raises(TypeError, match="must be real, got dtype complex"):
        op(np.ones((2, 2), complex), np.ones((2, 2)))


@pytest.mark.slow
def test_meshes():
    """Products over sharded axes, and gradients inside shard_map, on eight devices."""
    run_on_devices(8, __file__, "eight_devices.py")
