"""What limits attention: lengths and windows of every size, and parameters of every dtype."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pyneurons_yat import ops

QUERY = np.ones((1, 4, 1, 2))
KEY = np.ones((1, 3, 1, 2))
VALUE = np.array([1.0, 2.0, 3.0]).reshape(1, 3, 1, 1)


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("length", [3, 4, 9])
def test_lengths_beyond_the_keys_are_all_keys(length, plain):
    with ops.forward_mode(plain):
        y = ops.yat_attention(
            QUERY, KEY, VALUE, alpha=0.0, dilation=2, key_value_seq_lengths=np.array([length])
        )
    np.testing.assert_allclose(np.ravel(y), [2.0, 2.0, 2.0, 2.0])  # (1 + 3) / 2, then 2 alone


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32])
def test_lengths_of_any_integer_dtype(dtype):
    lengths = np.array([126], dtype)
    query = np.ones((1, 130, 1, 2))
    options = {"dilation": 5, "query_offset": 4}
    y = np.asarray(ops.yat_attention(query, KEY, VALUE, query_seq_lengths=lengths, **options))
    wanted = np.asarray(ops.yat_attention(query, KEY, VALUE, **options))
    np.testing.assert_array_equal(y[:, :126], wanted[:, :126])
    assert not y[:, 126:].any()


@pytest.mark.parametrize("normalizer", ["softmax", "softermax"])
@pytest.mark.parametrize("size", [1e15, 1e18, 4e18])
def test_gradients_of_huge_inputs_are_finite(size, normalizer):
    """A query that equals its key has an infinite score; it is held, and nothing flows back."""
    x = size * np.random.default_rng(0).normal(size=(1, 5, 2, 4)).astype(np.float32)
    value = np.random.default_rng(1).normal(size=(1, 5, 2, 4)).astype(np.float32)

    @jax.jit
    def run(query, key, value):
        def total(query, key, value, alpha):
            options = {"alpha": alpha, "epsilon": np.float32(1e-5), "normalizer": normalizer}
            y = ops.yat_attention(query, key, value, **options)
            return jnp.sum(y**2), y

        alpha = np.ones(2, np.float32)
        return jax.grad(total, (0, 1, 2, 3), has_aux=True)(query, key, value, alpha)

    gradients, y = run(x, x, value)
    assert all(np.isfinite(leaf).all() for leaf in (y, *gradients))
    if normalizer == "softmax":  # one key has all the weight
        np.testing.assert_array_equal(y, value)
        assert not any(np.any(gradient) for gradient in gradients[:2])


@pytest.mark.parametrize("window", [2**31 - 1, (0, 2**31 - 1), sys.maxsize, 10**9])
@pytest.mark.parametrize("dilation", [1, 4])
def test_a_huge_window_has_no_limit(window, dilation):
    options = {"local_window_size": window, "dilation": dilation}
    first = np.arange(4)[:, None] <= np.arange(3) if isinstance(window, tuple) else True
    apart = (np.arange(4)[:, None] - np.arange(3)) % dilation == 0
    seen = np.broadcast_to(first & apart, (4, 3))
    wanted = np.where(seen.any(1), (seen @ np.arange(1.0, 4)) / np.maximum(seen.sum(1), 1), 0)
    y = ops.yat_attention(QUERY, KEY, VALUE, alpha=0.0, **options)
    np.testing.assert_allclose(np.ravel(y), wanted)
    weights = np.asarray(ops.yat_attention_weights(QUERY, KEY, alpha=0.0, **options))
    np.testing.assert_allclose((weights @ VALUE[:, :, 0]).ravel(), wanted)


@pytest.mark.parametrize(
    "options",
    [
        {"alpha": 1e5},
        {"epsilon": 2e-8, "normalizer": "softermax"},
        {"shift": 1e-8, "normalizer": "softermax"},
    ],
)
def test_parameters_are_not_rounded_to_the_dtype_of_the_arrays(options):
    query = np.full((1, 1, 1, 4), 0.01, np.float16)
    key = np.stack([0.5 * query[0, 0], 0.9 * query[0, 0]])[None]
    wide = query[0, 0].astype(float), key[0, :, 0].astype(float)
    got = ops.yat_attention_weights(query, key, **options)
    assert got.dtype == jnp.float16
    dot = wide[0] @ wide[1].T + options.get("shift", 0.0)
    score = dot**2 / (np.sum((wide[0] - wide[1]) ** 2, -1) + options.get("epsilon", 1e-5))
    score = 0.5 * options.get("alpha", 1.0) * score
    parts = score if "normalizer" in options else np.exp(score - score.max())
    np.testing.assert_allclose(np.ravel(got), (parts / parts.sum()).ravel(), 2e-3, 1e-6)


@pytest.mark.parametrize("weigh", [False, True])
def test_what_lies_beyond_the_key_lengths_reaches_nothing(weigh):
    lost = np.array([False, False, True])[None, :, None, None]
    key, value = (np.where(lost, np.nan, x) for x in (KEY, VALUE))

    def total(query, key, value):
        options = {"key_value_seq_lengths": np.array([2]), "block_size": 3}
        if weigh:
            del options["block_size"]
            weights = ops.yat_attention_weights(query, key, **options)
            return jnp.sum(weights @ jnp.array([1.0, 2.0, 4.0]))
        return ops.yat_attention(query, key, value, **options).sum()

    found = jax.jit(jax.value_and_grad(total, (0, 1, 2)))(QUERY, key, value)
    y, gradients = jax.tree.map(np.asarray, found)
    np.testing.assert_allclose(y, 6.0)
    assert all(np.isfinite(g).all() for g in gradients)
    assert not gradients[1][:, 2].any()
    assert not gradients[2][:, 2].any()


@pytest.mark.parametrize(
    ("changed", "kind", "words"),
    [
        ({"mask": [[True] * 3] * 4}, TypeError, "mask must be an array or a number, got list"),
        ({"key_value_seq_lengths": [3]}, TypeError, "key_value_seq_lengths must be an array"),
        ({"query_offset": None}, TypeError, "query_offset must be an array"),
        ({"epsilon": None}, TypeError, "epsilon must be an array or a number"),
        ({"is_causal": None}, TypeError, "is_causal must be True or False"),
        ({"block_size": True}, TypeError, "block_size must be an integer"),
        ({"local_window_size": True}, TypeError, "local_window_size must be an integer"),
        ({"dilation": True}, TypeError, "dilation must be an integer"),
    ],
)
def test_what_is_no_array_and_no_number_is_refused(changed, kind, words):
    with pytest.raises(kind, match=words):
        ops.yat_attention(QUERY, KEY, VALUE, **changed)
