"""Dropout of attention weights: its definition, its statistics, and where its keys come from."""

import functools

import attention_truth as truth
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn
from pyneurons_yat.ops import yat_attention_weights as yat_weights
from pyneurons_yat.ops.attention import dot_product_attention_weights as dot_weights
from pyneurons_yat.ops.attention import dropped_attention

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(2, 5, 8))
LAYERS = [pn.MultiHeadAttention, pn.YatMultiHeadAttention, pn.YatSelfAttention]
every = pytest.mark.parametrize("layer", LAYERS, ids=lambda one: one.name)


def fresh():
    return jax.random.key(5)


@functools.cache
def made(layer, **options):
    return layer(jax.random.key(0), 8, 3, **{"heads": 2, "dtype": float, "dropout": 0.4, **options})


@jax.jit
def run(model, x):
    return model(x)


observe = jax.jit(pn.observe)


@every
def test_inference_is_deterministic_and_drops_nothing(layer):
    model = made(layer)
    np.testing.assert_array_equal(run(model, X), run(model, X))
    np.testing.assert_array_equal(run(model, X), run(made(layer, dropout=0.0), X))


@every
def test_training_without_a_key_says_so(layer):
    with pytest.raises(TypeError, match=f"{layer.name}: in training key must be a PRNG key, got"):
        pn.observe(made(layer), X)
    y, after = jax.jit(functools.partial(pn.observe, dropout=0.0))(made(layer), X)
    np.testing.assert_allclose(y, run(made(layer), X), rtol=1e-6, atol=1e-9)
    assert jax.tree.structure(after) == jax.tree.structure(made(layer))


@every
def test_the_mean_over_keys_is_the_result_without_dropout(layer):
    model = made(layer)
    keys = jax.random.split(fresh(), 4000)
    y = np.asarray(jax.jit(jax.vmap(lambda key: pn.observe(model, X, key=key)[0]))(keys))
    error = y.std(0) / 4000**0.5
    assert (np.abs(y.mean(0) - run(model, X)) < 6 * error + 1e-9).all()
    assert y.std(0).min() > 0


@pytest.mark.parametrize("weigh", [dot_weights, yat_weights])
def test_weights_are_dropped_after_normalisation(weigh):
    """With unit vectors as values, the output shows the weights themselves."""
    q, k = DRAW.normal(size=(2, 1, 40, 3, 4))
    value = np.broadcast_to(np.eye(40)[:, None], (1, 40, 3, 40))

    @jax.jit
    def both(key):
        return [
            dropped_attention(key, rate, weigh, q, k, value, is_causal=True) for rate in (0.25, 0.0)
        ]

    w, plain = (np.asarray(weights) for weights in both(fresh()))
    kept = w != 0
    np.testing.assert_allclose(w[kept], plain[kept] / 0.75, rtol=1e-12)
    np.testing.assert_allclose(plain.sum(-1), 1.0, rtol=1e-12)
    seen = np.broadcast_to(np.tril(np.ones((40, 40), bool))[:, None], (40, 3, 40))
    rate = 1 - kept[0][seen].mean()
    assert abs(rate - 0.25) < 4 * (0.25 * 0.75 / seen.sum()) ** 0.5
    one, two = kept[0, 30:, 0, :30], kept[0, 30:, 1, :30]
    assert 0.2 < (one != two).mean() < 0.55  # heads draw apart: 2 * 0.25 * 0.75


