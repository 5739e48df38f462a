"""The convolutions at their awkward points, their identities, their errors, and torch."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import truth
import truth_conv
from derivatives import reverse

from pyneurons_yat import ops

FORWARD, TRANSPOSED = (ops.conv, ops.yat_conv), (ops.conv_transpose, ops.yat_conv_transpose)
every_op = pytest.mark.parametrize("op", [*FORWARD, *TRANSPOSED], ids=lambda op: op.__name__)


def draw(*shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for shape in shapes]


def close(got, wanted, rtol=1e-9):
    np.testing.assert_allclose(got, wanted, rtol, rtol * np.max(np.abs(wanted)))


# Identities


def test_a_window_of_one_entry_is_the_dense_product():
    x, kernel, bias = draw((2, 3, 4, 5), (5, 6), (6,))
    dense = ops.yat(x, kernel, bias, 1.5, epsilon=0.1)
    close(ops.yat_conv(x, kernel[None, None], bias, 1.5, epsilon=0.1), dense)
    close(ops.yat_conv_transpose(x, kernel[None, None], bias, 1.5, epsilon=0.1), dense)
    close(ops.conv(x, kernel[None, None], bias), ops.linear(x, kernel, bias))


def test_a_window_over_everything_is_the_dense_product():
    x, kernel = draw((2, 3, 4, 5), (3, 4, 5, 6))
    dense = ops.yat(x.reshape(2, 60), kernel.reshape(60, 6), epsilon=0.1)
    wide = ops.yat_conv(x, kernel, padding="VALID", epsilon=0.1)
    close(np.asarray(wide)[:, 0, 0], dense)


@pytest.mark.parametrize("strides", [1, 2, (3, 2)], ids=str)
@pytest.mark.parametrize("distance", ["expanded", "direct"])
def test_the_transposed_form_is_the_convolution_of_the_dilated_input(strides, distance):
    x, kernel = draw((2, 3, 4, 2), (3, 2, 2, 3))
    options = {"padding": ((2, 3), (1, 1)), "kernel_dilation": (1, 2), "distance": distance}
    wide = ops.yat_conv(x, kernel, input_dilation=strides, **options)
    close(ops.yat_conv_transpose(x, kernel, strides=strides, **options), wide)


def test_the_transposed_kernel_gives_the_gradient_of_a_convolution():
    x, kernel, y = draw((2, 6, 5, 3), (3, 3, 3, 4), (2, 3, 3, 4))
    options = {"strides": 2, "padding": ((0, 1), (1, 1))}
    _, (wanted,) = reverse(lambda x: ops.conv(x, kernel, **options))((x,), y)
    ends = {"strides": 2, "padding": ((2, 1), (1, 1)), "transpose_kernel": True}
    close(ops.conv_transpose(y, kernel, **ends), wanted)


@pytest.mark.parametrize("distance", ["expanded", "direct"])
def test_a_turned_ring_turns_the_circular_results(distance):
    x, kernel = draw((7, 2), (4, 2, 3))
    op = functools.partial(ops.yat_conv, padding="CIRCULAR", distance=distance)
    close(op(np.roll(x, 2, 0), kernel), np.roll(op(x, kernel), 2, 0))
    op = functools.partial(ops.yat_conv_transpose, padding="CIRCULAR", strides=3, distance=distance)
    close(op(np.roll(x, 2, 0), kernel), np.roll(op(x, kernel), 6, 0))


@pytest.mark.parametrize("size", [2, 3, 5, 8])  # 8 goes round more than once
@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("transpose", [False, True])
def test_circular_transposed_folds_before_it_divides(size, strides, transpose):
    x, kernel = draw((2, 3, 2), (size, 3, 2) if transpose else (size, 2, 3))
    options = {"strides": strides, "transpose_kernel": transpose}
    wanted = truth_conv.yat_conv_transpose(x, kernel, circular=True, **options)
    close(ops.yat_conv_transpose(x, kernel, padding="CIRCULAR", **options), wanted)
    wanted = truth_conv.conv_transpose(x, kernel, circular=True, **options)
    close(ops.conv_transpose(x, kernel, padding="CIRCULAR", **options), wanted)


@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("op", FORWARD, ids=lambda op: op.__name__)
def test_causal_results_do_not_see_the_future(op, dilation):
    x, kernel = draw((9, 2), (3, 2, 4))
    call = functools.partial(op, padding="CAUSAL", kernel_dilation=dilation)
    later = np.arange(9)[:, None] == 5
    before, after = (np.asarray(call(a, kernel)) for a in (x, x + later))
    assert before.shape == (9, 4)
    np.testing.assert_array_equal(before[:5], after[:5])
    assert (before[5] != after[5]).all()


def test_groups_are_convolutions_side_by_side():
    x, kernel = draw((2, 5, 4, 3, 6), (2, 3, 1, 2, 9))
    for op, padding in itertools.product([ops.yat_conv, ops.conv], ["SAME", "CIRCULAR"]):
        parts = [
            op(x[..., 2 * g : 2 * g + 2], kernel[..., 3 * g : 3 * g + 3], padding=padding)
            for g in range(3)
        ]
        together = op(x, kernel, padding=padding, feature_group_count=3)
        close(together, np.concatenate(parts, -1))


def test_a_mask_is_a_product():
    """A masked entry of the filter is 0, and what stands under it counts in the distance."""
    x, kernel = draw((6, 2), (3, 2, 4))
    mask = np.array([1.0, 0.0, 1.0])[:, None, None]
    got = ops.yat_conv(x, kernel * mask, padding="VALID", epsilon=0.1)
    seen = np.stack([x[t : t + 3] for t in range(4)])
    close(got, truth.yat(seen.reshape(4, 6), (kernel * mask).reshape(6, 4), epsilon=0.1))


# Peers


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(
    ("stride", "p", "out", "dilation"), [(2, 1, 1, 1), (3, 4, 2, 2), (2, 0, 1, 2)]
)
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_transposed_as_in_torch(rank, groups, stride, p, out, dilation):
    torch = pytest.importorskip("torch")
    inputs, outputs, size = 4, 6, 3
    shape = (2, *(4, 3, 2)[:rank], inputs)
    x, kernel, bias = draw(shape, (*(size,) * rank, outputs // groups, inputs), (outputs,))
    span = (size - 1) * dilation + 1
    options = {
        "strides": stride,
        "padding": span - 1 - p,
        "output_padding": out,
        "kernel_dilation": dilation,
        "feature_group_count": groups,
        "transpose_kernel": True,
    }
    transpose = getattr(torch.nn.functional, f"conv_transpose{rank}d")
    theirs = functools.partial(
        transpose, stride=stride, padding=p, output_padding=out, dilation=dilation, groups=groups
    )

    def tensor(array, order):
        return torch.tensor(np.transpose(array, order)).requires_grad_()

    to_first = (0, rank + 1, *range(1, rank + 1))
    a, w = tensor(x, to_first), tensor(kernel, (rank + 1, rank, *range(rank)))
    dot = theirs(a, w)
    squares = theirs(a**2, torch.ones_like(w))
    per_group = (w**2).reshape(groups, inputs // groups, outputs // groups, -1)
    lengths = per_group.sum((1, 3)).reshape(-1, *(1,) * rank)
    b = torch.tensor(np.asarray(bias)).reshape(-1, *(1,) * rank)
    known = 1.3 * (dot + b) ** 2 / (squares + lengths - 2 * dot + 0.1)
    known.cos().sum().backward()

    def loss(x, kernel):
        y = ops.yat_conv_transpose(x, kernel, bias, 1.3, epsilon=0.1, **options)
        return jnp.cos(y).sum(), (y, ops.conv_transpose(x, kernel, bias, **options))

    (dx, dkernel), (y, plain) = jax.jit(jax.grad(loss, (0, 1), has_aux=True))(x, kernel)
    close(np.transpose(y, to_first), known.detach().numpy())
    close(np.transpose(plain, to_first), (dot + b).detach().numpy())
    close(np.transpose(dx, to_first), a.grad.numpy(), 1e-8)
    close(np.transpose(dkernel, (rank + 1, rank, *range(rank))), w.grad.numpy(), 1e-8)


# Numbers


@functools.cache
def convolution_in_reverse(epsilon, distance):
    """One program for all values of one shape and dtype."""
    return reverse(functools.partial(ops.yat_conv, epsilon=epsilon, distance=distance))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("distance", ["expanded", "direct"])
@pytest.mark.parametrize("apart", [0.0, 1e-2, 0.1, 1.0])
def test_low_precision_is_within_two_percent(dtype, distance, apart):
    """The middle patches are the filters, or nearly; the expanded distance needs some epsilon."""
    (kernel, step) = draw((3, 3, 4, 5), (3, 3, 4, 5), seed=1)
    kernel, step = 0.5 * kernel, 0.5 * apart * step
    epsilon = 1e-5 if distance == "direct" else 1e-3
    dtype = jnp.dtype(dtype)
    x = np.moveaxis(kernel + step, -1, 0).astype(dtype)  # the patch of each filter
    kernel = kernel.astype(dtype)
    ones = np.ones((*x.shape[:-1], kernel.shape[-1]), dtype)
    y, gradients = convolution_in_reverse(epsilon, distance)((x, kernel), ones)
    wanted = truth_conv.yat_conv(x, kernel, epsilon=epsilon, padding=((1, 1),) * 2)
    largest = float(jnp.finfo(dtype).max)
    np.testing.assert_allclose(np.asarray(y, float), np.minimum(wanted, largest), 0.02, 1e-3)
    assert all(np.isfinite(np.asarray(g, float)).all() for g in gradients)


@pytest.mark.parametrize("options", [{}, {"padding": "CIRCULAR", "strides": 2}])
def test_sums_over_positions_are_of_float32_to_the_end(options):
    """The gradients of bias, alpha and epsilon in bfloat16, whose parts nearly cancel."""
    arrays = draw((2, 6, 6, 3), (3, 3, 3, 4), (4,), (4,), seed=6)
    arrays = [jnp.asarray(a, jnp.bfloat16) for a in arrays]

    def gradients(x, kernel, bias, alpha):
        def call(bias, alpha, epsilon):
            return ops.yat_conv(x, kernel, bias, alpha, epsilon=epsilon, **options)

        y, pull = jax.vjp(call, bias, alpha, jnp.full(4, 0.5, x.dtype))
        return pull(
            jnp.cos(jnp.arange(y.size)).reshape(y.shape).astype(jnp.bfloat16).astype(y.dtype)
        )

    wanted = jax.jit(gradients)(*(a.astype(float) for a in arrays))
    for got, known in zip(jax.jit(gradients)(*arrays), wanted, strict=True):
        assert got.dtype == jnp.bfloat16
        np.testing.assert_allclose(got.astype(float), known, rtol=0.02)


def test_only_the_direct_distance_is_accurate_near_the_filter():
    kernel, step = (np.float32(a) for a in draw((3, 3, 8, 6), (3, 3, 8, 6)))
    x = np.moveaxis(kernel + 1e-4 * step, -1, 0)
    wanted = truth_conv.yat_conv(x, kernel)
    near = (np.arange(6), 0, 0, np.arange(6))
    for distance, bound in (("direct", 1e-4), ("expanded", np.inf)):
        y = np.asarray(ops.yat_conv(x, kernel, padding="VALID", distance=distance))
        error = np.max(np.abs(y[near] / wanted[near] - 1))
        assert error < bound
        assert error > 1e-2 or distance == "direct"


@every_op
def test_at_zero_tiny_and_huge(op):
    kernel, ones = np.ones((3, 1, 2), np.float32), np.ones((4, 2), np.float32)
    both = reverse(op)
    for scale in (0.0, 1e-25, 1e15):
        y, gradients = both((np.full((4, 1), scale, np.float32), kernel), ones)
        assert np.isfinite(y).all()
        assert all(np.isfinite(g).all() for g in gradients)


def test_at_the_filter_the_answer_is_the_square_over_epsilon():
    x = np.array([[1.0], [2.0], [-2.0]])
    both = reverse(functools.partial(ops.yat_conv, padding="VALID", epsilon=0.5))
    y, gradients = both((x, x[:, :, None]), np.ones((1, 1)))
    assert y.tolist() == [[9.0**2 / 0.5]]
    for gradient in gradients:
        close(np.ravel(gradient), (2 * 9 / 0.5 * x).ravel())


def test_infinite_and_missing_inputs_are_not_hidden():
    x = np.array([[np.nan], [1], [1], [1], [np.inf]], np.float32)
    y = np.asarray(ops.yat_conv(x, np.ones((3, 1, 1), np.float32)))[:, 0]
    assert np.isfinite(y).tolist() == [False, False, True, False, False]


@pytest.mark.usefixtures("optimized")
def test_the_squared_lengths_take_no_second_convolution():
    x, kernel = draw((2, 8, 8, 4), (3, 3, 4, 6))

    def loss(x, kernel):
        return ops.yat_conv(x, kernel, epsilon=0.1).sum()

    for function, count in ((loss, 1), (jax.grad(loss, (0, 1)), 3)):
        program = jax.jit(function).lower(x, kernel).compile().as_text()
        assert program.count(" convolution(") == count
