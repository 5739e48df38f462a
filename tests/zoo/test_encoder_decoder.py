"""The encoder-decoder: one pass is its decoding, padding is not seen, and it learns to reverse."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pyneurons_yat as pn
from pyneurons_yat.zoo import (
    Block,
    EncoderDecoder,
    FeedForward,
    YatFeedForward,
    caches,
    translate,
    translation_loss,
)

KINDS = {
    "yat": {"attention": pn.YatMultiHeadAttention, "feed": YatFeedForward},
    "dot": {"attention": pn.MultiHeadAttention, "feed": FeedForward},
}
SOURCE = np.random.default_rng(0).integers(0, 7, (2, 5))
TARGET = np.random.default_rng(1).integers(0, 7, (2, 4))
call = jax.jit(lambda model, *args, **options: model(*args, **options))


@cache
def model(kind="yat", **options):
    options = {"blocks": 2, "heads": 2, **KINDS[kind], **options}
    return EncoderDecoder(jax.random.key(0), 7, 8, **options)


def close(one, other):
    np.testing.assert_allclose(one, other, 1e-4, 1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_decoding_with_a_cache_is_the_full_pass(kind):
    network = model(kind)
    memory, cache, parts = call(network, SOURCE), caches(network, (2,), 4), []
    for start, stop in ((0, 2), (2, 3), (3, 4)):
        scores, cache = call(network, memory, TARGET[:, start:stop], cache=cache)
        parts.append(scores)
    close(np.concatenate(parts, 1), call(network, SOURCE, TARGET))


def test_the_target_sees_the_source_and_not_its_own_future():
    scores = np.asarray(call(model(), SOURCE, TARGET))
    other = TARGET.copy()
    other[:, 2] = (other[:, 2] + 1) % 7
    changed = np.asarray(call(model(), SOURCE, other))
    np.testing.assert_array_equal(changed[:, :2], scores[:, :2])
    assert not np.allclose(changed[:, 2], scores[:, 2])
    for place in range(5):
        other = SOURCE.copy()
        other[:, place] = (other[:, place] + 1) % 7
        assert not np.allclose(call(model(), other, TARGET)[:, 0], scores[:, 0])


def test_padding_is_not_seen():
    lengths = np.array([3, 5])
    scores = call(model(), SOURCE, TARGET, lengths=lengths)
    other = SOURCE.copy()
    other[0, 3:] = 6 - other[0, 3:]
    close(scores, call(model(), other, TARGET, lengths=lengths))
    close(scores[:1], call(model(), SOURCE[:1, :3], TARGET[:1]))
    options = {"lengths": lengths, "temperature": 0.0}
    written = [translate(model(), jax.random.key(0), s, 3, **options) for s in (SOURCE, other)]
    np.testing.assert_array_equal(*written)


def test_translation_of_the_likeliest_is_the_loop_over_full_passes():
    network = model("dot", target_vocabulary=9, tied=False)
    written = np.zeros((2, 4), int)
    for t in range(3):  # no score depends on the later tokens
        scores = np.asarray(call(network, SOURCE, written))
        assert scores.shape[-1] == 9
        written[:, t + 1] = scores[:, t].argmax(-1)
    got = translate(network, jax.random.key(0), SOURCE, 3, temperature=0.0)
    np.testing.assert_array_equal(got, written[:, 1:])


def test_wrong_arguments():
    with pytest.raises(TypeError, match="lengths must be integers"):
        model()(SOURCE, TARGET, lengths=np.ones(2))
    with pytest.raises(TypeError, match="translate: source must be integers, got float"):
        translate(model(), jax.random.key(0), np.ones((1, 2)), 1)
    with pytest.raises(ValueError, match="memory must be given if the block was made with"):
        Block(jax.random.key(0), 8, heads=2)(jnp.ones((3, 8)), jnp.ones((3, 8)))
    with pytest.raises(TypeError, match="unexpected keyword 'memory'"):
        EncoderDecoder(jax.random.key(0), 7, 8, blocks=1, heads=2, memory=True)


@pytest.mark.parametrize("kind", KINDS)
def test_it_learns_to_reverse(kind):
    """Three of six tokens, nearly all of 100 that are drawn anew."""
    network = EncoderDecoder(jax.random.key(0), 7, 32, blocks=1, heads=2, **KINDS[kind])
    optimizer = optax.adam(optax.warmup_cosine_decay_schedule(0.0, 7e-3, 25, 500))
    step = pn.train_step(translation_loss, optimizer)
    state = pn.TrainState.create(network, optimizer)
    source = np.random.default_rng(1).integers(1, 7, (500, 32, 3))
    state, _ = jax.jit(partial(jax.lax.scan, step))(state, (source, source[..., ::-1]))
    others = np.random.default_rng(2).integers(1, 7, (100, 3))
    written = translate(state.model, jax.random.key(0), others, 3, temperature=0.0)
    assert np.mean(np.all(np.asarray(written) == others[:, ::-1], 1)) > 0.9
