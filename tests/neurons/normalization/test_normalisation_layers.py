"""Normalisation: against torch, at large offsets, over mapped axes, in training."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pyneurons_yat as pn

RNG = np.random.default_rng(0)
X = RNG.normal(2.0, 3.0, (5, 4, 6))
SCALE, BIAS = RNG.uniform(0.5, 2.0, 6), RNG.normal(size=6)


def close(got, wanted, rtol=1e-9, atol=1e-10):
    np.testing.assert_allclose(np.asarray(got, np.float64), wanted, rtol, atol)


def with_weights(model):
    wide = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), model)
    model = pn.replace(wide, "scale", jnp.asarray(SCALE))
    return model if model.bias is None else pn.replace(model, "bias", jnp.asarray(BIAS))


def by_torch(layer, x, channels_last=True):
    """Output and gradients of sum(cos(i) y) in x and the weights, from torch."""
    torch = pytest.importorskip("torch")
    layer = layer.double()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(SCALE))
        if getattr(layer, "bias", None) is not None:
            layer.bias.copy_(torch.tensor(BIAS))
    x = torch.tensor(x, requires_grad=True)
    y = layer(x.movedim(-1, 1)).movedim(1, -1) if channels_last else layer(x)
    weights = torch.cos(torch.arange(y.numel(), dtype=torch.float64)).reshape(y.shape)
    grads = torch.autograd.grad((y * weights).sum(), [x, *layer.parameters()])
    return [a.detach().numpy() for a in (y, *grads)]


def by_us(model, x, call=lambda model, x: model(x)):
    def total(model, x):
        y = call(model, x)
        return jnp.sum(y * jnp.cos(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape)), y

    (_, y), (dm, dx) = jax.jit(jax.value_and_grad(total, (0, 1), has_aux=True))(model, x)
    return [y, dx, *(leaf for leaf in (dm.scale, dm.bias) if leaf is not None)]


def torch_layers():
    torch = pytest.importorskip("torch")
    return {
        "LayerNorm": (pn.LayerNorm(6), torch.nn.LayerNorm(6), False),
        "RMSNorm": (pn.RMSNorm(6), torch.nn.RMSNorm(6, eps=1e-6), False),
        "GroupNorm": (pn.GroupNorm(6, groups=3), torch.nn.GroupNorm(3, 6), True),
        "instance": (pn.GroupNorm(6, groups=6), torch.nn.GroupNorm(6, 6), True),
    }


@pytest.mark.parametrize("name", ["LayerNorm", "RMSNorm", "GroupNorm", "instance"])
def test_values_and_gradients_equal_torch(name):
    ours, theirs, channels_last = torch_layers()[name]
    wanted = by_torch(theirs, X, channels_last)
    for one, other in zip(by_us(with_weights(ours), X), wanted, strict=True):
        close(one, other)


def test_batch_norm_trains_and_infers_as_torch():
    torch = pytest.importorskip("torch")
    theirs = torch.nn.BatchNorm1d(6, momentum=0.3)
    model = with_weights(pn.BatchNorm(6, momentum=0.7))
    for seed in range(3):
        x = np.random.default_rng(seed).normal(seed, 1 + seed, X.shape)
        wanted = by_torch(theirs, x)
        got = by_us(model, x, lambda model, x: pn.observe(model, x)[0])
        for one, other in zip(got, wanted, strict=True):
            close(one, other)
        _, model = pn.observe(model, x)
    close(model.mean, theirs.running_mean.numpy())
    close(model.variance, theirs.running_var.numpy())
    theirs.eval()
    for one, other in zip(by_us(model, X), by_torch(theirs, X), strict=True):
        close(one, other)


@pytest.mark.parametrize("name", ["LayerNorm", "GroupNorm", "BatchNorm"])
def test_a_large_offset_costs_no_digits(name):
    x = (RNG.normal(size=(64, 6)) * [1, 2, 3, 1, 0.5, 1] + 1e4).astype(np.float32)
    axis, model = {
        "LayerNorm": (1, pn.LayerNorm(6)),
        "GroupNorm": (1, pn.GroupNorm(6, groups=1)),
        "BatchNorm": (0, pn.BatchNorm(6, momentum=0.0)),
    }[name]
    wide = x.astype(np.float64)
    deviation = np.sqrt(wide.var(axis, keepdims=True) + 1e-5)
    y, after = pn.observe(model, x)
    assert y.dtype == jnp.float32
    close(y, (wide - wide.mean(axis, keepdims=True)) / deviation, 0, 1e-3)
    if name == "BatchNorm":
        close(after.variance, wide.var(0, ddof=1), 1e-5)
        close(after.mean, wide.mean(0), 1e-7)
        close(after(x), (wide - wide.mean(0)) / np.sqrt(wide.var(0, ddof=1) + 1e-5), 0, 2e-3)


@pytest.mark.parametrize("name", ["layer_norm", "rms_norm", "group_norm"])
def test_rows_are_right_as_long_as_the_sum_of_their_squares_is_finite(name):
    call = functools.partial(pn.group_norm, groups=1) if name == "group_norm" else getattr(pn, name)
    x = np.array([[1, -1, 2, 0, 0, -2]], np.float32)
    y = call(x * np.float32(0.5 * 1.8e19 / 6**0.5))  # the largest is within the bound, and just so
    close(y, np.asarray(x, float) / np.sqrt(10 / 6), 1e-6, 1e-6)
    gradient = jax.grad(lambda x: jnp.sum(jnp.sin(call(x))))(1e20 * x)
    assert not np.any(call(1e20 * x))
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_low_precision_is_accumulated_in_float32(dtype):
    x = jnp.asarray(RNG.normal(5.0, 1.0, (512, 6)), dtype)
    wide = np.asarray(x, np.float64)
    for model, axis in ((pn.LayerNorm(6, dtype=dtype), 1), (pn.BatchNorm(6, dtype=dtype), 0)):
        y, after = pn.observe(model, x)
        assert y.dtype == dtype
        wanted = (wide - wide.mean(axis, keepdims=True)) / wide.std(axis, keepdims=True)
        close(y, wanted, 0, 0.02)
        assert after.scale.dtype == dtype
    assert after.variance.dtype == jnp.float32


def mean_and_moments(x, axis_name):
    """Output, gradient of a weighted sum and moved statistics, of one device's share."""
    model = pn.BatchNorm(6, axis_name=axis_name)

    def total(x):
        y, after = pn.observe(model, x)
        return jnp.sum(jnp.sin(y)), (y, after.mean, after.variance)

    gradient, rest = jax.grad(total, has_aux=True)(x)
    return gradient, *rest


