"""Attention against NumPy, its blocks against its plain definition, and what it must not do."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import truth_attention
from derivatives import reverse

from pyneurons_yat import ops
from pyneurons_yat.ops.attention.blocks import over_heads

B, T, S, N, K, H, V = 2, 7, 7, 4, 2, 3, 2


def draw(*shapes, seed=0):
    rng = np.random.default_rng(seed)
    return tuple(rng.normal(size=shape) for shape in shapes)


def query_key_value(queries=T, keys=S, heads=K, batch=(B,)):
    return draw((*batch, queries, N, H), (*batch, keys, heads, H), (*batch, keys, heads, V))


def close(got, wanted, rtol=1e-10):
    wanted = np.asarray(wanted)
    np.testing.assert_allclose(got, wanted, rtol, rtol * np.max(np.abs(wanted), initial=1e-3))


def check(arrays, seen=True, static=None, **traced):
    """Values equal NumPy's, gradients those of the plain definition, which has no rule."""
    static = static or {}
    mask = np.asarray(traced.pop("mask", True))

    def loss(arrays, traced):
        y = ops.yat_attention(*arrays, mask=jnp.asarray(mask), **static, **traced)
        return jnp.vdot(y, np.cos(np.arange(y.size)).reshape(y.shape)), y

    gradients = jax.jit(jax.grad(loss, (0, 1), has_aux=True))
    blocks, y = gradients(arrays, traced)
    with ops.forward_mode(True):
        plain, _ = gradients(arrays, traced)
    jax.tree.map(functools.partial(close, rtol=1e-8), blocks, plain)
    known = {k: np.asarray(v) for k, v in traced.items()}
    known |= {k: v for k, v in static.items() if k in ("normalizer", "scale")}
    close(y, truth_attention.attention(*map(np.asarray, arrays), seen=mask & seen, **known))


NORMALISERS = [("softmax", 1.0), ("softermax", 1.0), ("softermax", 0.5), ("softermax", 3.0)]
normalisers = pytest.mark.parametrize(("normalizer", "power"), NORMALISERS)


@normalisers
def test_all_numbers_and_every_mask(normalizer, power):
    mask = np.random.default_rng(1).uniform(size=(B, 1, T, S)) < 0.6
    mask[0, 0, 3] = False
    alpha = draw((N,))[0] ** 2 + 0.1
    numbers = {"shift": draw((N,))[0], "alpha": alpha, "epsilon": np.full(N, 0.3)}
    if power != 1:
        numbers["power"] = np.asarray(power)
    static = {"normalizer": normalizer, "block_size": (2, 3)}
    check(query_key_value(), static=static, mask=mask, **numbers)


@pytest.mark.slow
@pytest.mark.parametrize(
    "shape",
    [(S,), (1, 1, T, S), (B, N, T, S), (B, 1, 1, S), (N, 1, 1), (1, N, T, 1), ()],
)
def test_a_bias_of_every_shape(shape):
    check(query_key_value(), static={"block_size": (2, 3)}, bias=draw(shape)[0])


@pytest.mark.slow
def test_several_batch_axes_and_a_bias_with_some_of_them():
    arrays = query_key_value(batch=(2, 3))
    check(arrays, static={"block_size": 4}, bias=draw((1, 3, N, 1, S))[0])
    check(query_key_value(batch=()), static={"block_size": 4}, bias=draw((N, T, 1))[0])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("batch", "heads", "groups", "sizes"),
    [
        (3, 4, 1, [(1, 4)]),
        (1, 8, 2, [(1, 2)]),
        (6, 2, 1, [(3, 2)]),
        (5, 2, 1, [(3, 2), (2, 2)]),  # the last step has the rest
        (2, 2, 1, [(2, 2)]),
    ],
)
def test_heads_are_done_a_few_at_a_time(batch, heads, groups, sizes):
    length, queries = 300, heads * groups
    done = []
    over_heads((batch, heads), 300 * 256 * groups, lambda heads, _: done.append(heads.sizes), None)
    assert done == (sizes if jax.default_backend() == "cpu" else [(batch, heads)])
    arrays = draw((batch, length, queries, 2), *[(batch, length, heads, 2)] * 2)
    mask = np.random.default_rng(1).uniform(size=(batch, 1, length, length)) < 0.6
    bias, shift = draw((queries, 1, length), (queries,))  # one for all the batch
    check(arrays, mask=mask, bias=bias, shift=shift, epsilon=np.asarray(0.3))


