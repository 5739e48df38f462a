"""The attention layers against float64 loops; their options and errors."""

import functools
import pickle

import attention_truth as truth
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn

DRAW = np.random.default_rng(0)
X, MEMORY = DRAW.normal(size=(5, 8)), DRAW.normal(size=(7, 6))
MASK = DRAW.random((5, 7)) < 0.6
MASK[2] = False  # a query that sees nothing
LAYERS = [pn.MultiHeadAttention, pn.YatMultiHeadAttention]
YAT = pn.YatMultiHeadAttention
both = pytest.mark.parametrize("layer", LAYERS, ids=lambda one: one.name)
every = pytest.mark.parametrize("layer", [*LAYERS, pn.YatSelfAttention], ids=lambda one: one.name)


@functools.cache
def made(layer, seed=0, inputs=8, outputs=3, **options):
    options = {"heads": 4, "dtype": float, **options}
    if layer is YAT:
        options = {"shift_init": jax.random.normal, "alpha_init": jax.random.uniform, **options}
    return layer(jax.random.key(seed), inputs, outputs, **options)


def known(layer, model, *inputs, **options):
    return truth.layer(model, *inputs, epsilon=1e-5 if layer is YAT else None, **options)


@jax.jit
def run(model, *inputs, **arrays):
    """One program instead of many small ones: quicker here."""
    return model(*inputs, **arrays)


@jax.jit
def run_each(model, x, options):
    """What comes of x with each of some options."""
    return [model(x, **one) for one in options]


def close(got, wanted):
    np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-12)


@both
@pytest.mark.parametrize("kv_heads", [1, 2, 4])
@pytest.mark.parametrize("is_causal", [False, True])
def test_self_attention(layer, kv_heads, is_causal):
    model = made(layer, kv_heads=kv_heads, qkv_features=16, is_causal=is_causal)
    assert model.key.kernel.shape == (8, 4 * kv_heads)
    close(run(model, X), known(layer, model, X, heads=4, is_causal=is_causal))