def test_statistics_over_a_mapped_axis_are_those_of_the_whole_batch():
    x = jnp.asarray(RNG.normal(3.0, 2.0, (8, 6)))
    wanted = mean_and_moments(x, None)
    split = jax.vmap(lambda part: mean_and_moments(part, "data"), axis_name="data")
    got = split(x.reshape(4, 2, 6))
    close(got[0].reshape(8, 6), wanted[0], 1e-8)
    close(got[1].reshape(8, 6), wanted[1])
    for one, other in zip(got[2:], wanted[2:], strict=True):
        close(one, np.broadcast_to(other, (4, 6)))


def test_masked_numbers_do_not_count():
    where = np.arange(5) < 3
    padded = X.copy()
    padded[3:] = 1e6
    mask = where[:, None, None]
    y, after = pn.observe(pn.BatchNorm(6), padded, where=mask)
    wanted, known = pn.observe(pn.BatchNorm(6), X[:3])
    close(y[:3], wanted, 1e-6, 1e-6)
    close(after.variance, known.variance, 1e-6)
    close(after.mean, known.mean, 1e-6)


@pytest.mark.parametrize(
    "layer", [pn.BatchNorm, lambda n, **o: pn.YatBatchNorm(jax.random.key(0), n, **o)]
)
def test_a_channel_moves_what_it_has_numbers_for(layer):
    model = layer(3, momentum=0.5, **({} if layer is pn.BatchNorm else {"use_yat": False}))
    x = np.array([[1.0, 4.0, np.nan], [3.0, np.nan, np.nan]])
    y, after = pn.observe(model, x, where=~np.isnan(x))
    after = getattr(after, "norm", after)
    close(after.mean, [1.0, 2.0, 0.0], 1e-6)  # halfway from 0 to 2, to 4, to nothing
    close(after.variance, [1.5, 1.0, 1.0], 1e-6)  # halfway from 1 to 2; 1 number has no variance
    close(y[:, 0], [-1.0, 1.0], 1e-4)


