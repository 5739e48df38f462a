"""What no query sees reaches nothing, be it NaN; and dot products in the dtype they come in."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import truth_attention as truth

from pyneurons_yat.ops import yat_attention, yat_attention_weights
from pyneurons_yat.ops.attention import (
    dot_product_attention,
    dot_product_attention_weights,
    dropped_attention,
)

DRAW = np.random.default_rng(11)
B, T, S, N, H = 2, 4, 5, 2, 3
QUERY = DRAW.normal(size=(B, T, N, H))
KEY = DRAW.normal(size=(B, S, N, H))
VALUE = DRAW.normal(size=(B, S, N, 2))
HIDDEN = 3  # the key that no query sees
DEAD = 1  # the query that sees no key


def mask_of(rows, columns):
    mask = np.ones((T, S), bool)
    mask[rows], mask[:, columns] = False, False
    return mask


HIDES = {
    "mask": {"mask": mask_of([DEAD], [HIDDEN])},
    "bias": {"bias": np.where(mask_of([DEAD], [HIDDEN]), 0.5, -np.inf)},
    "lengths": {
        "query_seq_lengths": np.array([DEAD, DEAD]),
        "key_value_seq_lengths": np.array([HIDDEN, HIDDEN]),
    },
}
DROPPED = partial(dropped_attention, jax.random.key(0), 0.0, dot_product_attention_weights)
ATTEND = {
    "dot": dot_product_attention,
    "dot dropped": lambda *a, **o: DROPPED(*a, **o),
    "softmax": partial(yat_attention, epsilon=0.5),
    "softermax": partial(yat_attention, epsilon=0.5, normalizer="softermax"),
    "power": partial(yat_attention, epsilon=0.5, normalizer="softermax", power=2.0),
    "direct": partial(yat_attention, epsilon=0.5, distance="direct"),
    "blocks": partial(yat_attention, epsilon=0.5, block_size=2),
}


@pytest.mark.parametrize("hides", HIDES)
@pytest.mark.parametrize("name", ATTEND)
def test_nan_that_is_hidden_reaches_nothing(name, hides):
    """Result and gradient are those of finite numbers in the same places."""
    options = HIDES[hides]

    @jax.jit
    def run(query, key, value):
        def total(*arrays):
            y = ATTEND[name](*arrays, **options)
            return jnp.sum(jnp.sin(y)), y

        return jax.grad(total, (0, 1, 2), has_aux=True)(query, key, value)

    last = slice(HIDDEN, None) if hides == "lengths" else HIDDEN
    dead = slice(DEAD, None) if hides == "lengths" else DEAD
    arrays = [array.copy() for array in (QUERY, KEY, VALUE)]
    wanted = run(*arrays)
    arrays[0][:, dead], arrays[1][:, last], arrays[2][:, last] = np.nan, np.nan, np.inf
    got = run(*arrays)
    jax.tree.map(np.testing.assert_array_equal, got, wanted)
    assert not np.any(wanted[1][:, dead])
    for gradient, place in zip(got[0], (dead, last, last), strict=True):
        assert not np.any(gradient[:, place])


@pytest.mark.parametrize("weigh", [dot_product_attention_weights, yat_attention_weights])
def test_weights_of_nan_that_is_hidden_are_finite(weigh):
    query, key = QUERY.copy(), KEY.copy()
    query[:, DEAD], key[:, HIDDEN] = np.nan, np.nan
    got = jax.jit(partial(weigh, **HIDES["mask"]))(query, key)
    np.testing.assert_array_equal(got, jax.jit(partial(weigh, **HIDES["mask"]))(QUERY, KEY))
    assert not np.any(got[..., HIDDEN])


def softmax_attention(query, key, value, seen):
    """Row by row, in float64 NumPy."""
    y = np.zeros((*query.shape[:-1], value.shape[-1]))
    for b, t, n in np.ndindex(query.shape[:3]):
        keys = seen[t]
        parts = np.exp(key[b, keys, n] @ query[b, t, n] / np.sqrt(query.shape[-1]))
        y[b, t, n] = parts @ value[b, keys, n] / parts.sum()
    return y


@pytest.mark.parametrize("is_causal", [False, True])
def test_dot_product_attention_of_float64_is_computed_in_float64(is_causal):
    seen = truth.pattern(T, S, is_causal=is_causal)
    got = jax.jit(partial(dot_product_attention, is_causal=is_causal))(QUERY, KEY, VALUE)
    wanted = softmax_attention(QUERY, KEY, VALUE, seen)
    np.testing.assert_allclose(got, wanted, rtol=1e-13, atol=1e-14)
    dropped = jax.jit(partial(DROPPED, is_causal=is_causal))(QUERY, KEY, VALUE)
    np.testing.assert_allclose(got, dropped, rtol=1e-13, atol=1e-14)


def test_lengths_hide_as_the_mask_of_the_same_places_does():
    queries, keys = np.array([2, 4]), np.array([5, 0])
    rows, columns = np.arange(T) < queries[:, None], np.arange(S) < keys[:, None]
    mask = rows[:, None, :, None] & columns[:, None, None, :]
    lengths = {"query_seq_lengths": queries, "key_value_seq_lengths": keys}
    for attend in (dot_product_attention, DROPPED):
        got = jax.jit(partial(attend, **lengths))(QUERY, KEY, VALUE)
        wanted = jax.jit(partial(attend, mask=mask))(QUERY, KEY, VALUE)
        np.testing.assert_allclose(got, wanted, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"mask": np.ones((T, S))}, TypeError, "mask must be boolean, got dtype float64; pass an"),
        ({"mask": np.ones((T, T), bool)}, ValueError, "mask must broadcast to shape"),
        ({"bias": np.zeros((3, 4))}, ValueError, "bias must broadcast to shape"),
        ({"bias": 1j}, TypeError, "bias must be real"),
        ({"scale": np.ones(N)}, ValueError, r"scale must have shape \(\), got shape \(2,\)"),
        ({"scale": 0.0}, ValueError, "scale must be above 0 and finite, got 0.0"),
        ({"is_causal": "no"}, TypeError, "is_causal must be True or False, got 'no'"),
        ({"query_seq_lengths": np.ones(B)}, TypeError, "query_seq_lengths must be integers"),
        ({"key_value_seq_lengths": np.array([1])}, ValueError, r"must have shape \(2,\)"),
    ],
)
def test_dot_product_attention_refuses_what_yat_attention_refuses(options, error, words):
    for attend in (dot_product_attention, DROPPED, yat_attention):
        if "scale" in options and attend is not dot_product_attention:
            continue  # one is bound to the weights, and in the other each head may have its own
        with pytest.raises(error, match=f"^([a-z]+_)*attention: .*{words}"):
            attend(QUERY, KEY, VALUE, **options)
