"""Attention weights out of a layer, by capture: what they are, and that they cost nothing else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn

LAYERS = (pn.MultiHeadAttention, pn.YatMultiHeadAttention, pn.YatSelfAttention)
X = np.random.default_rng(0).normal(size=(2, 5, 8))
MASK = np.tril(np.ones((5, 5), bool), 1)
every = pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)


def made(layer, **options):
    return layer(jax.random.key(1), 8, 6, heads=2, dtype=float, **options)


def answer(model, x, weights):
    """What a layer answers by its weights (*B, N, T, S)."""
    value = model.value(x)
    value = value.reshape(*value.shape[:-1], 2, -1)
    y = np.einsum("...nts,...snv->...tnv", weights, value)
    return model.output(y.reshape(*y.shape[:-2], -1))


@every
@pytest.mark.parametrize("options", [{}, {"mask": MASK}, {"is_causal": True}], ids=str)
def test_the_answer_is_that_of_the_captured_weights(layer, options):
    model = made(layer)

    @jax.jit
    def run(model, x):
        return pn.capture(model)(x, **options)

    y, seen = run(model, X)
    weights = np.asarray(seen["attention_weights"])
    np.testing.assert_allclose(answer(model, X, weights), y, 1e-9, 1e-10)
    assert weights.shape == (2, 2, 5, 5)
    hidden = ~np.broadcast_to(options.get("mask", np.tri(5, dtype=bool)), weights.shape)
    assert not options or not np.any(weights[hidden])
    np.testing.assert_allclose(weights[..., 1:, :].sum(-1), 1, 1e-6)


def test_weights_of_dropout_are_those_before_it_and_cached_ones_of_the_cache():
    model = made(pn.YatMultiHeadAttention, dropout=0.5)
    wanted = pn.capture(model)(X, is_causal=True)[1]["attention_weights"]

    def both(model, x):
        cache = pn.attention_cache(model, (2,), 5)
        _, seen = pn.capture(pn.decode)(model, x, cache)
        return seen["attention_weights"], pn.capture(model)(x, is_causal=True)[1]

    (decoded, dropped), _ = pn.training(both)(model, X, key=jax.random.key(0))
    np.testing.assert_allclose(decoded, wanted, 1e-9)
    np.testing.assert_allclose(dropped["attention_weights"], wanted, 1e-9)


def test_weights_of_repeated_layers_are_stacked():
    stack = pn.repeat(pn.MultiHeadAttention, 3)(jax.random.key(0), 8, 8, heads=2)
    _, seen = jax.jit(pn.capture(stack))(X)
    assert seen["attention_weights"].shape == (3, 2, 2, 5, 5)


def test_with_a_block_size_there_are_none():
    _, seen = pn.capture(made(pn.YatMultiHeadAttention, block_size=2))(X)
    assert "attention_weights" not in seen


@pytest.mark.parametrize("layer", [pn.MultiHeadAttention, pn.YatMultiHeadAttention])
def test_what_is_not_asked_for_costs_nothing(layer):
    """Neither in a plain call, nor in a loss that captures something else."""
    model, x = made(layer), jax.ShapeDtypeStruct((1, 300, 8), float)

    def plain(model, x):
        return jnp.sum(model(x) ** 2)

    def capturing(model, x):
        y, seen = pn.capture(model)(x)
        return jnp.sum(y**2) + 0 * jnp.sum(seen[".value"])

    def cost(loss):
        program = jax.jit(jax.grad(loss)).lower(model, x).compile()
        return program.memory_analysis().temp_size_in_bytes, program.cost_analysis()["flops"]

    (memory, operations), (more, others) = cost(plain), cost(capturing)
    assert more <= 1.01 * memory
    assert others <= 1.01 * operations
    text = str(jax.make_jaxpr(plain)(model, x))
    assert "attention_weights" not in text
