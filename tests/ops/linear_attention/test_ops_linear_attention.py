"""Linear attention: masks, causality, decoding, the guard, low precision, memory, errors."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import truth_linear_attention as truth
from derivatives import reverse

from pyneurons_yat import ops


def draw(*shapes, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def positive(length=5, keys=None, dtype=np.float64):
    q, k, v = draw((2, length, 2, 3), (2, keys or length, 2, 3), (2, keys or length, 2, 4))
    return tuple(a.astype(dtype) for a in (np.abs(q), np.abs(k), v))


MASK = np.array([[True, False, True, True, False, True, True], [False] * 7])
LENGTHS = np.array([3, 0])


@pytest.mark.parametrize("is_causal", [False, True])
def test_masked_keys_take_no_part_whatever_they_are(is_causal):
    q, k, v = positive(7)
    wanted = truth.linear_attention(q, k, v, is_causal, MASK)
    outside = ~MASK[..., None, None]
    k, v = np.where(outside, np.nan, k), np.where(outside, np.inf, v)

    def loss(q, k, v):
        y = ops.linear_attention(q, k, v, is_causal=is_causal, key_mask=MASK, chunk_size=3)
        return jnp.sum(jnp.sin(y)), y

    found = jax.jit(jax.grad(loss, (0, 1, 2), has_aux=True))(q, k, v)
    gradients, y = jax.tree.map(np.asarray, found)
    np.testing.assert_allclose(y, wanted, rtol=1e-12)
    assert np.all(y[1] == 0)
    assert all(np.all(np.isfinite(g)) for g in gradients)
    assert all(np.all(g[1] == 0) for g in gradients)
    assert all(np.all(g[~MASK] == 0) for g in gradients[1:])


@pytest.mark.parametrize("is_causal", [False, True])
def test_lengths_are_a_mask(is_causal):
    q, k, v = positive(7)
    options = {"is_causal": is_causal, "chunk_size": 4}
    mask = np.arange(7) < LENGTHS[:, None]
    wanted = ops.linear_attention(q, k, v, key_mask=mask, **options)
    got = ops.linear_attention(q, k, v, key_value_seq_lengths=LENGTHS, **options)
    np.testing.assert_array_equal(got, wanted)
    both = ops.linear_attention(q, k, v, key_mask=MASK, key_value_seq_lengths=LENGTHS, **options)
    np.testing.assert_array_equal(
        both, ops.linear_attention(q, k, v, key_mask=mask & MASK, **options)
    )


@functools.cache
def causal_gradients(chunk_size, plain):
    """Gradients and value in chunks, by the rule or by JAX from the plain definition."""

    def loss(*arrays):
        y = ops.linear_attention(*arrays, is_causal=True, chunk_size=chunk_size)
        return jnp.sum(jnp.sin(y)), y

    with ops.forward_mode(plain):
        return jax.jit(jax.grad(loss, (0, 1, 2), has_aux=True))(*positive(7))


@pytest.mark.parametrize("chunk_size", [1, 3, 7, 128])
def test_chunks_need_not_divide_the_length(chunk_size):
    grads, y = causal_gradients(chunk_size, plain=False)
    np.testing.assert_allclose(y, truth.linear_attention(*positive(7), True), rtol=1e-12)
    plain, _ = causal_gradients(2, plain=True)
    for got, known in zip(grads, plain, strict=True):
        np.testing.assert_allclose(got, known, rtol=1e-9, atol=1e-12)


def test_no_token_sees_the_future():
    q, k, v = positive(9)

    @jax.jit
    def run(k, v):
        return ops.linear_attention(q, k, v, is_causal=True, chunk_size=4)

    before = np.asarray(run(k, v))
    for t in range(9):
        later = np.arange(9)[:, None, None] == t
        after = np.asarray(run(k + later, v + 5 * later))
        np.testing.assert_array_equal(after[:, :t], before[:, :t])
        assert np.all(np.any(after[:, t] != before[:, t], axis=-1))
    slope = np.asarray(jax.jit(jax.grad(lambda v: run(k, v)[:, 3].sum()))(v))
    assert np.all(slope[:, 4:] == 0)
    assert np.all(slope[:, :4] != 0)


@pytest.mark.parametrize("steps", [[1] * 7, [3, 4], [2, 0, 5], [7]])
def test_decoding_equals_the_causal_pass(steps):
    q, k, v = positive(7)
    wanted = ops.linear_attention(q, k, v, is_causal=True, key_mask=MASK, chunk_size=2)
    state = ops.linear_state(k[:, :0], v[:, :0])
    shapes = jax.tree.map(np.shape, state)
    found = []
    for start, stop in zip(np.cumsum([0, *steps[:-1]]), np.cumsum(steps), strict=True):
        now = [a[:, start:stop] for a in (q, k, v)]
        y, state = ops.linear_attention_step(
            state, *now, key_mask=MASK[:, start:stop], chunk_size=2
        )
        found.append(y)
    np.testing.assert_allclose(np.concatenate(found, 1), wanted, rtol=1e-12)
    assert jax.tree.map(np.shape, state) == shapes


def test_decoding_goes_on_after_a_prompt():
    q, k, v = positive(7)
    wanted = np.asarray(ops.linear_attention(q, k, v, is_causal=True))[:, 4:]
    state = ops.linear_state(k[:, :4], v[:, :4])
    y, last = ops.linear_attention_step(state, q[:, 4:], k[:, 4:], v[:, 4:])
    np.testing.assert_allclose(y, wanted, rtol=1e-12)
    for got, known in zip(last, ops.linear_state(k, v), strict=True):
        np.testing.assert_allclose(got, known, rtol=1e-12)


def test_the_state_is_the_sum_over_the_keys():
    _, k, v = positive(4)
    state = ops.linear_state(k, v)
    np.testing.assert_allclose(state.sums, truth.linear_state(k, v))
    np.testing.assert_allclose(state.lengths, np.linalg.norm(k, axis=-1).sum(1))
    masked = np.asarray(ops.linear_state(k, v, key_mask=MASK[:, :4]).sums)
    some = np.asarray(ops.linear_state(k[:, [0, 2, 3]], v[:, [0, 2, 3]]).sums)
    np.testing.assert_allclose(masked[0], some[0])
    assert np.all(masked[1] == 0)
    assert ops.linear_state(k.astype(jnp.bfloat16), v.astype(jnp.bfloat16)).sums.dtype == "float32"


@pytest.mark.parametrize("is_causal", [False, True])
def test_the_guard_holds_denominators_and_stops_their_gradient(is_causal):
    q, k, v = draw((1, 40, 1, 3), (1, 40, 1, 3), (1, 40, 1, 4))  # signed: some are below 0
    run = {"is_causal": is_causal, "guard": 0.2, "chunk_size": 16}

    @functools.partial(jax.grad, argnums=(0, 1, 2), has_aux=True)
    def gradients(*arrays):
        y = ops.linear_attention(*arrays, **run)
        return jnp.sum(y**2), y

    rule, y = jax.jit(gradients)(q, k, v)
    wanted = truth.linear_attention(q, k, v, is_causal, guard=0.2)
    np.testing.assert_allclose(y, wanted, rtol=1e-10)
    assert np.all(np.linalg.norm(y, axis=-1) <= np.linalg.norm(v, axis=-1).max() / 0.2)
    with ops.forward_mode(True):
        plain, _ = jax.jit(gradients)(q, k, v)
    for got, known in zip(rule, plain, strict=True):
        np.testing.assert_allclose(got, known, rtol=1e-8, atol=1e-10)
    bare = np.asarray(ops.linear_attention(q, k, v, is_causal=is_causal, guard=0.0))
    below = np.einsum("btnf,bsnf->btns", q, k)
    below = (np.tril(below[0, :, 0]) if is_causal else below[0, :, 0]).sum(1) <= 0
    assert below.any()
    np.testing.assert_array_equal(np.all(bare[0, :, 0] == 0, axis=-1), below)


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_low_precision_is_near_float64_of_the_same_features(dtype, is_causal):
    q, k, v = positive(300, dtype=dtype)
    k[:, 1] = q[:, 1]  # near-duplicates
    attend = functools.partial(ops.linear_attention, is_causal=is_causal)
    y, gradients = reverse(attend)((q, k, v), np.ones(v.shape, dtype))
    assert y.dtype == dtype
    wide = [np.asarray(a, np.float64) for a in (q, k, v)]
    wanted = np.asarray(attend(*wide))
    assert np.linalg.norm(np.asarray(y, np.float64) - wanted) < 0.02 * np.linalg.norm(wanted)
    assert all(np.all(np.isfinite(np.asarray(g, np.float64))) for g in gradients)


@pytest.mark.parametrize("length", [0, 1, 5])
def test_queries_without_keys_get_zero(length):
    (q,) = draw((2, length, 2, 3))
    y = ops.linear_attention(q, np.zeros((2, 0, 2, 3)), np.zeros((2, 0, 2, 4)))
    np.testing.assert_array_equal(y, np.zeros((2, length, 2, 4)))


def temporary(length, features=256):
    shapes = [(length, 1, features), (length, 1, features), (length, 1, 64)]
    arrays = [jax.ShapeDtypeStruct(s, jnp.float32) for s in shapes]

    def loss(*arrays):
        return ops.linear_attention(*arrays, is_causal=True).sum()

    compiled = jax.jit(jax.value_and_grad(loss, (0, 1, 2))).lower(*arrays).compile()
    return compiled.memory_analysis().temp_size_in_bytes, compiled


@pytest.mark.slow
@pytest.mark.usefixtures("optimized")
def test_a_causal_length_of_16384_takes_little_memory_and_runs():
    short, _ = temporary(4096)
    long, compiled = temporary(16384)
    assert long < 100e6
    assert long < 4.2 * short
    q, k = (np.ones((16384, 1, 256), np.float32) for _ in range(2))
    value, gradients = compiled(q, k, np.ones((16384, 1, 64), np.float32))
    np.testing.assert_allclose(value, 16384 * 64, rtol=1e-4)
    assert all(np.all(np.isfinite(g)) for g in gradients)


GOOD = {"query": (2, 5, 2, 3), "key": (2, 5, 2, 3), "value": (2, 5, 2, 4)}


@pytest.mark.parametrize(
    ("change", "options", "error", "words"),
    [
        ({"key": (2, 5, 2, 4)}, {}, ValueError, "key_features"),
        ({"key": (2, 5, 1, 3)}, {}, ValueError, "key_features"),
        ({"value": (2, 4, 2, 4)}, {}, ValueError, "value"),
        ({"value": (5, 2, 4)}, {}, ValueError, "value"),
        ({"query": (3, 5, 2, 3)}, {}, ValueError, "query_features"),
        ({"query": (2, 4, 2, 3)}, {"is_causal": True}, ValueError, "as many queries as keys"),
        ({}, {"guard": 1.0}, ValueError, "guard"),
        ({}, {"guard": -0.1}, ValueError, "guard"),
        ({}, {"chunk_size": 0}, ValueError, "chunk_size"),
        ({}, {"key_mask": np.ones((2, 4), bool)}, ValueError, "key_mask"),
        ({}, {"key_mask": np.ones((2, 5))}, TypeError, "key_mask must be boolean"),
        ({}, {"key_value_seq_lengths": np.ones(3, int)}, ValueError, "key_value_seq_lengths"),
        ({}, {"key_value_seq_lengths": np.ones(2)}, TypeError, "integers"),
    ],
)
def test_errors(change, options, error, words):
    arrays = [np.ones(shape) for shape in {**GOOD, **change}.values()]
    with pytest.raises(error, match=words):
        ops.linear_attention(*arrays, **options)


def test_errors_of_a_step():
    q, k, v = positive(2)
    state = ops.linear_state(k, v)
    with pytest.raises(ValueError, match="same shape"):
        ops.linear_attention_step(state, q[:, :1], k, v)
    with pytest.raises(ValueError, match="state must hold"):
        ops.linear_attention_step(state, q, k, v[..., :1])
    with pytest.raises(TypeError, match="complex"):
        ops.linear_state(k * 1j, v)