@pytest.mark.parametrize(("normalizer", "power"), NORMALISERS[::3])
@pytest.mark.parametrize(
    ("options", "more"),
    [
        ({"is_causal": True}, {}),
        ({"is_causal": True}, {"offset": 3}),
        ({"window": (2, 1)}, {}),
        ({"window": (2, 0), "is_causal": True}, {"offset": 2}),
        ({"window": (0, 0)}, {}),
        ({"dilation": 3}, {}),
        ({"dilation": 2, "window": (1, 1)}, {"offset": 3}),
        ({"dilation": 3, "window": (1, 0), "is_causal": True}, {"offset": 1}),
    ],
)
def test_patterns(normalizer, power, options, more):
    static = {k if k != "window" else "local_window_size": v for k, v in options.items()}
    seen = truth_attention.pattern(T, 11, **options, **more)
    static |= {"normalizer": normalizer, "block_size": (2, 3)}
    static["query_offset"] = more.get("offset", 0)
    power = {} if power == 1 else {"power": np.asarray(power)}
    check(query_key_value(keys=11), seen, static, epsilon=np.asarray(0.5), **power)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    ("blocks", "lengths"),
    [((4, 7), (1, 9)), (5, (9, 1)), ((4, 7), (13, 8)), ((2, 3), (6, 6)), (None, (3, 8))],
)
def test_lengths_and_blocks(blocks, lengths, causal):
    seen = truth_attention.pattern(*lengths, is_causal=causal)
    static = {"block_size": blocks, "is_causal": causal}
    check(query_key_value(*lengths), seen, static, bias=draw((N, *lengths))[0])


@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("heads", [1, 4])
def test_padding_and_grouped_heads(heads, dilation):
    queries, keys = np.array([7, 4]), np.array([5, 0])
    static = {"query_seq_lengths": queries, "key_value_seq_lengths": keys, "block_size": 3}
    rows, columns = np.arange(T)[:, None] < queries[:, None, None], np.arange(S) < keys[:, None]
    seen = (rows & columns[:, None])[:, None]
    pattern = truth_attention.pattern(T, S, dilation=dilation)
    check(query_key_value(heads=heads), seen & pattern, static | {"dilation": dilation})


def test_direct_distance_and_scale():
    static = {"distance": "direct", "scale": 0.7, "block_size": (3, 4)}
    check(query_key_value(), static=static)


