"""Pooling, upsampling and instance norm are torch's: values, places and gradients."""

import jax
import numpy as np
import pytest

from pyneurons_yat import ops

torch = pytest.importorskip("torch")
SIZES = (6, 5, 4)


def configuration(kind, rank, **options):
    name = "-".join([f"{kind}{rank}d", *(f"{k}{v}" for k, v in options.items())])
    return pytest.param(kind, rank, options, id=name.replace(" ", ""))


WINDOWS = [
    {"window": 2},
    {"window": 3, "strides": 1, "padding": 1},
    {"window": 3, "strides": 2, "padding": 1, "ceil_mode": True},
    {"window": 2, "strides": 3, "ceil_mode": True},
    {"window": 3, "strides": 2, "ceil_mode": True},
]
DILATED = [
    {"window": 2, "strides": 1, "dilation": 2},
    {"window": 3, "strides": 2, "padding": 1, "dilation": 2, "ceil_mode": True},
]
POOLS = [
    configuration(kind, rank, **options)
    for rank in (1, 2, 3)
    for kind, table in (
        ("max", WINDOWS[1 : rank + 2] + DILATED[: 4 - rank]),
        ("average", [WINDOWS[0], *({**o, "count_include_pad": False} for o in WINDOWS[1:3])]),
        ("average", WINDOWS[rank : rank + 2]),
    )
    for options in table
]
ADAPTIVE = [
    configuration(kind, rank, sizes=sizes)
    for kind in ("adaptive_max", "adaptive_average")
    for rank, sizes in ((1, (4,)), (2, (1, 1)), (2, (4, 3)), (3, (3, 5, 2)), (2, (7, 5)))
]


def with_channels(array, at):
    """The array with its channels at another place, from torch's or to it."""
    return np.moveaxis(np.asarray(array), *((1, -1) if at == "last" else (-1, 1)))


def theirs(kind, rank, options):
    """The function of torch."""
    name = {"average": "avg", "adaptive_average": "adaptive_avg"}.get(kind, kind)
    function = getattr(torch.nn.functional, f"{name}_pool{rank}d")
    options = {
        {"window": "kernel_size", "strides": "stride"}.get(k, k): v for k, v in options.items()
    }
    if kind.startswith("adaptive"):
        options = {"output_size": options["sizes"]}
    more = {"return_indices": True} if kind.endswith("max") else {}
    return lambda x: function(x, **options, **more)


def ours(kind, rank, options):
    """The function of this library."""
    options = {k: (v,) * rank if k in ("window", "strides") else v for k, v in options.items()}
    more = {"return_indices": True} if kind.endswith("max") else {}
    return lambda x: getattr(ops, f"{kind}_pool")(x, **options, **more)


@pytest.mark.parametrize(("kind", "rank", "options"), [*POOLS, *ADAPTIVE])
def test_pooling_is_torchs(kind, rank, options):
    rng = np.random.default_rng(0)
    values = -1.0 - rng.integers(0, 6, (2, 2, *SIZES[:rank]))  # all below 0, and with ties
    x = torch.tensor(values, requires_grad=True)
    wanted = theirs(kind, rank, options)(x)
    wanted, places = wanted if isinstance(wanted, tuple) else (wanted, None)
    cotangent = rng.normal(size=wanted.shape)
    wanted.backward(torch.tensor(cotangent))

    @jax.jit
    def both(x, cotangent):
        y, pull, *more = jax.vjp(pair, x, has_aux=True)
        return y, pull(cotangent)[0], more

    def pair(x):
        result = ours(kind, rank, options)(x)
        return result if isinstance(result, tuple) else (result, None)

    y, gradient, (indices,) = both(with_channels(values, "last"), with_channels(cotangent, "last"))
    np.testing.assert_allclose(with_channels(y, "first"), wanted.detach(), 1e-12)
    np.testing.assert_allclose(with_channels(gradient, "first"), x.grad, 1e-12, 1e-12)
    assert (indices is None) == (places is None)
    if places is not None:
        assert indices.dtype == np.int32
        np.testing.assert_array_equal(with_channels(indices, "first"), places)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_max_unpool_is_torchs(rank):
    rng = np.random.default_rng(0)
    sizes = SIZES[:rank]
    values = rng.normal(size=(2, 2, *sizes))
    functional = torch.nn.functional
    x, places = getattr(functional, f"max_pool{rank}d")(
        torch.tensor(values), 2, return_indices=True
    )
    x = x.requires_grad_()
    wanted = getattr(functional, f"max_unpool{rank}d")(x, places, 2, output_size=sizes)
    cotangent = rng.normal(size=wanted.shape)
    wanted.backward(torch.tensor(cotangent))
    indices = with_channels(places, "last")

    @jax.jit
    def both(x, cotangent):
        y, pull = jax.vjp(lambda x: ops.max_unpool(x, indices, sizes), x)
        return y, pull(cotangent)[0]

    y, gradient = both(with_channels(x.detach(), "last"), with_channels(cotangent, "last"))
    np.testing.assert_array_equal(with_channels(y, "first"), wanted.detach())
    np.testing.assert_array_equal(with_channels(gradient, "first"), x.grad)


@pytest.mark.parametrize(
    ("method", "mode", "factor"),
    [
        ("nearest", "nearest", (3,)),
        ("nearest", "nearest", (1, 2)),
        ("nearest", "nearest", (2, 1, 2)),
        ("linear", "linear", (4,)),
        ("linear", "bilinear", (2, 3)),
        ("linear", "trilinear", (2, 3, 1)),
    ],
)
def test_upsampling_is_torchs(method, mode, factor):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2, 2, *(3, 2, 2)[: len(factor)]))
    x = torch.tensor(values, requires_grad=True)
    aligned = {} if mode == "nearest" else {"align_corners": False}
    factors = tuple(map(float, factor))
    wanted = torch.nn.functional.interpolate(x, scale_factor=factors, mode=mode, **aligned)
    cotangent = rng.normal(size=wanted.shape)
    wanted.backward(torch.tensor(cotangent))

    @jax.jit
    def both(x, cotangent):
        y, pull = jax.vjp(lambda x: ops.upsample(x, factor, method=method), x)
        return y, pull(cotangent)[0]

    y, gradient = both(with_channels(values, "last"), with_channels(cotangent, "last"))
    np.testing.assert_allclose(with_channels(y, "first"), wanted.detach(), 1e-12, 1e-12)
    np.testing.assert_allclose(with_channels(gradient, "first"), x.grad, 1e-12, 1e-12)


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_group_norm_of_single_channels_is_torchs_instance_norm(rank, affine):
    rng = np.random.default_rng(0)
    x = torch.tensor(3 + rng.normal(size=(2, 3, *SIZES[:rank])), requires_grad=True)
    scale, bias = rng.normal(size=(2, 3)) if affine else (None, None)
    given = [None if a is None else torch.tensor(a) for a in (scale, bias)]
    wanted = torch.nn.functional.instance_norm(x, weight=given[0], bias=given[1])
    cotangent = rng.normal(size=wanted.shape)
    wanted.backward(torch.tensor(cotangent))

    @jax.jit
    def both(x, cotangent):
        y, pull = jax.vjp(lambda x: ops.group_norm(x, 3, scale, bias), x)
        return y, pull(cotangent)[0]

    y, gradient = both(with_channels(x.detach(), "last"), with_channels(cotangent, "last"))
    np.testing.assert_allclose(with_channels(y, "first"), wanted.detach(), 1e-9, 1e-9)
    np.testing.assert_allclose(with_channels(gradient, "first"), x.grad, 1e-9, 1e-9)
