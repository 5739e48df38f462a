"""The options of attention layers: told to a reader, refused where wrong, fixed where they are."""

import functools
import inspect
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn

DRAW = np.random.default_rng(0)
X, MEMORY = DRAW.normal(size=(2, 5, 8)), DRAW.normal(size=(2, 7, 6))
LAYERS = [pn.MultiHeadAttention, pn.YatMultiHeadAttention, pn.YatSelfAttention]
every = pytest.mark.parametrize("layer", LAYERS, ids=lambda one: one.name)
both = pytest.mark.parametrize("layer", LAYERS[:2], ids=lambda one: one.name)


@functools.cache
def made(layer, **options):
    return layer(jax.random.key(0), 8, 3, **{"heads": 2, "dtype": float, **options})


@functools.partial(jax.jit, static_argnames="heads")
def run(model, *inputs, **options):
    return model(*inputs, **options)


@every
def test_help_tells_of_every_option_once(layer):
    names = list(inspect.signature(layer).parameters)
    doc, _, _ = inspect.getdoc(layer).partition("Returns:")
    told = re.findall(r"^    (\w+): ", doc, re.MULTILINE)
    assert sorted(told) == sorted(names)
    assert {"heads", "mask", "bias", "is_causal", "rotary", "scale", "dropout"} <= set(names)
    assert not {"params", "key_norm", "query_offset", "shift", "alpha"} & set(names)


@every
def test_heads_are_fixed_when_a_model_is_made(layer):
    model = made(layer)
    with pytest.raises(ValueError, match=f"{layer.name}: heads must be 2 as when .*, got 1; make"):
        model(X, heads=1)
    with pytest.raises(ValueError, match="heads must be 2"):
        pn.observe(pn.compose(model, jax.nn.relu), X, heads=4)
    np.testing.assert_array_equal(run(model, X, heads=2), run(model, X))


@both
def test_a_model_of_two_inputs_is_observed(layer):
    model = made(layer, kv_inputs=6)
    y, moved = jax.jit(pn.observe)(model, X, MEMORY)
    np.testing.assert_array_equal(y, run(model, X, MEMORY))
    trained = jax.jit(functools.partial(pn.observe, dropout=0.5))
    y, _ = trained(model, X, MEMORY, key=jax.random.key(1))
    assert y.shape == (2, 5, 3)
    assert not np.allclose(y, run(model, X, MEMORY))
    assert jax.tree.structure(moved) == jax.tree.structure(model)


@every
@pytest.mark.parametrize("is_causal", [False, True])
def test_lengths_hide_what_lies_beyond_them(layer, is_causal):
    model, lengths = made(layer), np.array([5, 3])
    x = X.copy()
    x[1, 3:] = np.nan
    limits = {"query_seq_lengths": lengths, "key_value_seq_lengths": lengths}

    @jax.jit
    def together_and_alone(model):
        call = functools.partial(model, is_causal=is_causal)
        return call(x, **limits), call(X[0]), call(X[1, :3])

    y, first, second = (np.asarray(y) for y in together_and_alone(model))
    np.testing.assert_allclose(y[0], first, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(y[1, :3], second, rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(y[1, 3:], np.broadcast_to(model.output(np.zeros(8)), (2, 3)))


@every
@pytest.mark.parametrize("by", ["mask", "bias", "lengths"])
def test_what_a_hidden_token_holds_reaches_no_gradient(layer, by):
    model = made(layer)
    seen = np.arange(5) != 3
    seen, lengths = seen[:, None] & seen[None, :], np.array([5, 3])
    limits = {
        "mask": {"mask": seen},
        "bias": {"bias": np.where(seen, 0.0, -np.inf)},
        "lengths": {"query_seq_lengths": lengths, "key_value_seq_lengths": lengths},
    }[by]
    hidden = (1, slice(3, None)) if by == "lengths" else (slice(None), 3)
    others = np.ones(X.shape[:2], bool)
    others[hidden] = False

    @jax.jit
    @pn.value_and_grad
    def loss(model, x):
        return jnp.sum(jnp.where(others[..., None], model(x, **limits), 0) ** 2)

    poisoned, plain = X.copy(), X.copy()
    poisoned[hidden], plain[hidden] = np.nan, 0.0
    for got, wanted in zip(
        jax.tree.leaves(loss(model, poisoned)), jax.tree.leaves(loss(model, plain)), strict=True
    ):
        np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-12)


@every
def test_lengths_and_dropout_go_together(layer):
    lengths = np.array([5, 3])
    x = X.copy()
    x[1, 3:] = np.nan
    limits = {"query_seq_lengths": lengths, "key_value_seq_lengths": lengths}
    y, _ = jax.jit(pn.observe)(made(layer, dropout=0.5), x, key=jax.random.key(1), **limits)
    assert np.isfinite(y).all()


@every
@pytest.mark.parametrize("flag", ["use_bias", "is_causal"])
def test_a_flag_that_is_no_boolean_is_refused(layer, flag):
    with pytest.raises(TypeError, match=f"{layer.name}: {flag} must be True or False, got 'no'"):
        made(layer, **{flag: "no"})(X)


def test_flags_of_yat_attention():
    for flag in ("use_shift", "use_alpha", "learnable_epsilon"):
        with pytest.raises(TypeError, match=f"{flag} must be True or False, got 2"):
            made(pn.YatMultiHeadAttention, **{flag: 2})
    with pytest.raises(TypeError, match="YatSelfAttention: mask_self must be True or False, got 0"):
        made(pn.YatSelfAttention, mask_self=0)(X)


@pytest.mark.parametrize("name", ["shift", "alpha"])
def test_what_an_initializer_returns_must_fit(name):
    wrong = {f"{name}_init": lambda key, shape, dtype: jnp.ones((5,), dtype)}
    with pytest.raises(
        ValueError, match=rf"{name}_init must return shape \(2,\), got shape \(5,\)"
    ):
        made(pn.YatMultiHeadAttention, **wrong)


@every
def test_an_unknown_option_is_refused_with_those_that_there_are(layer):
    model = made(layer)
    for call in (lambda: model(X, masks=None), lambda: pn.observe(model, X, masks=None)):
        with pytest.raises(TypeError, match="unexpected keyword argument 'masks'") as error:
            call()
        assert any("mask, " in note for note in error.value.__notes__)
    with pytest.raises(TypeError, match="unexpected keyword 'masks'"):
        made(layer, masks=None)