@pytest.mark.parametrize("weigh", [dot_weights, yat_weights])
def test_blocks_change_nothing(weigh):
    q = DRAW.normal(size=(2, 11, 4, 6))
    k, v = DRAW.normal(size=(2, 2, 9, 2, 6))
    bias, mask = DRAW.normal(size=(4, 11, 9)), DRAW.random((2, 1, 1, 9)) < 0.8

    def run(size):
        def total(q, k, v, bias):
            y = dropped_attention(
                fresh(), 0.3, weigh, q, k, v, bias, mask, is_causal=True, block_size=size
            )
            return (y * jnp.cos(jnp.arange(y.size)).reshape(y.shape)).sum(), y

        return jax.jit(jax.grad(total, argnums=(0, 1, 2, 3), has_aux=True))(q, k, v, bias)

    for one, two in zip(jax.tree.leaves(run(4)), jax.tree.leaves(run(128)), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("normalizer", ["softmax", "softermax"])
def test_at_rate_0_the_weights_are_those_of_the_loops(normalizer):
    q, k, v = DRAW.normal(size=(3, 6, 2, 4))
    mask, bias = DRAW.random((6, 6)) < 0.6, DRAW.uniform(0, 1, (2, 6, 6))
    mask[1] = False
    power = 1.5 if normalizer == "softermax" else 1.0
    options = {"shift": np.array([0.3, -0.5]), "alpha": np.array([1.5, 2.0]), "epsilon": 0.1}

    def weigh(*arrays, **order):
        return yat_weights(*arrays, **options, **order, normalizer=normalizer, power=power)

    def score(n, q, k):
        return truth.yat_scores(q, k, 0.5, options["shift"][n], options["alpha"][n], 0.1)

    wanted = truth.attend(q, k, v, score, mask, bias, normalizer, power)
    got = dropped_attention(fresh(), 0.0, weigh, q, k, v, bias, mask)
    np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
@pytest.mark.usefixtures("optimized")
def test_memory_grows_with_the_length_not_its_square():
    def total(q, k, v):
        return dropped_attention(fresh(), 0.1, yat_weights, q, k, v, is_causal=True).sum()

    def temporary(length):
        array = jax.ShapeDtypeStruct((1, length, 2, 16), jnp.float32)
        lowered = jax.jit(jax.grad(total, argnums=(0, 1, 2))).lower(array, array, array)
        return lowered.compile().memory_analysis().temp_size_in_bytes

    assert temporary(2048) < 2.2 * temporary(1024)


@every
def test_observe_passes_through_sequential(layer):
    model = pn.sequential(pn.Linear(jax.random.key(1), 8, 8, dtype=float), made(layer))
    y, after = observe(model, X, key=fresh())
    plain = np.asarray(run(model, X))
    assert (y != plain).any()
    np.testing.assert_array_equal(run(after, X), plain)
    np.testing.assert_array_equal(observe(model, X, key=fresh())[0], y)


def create_counting(key, inputs, outputs, **options):
    return {"linear": pn.Linear(key, inputs, outputs, **options), "calls": jnp.zeros((), int)}


def apply_counting(params, x):
    return params["linear"](x)


def observe_counting(params, x):
    return params["linear"](x), {**params, "calls": params["calls"] + 1}


Counting = pn.bind("Counting", create_counting, apply_counting, observe_counting)


@every
def test_projections_are_observed_too(layer):
    model = made(layer, projection=Counting)
    _, after = observe(model, X, key=fresh())
    calls = [int(p.params["calls"]) for p in after.params[:4] if p is not None]
    assert calls == [1] * (2 if layer is pn.YatSelfAttention else 4)
    assert not any(int(p.params["calls"]) for p in model.params[:4] if p is not None)


@every
def test_old_keys(layer):
    y, _ = observe(made(layer), X, key=jax.random.PRNGKey(5))
    assert np.isfinite(y).all()


@every
@pytest.mark.parametrize("rate", [1.0, -0.1, 2])
def test_a_rate_out_of_range_is_refused_when_a_model_is_made_and_at_the_call(layer, rate):
    with pytest.raises(ValueError, match="dropout must be from 0 to below 1, got"):
        made(layer, dropout=rate)
    with pytest.raises(ValueError, match="dropout must be from 0 to below 1, got"):
        made(layer)(X, dropout=rate)
    with pytest.raises(TypeError, match="dropout must be a Python number, got 'high'"):
        made(layer)(X, dropout="high")