BAD_MASK = np.array([[1, 0, 1, 1, 1, 1], [1, 1, 1, 0, 1, 1], [0, 1, 1, 1, 0, 1]], bool)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1e38])
@pytest.mark.parametrize(
    "op",
    [
        lambda x, s, where: pn.layer_norm(x, s, where=where),
        lambda x, s, where: pn.group_norm(x, 2, s, where=where),
        lambda x, s, where: pn.batch_norm(x, s, where=where),
        lambda x, s, where: sum(pn.moments(x, where=where)) * s,
        lambda x, s, where: pn.yat_gate(x, s.reshape(2, 3), where=where),
    ],
    ids=["layer", "group", "batch", "moments", "gate"],
)
def test_what_stands_under_the_mask_does_not_reach_the_others(op, bad):
    def total(x, scale):
        y = op(x, scale, BAD_MASK)
        weights = jnp.cos(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape)
        return jnp.sum(jnp.where(BAD_MASK, y * weights, 0))

    scale = jnp.asarray(SCALE, jnp.float32)

    @jax.jit
    def took(x, scale):
        ones = jnp.ones_like(x), jnp.ones_like(scale)
        return *jax.value_and_grad(total, (0, 1))(x, scale), jax.jvp(total, (x, scale), ones)

    known, got = (
        took(jnp.asarray(np.where(BAD_MASK, X[0, :3], v), jnp.float32), scale) for v in (1.0, bad)
    )
    for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(known), strict=True):
        assert np.isfinite(one).all()
        masked = ~BAD_MASK if np.ndim(one) == 2 else False
        close(np.where(masked, 0, one), np.where(masked, 0, other), 1e-4, 1e-4)


@pytest.mark.parametrize("layer", [pn.YatLayerNorm, pn.YatBatchNorm], ids=lambda la: la.name)
def test_a_mask_holds_for_the_norm_and_for_the_gate(layer):
    plain = pn.LayerNorm if layer is pn.YatLayerNorm else pn.BatchNorm
    model, x = layer(jax.random.key(0), 6, groups=2), np.where(BAD_MASK, X[0, :3], np.nan)
    y, wanted = (pn.observe(m, x, where=BAD_MASK)[0] for m in (model, plain(6)))
    np.testing.assert_array_equal(y, wanted)  # untrained
    trained = pn.replace(model, "alpha", jnp.ones(2))
    filled = np.where(BAD_MASK, X[0, :3], 7.0)
    one, other = (pn.observe(trained, v, where=BAD_MASK)[0] for v in (x, filled))
    close(np.where(BAD_MASK, one, 0), np.where(BAD_MASK, other, 0), 1e-6, 1e-6)
    alone = pn.yat_gate(X[0, 0, :2], np.ones((1, 2)))
    close(pn.yat_gate(X[0, 0, :3], np.ones((1, 3)), where=np.arange(3) < 2)[:2], alone, 1e-6)


def test_statistics_are_no_parameters():
    model = pn.BatchNorm(3)
    params, stats = pn.partition(model, "params", "batch_stats")
    assert (pn.count(params), pn.count(stats)) == (6, 6)
    gradient = pn.grad(lambda model, x: pn.observe(model, x)[0].sum())(model, X[0, :, :3])
    assert pn.count(gradient) == 6