def test_dot_product_attention_has_all_digits_of_float64_and_the_same_in_training():
    model = made(pn.MultiHeadAttention)
    wanted = known(pn.MultiHeadAttention, model, X, heads=4)
    np.testing.assert_allclose(run(model, X), wanted, rtol=1e-13, atol=1e-14)
    dropping = made(pn.MultiHeadAttention, dropout=1e-30)  # computed with dropout, which drops none
    y, _ = jax.jit(pn.observe)(dropping, X, key=jax.random.key(1))
    np.testing.assert_allclose(y, wanted, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("layer", [YAT, pn.YatSelfAttention], ids=lambda one: one.name)
def test_forward_mode_names_the_layer_and_what_to_do(layer):
    model = made(layer)
    words = rf"in {layer.name}: .* got forward mode .*`with pn\.forward_mode\(True\):`"
    for call in (model, jax.jit(lambda x: model(x))):
        with pytest.raises(TypeError, match=words):
            jax.jvp(call, (X,), (X,))


@both
def test_cross_attention_with_mask_and_bias(layer):
    model = made(layer, kv_inputs=6, kv_heads=2)
    bias = DRAW.normal(size=(4, 5, 7))
    values = DRAW.normal(size=(7, 6))
    y = run(model, X, MEMORY, values, mask=MASK, bias=bias)
    close(y, known(layer, model, X, MEMORY, values, heads=4, mask=MASK, bias=bias))
    np.testing.assert_array_equal(y[2], model.output(jnp.zeros(8)))
    close(run(model, X, MEMORY), known(layer, model, X, MEMORY, heads=4))


@both
@pytest.mark.parametrize("rotary", ["half", "interleaved"])
@pytest.mark.parametrize("offset", [0, 9])
def test_rotary_positions(layer, rotary, offset):
    model = made(layer, kv_inputs=6, qkv_features=24, rotary=rotary)
    options = {"heads": 4, "rotary": rotary, "offset": offset}
    close(run(model, X, MEMORY, offset=offset), known(layer, model, X, MEMORY, **options))
    model = made(layer, qkv_features=24, rotary=rotary)
    traced = {"offset": offset}, {}, {"positions": offset + np.arange(5)}
    at_offset, plain, at_positions = run_each(model, X, traced)
    close(at_offset, known(layer, model, X, **options))
    static = jax.jit(functools.partial(model, offset=offset))(X)
    np.testing.assert_allclose(plain, static, atol=1e-6)  # relative
    close(plain, at_positions)


@both
def test_normalised_queries_and_keys(layer):
    model = made(layer, normalize_qk=True, rotary="half")
    close(run(model, X), known(layer, model, X, heads=4, unit=True, rotary="half"))
    assert pn.count(model) == pn.count(made(layer))
    gradient = jax.jit(jax.grad(lambda x: model(x).sum()))(np.zeros((2, 8)))
    assert np.isfinite(gradient).all()


def create_gain(size):
    return jnp.full(size, 2.0)


def apply_gain(gain, x):
    return gain.reshape((1,) * (x.ndim - 1) + (-1,)) * x


def test_a_layer_normalises_queries_and_keys():
    Scale = pn.bind("Scale", create_gain, apply_gain)
    model = made(pn.MultiHeadAttention, normalize_qk=Scale)
    plain = made(pn.MultiHeadAttention)
    close(run(model, X), run(plain, X, scale=4 * 2**-0.5))
    assert pn.count(model) == pn.count(plain) + 2 * 2
    gradient = jax.jit(pn.grad(lambda m: m(X).sum()))(model)
    assert np.abs(gradient.query_norm.params).max() > 0


@both
@pytest.mark.parametrize("batch", [(), (2,), (2, 3), (0,)])
def test_batch_axes_of_inputs_and_masks(layer, batch):
    model = made(layer)
    x = DRAW.normal(size=(*batch, 5, 8))
    leads = {(1,) * len(batch), batch, ()}
    masks = [DRAW.random((*lead, 1, 5, 5)) < 0.7 for lead in leads]
    results = run_each(model, x, [{"mask": mask} for mask in masks])
    for y, mask in zip(results, masks, strict=True):
        full = np.broadcast_to(mask, (*batch, 1, 5, 5))
        for place in np.ndindex(*batch):
            close(y[place], known(layer, model, x[place], heads=4, mask=full[place][0]))


@pytest.mark.parametrize(
    "options",
    [
        {"normalizer": "softmax"},
        {"normalizer": "softermax"},
        {"normalizer": "softermax", "power": 2.5},
    ],
)
def test_normalizers(options):
    model = made(YAT, is_causal=True, **options)
    close(run(model, X), known(YAT, model, X, is_causal=True, heads=4, **options))


def test_softmax_has_no_power():
    model = made(YAT, normalizer="softmax", power=2.5)
    with pytest.raises(ValueError, match="softmax has no power"):
        model(X)


def test_learnable_epsilon():
    model = made(YAT, learnable_epsilon=True, epsilon=0.3)
    shift = np.array([-1.0, 0.0, 0.5, 2.0])
    in_force = np.log1p(np.exp(np.log(np.expm1(0.3)) + shift))
    model = pn.replace(model, "epsilon", shift)
    close(run(model, X), truth.layer(model, X, heads=4, epsilon=in_force))
    gradient = jax.jit(pn.grad(lambda m: m(X).sum()))(model)
    assert all(np.abs(getattr(gradient, n)).min() > 0 for n in ("epsilon", "alpha", "shift"))


def test_scores_of_independent_queries_and_keys_have_unit_variance_at_first():
    model = pn.YatMultiHeadAttention(jax.random.key(0), 64, 64, heads=1)
    q, k = DRAW.normal(size=(2, 20_000, 64))
    scores = truth.yat_scores(q, k, 64**-0.5, 0.0, float(model.alpha[0]))
    assert 0.7 < scores.var() < 1.4


def test_projections_of_yat_neurons():
    model = made(YAT, projection=functools.partial(pn.YatDense, epsilon=0.1))
    assert model.query.layer is pn.YatDense
    assert run(model, X).shape == (5, 3)
    assert (np.asarray(run(model.query, X)) >= 0).all()
    changed = pn.replace(model, "output.alpha", np.zeros(3))
    np.testing.assert_array_equal(run(changed, X), np.zeros((5, 3)))


def self_truth(model, x, heads, epsilon=1.0, **options):
    """Value-only attention: raw slices as queries and keys."""
    positive = [np.log1p(np.exp(np.asarray(model.shift, float)))]
    moved = pn.replace(model, "shift", positive[0])
    in_force = np.log1p(np.exp(np.log(np.expm1(epsilon)) + np.asarray(model.epsilon)))
    options = {"normalizer": "softermax", **options}
    return truth.layer(moved, x, heads=heads, epsilon=in_force, **options)


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("normalizer", ["softermax", "softmax"])
@pytest.mark.parametrize("rotary", [None, "half"])
def test_yat_self_attention(is_causal, normalizer, rotary):
    options = {"is_causal": is_causal, "normalizer": normalizer, "rotary": rotary}
    model = made(pn.YatSelfAttention, qkv_features=12, **options)
    model = pn.replace(model, "shift", DRAW.normal(size=4))
    model = pn.replace(model, "epsilon", DRAW.normal(size=4))
    mask = DRAW.random((5, 5)) < 0.7
    others = ~np.eye(5, dtype=bool)
    calls = jax.jit(lambda m, x, mask: (m(x), m(x, mask=mask), m(x, mask_self=False)))
    plain, masked, with_self = calls(model, X, mask)
    close(plain, self_truth(model, X, 4, mask=others, **options))
    close(masked, self_truth(model, X, 4, mask=mask & others, **options))
    close(with_self, self_truth(model, X, 4, **options))


def test_yat_self_attention_at_the_start_of_a_causal_pass():
    model = made(pn.YatSelfAttention, is_causal=True)
    np.testing.assert_array_equal(model(X)[0], model.output(jnp.zeros(8)))
    assert model.query is None
    assert pn.count(model) == 8 * 8 + 8 + 8 * 3 + 3 + 4 + 4


@every
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_low_precision_is_finite_and_near(layer, dtype):
    model = made(layer, rotary="half", is_causal=True, dtype=jnp.float32)
    low = jax.tree.map(lambda leaf: np.asarray(leaf).astype(dtype), model)
    x = np.concatenate([X, X[:2], 1.001 * X[:1]]).astype(dtype)  # duplicates among them

    def total(model, x):
        y = model(x)
        return y.astype(float).sum(), y

    gradient, y = jax.jit(jax.grad(total, (0, 1), has_aux=True))(low, x)
    assert y.dtype == dtype
    wide = run(jax.tree.map(lambda leaf: leaf.astype(float), low), x.astype(float))
    error = np.abs(np.asarray(y, float) - wide).max()
    assert error < 0.02 * np.abs(wide).max()
    assert all(np.isfinite(np.asarray(leaf, float)).all() for leaf in jax.tree.leaves(gradient))


@every
def test_transforms(layer):
    keys = jax.random.split(jax.random.key(0), 3)
    models = jax.jit(jax.vmap(lambda key: layer(key, 8, 3, heads=2, dtype=float)))(keys)
    each = jax.jit(jax.vmap(lambda model: model(X)))(models)
    for y, model in zip(each, pn.unstack(models), strict=True):
        np.testing.assert_allclose(y, run(model, X), rtol=1e-6, atol=1e-8)
    model = pn.freeze(made(layer), "value.kernel")
    gradient = jax.jit(pn.grad(lambda m: m(X).sum()))(model)
    assert not jax.tree.leaves(gradient.value.kernel)
    assert np.abs(gradient.output.kernel).max() > 0
    chosen, rest = pn.partition(model, "params", ...)
    y = run(model, X)
    np.testing.assert_array_equal(run(pn.merge(chosen, rest), X), y)
    np.testing.assert_array_equal(run(pickle.loads(pickle.dumps(model)), X), y)


@every
def test_equal_layers_make_equal_structures(layer):
    options = {"normalize_qk": True} if layer in LAYERS else {}
    one, two = (jax.tree.structure(made(layer, seed, **options)) for seed in (0, 1))
    assert one == two
    assert hash(one) == hash(two)


@every
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heads": 3}, "heads must divide qkv_features.*3 heads do not divide 8"),
        ({"heads": 0}, "heads must be at least 1"),
        ({"heads": 4, "qkv_features": 6}, "4 heads do not divide 6"),
        ({"heads": 4, "dropout": 1.5}, "dropout must be from 0 to below 1, got 1.5"),
        ({"heads": 4, "epsilon": 0.0}, "epsilon must be above 0"),
        ({"heads": 4, "rotary": "full"}, "rotary must be None or 'half' or 'interleaved'"),
        ({"heads": 8, "rotary": "half"}, "head size must be even"),
        ({"heads": 4, "offset": 2}, "positions and offset turn nothing without rotary"),
        ({"heads": 4, "positions": (0, 1, 2, 3, 4)}, "turn nothing without rotary"),
        ({"heads": 4, "kv_heads": 3}, "kv_heads must divide heads"),
    ],
)
def test_wrong_options(layer, options, message):
    if layer is pn.MultiHeadAttention and "epsilon" in options:
        pytest.skip("it has no epsilon")
    if layer is pn.YatSelfAttention and "kv_heads" in options:
        pytest.skip("it has no key heads of its own")

    def call(one, two):
        return pn.observe(layer(one, 8, 3, **options), X, key=two)

    with pytest.raises(ValueError, match=message):
        jax.eval_shape(call, jax.random.key(0), jax.random.key(1))