@pytest.mark.parametrize("normalizer", ["softmax", "softermax"])
def test_weights_are_those_of_attention(normalizer):
    query, key, value = query_key_value()
    options = {"normalizer": normalizer, "is_causal": True, "epsilon": 0.5}
    weights = np.asarray(ops.yat_attention_weights(query, key, **options))
    wide = np.repeat(value, N // K, axis=-2)
    y = np.einsum("bnts,bsnv->btnv", weights, wide)
    close(ops.yat_attention(query, key, value, **options), y)
    close(weights.sum(-1), np.ones((B, N, T)), 1e-8)  # softermax's epsilon takes the rest


# What must not happen


@normalisers
@pytest.mark.parametrize(
    "options", [{}, {"local_window_size": (3, 0)}, {"dilation": 2}, {"block_size": (2, 3)}]
)
def test_the_future_does_not_leak(normalizer, power, options):
    query, key, value = query_key_value(heads=N)
    options = {"normalizer": normalizer, "is_causal": True, "power": power, **options}
    attend = jax.jit(functools.partial(ops.yat_attention, **options))
    before = np.asarray(attend(query, key, value))
    for t in range(T):
        later = np.arange(T)[:, None, None] == t
        after = np.asarray(attend(*(x + later for x in (query, key, value))))
        np.testing.assert_array_equal(before[:, :t], after[:, :t])
        assert np.all(np.any(before[:, t] != after[:, t], -1))


@pytest.mark.parametrize("normalizer", ["softmax", "softermax"])
def test_a_query_that_sees_nothing_gives_zero_and_has_no_gradient(normalizer):
    query, key, value = query_key_value(heads=N)
    mask = np.ones((B, 1, T, S), bool)
    mask[1, 0, 2] = False
    minus = np.where(mask, 0.0, -np.inf)
    for given in ({"mask": mask}, {"bias": minus}):

        def loss(query, given):
            y = ops.yat_attention(query, key, value, **given, normalizer=normalizer)
            return jnp.sum(y**2), y

        gradient, y = map(np.asarray, jax.jit(jax.grad(loss, has_aux=True))(query, given))
        assert not np.any(y[1, 2])
        assert not np.any(gradient[1, 2])
        assert np.all(np.isfinite(gradient))
        assert np.any(gradient[1, 1])


def avals(jaxpr):
    """Every value of a jaxpr and of those inside it."""
    for equation in jaxpr.eqns:
        yield from (v.aval for v in equation.outvars)
        for value in jax.tree.leaves(
            list(equation.params.values()), is_leaf=lambda x: hasattr(x, "eqns")
        ):
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                yield from avals(inner)


@pytest.mark.parametrize("normalizer", ["softmax", "softermax"])
@pytest.mark.parametrize(
    "options", [{}, {"is_causal": True}, {"local_window_size": (9, 9)}, {"dilation": 4}]
)
def test_nothing_of_size_queries_times_keys_is_held(normalizer, options):
    length = 1024
    arrays = [jax.ShapeDtypeStruct((1, length, 1, 8), np.float32)] * 3
    attend = functools.partial(ops.yat_attention, normalizer=normalizer, **options)
    value = jax.make_jaxpr(attend)(*arrays)
    gradient = jax.make_jaxpr(jax.grad(lambda *a: attend(*a).sum(), (0, 1, 2)))(*arrays)
    for jaxpr in (value, gradient):
        sizes = [aval.size for aval in avals(jaxpr.jaxpr) if hasattr(aval, "size")]
        assert len(sizes) > 50
        assert max(sizes) < length**2
    with ops.forward_mode(True):
        plain = jax.make_jaxpr(lambda *a: attend(*a))(*arrays)
    assert max(aval.size for aval in avals(plain.jaxpr) if hasattr(aval, "size")) >= length**2


# Numbers


@pytest.mark.parametrize("normalizer", ["softmax", "softermax"])
def test_equal_keys_share_value_and_gradient(normalizer):
    # Both keys equal the query, with scores of 1e8: each has weight one half, in reverse too.
    query = np.full((1, 1, 16), 3.0, np.float32)
    key = np.concatenate([query, query, -query])
    value = np.array([[[1.0]], [[2.0]], [[5.0]]], np.float32)
    attend = reverse(functools.partial(ops.yat_attention, normalizer=normalizer))
    y, gradients = attend((query, key, value), np.ones((1, 1, 1), np.float32))
    close(y, [[[1.5]]], 1e-6)
    close(np.ravel(gradients[2]), [0.5, 0.5, 0], 1e-6)


def test_a_weight_of_one_passes_no_gradient_to_its_score():
    query, value = draw((5, 1, 64), (5, 1, 64))
    query, value = query.astype(np.float32), value.astype(np.float32)
    loss = lambda q: jnp.sum(ops.yat_attention(q, q, value) * value)  # noqa: E731
    np.testing.assert_array_equal(jax.jit(jax.grad(loss))(query), np.zeros_like(query))


@functools.cache
def attention_in_reverse(normalizer):
    """One program for all values of one shape and dtype."""
    return reverse(functools.partial(ops.yat_attention, normalizer=normalizer, epsilon=1e-3))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("normalizer", ["softmax", "softermax"])
@pytest.mark.parametrize("nearness", [0.0, 1e-3, 1e-2, 1.0])
def test_low_precision_is_finite_and_near_float64(dtype, normalizer, nearness):
    query, noise, value = draw((1, 40, 2, 16), (1, 40, 2, 16), (1, 40, 2, 8))
    key = nearness * noise + (query if nearness < 1 else 0)
    low = [x.astype(jnp.dtype(dtype)) for x in (query, key, value)]
    wide = [np.asarray(x, np.float64) for x in low]
    ones = np.ones(value.shape, low[0].dtype)
    y, gradients = attention_in_reverse(normalizer)(low, ones)
    wanted = truth_attention.attention(*wide, epsilon=1e-3, normalizer=normalizer)
    np.testing.assert_allclose(np.asarray(y, np.float64), wanted, 0.02, 0.02)
    assert all(np.isfinite(np.asarray(g, float)).all() for g in gradients)


def test_huge_inputs_stay_finite():
    for normalizer in ("softmax", "softermax"):
        query = np.full((3, 1, 4), 1e10, np.float32)
        y = ops.yat_attention(query, query, query / 1e10, normalizer=normalizer)
        close(y, np.ones((3, 1, 4)), 1e-6)


def test_decoding_equals_the_full_pass():
    query, key, value = query_key_value()
    options = {"normalizer": "softermax", "is_causal": True, "block_size": 3}
    full = np.asarray(ops.yat_attention(query, key, value, **options))
    step = jax.jit(
        lambda q, t: ops.yat_attention(
            q, key, value, query_offset=t, key_value_seq_lengths=jnp.full(B, t + 1), **options
        )
    )
    for t in range(T):
        close(np.asarray(step(query[:, t : t + 1], t))[:, 0], full[:, t])


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
@pytest.mark.parametrize("normalizer", ["softmax", "softermax"])
@pytest.mark.parametrize("near", [1, 2])
def test_keys_near_their_queries_are_within_2_percent(near, normalizer, dtype):
    """One near key decides by itself; of several the distances decide, which are to be direct."""
    q, v, *noises = (x.astype(jnp.dtype(dtype)) for x in draw(*[(1, 24, 2, 64)] * (2 + near)))
    keys = [q + (1e-3 * noise * q).astype(q.dtype) for noise in noises]
    k, v = np.concatenate(keys, 1), np.concatenate([v, -2 * v][:near], 1)
    options = {"normalizer": normalizer, "distance": "expanded" if near == 1 else "direct"}

    def loss(q, k, v, is_causal):
        y = ops.yat_attention(q, k, v, is_causal=is_causal, **options)
        return jnp.vdot(y.astype(float), np.cos(np.arange(y.size)).reshape(y.shape)), y

    for is_causal in (False, True):
        gradient, y = jax.jit(jax.grad(loss, (0, 1, 2), True), static_argnums=3)(q, k, v, is_causal)
        seen = np.tril(np.ones((24, 24 * near), bool)) if is_causal else True
        wide = (np.asarray(x, float) for x in (q, k, v))
        wanted = truth_attention.attention(*wide, seen=seen, normalizer=normalizer)
        assert y.dtype == dtype
        assert np.linalg.norm(np.asarray(y, float) - wanted) < 0.02 * np.linalg.norm(wanted)
        assert all(np.isfinite(np.asarray(g, float)).all() for g in gradient)


ARRAYS = ((2, 3, 2, 4), (2, 5, 1, 4), (2, 5, 1, 3))


@pytest.mark.parametrize(
    ("changed", "kind", "words"),
    [
        ({"shapes": ((3, 4), (5, 4), (5, 3))}, ValueError, r"query must have shape \(\*B, T, N"),
        ({"shapes": (ARRAYS[0], ARRAYS[1], (2, 4, 1, 3))}, ValueError, "query must have shape"),
        ({"shapes": (ARRAYS[0], (2, 5, 1, 3), ARRAYS[2])}, ValueError, "4 features"),
        ({"shapes": ((2, 3, 3, 4), (2, 5, 2, 4), (2, 5, 2, 3))}, ValueError, "a multiple"),
        ({"bias": np.zeros((3, 4))}, ValueError, "bias must broadcast"),
        ({"mask": np.ones((3, 4), bool)}, ValueError, "mask must broadcast"),
        ({"mask": np.ones((3, 5))}, TypeError, "mask must be boolean"),
        ({"shift": np.zeros(3)}, ValueError, r"shift must have shape \(\) or \(2,\)"),
        ({"epsilon": 0.0}, ValueError, "epsilon must be above 0"),
        ({"power": -1.0}, ValueError, "power must be above 0"),
        ({"power": 2.0}, ValueError, "softermax"),
        ({"normalizer": "l1"}, ValueError, "normalizer must be"),
        ({"distance": "l1"}, ValueError, "distance must be"),
        ({"local_window_size": (1, -1)}, ValueError, "local_window_size must be"),
        ({"block_size": 0}, ValueError, "block_size must be"),
        ({"dilation": 0}, ValueError, "dilation must be"),
        ({"query_offset": 1.5}, TypeError, "query_offset must be integers"),
        ({"key_value_seq_lengths": np.zeros(3, int)}, ValueError, "must have shape"),
    ],
)
def test_what_does_not_fit_is_refused(changed, kind, words):
    changed = dict(changed)
    arrays = [np.zeros(shape) for shape in changed.pop("shapes", ARRAYS)]
    with pytest.raises(kind, match=words):
        ops.yat_attention(*arrays, **changed)
