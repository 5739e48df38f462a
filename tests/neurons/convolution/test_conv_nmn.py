"""The Yat convolutions against nmn's, layer by layer with the same weights.

Both compute in float64 here, so that what is compared is the formula, to 2e-5 and better.
"""

import contextlib
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn
from pyneurons_yat.neurons.dense import YatParams


def peers():
    """flax.nnx and nmn's layers; importing them may warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nnx = pytest.importorskip("flax.nnx")
        layers = pytest.importorskip("nmn.nnx.layers.conv")
    return nnx, layers


nnx, layers = peers()


RTOL = 2e-5


@pytest.fixture(autouse=True)
def as_nmn_wants():
    """The peer broadcasts ranks, and reuses keys."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(jax.numpy_rank_promotion("allow"))
        stack.enter_context(jax.debug_key_reuse(False))
        yield


def near(got, wanted):
    got, wanted = np.asarray(got, float), np.asarray(wanted, float)
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, 0, RTOL * np.max(np.abs(wanted), initial=1e-300))


def compare(ours, theirs, x_shape, inputs, outputs, size, mask=None, epsilon=0.1, **options):
    """Values, and gradients in x, kernel, bias and alpha, of a layer of each library."""
    rng = np.random.default_rng(0)
    window = (size,) if isinstance(size, int) else size
    ends = inputs // options.get("feature_group_count", 1), outputs
    shape = (*window, *(ends[::-1] if options.get("transpose_kernel") else ends))
    arguments = [jnp.asarray(rng.normal(size=s)) for s in (x_shape, shape, (outputs,), (1,))]

    def peer(x, *arrays):
        inits = {
            f"{name}_init": lambda *_, given=given: given
            for name, given in zip(("kernel", "bias", "alpha"), arrays, strict=True)
        }
        made = theirs(
            inputs, outputs, size, mask=mask, epsilon=epsilon, rngs=nnx.Rngs(0), **inits, **options
        )
        return made(x)

    def masked(params):
        return params._replace(kernel=params.kernel * mask)

    def mine(x, kernel, bias, alpha):
        params = YatParams(kernel, bias, jnp.broadcast_to(alpha, outputs), None)
        model = ours(pn.Box(params), epsilon=epsilon, **options)
        return (model if mask is None else pn.reparam(model, masked))(x)

    @jax.jit
    def both(*arguments):
        answers = []
        for function in (mine, peer):
            y, pull = jax.vjp(function, *arguments)
            weights = jnp.cos(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape)
            answers.append((y, *pull(weights)))
        return answers

    for got, known in zip(*both(*arguments), strict=True):
        near(got, known)


IMAGE = ((2, 7, 6, 4), 4, 6)  # shape of x, inputs, outputs
PADDINGS = ("SAME", "VALID", "CIRCULAR", "REFLECT", 1, ((0, 2), (1, 0)))
STEPS = (
    {},
    {"strides": (2, 3)},
    {"kernel_dilation": (2, 1)},
)


@pytest.mark.parametrize("padding", PADDINGS, ids=str)
@pytest.mark.parametrize("steps", STEPS, ids=str)
def test_two_dimensions(padding, steps):
    options = {"padding": padding, **steps}
    compare(pn.YatConv, layers.YatConv, *IMAGE, (3, 2), **options)


@pytest.mark.parametrize("padding", PADDINGS, ids=str)
def test_groups(padding):
    options = {"padding": padding, "feature_group_count": 2}
    compare(pn.YatConv, layers.YatConv, *IMAGE, (2, 3), **options)


@pytest.mark.parametrize("padding", ["SAME", "VALID", "CAUSAL", "CIRCULAR", 2])
@pytest.mark.parametrize("steps", [{}, {"strides": 2}, {"kernel_dilation": 3}], ids=str)
def test_one_dimension(padding, steps):
    compare(pn.YatConv, layers.YatConv, (2, 9, 3), 3, 5, 3, padding=padding, **steps)


@pytest.mark.parametrize("padding", ["SAME", "VALID", "CIRCULAR"])
def test_three_dimensions(padding):
    shape = (1, 4, 3, 5, 2)
    compare(pn.YatConv, layers.YatConv, shape, 2, 2, (3, 2, 2), padding=padding, strides=(1, 2, 1))


@pytest.mark.parametrize("padding", [1, ((0, 2), (1, 0))], ids=str)
@pytest.mark.parametrize("strides", [1, 2])
def test_dilated_input(padding, strides):
    """The peer takes no named padding with it."""
    options = {"padding": padding, "strides": strides, "input_dilation": (1, 3)}
    compare(pn.YatConv, layers.YatConv, *IMAGE, (3, 2), **options)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_depthwise(padding):
    options = {"padding": padding, "feature_group_count": 4}
    compare(pn.YatConv, layers.YatConv, (2, 5, 5, 4), 4, 8, (3, 3), **options)


@pytest.mark.parametrize("batch", [(), (3, 2)], ids=str)
def test_batch_axes(batch):
    compare(pn.YatConv, layers.YatConv, (*batch, 5, 4, 2), 2, 3, (3, 3))


@pytest.mark.parametrize("epsilon", [1e-5, 1e-3, 10.0])
def test_epsilon(epsilon):
    compare(pn.YatConv, layers.YatConv, (2, 5, 4, 2), 2, 3, (3, 3), epsilon=epsilon)


def test_a_mask_is_a_map_of_the_parameters():
    mask = jnp.asarray(np.random.default_rng(1).integers(0, 2, (3, 3, 2, 3)), float)
    compare(pn.YatConv, layers.YatConv, (2, 5, 4, 2), 2, 3, (3, 3), mask=mask)
    compare(pn.YatConvTranspose, layers.YatConvTranspose, (2, 5, 4, 2), 2, 3, (3, 3), mask=mask)


@pytest.mark.parametrize("padding", ["SAME", "VALID", 1, ((0, 2), (2, 1))], ids=str)
@pytest.mark.parametrize("strides", [1, (2, 3)], ids=str)
def test_transposed_in_two_dimensions(padding, strides):
    for size, transpose in (((3, 2), True), ((4, 4), False)):
        options = {"padding": padding, "strides": strides, "transpose_kernel": transpose}
        compare(pn.YatConvTranspose, layers.YatConvTranspose, (2, 4, 3, 2), 2, 3, size, **options)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("dilation", [1, 2])
def test_transposed_in_one_and_three_dimensions(padding, dilation):
    options = {"padding": padding, "strides": 2, "kernel_dilation": dilation}
    compare(pn.YatConvTranspose, layers.YatConvTranspose, (2, 5, 3), 3, 2, 3, **options)
    shape = (1, 2, 3, 2, 2)
    compare(pn.YatConvTranspose, layers.YatConvTranspose, shape, 2, 3, (2, 1, 3), **options)


def test_circular_transposed_is_nmns_where_no_patch_goes_round():
    """A window of one turn at most is folded nowhere; else the peer adds up quotients."""
    options = {"padding": "CIRCULAR", "strides": 3}
    shape = (2, 4, 3)
    compare(pn.YatConvTranspose, layers.YatConvTranspose, shape, 3, 2, 3, **options)
    with pytest.raises(AssertionError):
        compare(pn.YatConvTranspose, layers.YatConvTranspose, shape, 3, 2, 5, **options)