def test_the_yat_part_can_be_off_and_starts_silent():
    pairs = (pn.YatLayerNorm, pn.LayerNorm), (pn.YatBatchNorm, pn.BatchNorm)
    for seed, (yat, plain) in enumerate(pairs):
        key = jax.random.key(seed)
        for model in (yat(key, 6, use_yat=False), yat(key, 6, groups=2)):
            known = plain(6)
            np.testing.assert_array_equal(model(X), known(X))
            (y, after), (wanted, moved) = pn.observe(model, X), pn.observe(known, X)
            np.testing.assert_array_equal(y, wanted)
            same_leaves(after.norm, moved)


def same_leaves(one, other):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


def test_yat_layer_norm_against_its_formula():
    model = pn.YatLayerNorm(jax.random.key(0), 6, groups=2, epsilon=0.5)
    alpha, bias = np.array([0.7, -0.2]), np.array([0.1, 0.3])
    model = pn.replace(pn.replace(model, "alpha", jnp.asarray(alpha)), "bias", jnp.asarray(bias))
    h = (X - X.mean(-1, keepdims=True)) / np.sqrt(X.var(-1, keepdims=True) + 1e-5)
    p = np.asarray(model.prototype, np.float64)
    h = h.reshape(5, 4, 2, 3)
    score = ((h * p).mean(-1) + bias) ** 2 / (((h - p) ** 2).mean(-1) + 0.5)
    close(model(X), (h * (1 + alpha * score)[..., None]).reshape(X.shape), 1e-6, 1e-6)


@pytest.mark.slow
def test_a_yat_norm_learns_to_prefer_its_prototype():
    """Rows near one direction must come out larger: a plain LayerNorm gives all one length."""
    x = jax.random.normal(jax.random.key(0), (256, 8))
    h = pn.LayerNorm(8)(x)
    target = (h[:, 0] > 0.7).astype(jnp.float32)

    def length(y):
        return jnp.mean(jnp.square(y), -1)

    model = pn.compose(pn.YatLayerNorm(jax.random.key(1), 8, use_scale=False), length)
    model, history = pn.fit(optax.adam(3e-2), model, x, 1 + target, epochs=300, progress=False)
    above = model(x)[target == 1].mean() - model(x)[target == 0].mean()
    assert history["loss"][-1] < 0.6 * history["loss"][0]
    assert above > 0.3


def test_the_gate_takes_bias_before_alpha_as_the_family_does():
    x, prototype = jnp.array([1.0, 2.0]), jnp.array([[1.0, 0.0]])
    y = pn.yat_gate(x, prototype, 3.0, 0.5)  # mean product 1/2, mean squared distance 2
    np.testing.assert_allclose(y, x * (1 + 0.5 * 3.5**2 / 3))
    names = list(inspect.signature(pn.yat_gate).parameters)
    assert names[2:4] == list(inspect.signature(pn.yat).parameters)[2:4] == ["bias", "alpha"]


def test_layers_of_training_inside_sequential_and_fit():
    keys = jax.random.split(jax.random.key(0), 3)
    model = pn.sequential(
        pn.Linear(keys[0], 2, 16), pn.BatchNorm(16), jax.nn.relu, pn.Dropout(0.1),
        pn.Linear(keys[1], 16, 1),
    )  # fmt: skip
    x = jax.random.normal(keys[2], (64, 2)) * 3 + 5
    y = (x[:, :1] - 5) * (x[:, 1:] - 5) / 9
    trained, history = pn.fit(
        optax.adam(1e-2), model, x, y, epochs=60, batch_size=16, key=jax.random.key(1),
        progress=False,
    )  # fmt: skip
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert abs(trained[1].mean - model[1].mean).max() > 0.1
    np.testing.assert_array_equal(trained(x), trained(x))


def test_an_axis_may_be_any_integer():
    np.testing.assert_array_equal(pn.layer_norm(X, axis=np.int64(-1)), pn.layer_norm(X))