@both
def test_a_bias_of_minus_infinity_hides_like_a_mask(layer):
    model = made(layer)
    bias = np.where(DRAW.random((5, 5)) < 0.6, 0.5, -np.inf)
    bias[1] = -np.inf

    def total(model, bias, mask):
        y = model(X, bias=bias, mask=mask)
        return jnp.square(y).sum(), y

    gradient = jax.jit(jax.grad(total, has_aux=True))
    found, y = gradient(model, bias, None)
    wanted, masked = gradient(model, np.full((5, 5), 0.5), bias > -np.inf)
    close(y, masked)
    assert not np.asarray(y)[1].any()
    jax.tree.map(close, found, wanted)
    trained = jax.jit(functools.partial(pn.observe, dropout=0.5))
    drawn = trained(model, X, bias=bias, key=jax.random.key(1))[0]
    assert np.isfinite(drawn).all()
    assert not np.asarray(drawn)[1].any()


def test_one_scale_for_all_heads_and_a_real_bias():
    model = made(pn.MultiHeadAttention)
    with pytest.raises(ValueError, match=r"scale must have shape .*, got shape"):
        model(X, scale=np.ones(5))
    with pytest.raises(TypeError, match="bias must be real, got dtype complex"):
        model(X, bias=1j * np.ones((5, 5)))
    with pytest.raises(TypeError, match="normalize_qk must be True, False, or a function"):
        made(pn.MultiHeadAttention, normalize_qk="l2")


