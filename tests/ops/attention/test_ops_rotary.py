"""Rotary positions: the relative property, explicit positions, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import truth_rotary

import pyneurons_yat as pn

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(2, 5, 3, 6))


@pytest.mark.parametrize("interleaved", [False, True])
def test_products_and_distances_depend_on_the_difference_of_positions_only(interleaved):
    q, k = DRAW.normal(size=(2, 1, 1, 8))

    def pair(i, j):
        one = pn.rotary(q[None], offset=i, interleaved=interleaved)
        two = pn.rotary(k[None], offset=j, interleaved=interleaved)
        one, two = np.asarray(one), np.asarray(two)
        return float((one * two).sum()), float(((one - two) ** 2).sum())

    for i, j in [(0, 3), (5, 2), (7, 7)]:
        for moved in (1, 100, 12_345):
            np.testing.assert_allclose(pair(i, j), pair(i + moved, j + moved), rtol=1e-8)
    assert abs(pair(0, 3)[0] - pair(0, 4)[0]) > 1e-3


def test_norms_are_kept_and_position_0_changes_nothing():
    y = np.asarray(pn.rotary(X, offset=9))
    np.testing.assert_allclose((y**2).sum(-1), (X**2).sum(-1), rtol=1e-12)
    np.testing.assert_array_equal(pn.rotary(X[:, :1]), X[:, :1])


@pytest.mark.parametrize("positions", [np.arange(5) * 3, DRAW.uniform(-9, 9, (2, 5))])
@pytest.mark.parametrize("offset", [0, 4.5, np.array([1, 20])])
def test_positions_and_offsets(positions, offset):
    y = np.asarray(pn.rotary(X, positions=positions, offset=offset, base=500.0, size=4))
    wanted = truth_rotary.rotary(X, positions, offset, 500.0, size=4)
    np.testing.assert_allclose(y, wanted, rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(y[..., 4:], X[..., 4:])


def test_offset_and_base_may_be_traced():
    turned = jax.jit(lambda offset, base: pn.rotary(X, offset=offset, base=base))
    wanted = truth_rotary.rotary(X, offset=11, base=2e4)
    np.testing.assert_allclose(turned(11, 2e4), wanted, rtol=1e-9, atol=1e-9)
    assert np.isfinite(jax.jit(jax.grad(lambda b: pn.rotary(X, base=b).sum()))(1e4))


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
def test_low_precision_far_away_computes_its_angles_in_float32(dtype):
    x = X.astype(dtype)
    y = pn.rotary(x, offset=5000)
    assert y.dtype == dtype
    wanted = truth_rotary.rotary(x, offset=5000)
    np.testing.assert_allclose(np.asarray(y, float), wanted, rtol=0.01, atol=0.02)


@pytest.mark.filterwarnings("ignore")
def test_a_peer():
    peer = pytest.importorskip("nmn.nnx.layers.attention.rotary_yat")
    cosine, sine = peer.precompute_freqs_cis(6, 32)
    with jax.numpy_rank_promotion("allow"):
        wanted = peer.apply_rotary_emb(jnp.asarray(X, jnp.float32), cosine, sine, 7)
    np.testing.assert_allclose(pn.rotary(X, offset=7, interleaved=True), wanted, atol=2e-6)


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        (X[..., :5], {}, "head size must be even, got 5; rotate only the first features with size"),
        (X, {"size": 3}, "size must be even and in"),
        (X, {"size": 8}, "size must be even and in"),
        (X[0, 0], {}, "x must have shape"),
        (X, {"positions": np.arange(4)}, "positions must have shape"),
        (X, {"offset": np.arange(3)}, "offset must be a number or have shape"),
        (X, {"base": 0.0}, "base must be above 0"),
        (X, {"base": np.full(3, 1e4)}, r"base must have shape \(\), got shape \(3,\)"),
    ],
)
def test_what_is_refused(x, options, message):
    with pytest.raises(ValueError, match=message):
        pn.rotary(x, **options)


def test_complex_is_refused():
    with pytest.raises(TypeError, match="x must be real"):
        pn.rotary(X + 1j)


def test_a_name_is_no_choice_of_pairs():
    with pytest.raises(TypeError, match="interleaved must be True or False, got 'half'"):
        pn.rotary(X, interleaved="half")
