"""The cache of decoding, and that no causal path lets the future through."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(2, 9, 8))
ROTARY = {"rotary": "half"}
MODELS = {
    "dot": (pn.MultiHeadAttention, {}),
    "dot, grouped, rotary": (pn.MultiHeadAttention, {"kv_heads": 2, **ROTARY}),
    "yat": (pn.YatMultiHeadAttention, {"kv_heads": 2}),
    "yat, rotary, unit": (pn.YatMultiHeadAttention, {**ROTARY, "normalize_qk": True}),
    "yat, interleaved": (pn.YatMultiHeadAttention, {"rotary": "interleaved"}),
    "yat, softermax": (pn.YatMultiHeadAttention, {"normalizer": "softermax", "power": 2.0}),
    "self": (pn.YatSelfAttention, {}),
    "self, wide, rotary": (pn.YatSelfAttention, {"qkv_features": 12, **ROTARY}),
    "self, with itself": (pn.YatSelfAttention, {"mask_self": False, "normalizer": "softmax"}),
}
every = pytest.mark.parametrize("name", MODELS)
some = pytest.mark.parametrize("name", ["dot, grouped, rotary", "yat, rotary, unit", "self"])


@jax.jit
def whole(model, x, **arrays):
    """The full causal pass."""
    return model(x, is_causal=True, **arrays)


@functools.cache
def made(name, **options):
    layer, own = MODELS[name]
    return layer(jax.random.key(0), 8, 3, heads=4, dtype=float, **own, **options)


@jax.jit
def step(model, x, cache, **arrays):
    return pn.decode(model, x, cache, **arrays)


@every
def test_decoding_equals_the_full_causal_pass(name):
    @jax.jit
    def decoded(model, cache):
        start, cache = pn.decode(model, X[:, :4], cache)  # a prompt
        pair, cache = pn.decode(model, X[:, 4:6], cache)  # two at a time

        def one(cache, x):
            y, cache = pn.decode(model, x[:, None], cache)
            return cache, y[:, 0]

        cache, rest = jax.lax.scan(one, cache, np.moveaxis(X[:, 6:], 1, 0))
        return jnp.concatenate([start, pair, jnp.moveaxis(rest, 0, 1)], 1), cache

    model = made(name)
    y, cache = decoded(model, pn.attention_cache(model, (2,), 9))
    np.testing.assert_allclose(y, whole(model, X), rtol=1e-5, atol=1e-6)
    assert cache.index.dtype == jnp.int32
    assert int(cache.index) == 9


@every
def test_no_output_depends_on_the_future(name):
    model = made(name)
    y = np.asarray(whole(model, X))
    for t in (0, 3, 8):
        x = X.copy()
        x[:, t] = 100 * DRAW.normal(size=(2, 8))
        changed = np.asarray(whole(model, x))
        np.testing.assert_array_equal(y[:, :t], changed[:, :t])
        seen = t + 1 if name.startswith("self") else t  # there no token sees itself
        assert (np.abs(y[:, seen:] - changed[:, seen:]).max(axis=(0, 2)) > 0).all()
    slopes = jax.jit(jax.jacobian(lambda x: model(x, is_causal=True).sum((0, 2))))(X)
    future = np.abs(slopes).sum((1, 3)) * np.triu(np.ones((9, 9)), 1)
    np.testing.assert_array_equal(future, 0)


@some
def test_no_output_depends_on_the_future_in_decoding_and_training(name):
    model = made(name, dropout=0.3)
    cache = pn.attention_cache(model, (2,), 9)
    changed = X.copy()
    changed[:, 5] = 50.0

    @jax.jit
    def decoded_and_trained(x):
        y, _ = pn.observe(model, x, key=jax.random.key(1), is_causal=True)
        return pn.decode(model, x, cache)[0][:, :5], y[:, :5]

    jax.tree.map(
        np.testing.assert_array_equal, decoded_and_trained(X), decoded_and_trained(changed)
    )


@some
def test_overflow_is_an_error_outside_jit_and_nan_inside(name):
    model = made(name)
    cache = pn.attention_cache(model, (2,), 5)
    for start in (0, 2):
        _, cache = step(model, X[:, start : start + 2], cache)
    with pytest.raises(ValueError, match="room for 5 tokens and holds 4, so 2 more do not fit"):
        pn.decode(model, X[:, 4:6], cache)
    y, over = step(model, X[:, 4:6], cache)
    assert np.isnan(y).all()
    y, _ = step(model, X[:, 6:8], over)  # and ever after
    assert np.isnan(y).all()
    with pytest.raises(ValueError, match="so 6 more do not fit"):
        step(model, X[:, :6], pn.attention_cache(model, (2,), 5))
    y, _ = step(model, X[:, 4:5], cache)
    np.testing.assert_allclose(y, np.asarray(whole(model, X))[:, 4:5], rtol=1e-5, atol=1e-6)


@some
def test_masks_in_decoding(name):
    """A padded prompt: the first two of nine places are never seen."""

    @jax.jit
    def both(model, cache, mask):
        _, cache = pn.decode(model, X[:, :6], cache, mask=mask[None])
        y, _ = pn.decode(model, X[:, 6:], cache, mask=mask)
        return y, model(X, is_causal=True, mask=mask[None])[:, 6:]

    model = made(name)
    y, wanted = both(model, pn.attention_cache(model, (2,), 9), np.arange(9) >= 2)
    np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-6)


def test_explicit_positions_in_decoding():
    positions = np.array([0, 1, 2, 5, 6, 7, 8, 9, 10])

    @jax.jit
    def both(model, cache):
        start, cache = pn.decode(model, X[:, :4], cache, positions=positions[:4])
        rest, _ = pn.decode(model, X[:, 4:], cache, positions=positions[4:])
        return jnp.concatenate([start, rest], 1), model(X, positions=positions, is_causal=True)

    model = made("yat, rotary, unit")
    y, full = both(model, pn.attention_cache(model, (2,), 9))
    np.testing.assert_allclose(y, full, rtol=1e-5, atol=1e-6)


def halved(params):
    return params._replace(output=jax.tree.map(lambda leaf: leaf / 2, params.output))


def test_what_reparam_and_freeze_make_decodes_too():
    model = pn.freeze(pn.reparam(made("yat"), halved), "value")
    y, _ = step(model, X, pn.attention_cache(model, (2,), 9))
    wanted = np.asarray(whole(made("yat"), X)) / 2
    np.testing.assert_allclose(y, wanted, rtol=1e-6, atol=1e-8)


def test_caches_under_vmap_have_lengths_of_their_own():
    @jax.jit
    def both(model, cache):
        caches = pn.stack([pn.decode(model, X[0, :n], cache)[1] for n in (3, 6)])
        y, caches = jax.vmap(pn.decode, (None, 0, 0))(model, X[0, [[3], [6]]], caches)
        return y[:, 0], caches, model(X[0], is_causal=True)

    model = made("yat, rotary, unit")
    y, caches, full = both(model, pn.attention_cache(model, (), 9))
    np.testing.assert_allclose(y, np.asarray(full)[[3, 6]], rtol=1e-6, atol=1e-8)
    np.testing.assert_array_equal(caches.index, [4, 7])


def test_an_index_below_zero_is_an_error_where_it_is_known_and_nan_where_not():
    model = made("yat")
    cache = pn.attention_cache(model, (2,), 9)._replace(index=jnp.int32(-1))
    with pytest.raises(ValueError, match="the index of a cache must be at least 0, got -1"):
        pn.decode(model, X[:, :1], cache)
    for _ in range(3):  # and in every later call
        y, cache = step(model, X[:, :1], cache)
        assert np.isnan(y).all()


def test_a_cache_of_lower_precision():
    model = made("yat")
    cache = pn.attention_cache(model, (2,), 9, jnp.bfloat16)
    y, cache = step(model, X, cache)
    assert cache.key.dtype == cache.value.dtype == jnp.bfloat16
    np.testing.assert_allclose(y, whole(model, X), atol=0.02)
    assert pn.attention_cache(model, (2,), 9).key.dtype == np.float64


def test_gradients_flow_through_decoding():
    model = made("yat")

    def total(model):
        def one(cache, x):
            y, cache = pn.decode(model, x[:, None], cache)
            return cache, y

        cache = pn.attention_cache(model, (2,), 9)
        return jnp.sum(jax.lax.scan(one, cache, np.moveaxis(X, 1, 0))[1] ** 2)

    def known(model):
        return jnp.sum(model(X, is_causal=True) ** 2)

    got, wanted = jax.jit(lambda model: (jax.grad(total)(model), jax.grad(known)(model)))(model)
    for one, two in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-7, atol=1e-9)


def test_wrong_caches():
    model = made("yat")
    cache = pn.attention_cache(model, (2,), 9)
    with pytest.raises(TypeError, match=r"cache must be an AttentionCache.*attention_cache\("):
        pn.decode(model, X, None)
    with pytest.raises(ValueError, match=r"make it with attention_cache\(model, \(\), length\)"):
        pn.decode(model, X[0], cache)
    with pytest.raises(ValueError, match="a cache is for self attention"):
        model(X, X, cache=cache)
    with pytest.raises(TypeError, match="must be an attention layer.*got Linear"):
        pn.attention_cache(pn.Linear(jax.random.key(0), 3, 3), (2,), 9)
    with pytest.raises(ValueError, match="length must be at least 1"):
        pn.attention_cache(model, (2,), 0)
    with pytest.raises(TypeError, match="dtype must be a floating one, got int8"):
        pn.attention_cache(model, (2,), 9, jnp.int8)
    with pytest.raises(ValueError, match=r"one number, got shape \(2,\); .* jax.vmap over caches"):
        pn.decode(model, X, cache._replace(index=np.zeros(2, int)))