@every
def test_an_empty_sequence_in_training(layer):
    def both(model, x, key):
        return pn.observe(model, x, key=key, dropout=0.1)[0], model(x)

    y, plain = jax.jit(both)(made(layer), np.zeros((2, 0, 8)), jax.random.key(1))
    assert y.shape == plain.shape == (2, 0, 3)


@pytest.mark.parametrize("layer", [YAT, pn.YatSelfAttention], ids=lambda one: one.name)
def test_a_learned_epsilon_decides_no_dtype_and_stays_above_0(layer):
    options = {"learnable_epsilon": True} if layer is YAT else {}
    model = made(layer, dtype=jnp.float16, **options)
    assert jax.eval_shape(run, model, X.astype(np.float16)).dtype == jnp.float16
    with pytest.raises(ValueError, match=r"epsilon must be above 0 and finite, got -1.0"):
        jax.eval_shape(functools.partial(model, epsilon=-1.0), X)


def test_a_block_size_that_is_none_is_refused_in_training_too():
    with pytest.raises(ValueError, match="block_size must be an integer"):
        pn.observe(made(YAT), X, key=jax.random.key(1), dropout=0.1, block_size=-3)


def test_wrong_inputs_of_self_attention():
    model = made(pn.YatSelfAttention)
    with pytest.raises(ValueError, match=r"inputs must have shapes \(\*B, T, features\)"):
        model(X[0])
    with pytest.raises(ValueError, match=r"mask must broadcast to .*\(4, 5, 5\)"):
        model(X, mask=np.ones((5, 4), bool))
    with pytest.raises(TypeError, match="mask must be boolean"):
        model(X, mask=np.ones((5, 5)))


@both
def test_wrong_inputs(layer):
    model = made(layer)
    with pytest.raises(ValueError, match="inputs_v came without inputs_k"):
        model(X, None, X)
    with pytest.raises(ValueError, match="with the same batch axes"):
        model(X, X[:4], X)
    with pytest.raises(ValueError, match="the last axis of x must match"):
        model(MEMORY)
    with pytest.raises(ValueError, match=r"mask must broadcast to .*\(4, 5, 5\)"):
        model(X, mask=np.ones((5, 4), bool))
    with pytest.raises(TypeError, match="mask must be boolean"):
        model(X, mask=np.ones((5, 5)))
    with pytest.raises(TypeError, match="inputs must be an integer"):
        layer(jax.random.key(0), 8.0, 3, heads=4)
    with pytest.raises(TypeError, match="unexpected keyword 'head'"):
        layer(jax.random.key(0), 8, 3, head=4)