def bare(features):
    return pn.BatchNorm(features, use_scale=False, use_bias=False)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: pn.LayerNorm(0), ValueError, "features must be at least 1"),
        (lambda: pn.GroupNorm(6, groups=4), ValueError, "groups must divide the 6 features"),
        (lambda: pn.YatLayerNorm(jax.random.key(0), 6, groups=4), ValueError, "must divide the 6"),
        (lambda: pn.LayerNorm(5)(X), ValueError, "scale must have shape"),
        (lambda: pn.BatchNorm(5)(X), ValueError, "scale must have shape"),
        (lambda: pn.layer_norm(X, axis=3), ValueError, "axis must name"),
        (lambda: pn.layer_norm(X, epsilon=0.0), ValueError, "epsilon must be above 0"),
        (lambda: pn.layer_norm(X, where=jnp.ones(6)), TypeError, "where must be boolean"),
        (lambda: pn.rms_norm(1j * X), TypeError, "must be real"),
        (lambda: pn.group_norm(X[0, 0], 2), ValueError, "name the spatial axes"),
        (lambda: pn.group_norm(X, 2, axis=-1), ValueError, "name the spatial axes"),
        (lambda: pn.batch_norm(X, mean=jnp.zeros(6)), ValueError, "must come together"),
        (lambda: pn.observe(pn.BatchNorm(6), X[:1, 0]), ValueError, "at least 2 numbers"),
        (lambda: pn.observe(pn.BatchNorm(6), X[:0], where=True), ValueError, "at least 2 numbers"),
        (lambda: pn.observe(bare(1), X), ValueError, "mean must have shape"),
        (lambda: bare(1)(X), ValueError, "mean must have shape"),
        (lambda: bare(6)(X, epsilon=np.ones((5, 4, 6))), ValueError, "epsilon must have shape"),
        (lambda: pn.observe(bare(6), X, momentum=2.0), ValueError, "momentum must be between 0"),
        (lambda: pn.observe(bare(6), X, momentum=np.nan), ValueError, "momentum must be between"),
        (lambda: pn.observe(bare(6), X, momentum=None), TypeError, "momentum must be an array or"),
        (lambda: pn.observe(bare(6), X, momentum=jnp.ones(6)), ValueError, "momentum must have"),
        (lambda: pn.batch_norm(X, mean=1j, variance=1.0), TypeError, "mean must be real"),
        (lambda: pn.layer_norm(X, epsilon=1j), TypeError, "epsilon must be real"),
        (lambda: pn.layer_norm(X, epsilon=None), TypeError, "epsilon must be an array or a number"),
        (lambda: pn.layer_norm(X, where=[True] * 6), TypeError, "where must be an array"),
        (lambda: pn.layer_norm(X, axis=None), TypeError, "axis must be an integer or several"),
        (lambda: pn.layer_norm(X, axis=1.0), TypeError, "axis must be an integer or several"),
        (lambda: pn.layer_norm(X, axis="a"), TypeError, "axis must be an integer or several"),
        (lambda: pn.group_norm(X, 2.0), TypeError, "groups must be an integer, got float"),
        (lambda: pn.group_norm(X, "2"), TypeError, "groups must be an integer, got str"),
        (lambda: pn.LayerNorm(True), TypeError, "features must be an integer, got bool"),
        (lambda: pn.LayerNorm(4, dtype=int), TypeError, "dtype must be floating"),
        (lambda: pn.BatchNorm(4, dtype=jnp.complex64), TypeError, "dtype must be floating"),
        (lambda: pn.yat_gate(X, jnp.ones((2, 3)), where=jnp.ones(5) > 0), ValueError, "where must"),
        (lambda: pn.Dropout(1.5), ValueError, "rate must be between 0 and 1"),
        (lambda: pn.observe(pn.Dropout(0.5), X), TypeError, "Dropout: in training key must be"),
        (lambda: pn.dropout(X, 0.5, key=jax.random.key(0), broadcast_axes=3), ValueError, "axis"),
        (lambda: pn.yat_gate(X, jnp.ones((2, 2))), ValueError, "prototype"),
        (lambda: pn.yat_gate(X, jnp.ones((2, 3)), jnp.ones(3)), ValueError, "bias must have"),
    ],
)
def test_errors_name_the_argument_and_the_cure(call, error, message):
    with pytest.raises(error, match=message):
        call()
