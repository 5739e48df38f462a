"""The feature maps: what they are on average, and how near to exact attention they bring one."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn
from pyneurons_yat.ops.linear_attention import quadrature

SETTINGS = [(0.0, 0.5), (0.0, 2.0), (1.0, 0.5), (1.0, 2.0), (4.0, 0.5), (4.0, 2.0)]
MAPS = [pn.YatFeatures, pn.AnchorFeatures, pn.MaclaurinFeatures, pn.RadialFeatures]


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def vectors(count=5, inputs=4, seed=0):
    return np.random.default_rng(seed).normal(size=(2, count, inputs))


def distances(q, k):
    return ((q[:, None] - k[None]) ** 2).sum(-1)


def kernel(q, k, shift, epsilon):
    return (q @ k.T + shift) ** 2 / (distances(q, k) + epsilon)


def smooth(q, k, shift, epsilon, distance, nodes):
    """The kernel with its quadrature, as the docstring of YatFeatures has it."""
    x, w = np.polynomial.laguerre.laggauss(nodes)
    c = distance + epsilon
    far = distances(q, k)
    inverse = sum(b / c * np.exp(a * (distance - far) / c) for a, b in zip(x, w, strict=True))
    return (q @ k.T + shift) ** 2 * inverse


def check_mean(layer, q, k, wanted, features, draws, **options):
    """The mean over many draws of the map is within 5 standard errors of `wanted`."""

    def once(key):
        phi = layer(key, q.shape[-1], features, dtype=float, **options)
        return phi(q) @ phi(k).T

    drawn = np.asarray(jax.jit(jax.vmap(once))(jax.random.split(jax.random.key(0), draws)))
    error = drawn.std(0) / np.sqrt(draws)
    assert np.all(np.abs(drawn.mean(0) - wanted) < 5 * error + 1e-9)
    assert error.max() < 0.05 * np.abs(wanted).max()


@pytest.mark.parametrize(
    ("shift", "tail", "normalize", "nodes", "degree"),
    [
        (0.0, "cosine", True, 1, 1),
        (1.0, "cosine", True, 2, 2),
        (1.0, "positive", True, 1, 1),
        (0.0, "cosine", False, 2, 1),
        (1.0, "cosine", False, 1, 2),
        (1.0, "positive", False, 2, 1),
    ],
)
def test_yat_features_are_unbiased(shift, tail, normalize, nodes, degree):
    q, k = vectors()
    options = {"normalize": normalize, "nodes": nodes, "degree": degree}
    distance = 2.0 if normalize else 8.0
    q, k = (unit(q), unit(k)) if normalize else (0.8 * q, 0.8 * k)
    wanted = smooth(q, k, shift, 2.0, distance, nodes)
    check_mean(
        pn.YatFeatures, q, k, wanted, 64, 2000, shift=shift, epsilon=2.0, tail=tail, **options
    )


@pytest.mark.slow
def test_the_error_of_random_features_falls_with_the_root_of_their_number():
    q, k = (unit(x) for x in vectors(40))
    wanted = smooth(q, k, 1.0, 2.0, 2.0, 2)
    counts, errors = (64, 256, 1024, 4096), []
    for count in counts:

        def error(key, count=count):
            options = {"nodes": 2, "degree": 1, "normalize": True}
            phi = pn.YatFeatures(key, 4, count, shift=1.0, epsilon=2.0, dtype=float, **options)
            return jnp.mean(jnp.square(phi(q) @ phi(k).T - wanted))

        keys = jax.random.split(jax.random.key(0), 20)
        errors.append(np.sqrt(jax.jit(lambda keys, f=error: jax.lax.map(f, keys))(keys).mean()))
    slope = np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert -0.62 < slope < -0.42  # a little steeper than -1/2: 5 of the first 64 are exact


@pytest.mark.parametrize("distance", [2.0, 8.0])
def test_the_quadrature_comes_to_the_kernel_from_below(distance):
    q, k = vectors(20)
    q, k = (unit(q), unit(k)) if distance == 2 else (q, k)
    k[:3] = q[:3]  # duplicates, where it is worst
    exact = kernel(q, k, 1.0, 2.0)
    found = [smooth(q, k, 1.0, 2.0, distance, n) for n in (1, 2, 4, 8, 16)]
    errors = [np.max((exact - one) / exact) for one in found]
    assert all(np.all(one <= exact * (1 + 1e-12)) for one in found)
    assert np.all(np.diff(errors) < 0)
    assert errors[-1] < (1e-4 if distance == 2 else 0.05)


def test_without_random_features_the_powers_are_exact():
    q, k = (unit(x) for x in vectors())
    phi = pn.YatFeatures(
        jax.random.key(0), 4, 300, shift=1.0, epsilon=8.0, normalize=True, tail="none", dtype=float
    )
    dot = q @ k.T
    assert phi.directions.shape[1] == 0
    # The highest power that fits is the fifth; those above are worth less than 1e-2.
    got = np.asarray(phi(q)) @ np.asarray(phi(k)).T
    assert np.max(np.abs(got / kernel(q, k, 1.0, 8.0) - 1)[dot > 0]) < 1e-2


@pytest.mark.slow
def test_published_maps_on_average():
    q, k = (unit(x) for x in vectors())
    wanted = kernel(q, k, 1.0, 2.0)
    # Each power is worth half of the one before it at most: those above 20 are far below the noise.
    options = {"shift": 1.0, "epsilon": 2.0, "highest": 20}
    check_mean(pn.MaclaurinFeatures, q, k, wanted, 128, 1000, **options)
    x, w = np.polynomial.laguerre.laggauss(2)
    far = distances(q, k)
    inverse = sum(b / 2 * np.exp(-a / 2 * far) for a, b in zip(x, w, strict=True))
    wanted = (q @ k.T + 1) ** 2 * inverse
    check_mean(pn.RadialFeatures, q, k, wanted, 1024, 500, shift=1.0, epsilon=2.0)
    wanted = (1 + 2 * (q @ k.T) ** 2) / (4 * 6) * np.exp(2 * (q @ k.T) / 4) / 4
    check_mean(pn.AnchorFeatures, q, k, wanted, 512, 500, epsilon=2.0)


@functools.cache
def tokens(seeds):
    """Unit vectors q and k, any v, 512 of 16 entries for each seed; products and distances."""
    q, k, v = np.random.default_rng(0).normal(size=(3, seeds, 512, 16))
    q, k = unit(q), unit(k)
    far = np.stack([distances(*one) for one in zip(q, k, strict=True)])
    return q, k, v, q @ np.swapaxes(k, 1, 2), far


def exactly(seeds, shift, epsilon):
    """Exact attention of the tokens."""
    _, _, v, dot, far = tokens(seeds)
    weights = (dot + shift) ** 2 / (far + epsilon)
    return weights / weights.sum(-1, keepdims=True) @ v


@functools.cache
def approximately(seeds, layer, epsilon, features=256, **options):
    """Attention of the tokens by feature maps, another for each seed."""

    def one(arrays):
        key, *rows = arrays
        phi = layer(key, 16, features, epsilon=epsilon, **options)
        q, k, v = (row[:, None] for row in rows)
        return pn.linear_attention(phi(q), phi(k), v)[:, 0]

    rows = (np.asarray(a, np.float32) for a in tokens(seeds)[:3])
    keys = jax.random.split(jax.random.key(0), seeds)
    got = jax.jit(lambda *arrays: jax.lax.map(one, arrays))(keys, *rows)
    return np.asarray(got, np.float64)


def cosine(exact, got):
    return float(np.mean((unit(exact) * unit(got)).sum(-1)))


@pytest.mark.parametrize(
    ("shift", "epsilon", "least"),
    [(*s, c) for s, c in zip(SETTINGS, (0.66, 0.82, 0.975, 0.993, 0.996, 0.9992), strict=True)],
)
def test_256_features_beat_averaging_and_the_anchor_map(shift, epsilon, least):
    exact, values = exactly(10, shift, epsilon), tokens(10)[2]
    averaging = cosine(exact, np.broadcast_to(values.mean(1, keepdims=True), values.shape))
    anchor = cosine(exact, approximately(10, pn.AnchorFeatures, epsilon))
    options = {"shift": shift, "normalize": True}
    ours = cosine(exact, approximately(10, pn.YatFeatures, epsilon, **options))
    print(f"shift {shift}, epsilon {epsilon}: {averaging:.4f}, {anchor:.4f}, ours {ours:.4f}")
    assert ours > max(least, averaging, anchor)


@pytest.mark.slow
@pytest.mark.parametrize(("shift", "epsilon"), [SETTINGS[1], SETTINGS[2], SETTINGS[5]])
def test_the_error_falls_as_features_grow(shift, epsilon):
    counts, errors = (64, 256, 1024, 4096), []
    exact, options = exactly(5, shift, epsilon), {"shift": shift, "normalize": True}
    for count in counts:
        got = approximately(5, pn.YatFeatures, epsilon, count, **options)
        size = np.linalg.norm(exact, axis=(1, 2))
        errors.append(np.median(np.linalg.norm(got - exact, axis=(1, 2)) / size))
    slope = np.polyfit(np.log(counts), np.log(errors), 1)[0]
    print(f"shift {shift}, epsilon {epsilon}: errors {np.round(errors, 4)}, slope {slope:.2f}")
    assert np.all(np.diff(errors) < 0)
    assert slope < -0.35


@pytest.mark.parametrize("layer", MAPS)
def test_the_matrices_do_not_train_and_fit_under_vmap(layer):
    def create(key):
        return layer(key, 6)

    phi = jax.eval_shape(create, jax.random.key(0))
    y = jax.eval_shape(lambda phi, x: phi(x), phi, jnp.ones((2, 3, 6), jnp.float32))
    assert y.shape == (2, 3, 256)
    with pytest.raises(ValueError, match="the roles are buffers"):
        pn.select(phi, "params")
    stacked = jax.eval_shape(jax.vmap(create), jax.random.split(jax.random.key(1), 2))
    assert all(leaf.shape[0] == 2 for leaf in jax.tree.leaves(stacked))


@jax.jit
def run(phi, x):
    return phi(x)


@pytest.mark.parametrize("layer", MAPS)
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_low_precision(layer, dtype):
    phi = layer(jax.random.key(0), 6, epsilon=0.5, dtype=dtype)
    x = vectors(40, 6)[0].astype(dtype)
    y = run(phi, x)
    wide = jax.tree.map(lambda a: np.asarray(a, float if a.dtype == dtype else a.dtype), phi)
    wide = run(wide, x.astype(float))
    assert y.dtype == dtype
    assert np.linalg.norm(np.asarray(y, float) - wide) < 0.02 * np.linalg.norm(wide)


@pytest.mark.parametrize("layer", MAPS)
def test_a_zero_vector_has_finite_features_and_gradient(layer):
    phi = layer(jax.random.key(0), 6, epsilon=0.5)
    options = {"normalize": True} if layer is pn.YatFeatures else {}

    def total(x):
        y = phi(x, **options)
        return y.sum(), y

    run = jax.jit(jax.grad(total, has_aux=True))
    for size in (0.0, 1e30, 1e-30):
        gradient, y = run(np.full(6, size, np.float32))
        assert np.all(np.isfinite(y))
        assert np.all(np.isfinite(gradient))


@pytest.mark.parametrize(
    ("layer", "options", "error", "words"),
    [
        (pn.YatFeatures, {"features": 4}, ValueError, "features must be at least"),
        (pn.YatFeatures, {"shift": -1.0}, ValueError, "shift must be at least 0"),
        (pn.YatFeatures, {"epsilon": 0.0}, ValueError, "epsilon must be above 0"),
        (pn.YatFeatures, {"nodes": 0}, ValueError, "nodes must be at least 1"),
        (pn.YatFeatures, {"degree": 1.5}, TypeError, "degree must be an integer"),
        (pn.YatFeatures, {"tail": "none", "degree": 1}, ValueError, "degree must be at least 2"),
        (pn.YatFeatures, {"tail": "no"}, ValueError, "tail must be .cosine. or"),
        (pn.YatFeatures, {"normalize": True, "distance": 3.0}, ValueError, "distance must be 2"),
        (pn.AnchorFeatures, {"features": 100}, ValueError, "multiple of nodes = 1 times anchors"),
        (pn.RadialFeatures, {"products": 0}, ValueError, "products must be at least 1"),
        (pn.MaclaurinFeatures, {"highest": 1}, ValueError, "highest must be at least 2, got 1"),
        (pn.YatFeatures, {"features": 2000, "nodes": 190, "degree": 1}, ValueError, "at most 180"),
    ],
)
def test_errors(layer, options, error, words):
    options = {"shift": 1.0, **options} if layer is not pn.AnchorFeatures else options
    with pytest.raises(error, match=words):
        layer(jax.random.key(0), 6, **options)


def test_shapes_that_do_not_fit_are_named():
    phi = jax.eval_shape(lambda key: pn.YatFeatures(key, 6), jax.random.key(0))
    with pytest.raises(ValueError, match=r"yat_features: directions must have shape \(P, M, I\)"):
        jax.eval_shape(run, phi, np.ones((2, 5)))
    with pytest.raises(TypeError, match="degrees must be integers"):
        pn.maclaurin_features(np.ones(2), np.ones((1, 1, 2)), np.ones(1), degrees=np.ones(1))
    with pytest.raises(ValueError, match="no more columns"):
        pn.yat_features(
            np.ones(2), np.ones((1, 3)), np.ones(1), np.ones((2, 1, 2)), np.ones((1, 2)),
            np.ones(1), np.ones(1),
        )  # fmt: skip


def test_allocation_spends_all_and_forgets_none():
    for total in (3, 10, 101):
        counts = quadrature.allocate(np.array([[1e-9, 5.0, 0.0], [2.0, 0.0, 0.0]]), total)
        assert counts.sum() == total
        assert np.array_equal(counts > 0, [[True, True, False], [True, False, False]])
