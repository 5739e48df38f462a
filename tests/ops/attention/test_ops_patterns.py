"""Masks and positions: entry by entry, against flax, and that hidden blocks are left out."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn


def rule(sees, queries, keys, offset=0):
    """A mask by its rule, entry by entry."""
    return np.array([[sees(t + offset, s) for s in range(keys)] for t in range(queries)])


def strided(t, s):
    return abs(t - s) <= 3 or (t - s) % 3 == 0


def fixed(t, s):
    return t // 3 == s // 3 or s % 3 in (1, 2)


@pytest.mark.parametrize("offset", [0, 5])
def test_patterns_of_the_sparse_transformer(offset):
    for got, sees in (
        (pn.strided_mask(4, 11, 3, query_offset=offset), strided),
        (pn.fixed_mask(4, 11, 3, summary=2, query_offset=offset), fixed),
    ):
        np.testing.assert_array_equal(got, rule(sees, 4, 11, offset))
    traced = jax.jit(lambda o: pn.strided_mask(4, 11, 3, query_offset=o))(offset)
    np.testing.assert_array_equal(traced, rule(strided, 4, 11, offset))


def test_a_mask_of_blocks():
    blocks = np.random.default_rng(0).random((2, 3, 4)) < 0.5
    got = np.asarray(pn.block_mask(blocks, 3, 8, 10))
    for b in range(2):
        np.testing.assert_array_equal(
            got[b], rule(lambda t, s, b=b: blocks[b, t // 3, s // 3], 8, 10)
        )


def test_big_bird_sees_what_is_near_global_or_drawn():
    draw = jax.jit(
        lambda key: pn.big_bird_mask(key, 40, 48, 4, window=3, global_blocks=1, random_blocks=2)
    )
    masks = [np.asarray(draw(key)) for key in jax.random.split(jax.random.key(0), 20)]
    near = rule(lambda t, s: abs(t // 4 - s // 4) <= 1 or min(t, s) < 4, 40, 48)
    for mask in masks:
        assert mask[near].all()
        np.testing.assert_array_equal(mask, np.kron(mask[::4, ::4], np.ones((4, 4), bool)))
        drawn = (mask & ~near)[::4, ::4].sum(1)
        np.testing.assert_array_equal(drawn, [0] + [2] * 9)
    share = np.mean([mask[~near] for mask in masks])
    assert np.mean(masks, 0)[~near].min() > 0  # each block is drawn now and then
    assert 0.1 < share < 0.4


@pytest.mark.slow
def test_masks_are_those_of_flax():
    linen = pytest.importorskip("flax.linen")
    tokens = np.array([[1, 1, 0, 1], [1, 0, 0, 0]])
    keys = np.array([[1, 1, 0], [0, 1, 1]])
    with jax.numpy_rank_promotion("allow"):
        pairs = [
            (pn.make_causal_mask(tokens), linen.make_causal_mask(tokens)),
            (pn.make_attention_mask(tokens, keys), linen.make_attention_mask(tokens, keys)),
            (
                pn.make_attention_mask(tokens, pairwise=jnp.equal),
                linen.make_attention_mask(tokens, tokens, jnp.equal),
            ),
        ]
    causal, padding = (
        pairs[0],
        (pn.make_attention_mask(tokens), linen.make_attention_mask(tokens, tokens)),
    )
    pairs.append(
        (pn.combine_masks(causal[0], None, padding[0]), linen.combine_masks(causal[1], padding[1]))
    )
    for got, wanted in pairs:
        assert got.dtype == bool
        np.testing.assert_array_equal(got, np.asarray(wanted, bool))
    assert pn.combine_masks(None, None) is None


def test_masks_of_different_rank_go_together():
    rows = np.arange(4)[:, None] > np.arange(4)
    both = pn.combine_masks(pn.make_attention_mask(np.ones((2, 4), int)), rows)
    np.testing.assert_array_equal(both, np.broadcast_to(rows, (2, 1, 4, 4)))


def slopes(heads):
    """As the paper has them: a geometric sequence, for others filled up from that of twice."""
    if heads & (heads - 1) == 0:
        return [2 ** (-8 * (n + 1) / heads) for n in range(heads)]
    below = 1 << (heads.bit_length() - 1)
    return slopes(below) + slopes(2 * below)[::2][: heads - below]


@pytest.mark.parametrize("heads", [1, 2, 3, 8, 12, 20])
def test_alibi(heads):
    got = pn.alibi(heads, 3, 5, query_offset=1)
    away = np.abs(1 + np.arange(3)[:, None] - np.arange(5))
    np.testing.assert_allclose(got, -np.array(slopes(heads))[:, None, None] * away, 1e-12)
    assert pn.alibi(heads, 1, 1, dtype=jnp.bfloat16).dtype == jnp.bfloat16


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: pn.make_attention_mask(np.ones(3), np.ones((2, 3))),
            ValueError,
            "same batch axes",
        ),
        (lambda: pn.make_causal_mask(1.0), ValueError, r"x must have shape \(\*B, T\), got"),
        (
            lambda: pn.combine_masks(np.ones((2, 3), bool), np.ones(2, bool)),
            ValueError,
            "each other",
        ),
        (lambda: pn.combine_masks(np.ones(3)), TypeError, "each mask must be boolean"),
        (lambda: pn.strided_mask(3, 3, 0), ValueError, "stride must be at least 1"),
        (lambda: pn.strided_mask(3, 3, 1, query_offset=0.5), TypeError, "offset must be integers"),
        (lambda: pn.fixed_mask(3, 3, 2, summary=3), ValueError, "summary must be at most stride 2"),
        (
            lambda: pn.block_mask(np.ones((2, 2), bool), 2, 5, 4),
            ValueError,
            "blocks must have shape",
        ),
        (lambda: pn.big_bird_mask(1, 4, 4, 2), TypeError, "key must be a PRNG key"),
        (
            lambda: pn.big_bird_mask(jax.random.key(0), 4, 4, 2, window=2),
            ValueError,
            "window must be odd, got 2",
        ),
        (lambda: pn.alibi(0, 3, 3), ValueError, "heads must be at least 1"),
        (lambda: pn.sinusoidal(np.arange(3), 3), ValueError, "features must be even, got 3"),
        (lambda: pn.sinusoidal(np.arange(3), 4, base=0.0), ValueError, "base must be above 0"),
    ],
)
def test_wrong_arguments(call, error, words):
    with pytest.raises(error, match=words):
        call()


@jax.jit
def attend(q, mask):
    return jax.value_and_grad(lambda q: jnp.sum(pn.yat_attention(q, q, q, mask=mask) ** 2))(q)


@jax.jit
def attend_each(q, mask):
    def one(q, mask):
        return jnp.sum(pn.yat_attention(q, q, q, mask=mask, block_size=2) ** 2)

    return jax.vmap(jax.value_and_grad(one))(q, mask)


@pytest.mark.slow
def test_blocks_that_are_left_out_change_nothing():
    """Under vmap too, where the entries of a batch see different blocks."""
    q = np.random.default_rng(0).normal(size=(2, 8, 1, 4))
    mask = np.stack([np.kron(np.eye(4, dtype=bool), np.ones((2, 2), bool)), np.tri(8, dtype=bool)])
    value, gradient = attend_each(q, mask)

    @jax.jit
    def plain(q, mask):
        def one(q):
            weights = pn.yat_attention_weights(q, q, mask=mask[:, None])
            return jnp.sum(jnp.einsum("bnts,bsnv->btnv", weights, q) ** 2)

        return jax.value_and_grad(one)(q)

    total, wanted = plain(q, mask)
    np.testing.assert_allclose(value.sum(), total, 1e-9)
    np.testing.assert_allclose(gradient, wanted, 1e-9, 1e-11)


@pytest.mark.slow
def test_hidden_blocks_take_no_time():
    """On a CPU, of a mask that hides three blocks of four: well below the time of a full one."""
    q = jax.random.normal(jax.random.key(0), (1, 2048, 2, 32), jnp.float32)
    hidden = pn.block_mask(np.eye(4, dtype=bool), 512, 2048, 2048)
    times: dict[int, list[float]] = {0: [], 1: []}
    for _ in range(5):
        for kind, mask in enumerate((hidden, jnp.ones_like(hidden))):
            start = time.process_time()
            jax.block_until_ready(attend(q, mask))
            times[kind].append(time.process_time() - start)
    assert min(times[0]) < 0.6 * min(times[1])
